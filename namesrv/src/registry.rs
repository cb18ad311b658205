//! The route registry: which brokers are alive, where they are, and which topics they serve.
//!
//! A pure state machine over tables (behaviour.md 1.1): requests and `now` go in, answers and orders ("close this
//! connection", "tell these brokers") come out. It knows no socket and no wire form. Everything in it is soft state:
//! a broker registers again every 30 s, so a name server that starts empty is complete half a minute later.
//!
//! Invariants, held by `Registry::check` in every test:
//! - a broker has at least one address, no address twice, and its name is in the set of its cluster;
//! - every queue entry belongs to a known broker, every topic has an entry, and `routes` counts the entries;
//! - a cluster has at least one broker.

use std::collections::{BTreeMap, BTreeSet};

use rt::{ConnId, Mono};

pub use self::register::{MasterAddress, Refusal, Registered, Registration};
pub use self::route::Route;
pub use self::unregister::{Expired, Unregistration};

mod register;
mod route;
#[cfg(test)]
mod tests;
mod unregister;

/// All tables of a name server but the key-value configuration.
#[derive(Debug, Default)]
pub struct Registry {
    options: RegistryOptions,
    topics: BTreeMap<String, BTreeMap<String, Queues>>,
    /// Entries of `topics` over all topics.
    routes: usize,
    brokers: BTreeMap<String, Broker>,
    clusters: BTreeMap<String, BTreeSet<String>>,
    live: BTreeMap<LiveKey, Live>,
    filter_servers: BTreeMap<LiveKey, Vec<String>>,
}

/// What the configuration decides, and the bounds of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryOptions {
    /// `deleteTopicWithBrokerRegistration`: topics missing from a registration are dropped for that broker.
    pub delete_missing_topics: bool,
    /// `notifyMinBrokerIdChanged`: members of an acting-master group hear of a new smallest id.
    pub notify_min_id: bool,
    /// Broker names in all; a registration beyond is refused.
    pub brokers_max: usize,
    /// (topic, broker) pairs in all; a registration that could pass it is refused.
    pub routes_max: usize,
}

/// The queues one broker serves of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// `readQueueNums`.
    pub read: i32,
    /// `writeQueueNums`.
    pub write: i32,
    /// Permission bits: [`PERM_READ`], [`PERM_WRITE`], inherit (1).
    pub perm: i32,
    /// `topicSysFlag`: [`UNIT`] and [`UNIT_SUB`].
    pub sys_flag: i32,
}

/// A broker name: its members by id, 0 the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// The cluster it registered for first.
    pub cluster: String,
    /// `__ZONE_NAME` of its last registration.
    pub zone: Option<String>,
    /// `enableActingMaster` of its last registration.
    pub acting_master: bool,
    /// Broker id to address; never empty.
    pub addresses: BTreeMap<i64, String>,
}

/// A version of a broker's topic table; versions are equal only as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataVersion {
    /// Raised by a change of role.
    pub state_version: i64,
    /// When it last changed, Unix milliseconds.
    pub timestamp: i64,
    /// How often it changed.
    pub counter: i64,
}

/// Orders to send `NOTIFY_MIN_BROKER_ID_CHANGE` (905).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinIdChange {
    /// Whose smallest id changed.
    pub broker: String,
    /// The smallest id now.
    pub min_id: i64,
    /// Its address.
    pub min_address: String,
    /// The member that went, if one did.
    pub offline: Option<String>,
    /// The newcomer's replication address, if one came.
    pub ha_address: Option<String>,
    /// Who is to hear it.
    pub tell: Vec<String>,
}

/// Which of the unit lists (311 to 313) is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitList {
    /// Unit topics.
    Unit,
    /// Topics with unit subscribers.
    UnitSub,
    /// Topics with unit subscribers that are no unit topics.
    UnitSubNotUnit,
}

/// Permission bit: consumers may read.
pub const PERM_READ: i32 = 4;
/// Permission bit: producers may write.
pub const PERM_WRITE: i32 = 2;
/// Topic flag: a unit topic.
pub const UNIT: i32 = 1;
/// Topic flag: has unit subscribers.
pub const UNIT_SUB: i32 = 2;
/// How long a broker lives without a sign of life if it names no time.
pub const BROKER_EXPIRY_MS: u64 = 120_000;

/// (cluster, address): a process, whatever it is called.
type LiveKey = (String, String);

#[derive(Clone, Debug)]
struct Live {
    seen: Mono,
    timeout_ms: u64,
    version: DataVersion,
    conn: ConnId,
    ha_address: Option<String>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            delete_missing_topics: false,
            notify_min_id: false,
            brokers_max: 10_000,
            routes_max: 2_000_000,
        }
    }
}

impl Registry {
    /// Empty tables.
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// What the configuration decided; may change while running.
    pub fn options(&mut self) -> &mut RegistryOptions {
        &mut self.options
    }

    /// The brokers by name.
    pub fn brokers(&self) -> impl Iterator<Item = (&str, &Broker)> {
        self.brokers.iter().map(|(name, broker)| (name.as_str(), broker))
    }

    /// One broker.
    #[must_use]
    pub fn broker(&self, name: &str) -> Option<&Broker> {
        self.brokers.get(name)
    }

    /// The clusters by name, each with its broker names.
    pub fn clusters(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.clusters.iter().map(|(name, brokers)| (name.as_str(), brokers))
    }

