//! [`Stage`]: the brokers and queues of a run, and what the brokers say of them.
//!
//! `find` finds brokers and queues that are there, `topics` makes topics and cleans up. Invariant: topics that are made
//! here are removed, at the latest when the stage is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use net::ResponseCode;
use net::body::TopicStatsTable;
use net::requests::{GetBrokerConfig, GetTopicStatsInfo};

use crate::client::cluster::{Cluster, parsed};
use crate::failure::Failure;

use super::options::Load;
use super::plan::Plan;

mod find;
mod topics;

/// A broker (a shard is one).
#[derive(Clone, Debug)]
pub struct Broker {
    /// Name, if it is known.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// The same, resolved.
    pub socket: SocketAddr,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Topic.
    pub topic: String,
    /// Index of its broker.
    pub broker: usize,
    /// Its number there.
    pub id: i32,
}

/// See the module.
pub struct Stage {
    cluster: Cluster,
    direct: bool,
    cluster_name: Option<String>,
    /// Brokers that have a queue.
    pub brokers: Vec<Broker>,
    /// Queues by broker, topic and number.
    pub queues: Vec<Queue>,
    /// Topics that are ours.
    made: Vec<String>,
    topics: Vec<String>,
    /// Set when the user wants to end.
    pub interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Finds the brokers, and makes the topics or finds them.
    ///
    /// # Errors
    /// Nobody answers, or refuses; a topic that is there without `--topic-exists`, or is not with it, and no
    /// broker would make it.
    pub(crate) fn set(load: &Load, plan: &Plan, interrupted: Arc<AtomicBool>) -> Result<Self, Failure> {
        let cluster = Cluster::new(&load.reach)?;
        let direct = !load.broker.is_empty();
        let topics = topics::names(plan);
        let mut stage = Self {
            cluster,
            direct,
            cluster_name: load.cluster.clone(),
            brokers: Vec::new(),
            queues: Vec::new(),
            made: Vec::new(),
            topics,
            interrupted,
        };
        if plan.topic_exists && !direct {
            stage.find_by_route(plan)?;
            return Ok(stage);
        }
        stage.brokers =
            if direct { find::named(&load.broker)? } else { stage.masters(load.cluster.as_deref())? };
        if plan.topic_exists {
            stage.find_at_brokers()?
        } else {
            stage.make(plan.queues)?
        }
        Ok(stage)
    }

    /// First and next offset of each queue, in the order of [`Stage::queues`].
    ///
    /// # Errors
    /// A broker does not answer.
    pub(crate) fn offsets(&mut self) -> Result<Vec<(i64, i64)>, Failure> {
        let mut found = vec![(0, 0); self.queues.len()];
        for (broker, at) in self.brokers.clone().iter().enumerate() {
            for topic in self.topics.clone() {
                let stats = self.stats(&at.address, &topic)?.unwrap_or_default();
                for (queue, offsets) in stats.queues {
                    let same = |known: &Queue| {
                        known.broker == broker && known.topic == topic && known.id == queue.queue_id
                    };
                    if let Some(index) = self
                        .find(broker, &topic, queue.queue_id)
                        .or_else(|| self.queues.iter().position(same))
                    {
                        found[index] = (offsets.min_offset, offsets.max_offset);
                    }
                }
            }
        }
        Ok(found)
    }

    /// [`Stage::offsets`] once all of them together have reached `messages` beyond `before`, or after some seconds:
    /// a Java broker's queues follow its log.
    ///
    /// # Errors
    /// A broker does not answer.
    pub(crate) fn offsets_with(
        &mut self,
        before: &[(i64, i64)],
        messages: u64,
    ) -> Result<Vec<(i64, i64)>, Failure> {
        let old: i64 = before.iter().map(|(_, end)| end).sum();
        let mut offsets = self.offsets()?;
        for _ in 0..100 {
            let stored = offsets.iter().map(|(_, end)| end).sum::<i64>() - old;
            if stored.unsigned_abs() >= messages {
                break;
            }
            super::host::pause(Duration::from_millis(50));
            offsets = self.offsets()?;
        }
        Ok(offsets)
    }

    /// `SYNC_FLUSH` or `ASYNC_FLUSH`, as the brokers say; both, if they do not agree.
    pub(crate) fn flush_mode(&mut self) -> Option<String> {
        let addresses: Vec<String> = self.brokers.iter().map(|broker| broker.address.clone()).collect();
        let mut modes: Vec<String> =
            addresses.iter().filter_map(|address| self.setting_of(address, "flushDiskType")).collect();
        modes.sort();
        modes.dedup();
        (!modes.is_empty()).then(|| modes.join(" and "))
    }

    /// A setting of the first broker.
    pub(crate) fn setting(&mut self, key: &str) -> Option<String> {
        let address = self.brokers.first()?.address.clone();
        self.setting_of(&address, key)
    }

    /// The broker's name: receipts carry it.
    pub(crate) fn name_of(&mut self, broker: usize) -> String {
        let Broker { name, address, .. } = self.brokers[broker].clone();
        if name.is_empty() { self.setting_of(&address, "brokerName").unwrap_or_default() } else { name }
    }

    fn setting_of(&mut self, address: &str, key: &str) -> Option<String> {
        let answer =
            self.cluster.ask(address, &GetBrokerConfig {}, &[], "asking for the configuration").ok()?;
        let pairs = settings::parse_properties(&String::from_utf8_lossy(&answer.body)).ok()?;
        pairs.into_iter().find(|pair| pair.key == key).map(|pair| pair.value)
    }

    /// The topics.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    fn find(&self, broker: usize, topic: &str, id: i32) -> Option<usize> {
        self.queues
            .binary_search_by(|queue| {
                (queue.broker, queue.topic.as_str(), queue.id).cmp(&(broker, topic, id))
            })
            .ok()
    }

    /// `None`: there is no such topic.
    fn stats(&mut self, address: &str, topic: &str) -> Result<Option<TopicStatsTable>, Failure> {
        let doing = format!("asking for the offsets of {topic}");
        let answer = self.cluster.call(address, &GetTopicStatsInfo { topic }, &[], &doing)?;
        match answer.code {
            ResponseCode::SUCCESS => Ok(Some(parsed(address, &doing, &answer.body)?)),
            ResponseCode::TOPIC_NOT_EXIST => Ok(None),
            _ => Err(crate::client::cluster::refused(address, &doing, &answer)),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for left in self.clear() {
            crate::output::aside(&format!("ringmq bench: {left}"));
        }
    }
}
