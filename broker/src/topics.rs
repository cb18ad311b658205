//! The topics of one shard: configuration, kept in the store's tables, and the queue handles of the hot path.
//!
//! A topic keeps its numeric slot while the shard runs, so that connections may remember it; `epoch` says when a
//! remembered slot or configuration is stale.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use net::body::{self, DataVersion, TopicFilterType};
use serde::{Deserialize, Serialize};
use store::QueueRef;
use store::record::is_light_name;

/// Topic permission bits, as on the wire (behaviour.md 4.1).
pub(crate) mod perm {
    /// The topic may serve as a template for topics made on the fly.
    pub(crate) const INHERIT: u8 = 1;
    /// Producers may use it.
    pub(crate) const WRITE: u8 = 2;
    /// Consumers may use it.
    pub(crate) const READ: u8 = 4;
    /// Every bit there is; 8 is "priority", unused.
    pub(crate) const ALL: u8 = 15;
}

/// Most queues of a topic on one shard.
pub(crate) const QUEUES_MAX: u32 = 65_536;

/// What an operator sets about a topic. Stored as JSON under the topic's name in table [`crate::tables::TOPICS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    /// Name as on the wire.
    #[serde(rename = "topicName")]
    pub name: String,
    /// Queues that consumers see: ids `0..read_queues`.
    #[serde(rename = "readQueueNums")]
    pub read_queues: u32,
    /// Queues that producers use.
    #[serde(rename = "writeQueueNums")]
    pub write_queues: u32,
    /// [`perm`] bits.
    pub perm: u8,
    /// Bit 0 unit, bit 1 unit subscription: kept for clients, without effect here.
    pub topic_sys_flag: i32,
    /// Ordered topic.
    pub order: bool,
    /// Kept for clients, without effect.
    pub topic_filter_type: TopicFilterType,
    /// 5.x attributes without their sign.
    pub attributes: BTreeMap<String, String>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            read_queues: 16,
            write_queues: 16,
            perm: perm::READ | perm::WRITE,
            topic_sys_flag: 0,
            order: false,
            topic_filter_type: TopicFilterType::SingleTag,
            attributes: BTreeMap::new(),
        }
    }
}

impl TopicConfig {
    /// A topic with `queues` read and write queues.
    #[must_use]
    pub fn new(name: &str, queues: u32, perm: u8) -> Self {
        Self { name: name.to_owned(), read_queues: queues, write_queues: queues, perm, ..Self::default() }
    }

    /// From the wire.
    ///
    /// # Errors
    /// Says which number is out of its range, and the range.
    pub fn from_wire(wire: body::TopicConfig) -> Result<Self, String> {
        let queues = |name: &str, value: i32| {
            u32::try_from(value)
                .ok()
                .filter(|count| (1..=QUEUES_MAX).contains(count))
                .ok_or_else(|| format!("{name} is {value}, it must be 1 to {QUEUES_MAX}"))
        };
        let perm = u8::try_from(wire.perm).ok().filter(|bits| *bits <= perm::ALL);
        Ok(Self {
            read_queues: queues("readQueueNums", wire.read_queues)?,
            write_queues: queues("writeQueueNums", wire.write_queues)?,
            perm: perm.ok_or_else(|| format!("perm is {}, it must be 0 to {}", wire.perm, perm::ALL))?,
            name: wire.name,
            topic_sys_flag: wire.sys_flag,
            order: wire.order,
            topic_filter_type: wire.filter_type,
            attributes: wire.attributes,
        })
    }

    /// For the wire, with the bits of `mask` left in its permission.
    #[must_use]
    pub fn to_wire(&self, mask: u8) -> body::TopicConfig {
        body::TopicConfig {
            attributes: self.attributes.clone(),
            order: self.order,
            perm: i32::from(self.perm & mask),
            read_queues: i32::try_from(self.read_queues).expect("at most QUEUES_MAX"),
            filter_type: self.topic_filter_type,
            name: self.name.clone(),
            sys_flag: self.topic_sys_flag,
            write_queues: i32::try_from(self.write_queues).expect("at most QUEUES_MAX"),
        }
    }

    /// Queue ids below this exist: read queues may outlive a shrunk write side and the other way round.
    #[must_use]
    pub fn queues(&self) -> u32 {
        self.read_queues.max(self.write_queues)
    }
}

/// A topic's slot, valid while the shard runs and the topic exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TopicSlot(u32);

/// A topic in use.
#[derive(Debug)]
pub(crate) struct Topic {
    /// The configuration.
    pub config: TopicConfig,
    /// Handles of queues used so far, indexed by queue id.
    queues: Vec<Option<QueueRef>>,
}

impl Topic {
    /// The handle of a queue, if it was used since start.
    #[must_use]
    pub(crate) fn queue(&self, queue_id: u32) -> Option<QueueRef> {
        *self.queues.get(queue_id as usize)?
    }

    /// Remembers the handle of a queue.
    pub(crate) fn remember_queue(&mut self, queue_id: u32, queue: QueueRef) {
        let index = queue_id as usize;
        if self.queues.len() <= index {
            self.queues.resize(index + 1, None);
        }
        self.queues[index] = Some(queue);
    }
}

