//! What a shard remembers about one connection.

use std::net::SocketAddr;

use net::connection::ConnectionLimits;

use crate::config::BrokerConfig;
use crate::topics::{TopicSlot, Topics};

/// State of one connection, inside [`net::connection::Connections`].
#[derive(Debug)]
pub(crate) struct Session {
    /// Our end of the connection.
    pub(crate) local: SocketAddr,
    /// The topic of the last send: producers rarely change it, and comparing is cheaper than hashing.
    last_topic: Option<LastTopic>,
}

#[derive(Debug)]
struct LastTopic {
    name: Box<str>,
    slot: TopicSlot,
    epoch: u64,
}

impl Session {
    /// A connection that came in at `local`, or leads to it.
    pub(crate) fn new(local: SocketAddr) -> Self {
        Self { local, last_topic: None }
    }

    /// The slot of `topic` if it was the last one and the topics did not change since.
    pub(crate) fn known(&self, topic: &str, topics: &Topics) -> Option<TopicSlot> {
        let last = self.last_topic.as_ref()?;
        (last.epoch == topics.epoch() && *last.name == *topic).then_some(last.slot)
    }

    /// It has sent messages.
    pub(crate) fn is_producer(&self) -> bool {
        self.last_topic.is_some()
    }

    /// Remembers the topic of a send.
    pub(crate) fn remember(&mut self, topic: &str, slot: TopicSlot, topics: &Topics) {
        let epoch = topics.epoch();
        match &mut self.last_topic {
            Some(last) if *last.name == *topic => (last.slot, last.epoch) = (slot, epoch),
            last => *last = Some(LastTopic { name: topic.into(), slot, epoch }),
        }
    }
}

/// What a connection may cost, from the configuration.
pub(crate) fn limits(config: &BrokerConfig) -> ConnectionLimits {
    ConnectionLimits { idle_ms: u64::from(config.idle_seconds) * 1_000, ..ConnectionLimits::default() }
}
