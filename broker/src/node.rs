//! [`Node`]: the shards of one machine, each on its thread, behind one configuration.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use rt::BLOCK;
use rt::real::checks::{self, Demand, HostError};
use rt::real::cpus::{self, Layout};
use rt::real::mesh::{self, Receiver, Sender};
use rt::real::{Doorbell, ShardError, ShardOptions, ShardThread, Spin, start_shard};
use store::retention::{DeleteWhen, RetentionConfig};
use store::{StoreConfig, WindowBacking};

use crate::config::{BrokerConfig, FlushMode};
use crate::disk_choice::DiskChoice;
use crate::peers::{PeerLink, PeerMessage};
use crate::shard::Shard;
use crate::start::{ShardSetup, StartError};

/// Messages of the other shards that a shard may be behind by. Made topics are few; beyond it they are made by the
/// next send that needs them.
const MESH_CAPACITY: usize = 1_024;
/// Connections that the limit of open files must allow for. Less is no production host; how many more it takes is the
/// operator's choice, up to the bound of `net::connection`.
const CONNECTIONS: u64 = 8_192;

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

/// Why a node did not start, or ended.
#[derive(Debug)]
pub enum NodeError {
    /// The host does not give what the node needs.
    Host(Vec<HostError>),
    /// A file or directory.
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name server's or our own address has no meaning here.
    Address {
        /// As configured.
        text: String,
        /// Why.
        source: io::Error,
    },
    /// A shard.
    Shard {
        /// Its name.
        name: String,
        /// Why.
        source: ShardError<StartError>,
    },
    /// A thread or doorbell.
    Thread(io::Error),
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
            let others = others(&senders, usize::from(index));
            let (started, confirmed) = (started.clone(), confirmed.clone());
            let options = plan.options(config, index, doorbell);
            let thread = start_shard(options, move |env| async move {
                let link = Box::new(MeshLink { others, receiver, confirmed });
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
        for shard in &self.shards {
            // A shard that is gone has stopped; a full channel means it is told by an earlier call already.
            let _ = shard.control.try_send(PeerMessage::Stop);
        }
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
            let _ = control.try_send(PeerMessage::Stop);
        }
    }
}

/// What is decided once for all shards.
struct Plan {
    layout: Layout,
    disk: DiskChoice,
    window: Option<PathBuf>,
    name_servers: Vec<SocketAddr>,
    advertised: IpAddr,
    facts: NodeFacts,
}

impl Plan {
    fn make(config: &BrokerConfig) -> Result<Self, NodeError> {
        let shards = usize::from(config.shard_count());
        let window_bytes = u64::from(config.window_mib) << 20;
        let missing = checks::check_host(Demand {
            shards: u32::from(config.shard_count()),
            registered_bytes_per_shard: window_bytes,
            connections: CONNECTIONS,
        })
        .err()
        .unwrap_or_default();
        // Too few descriptors only bound the number of connections; a small host runs all the same.
        let (few, fatal): (Vec<_>, Vec<_>) = missing.into_iter().partition(|error| error.code == "E0204");
        few.iter().for_each(|error| tracing::warn!("{error}"));
        if !fatal.is_empty() {
            return Err(NodeError::Host(fatal));
        }
        std::fs::create_dir_all(&config.store_dir).map_err(|source| NodeError::Io {
            op: "create",
            path: config.store_dir.clone(),
            source,
        })?;
        let disk = DiskChoice::make(config, &config.store_dir).map_err(|source| NodeError::Io {
            op: "probe",
            path: config.store_dir.clone(),
            source,
        })?;
        let asked = config.window_dir.as_deref();
        let window = crate::window_place::choose(asked, window_bytes * shards as u64).map_err(|source| {
            NodeError::Io { op: "use", path: asked.map(PathBuf::from).unwrap_or_default(), source }
        })?;
        let layout = match &config.cpus {
            Some(cpus) => Layout::place(Some(shards), &cpus.0),
            None => Layout::place(Some(shards), &cpus::usable().map_err(NodeError::Thread)?),
        };
        let advertised = resolve(config.advertised(), 0)?.ip();
        let name_servers = config
            .namesrv
            .0
            .iter()
            .map(|text| resolve(text, DEFAULT_NAMESRV_PORT))
            .collect::<Result<Vec<_>, _>>()?;
        let facts = NodeFacts {
            shards: (0..config.shard_count())
                .map(|index| {
                    (config.shard_name(index), SocketAddr::new(advertised, config.shard_port(index)))
                })
                .collect(),
            cpus: layout.shards.clone(),
            io_mode: disk.io_mode.1.clone(),
            flush_method: disk.flush_method.1.clone(),
            window: window.describe(config.flush_mode == FlushMode::Async),
        };
        Ok(Self { layout, disk, window: window.directory, name_servers, advertised, facts })
    }

    fn setup(&self, config: &BrokerConfig, index: u16) -> ShardSetup {
        let port = config.shard_port(index);
        let mut listen = vec![SocketAddr::new(config.listen_address, port)];
        if config.listen_vip {
            listen.push(SocketAddr::new(config.listen_address, port - VIP_BELOW));
        }
        ShardSetup {
            index,
            config: config.clone(),
            store: self.store(config, index),
            listen,
            advertised: SocketAddr::new(self.advertised, port),
            name_servers: self.name_servers.clone(),
        }
    }