    /// Every topic (206).
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// The topics with a queue on any broker of `cluster` (224); none if there is no such cluster.
    pub fn topics_of_cluster(&self, cluster: &str) -> impl Iterator<Item = &str> {
        let brokers = self.clusters.get(cluster);
        self.topics.iter().filter_map(move |(topic, queues)| {
            let brokers = brokers?;
            queues.keys().any(|broker| brokers.contains(broker)).then_some(topic.as_str())
        })
    }

    /// The topics every broker has without being told: cluster and broker names double as topics (304).
    pub fn system_topics(&self) -> impl Iterator<Item = &str> {
        self.clusters.iter().flat_map(|(cluster, brokers)| {
            std::iter::once(cluster.as_str()).chain(brokers.iter().map(String::as_str))
        })
    }

    /// An address to ask for the rest of the system topics (304).
    #[must_use]
    pub fn any_address(&self) -> Option<&str> {
        self.brokers.values().find_map(|broker| broker.addresses.values().next()).map(String::as_str)
    }

    /// The topics of one of the unit lists (311 to 313). The flags of the first broker speak for the topic.
    pub fn unit_topics(&self, list: UnitList) -> impl Iterator<Item = &str> {
        self.topics.iter().filter_map(move |(topic, queues)| {
            let flag = queues.values().next()?.sys_flag;
            let listed = match list {
                UnitList::Unit => flag & UNIT != 0,
                UnitList::UnitSub => flag & UNIT_SUB != 0,
                UnitList::UnitSubNotUnit => flag & UNIT_SUB != 0 && flag & UNIT == 0,
            };
            listed.then_some(topic.as_str())
        })
    }

    /// The data version this broker last registered with (322).
    #[must_use]
    pub fn data_version(&self, cluster: &str, address: &str) -> Option<DataVersion> {
        self.live.get(&key(cluster, address)).map(|live| live.version)
    }

    /// A sign of life (322, 904). A broker never seen is no error: it registers soon.
    pub fn heard_of(&mut self, cluster: &str, address: &str, now: Mono) {
        if let Some(live) = self.live.get_mut(&key(cluster, address)) {
            live.seen = now;
        }
    }

    /// Takes the write permission from every topic of a broker (205). Returns how many it has. The next registration
    /// of that broker with a changed data version undoes it.
    pub fn wipe_write_perm(&mut self, broker: &str) -> i32 {
        self.change_perm(broker, |perm| perm & !PERM_WRITE)
    }

    /// Gives every topic of a broker read and write permission (327). Returns how many it has. Unlike in Java the
    /// inherit bit stays (behaviour.md 24).
    pub fn add_write_perm(&mut self, broker: &str) -> i32 {
        self.change_perm(broker, |perm| perm | PERM_READ | PERM_WRITE)
    }

    /// Removes a topic, or only its queues on the brokers of `cluster` (216).
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let Some(cluster) = cluster else {
            self.routes -= self.topics.remove(topic).map_or(0, |queues| queues.len());
            return;
        };
        let (Some(brokers), Some(queues)) = (self.clusters.get(cluster), self.topics.get_mut(topic)) else {
            return;
        };
        let before = queues.len();
        queues.retain(|broker, _| !brokers.contains(broker));
        self.routes -= before - queues.len();
        if queues.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// Adds queues to a topic (217) up to the first one whose broker is unknown; that is no error.
    pub fn register_topic(&mut self, topic: &str, queues: impl IntoIterator<Item = (String, Queues)>) {
        for (broker, queues) in queues {
            if !self.brokers.contains_key(&broker) || self.routes >= self.options.routes_max {
                tracing::warn!(topic = %topic.escape_debug(), broker = %broker.escape_debug(), "topic of an unknown broker not taken");
                return;
            }
            self.put_queues(topic, &broker, queues);
        }
    }

    fn put_queues(&mut self, topic: &str, broker: &str, queues: Queues) {
        if let Some(entry) = self.topics.get_mut(topic).and_then(|topic| topic.get_mut(broker)) {
            *entry = queues;
            return;
        }
        self.topics.entry(topic.to_owned()).or_default().insert(broker.to_owned(), queues);
        self.routes += 1;
    }

    fn change_perm(&mut self, broker: &str, change: impl Fn(i32) -> i32) -> i32 {
        let mut count = 0;
        for queues in self.topics.values_mut().filter_map(|topic| topic.get_mut(broker)) {
            queues.perm = change(queues.perm);
            count += 1;
        }
        count
    }

    /// Panics if an invariant of the module does not hold.
    #[cfg(test)]
    fn check(&self) {
        let mut routes = 0;
        for (topic, queues) in &self.topics {
            assert!(!queues.is_empty(), "{topic} without queues");
            routes += queues.len();
            for broker in queues.keys() {
                assert!(self.brokers.contains_key(broker), "{topic} on {broker}, which is gone");
            }
        }
        assert_eq!(self.routes, routes);
        for (name, broker) in &self.brokers {
            assert!(!broker.addresses.is_empty(), "{name} without an address");
            let distinct: BTreeSet<_> = broker.addresses.values().collect();
            assert_eq!(distinct.len(), broker.addresses.len(), "{name} has an address twice");
            assert!(self.clusters.get(&broker.cluster).is_some_and(|names| names.contains(name)), "{name}");
        }
        for (cluster, names) in &self.clusters {
            assert!(!names.is_empty(), "{cluster} is empty");
            for name in names {
                assert!(self.brokers.contains_key(name), "{cluster} lists {name}, which is gone");
            }
        }
    }
}

fn key(cluster: &str, address: &str) -> LiveKey {
    (cluster.to_owned(), address.to_owned())
}
