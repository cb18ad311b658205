//! The other shards of the node, as far as one shard needs them: a topic made on the fly is made on all of them.
//!
//! The only way across a core. What crosses is moved, and read in the receiver's next turn.

use std::collections::VecDeque;

use rt::{Env, Now};

use crate::shard::{Phase, Shard};
use crate::topics::TopicConfig;

/// What one shard tells the others, or the node tells a shard.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// Make this topic unless it exists.
    TopicMade(TopicConfig),
    /// Stop: refuse sends, answer what waits, flush, leave.
    Stop,
}

/// How a shard reaches the others and hears from them. The real one is over [`rt`]'s mesh, the simulated one a queue.
pub trait PeerLink {
    /// Sends to every other shard.
    fn broadcast(&mut self, message: PeerMessage);
    /// The next message for this shard.
    fn receive(&mut self) -> Option<PeerMessage>;
    /// The shard is registered at a name server for the first time. Told once.
    fn registered(&mut self) {}
}

/// A link to nobody: a node of one shard in a simulation or test.
#[derive(Debug, Default)]
pub struct Alone(pub VecDeque<PeerMessage>);

impl PeerLink for Alone {
    fn broadcast(&mut self, _message: PeerMessage) {}

    fn receive(&mut self) -> Option<PeerMessage> {
        self.0.pop_front()
    }
}

pub(crate) type Peers = Box<dyn PeerLink>;

impl<E: Env> Shard<E> {
    /// Does what the others asked for.
    pub(crate) fn peer_messages(&mut self, now: Now) {
        while let Some(message) = self.peers.receive() {
            match message {
                PeerMessage::TopicMade(config) => {
                    if self.topics.slot(&config.name).is_none() {
                        self.put_topic(config, now);
                    }
                }
                PeerMessage::Stop if self.phase == Phase::Serving => self.begin_stop(now),
                PeerMessage::Stop => {}
            }
        }
    }
}