    fn store(&self, config: &BrokerConfig, index: u16) -> StoreConfig {
        let dir = config.store_dir.join(format!("shard-{index}"));
        let window = match &self.window {
            Some(place) => {
                WindowBacking::Named(place.join(crate::window_place::file_name(&config.store_dir, index)))
            }
            None => WindowBacking::Private,
        };
        StoreConfig {
            shard: index,
            shards: config.shard_count(),
            window,
            window_bytes: (config.window_mib as usize) << 20,
            window_huge: true,
            segment_bytes: config.segment_bytes.next_multiple_of(BLOCK as u64),
            flush_mode: match config.flush_mode {
                FlushMode::Async => store::FlushMode::Async,
                FlushMode::Sync => store::FlushMode::Sync,
            },
            flush_method: self.disk.flush_method.0,
            io_mode: self.disk.io_mode.0,
            flush_chunk_bytes: (self.disk.flush_chunk_kib.0 as usize) << 10,
            flush_interval: Duration::from_millis(u64::from(config.flush_interval_ms)),
            max_message_bytes: config.message_bytes_max,
            cold_cache_bytes: (config.cold_cache_mib as usize) << 20,
            retention: retention(config),
            retention_interval: Duration::from_millis(u64::from(config.retention_interval_ms)),
            ..StoreConfig::new(dir)
        }
    }

    fn options(&self, config: &BrokerConfig, index: u16, doorbell: Doorbell) -> ShardOptions {
        ShardOptions {
            cpu: self.layout.shards.get(usize::from(index)).copied(),
            spin: spin(config.spin_us),
            doorbell: Some(doorbell),
            ..ShardOptions::new(format!("shard-{index}"))
        }
    }
}

/// Ports below the listen port where old clients send ("VIP channel").
const VIP_BELOW: u16 = 2;
const DEFAULT_NAMESRV_PORT: u16 = 9876;

fn spin(us: Option<i32>) -> Spin {
    match us.map(u32::try_from) {
        None => Spin::Auto,
        Some(Ok(0)) => Spin::Off,
        Some(Ok(us)) => Spin::Micros(us),
        Some(Err(_)) => Spin::Micros(u32::MAX),
    }
}

fn retention(config: &BrokerConfig) -> RetentionConfig {
    let ratio = |percent: u32| f64::from(percent) / 100.0;
    RetentionConfig {
        reserved_hours: config.retention_hours,
        delete_when: match config.retention_window.0.as_slice() {
            [] => DeleteWhen::Steady,
            hours => DeleteWhen::Hours(hours.to_vec()),
        },
        max_used_ratio: ratio(config.disk_percent_max),
        clean_forcibly_ratio: ratio(config.disk_percent_force),
        clean_forcibly: config.retention_forced,
        warning_ratio: ratio(config.disk_percent_refuse),
        ..RetentionConfig::default()
    }
}

fn resolve(text: &str, default_port: u16) -> Result<SocketAddr, NodeError> {
    let failed = |source| NodeError::Address { text: text.to_owned(), source };
    let found = match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => text.to_socket_addrs(),
        _ => (text, default_port).to_socket_addrs(),
    };
    let mut all = found.map_err(failed)?;
    all.next().ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no address of that name")))
}

fn others(senders: &[Sender<PeerMessage>], me: usize) -> Vec<Sender<PeerMessage>> {
    senders.iter().enumerate().filter(|(index, _)| *index != me).map(|(_, sender)| sender.clone()).collect()
}

/// The mesh between the shards of one process.
struct MeshLink {
    others: Vec<Sender<PeerMessage>>,
    receiver: Receiver<PeerMessage>,
    confirmed: mpsc::Sender<()>,
}

impl PeerLink for MeshLink {
    fn broadcast(&mut self, message: PeerMessage) {
        for other in &self.others {
            if other.try_send(message.clone()).is_err() {
                tracing::warn!(
                    ?message,
                    "a shard did not take a message; the next send there makes the topic"
                );
            }
        }
    }

    fn receive(&mut self) -> Option<PeerMessage> {
        self.receiver.try_recv()
    }

    fn registered(&mut self) {
        // Nobody listens any more once the start is over.
        let _ = self.confirmed.send(());
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(errors) => errors.iter().try_for_each(|error| writeln!(f, "{error}")),
            Self::Io { op, path, source } => write!(f, "cannot {op} {}: {source}", path.display()),
            Self::Address { text, source } => write!(f, "address {text:?}: {source}"),
            Self::Shard { name, source } => write!(f, "{name}: {source}"),
            Self::Thread(source) => write!(f, "cannot start a shard: {source}"),
        }
    }
}

impl std::error::Error for NodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_never_sleeps_and_zero_always_does() {
        let spins = [None, Some(0), Some(50), Some(-1)].map(spin);
        assert_eq!(spins, [Spin::Auto, Spin::Off, Spin::Micros(50), Spin::Micros(u32::MAX)]);
    }
}
