//! REGISTER_BROKER (103): behaviour.md 1.2, steps 3 to 11.

use std::collections::BTreeMap;
use std::fmt;

use rt::{ConnId, Mono};

use super::{
    BROKER_EXPIRY_MS, Broker, DataVersion, Live, LiveKey, MinIdChange, PERM_WRITE, Queues, Registry,
    Unregistration, key,
};

/// A broker's registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its cluster.
    pub cluster: String,
    /// Its name, shared by master and slaves.
    pub broker: String,
    /// `host:port` for clients.
    pub address: String,
    /// 0 is the master.
    pub id: i64,
    /// `host:port` for slaves.
    pub ha_address: Option<String>,
    /// `__ZONE_NAME`.
    pub zone: Option<String>,
    /// How long it lives without a sign of life, if it says so.
    pub timeout_ms: Option<u64>,
    /// `enableActingMaster`; absent from brokers before 5.0.
    pub acting_master: Option<bool>,
    /// The version of `topics`.
    pub version: DataVersion,
    /// Its topics, or one of them (an incremental registration).
    pub topics: BTreeMap<String, Queues>,
    /// The body holds static topics, which `deleteTopicWithBrokerRegistration` does not know how to compare.
    pub has_static_topics: bool,
    /// Its filter servers; `None` leaves the present ones.
    pub filter_servers: Option<Vec<String>>,
}

/// What an accepted registration answers and orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// For a slave: its master, if there is one.
    pub master: Option<MasterAddress>,
    /// Members to tell of a new smallest id.
    pub notify: Option<MinIdChange>,
}

/// Where a slave finds its master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterAddress {
    /// `host:port` for clients.
    pub address: String,
    /// `host:port` for slaves.
    pub ha_address: Option<String>,
}

/// Why a registration was not taken; the tables are as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One topic of a broker that has not registered whole yet.
    Incremental,
    /// A bound of [`super::RegistryOptions`] would be passed.
    Full,
}

impl Registry {
    /// Takes a registration that came over `conn`.
    ///
    /// A newcomer for an id whose holder has a higher state version is turned away with an empty success, as Java
    /// does; it is then not alive.
    ///
    /// # Errors
    /// [`Refusal`]; nothing changed.
    pub fn register(&mut self, new: &Registration, conn: ConnId, now: Mono) -> Result<Registered, Refusal> {
        let known = self.brokers.get(&new.broker);
        let holder = known.and_then(|broker| broker.addresses.get(&new.id));
        if holder.is_none() && new.topics.len() == 1 {
            return Err(Refusal::Incremental);
        }
        let outvoted = holder.is_some_and(|holder| *holder != new.address && self.outranks(holder, new));
        if (known.is_none() && self.brokers.len() >= self.options.brokers_max)
            || self.routes + new.topics.len() > self.options.routes_max.max(self.routes)
        {
            tracing::warn!(broker = %new.broker.escape_debug(), "registration refused: the route table is full");
            return Err(Refusal::Full);
        }
        if outvoted {
            tracing::warn!(
                broker = %new.broker.escape_debug(), id = new.id, address = %new.address.escape_debug(),
                "registration ignored: the id is held with a higher state version"
            );
            // It held another id before, perhaps; it has none now.
            let (cluster, broker, address) = (new.cluster.clone(), new.broker.clone(), new.address.clone());
            self.unregister(&[Unregistration { cluster, broker, address, id: new.id }]);
            return Ok(Registered::default());
        }

        let newcomer = holder.is_none();
        let min_before = known.and_then(|broker| broker.addresses.keys().next().copied());
        self.enter(new);
        if new.id == 0 || self.is_prime_slave(new) {
            self.take_topics(new, newcomer);
        }
        self.mark_alive(new, conn, now);
        Ok(Registered {
            master: (new.id != 0).then(|| self.master_of(new)).flatten(),
            notify: min_before.filter(|before| new.id < *before).and_then(|_| self.min_id_came(new)),
        })
    }

    /// Whether the living `holder` of the id has a higher state version than the newcomer.
    fn outranks(&self, holder: &str, new: &Registration) -> bool {
        self.live
            .get(&key(&new.cluster, holder))
            .is_some_and(|live| live.version.state_version > new.version.state_version)
    }