/// All topics of the shard.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    slots: Vec<Option<Topic>>,
    free: Vec<u32>,
    by_name: HashMap<Box<str>, TopicSlot>,
    epoch: u64,
    version: Version,
    /// Light queues: names without metadata, in no list and no route.
    light: usize,
}

/// What name servers compare to see whether a table changed: the wire's version, which only moves forward.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Version(DataVersion);

impl Version {
    /// Counts a change.
    pub(crate) fn bump(&mut self, now_unix_ms: i64) {
        self.0.timestamp = now_unix_ms;
        self.0.counter += 1;
    }

    /// As on the wire.
    #[must_use]
    pub(crate) fn wire(&self) -> &DataVersion {
        &self.0
    }

    /// Takes up a version stored before a restart.
    #[must_use]
    pub(crate) fn restored(stored: DataVersion) -> Self {
        Self(stored)
    }
}

impl Topics {
    /// Inserts or replaces a topic; says whether anything changed.
    pub(crate) fn put(&mut self, config: TopicConfig, now_unix_ms: i64) -> bool {
        if let Some(&slot) = self.by_name.get(config.name.as_str()) {
            let topic = self.slots[slot.0 as usize].as_mut().expect("named slots are filled");
            if topic.config == config {
                return false;
            }
            topic.config = config;
        } else {
            let name: Box<str> = config.name.as_str().into();
            let topic = Topic { config, queues: Vec::new() };
            let index = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).expect("fewer topics than 2^32")
            });
            self.slots[index as usize] = Some(topic);
            self.by_name.insert(name, TopicSlot(index));
        }
        self.epoch += 1;
        self.version.bump(now_unix_ms);
        true
    }

    /// Makes a light queue readable under its name; nothing is stored or told about it.
    pub(crate) fn put_light(&mut self, name: &str) {
        let version = self.version.clone();
        if self.put(TopicConfig::new(name, 1, perm::READ | perm::WRITE), 0) {
            self.light += 1;
        }
        self.version = version;
    }

    /// How many light queues there are.
    #[must_use]
    pub(crate) fn light(&self) -> usize {
        self.light
    }

    /// Removes a topic; its slot may be given to another one later.
    pub(crate) fn remove(&mut self, name: &str, now_unix_ms: i64) -> Option<TopicConfig> {
        let slot = self.by_name.remove(name)?;
        self.epoch += 1;
        if is_light_name(name) {
            self.light = self.light.saturating_sub(1);
        }
        self.version.bump(now_unix_ms);
        self.free.push(slot.0);
        self.slots[slot.0 as usize].take().map(|topic| topic.config)
    }

    /// Looks a topic up by name.
    #[must_use]
    pub(crate) fn slot(&self, name: &str) -> Option<TopicSlot> {
        self.by_name.get(name).copied()
    }

    /// The topic in a slot that was looked up at the present [`Topics::epoch`].
    ///
    /// # Panics
    /// If the slot is empty: the caller kept it over a removal.
    #[must_use]
    pub(crate) fn at(&self, slot: TopicSlot) -> &Topic {
        self.slots[slot.0 as usize].as_ref().expect("a slot of this epoch is filled")
    }

    /// As [`Topics::at`], to remember queue handles.
    ///
    /// # Panics
    /// As [`Topics::at`].
    pub(crate) fn at_mut(&mut self, slot: TopicSlot) -> &mut Topic {
        self.slots[slot.0 as usize].as_mut().expect("a slot of this epoch is filled")
    }

    /// The configuration of `name`.
    #[must_use]
    pub(crate) fn config(&self, name: &str) -> Option<&TopicConfig> {
        self.slot(name).map(|slot| &self.at(slot).config)
    }

    /// All configurations but those of light queues, sorted by name.
    #[must_use]
    pub(crate) fn sorted(&self) -> Vec<&TopicConfig> {
        let all = self.slots.iter().flatten().map(|topic| &topic.config);
        let mut all: Vec<&TopicConfig> = all.filter(|config| !is_light_name(&config.name)).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Moves with every change: a slot remembered at another epoch must be looked up again.
    #[must_use]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The version to register and to list.
    #[must_use]
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Takes up the version stored before a restart.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn putting_the_same_topic_twice_changes_nothing() {
        let mut topics = Topics::default();
        assert!(topics.put(TopicConfig::new("T", 4, 6), 1));
        let (epoch, version) = (topics.epoch(), topics.version().clone());
        assert!(!topics.put(TopicConfig::new("T", 4, 6), 2));
        assert_eq!((topics.epoch(), topics.version()), (epoch, &version));
    }

    #[test]
    fn a_removed_topic_is_gone_and_its_slot_serves_another() {
        let mut topics = Topics::default();
        topics.put(TopicConfig::new("A", 4, 6), 1);
        let slot = topics.slot("A").expect("just put");
        topics.at_mut(slot).remember_queue(2, QueueRef(9));
        assert_eq!(topics.remove("A", 2).map(|config| config.name), Some("A".to_owned()));
        assert_eq!(topics.slot("A"), None);
        topics.put(TopicConfig::new("B", 4, 6), 3);
        assert_eq!(topics.slot("B"), Some(slot));
        assert_eq!(topics.at(slot).queue(2), None, "handles do not pass to the next topic");
    }
}
