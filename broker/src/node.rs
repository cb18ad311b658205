//! [`Node`]: the shards of one machine, each on its thread, behind one configuration.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use rt::real::mesh::{self, Sender};
use rt::real::{Doorbell, ShardError, ShardThread, start_shard};

use crate::config::BrokerConfig;
use crate::peers::PeerMessage;
use crate::shard::Shard;
use crate::start::StartError;

mod error;
mod link;
mod plan;

pub use error::NodeError;

use link::MeshLink;
use plan::Plan;

/// Messages of the other shards that a shard may be behind by. Made topics are few; beyond it they are made by the
/// next send that needs them.
const MESH_CAPACITY: usize = 1_024;

/// How long a start waits for a name server's answer.
const REGISTRATION_PATIENCE: Duration = Duration::from_secs(3);

/// A running node.
pub struct Node {
    shards: Vec<RunningShard>,
    facts: NodeFacts,
}

struct RunningShard {
    thread: ShardThread<Result<(), ShardError<StartError>>>,
    control: Sender<PeerMessage>,
}

/// What was decided at start, for boot lines and `ringmq dev`.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// Name and advertised address of each shard.
    pub shards: Vec<(String, SocketAddr)>,
    /// The core of each shard.
    pub cpus: Vec<usize>,
    /// `direct` or `buffered`, and why.
    pub io_mode: String,
    /// The flush method, and why.
    pub flush_method: String,
    /// Where the log windows live, and what that means.
    pub window: String,
}

impl Node {
    /// Starts every shard and returns when all of them listen.
    ///
    /// # Errors
    /// See [`NodeError`]; the shards that did start are stopped.
    pub fn start(config: &BrokerConfig) -> Result<Self, NodeError> {
        let plan = Plan::make(config)?;
        let mut channels = Vec::new();
        for _ in 0..config.shard_count() {
            let doorbell = Doorbell::new().map_err(NodeError::Thread)?;
            channels.push((doorbell.clone(), mesh::channel(doorbell, MESH_CAPACITY)));
        }
        let senders: Vec<Sender<PeerMessage>> =
            channels.iter().map(|(_, (sender, _))| sender.clone()).collect();
        let (started, ready) = mpsc::channel();
        let (confirmed, registered) = mpsc::channel();
        let mut shards = Vec::new();
        for (index, (doorbell, (control, receiver))) in (0u16..).zip(channels) {
            let setup = plan.setup(config, index);
            let started = started.clone();
            let link = Box::new(MeshLink::new(&senders, usize::from(index), receiver, confirmed.clone()));
            let options = plan.options(config, index, doorbell);
            let thread = start_shard(options, move |env| async move {
                let (shard, report) = Shard::open(env, setup, link).await?;
                tracing::info!(shard = index, ?report, "serving at {}", shard.address());
                // Nobody listens any more if another shard failed; this one is stopped then.
                let _ = started.send(index);
                Ok(shard)
            })
            .map_err(NodeError::Thread)?;
            shards.push(RunningShard { thread, control });
        }
        drop((started, confirmed));
        let node = Self { shards, facts: plan.facts };
        // Ends early when a shard drops its sender without a word.
        let listening = ready.iter().take(node.shards.len()).count();
        if listening < node.shards.len() {
            node.stop();
            return Err(node
                .join()
                .err()
                .unwrap_or(NodeError::Thread(io::Error::other("a shard ended at start"))));
        }
        if !config.namesrv.0.is_empty() {
            node.wait_until_registered(&registered);
        }
        Ok(node)
    }

    /// Waits, not for long, until every shard is registered somewhere: who reads the boot line wants to send. A node
    /// whose name servers are down starts all the same and registers when they come.
    fn wait_until_registered(&self, registered: &mpsc::Receiver<()>) {
        for _ in &self.shards {
            if registered.recv_timeout(REGISTRATION_PATIENCE).is_err() {
                tracing::warn!("no name server has confirmed yet; trying on");
                return;
            }
        }
    }

    /// What was decided at start.
    #[must_use]
    pub fn facts(&self) -> &NodeFacts {
        &self.facts
    }

    /// Asks every shard to stop: sends are refused, what waits is answered, everything is flushed.
    pub fn stop(&self) {
        self.stopper().stop();
    }

    /// A handle that stops the node from another thread.
    #[must_use]
    pub fn stopper(&self) -> NodeStopper {
        NodeStopper { controls: self.shards.iter().map(|shard| shard.control.clone()).collect() }
    }

    /// Whether a shard has ended.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.shards.iter().any(|shard| shard.thread.is_finished())
    }

    /// Waits until all shards have stopped.
    ///
    /// # Errors
    /// The first shard that did not end by its own wish.
    pub fn join(self) -> Result<(), NodeError> {
        let names: Vec<String> = self.facts.shards.iter().map(|(name, _)| name.clone()).collect();
        let mut first = Ok(());
        for (shard, name) in self.shards.into_iter().zip(names) {
            let ended = shard.thread.join().map_err(|source| NodeError::Shard { name, source });
            first = first.and(ended);
        }
        first
    }
}

/// Stops a node from elsewhere: a signal handler's thread, a test.
#[derive(Clone)]
pub struct NodeStopper {
    controls: Vec<Sender<PeerMessage>>,
}

impl NodeStopper {
    /// As [`Node::stop`].
    pub fn stop(&self) {
        for control in &self.controls {
            // Waits for room: topics that other shards made may fill the channel. A shard that is gone has stopped.
            let _ = control.send(PeerMessage::Stop);
        }
    }
}