    /// Enters names and address. An address has one id: under another one it is removed first, which is how a slave
    /// that restarts as master moves.
    fn enter(&mut self, new: &Registration) {
        let broker = self.brokers.entry(new.broker.clone()).or_insert_with(|| Broker {
            cluster: new.cluster.clone(),
            zone: None,
            acting_master: false,
            addresses: BTreeMap::new(),
        });
        broker.zone.clone_from(&new.zone);
        broker.acting_master = new.acting_master.unwrap_or(false);
        broker.addresses.retain(|id, address| *id == new.id || *address != new.address);
        broker.addresses.insert(new.id, new.address.clone());
        self.clusters.entry(new.cluster.clone()).or_default().insert(new.broker.clone());
    }

    /// The smallest id of a group without a master, of a broker that knows acting masters at all.
    fn is_prime_slave(&self, new: &Registration) -> bool {
        let broker = &self.brokers[&new.broker];
        new.acting_master.is_some() && broker.addresses.keys().next() == Some(&new.id)
    }

    fn take_topics(&mut self, new: &Registration, newcomer: bool) {
        if self.options.delete_missing_topics && !new.has_static_topics {
            self.drop_topics_of(&new.broker, |topic| new.topics.contains_key(topic));
        }
        let changed = newcomer || self.data_version(&new.cluster, &new.address) != Some(new.version);
        // A prime slave stands in for reading only.
        let mask = if new.id != 0 && new.acting_master == Some(true) { !PERM_WRITE } else { !0 };
        for (topic, queues) in &new.topics {
            let stored = || self.topics.get(topic).is_some_and(|topic| topic.contains_key(&new.broker));
            if changed || !stored() {
                self.put_queues(topic, &new.broker, Queues { perm: queues.perm & mask, ..*queues });
            }
        }
    }

    /// Drops a broker's topics but those that `keep` names.
    fn drop_topics_of(&mut self, broker: &str, keep: impl Fn(&str) -> bool) {
        let routes = &mut self.routes;
        self.topics.retain(|topic, queues| {
            if !keep(topic) && queues.remove(broker).is_some() {
                *routes -= 1;
            }
            !queues.is_empty()
        });
    }

    fn mark_alive(&mut self, new: &Registration, conn: ConnId, now: Mono) {
        let at: LiveKey = key(&new.cluster, &new.address);
        match &new.filter_servers {
            Some(servers) if servers.is_empty() => drop(self.filter_servers.remove(&at)),
            Some(servers) => drop(self.filter_servers.insert(at.clone(), servers.clone())),
            None => {}
        }
        let live = Live {
            seen: now,
            timeout_ms: new.timeout_ms.unwrap_or(BROKER_EXPIRY_MS),
            version: new.version,
            conn,
            ha_address: new.ha_address.clone(),
        };
        if self.live.insert(at, live).is_none() {
            tracing::info!(
                cluster = %new.cluster.escape_debug(), broker = %new.broker.escape_debug(), id = new.id,
                address = %new.address.escape_debug(), topics = new.topics.len(), "broker registered"
            );
        }
    }

    fn master_of(&self, new: &Registration) -> Option<MasterAddress> {
        let address = self.brokers.get(&new.broker)?.addresses.get(&0)?;
        let live = self.live.get(&key(&new.cluster, address))?;
        Some(MasterAddress { address: address.clone(), ha_address: live.ha_address.clone() })
    }

    /// The newcomer is the smallest id now: the others are told, with its replication address.
    fn min_id_came(&self, new: &Registration) -> Option<MinIdChange> {
        let broker = self.brokers.get(&new.broker).filter(|_| self.options.notify_min_id)?;
        let others = broker.addresses.iter().filter(|(id, _)| **id != new.id);
        let tell = match broker.addresses.len() {
            1 => vec![new.address.clone()],
            _ => others.map(|(_, address)| address.clone()).collect(),
        };
        Some(MinIdChange {
            broker: new.broker.clone(),
            min_id: new.id,
            min_address: new.address.clone(),
            offline: None,
            ha_address: new.ha_address.clone(),
            tell,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incremental => "one topic of a broker that has not registered whole",
            Self::Full => "the route table is full",
        })
    }
}
