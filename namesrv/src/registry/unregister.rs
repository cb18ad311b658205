//! How brokers go: UNREGISTER_BROKER (104), a lost connection, silence (behaviour.md 1.3, 1.5).

use std::collections::BTreeSet;

use rt::{ConnId, Mono};

use super::{LiveKey, MinIdChange, PERM_WRITE, Registry, key};

/// A broker that says it goes (104), or that is found gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unregistration {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub broker: String,
    /// The address to remove.
    pub address: String,
    /// Its id.
    pub id: i64,
}

/// What [`Registry::expire`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Connections over which nobody alive is registered any more: close them.
    pub close: Vec<ConnId>,
    /// Members to tell of a new smallest id.
    pub notify: Vec<MinIdChange>,
    /// How many brokers went.
    pub brokers: usize,
}

impl Registry {
    /// Removes brokers, all in one step: their live entries, their addresses, names whose last address went, clusters
    /// whose last name went, and the queues of removed names. A group that lost its master but has acting-master
    /// capable members keeps its queues without write permission.
    pub fn unregister(&mut self, batch: &[Unregistration]) -> Vec<MinIdChange> {
        let mut removed = BTreeSet::new();
        let mut notify = Vec::new();
        for gone in batch {
            let at: LiveKey = key(&gone.cluster, &gone.address);
            self.live.remove(&at);
            self.filter_servers.remove(&at);
            let Some(broker) = self.brokers.get_mut(&gone.broker) else { continue };
            let min_before = broker.addresses.keys().next().copied();
            broker.addresses.retain(|_, address| *address != gone.address);
            if broker.addresses.is_empty() {
                self.brokers.remove(&gone.broker);
                self.clusters.retain(|_, names| {
                    names.remove(&gone.broker);
                    !names.is_empty()
                });
                removed.insert(gone.broker.as_str());
            } else {
                self.master_went(&gone.broker);
                if min_before == Some(gone.id) {
                    notify.extend(self.min_id_went(gone));
                }
            }
        }
        self.drop_queues_of(&removed);
        // A later entry of the batch may have taken the rest of a group away.
        notify.retain(|change| self.brokers.contains_key(&change.broker));
        notify
    }

    /// A connection closed, failed or went idle: every broker registered over it is gone at once.
    pub fn connection_lost(&mut self, conn: ConnId) -> Vec<MinIdChange> {
        let lost: Vec<LiveKey> =
            self.live.iter().filter(|(_, live)| live.conn == conn).map(|(at, _)| at.clone()).collect();
        self.remove_live(&lost)
    }

    /// Removes every broker whose last sign of life is older than its timeout. Due every
    /// `scanNotActiveBrokerInterval`.
    pub fn expire(&mut self, now: Mono) -> Expired {
        let silent = |seen: Mono, timeout_ms: u64| now > seen.plus_ms(timeout_ms);
        let gone: Vec<(LiveKey, ConnId)> = self
            .live
            .iter()
            .filter(|(_, live)| silent(live.seen, live.timeout_ms))
            .map(|(at, live)| (at.clone(), live.conn))
            .collect();
        let keys: Vec<LiveKey> = gone.iter().map(|(at, _)| at.clone()).collect();
        for (cluster, address) in &keys {
            tracing::warn!(cluster = %cluster.escape_debug(), address = %address.escape_debug(), "broker silent for too long, removed");
        }
        let notify = self.remove_live(&keys);
        let still_used: BTreeSet<ConnId> = self.live.values().map(|live| live.conn).collect();
        let close: BTreeSet<ConnId> =
            gone.iter().map(|(_, conn)| *conn).filter(|conn| !still_used.contains(conn)).collect();
        Expired { close: close.into_iter().collect(), notify, brokers: keys.len() }
    }

    fn remove_live(&mut self, gone: &[LiveKey]) -> Vec<MinIdChange> {
        let batch: Vec<Unregistration> = gone.iter().filter_map(|at| self.name_of(at)).collect();
        let notify = self.unregister(&batch);
        for at in gone {
            // Entries that no broker name leads to.
            self.live.remove(at);
            self.filter_servers.remove(at);
        }
        notify
    }

    /// Under which name and id this process is listed.
    fn name_of(&self, (cluster, address): &LiveKey) -> Option<Unregistration> {
        self.brokers.iter().filter(|(_, broker)| broker.cluster == *cluster).find_map(|(name, broker)| {
            let (id, _) = broker.addresses.iter().find(|(_, listed)| *listed == address)?;
            Some(Unregistration {
                cluster: cluster.clone(),
                broker: name.clone(),
                address: address.clone(),
                id: *id,
            })
        })
    }

    /// Takes the write permission from a group whose master is gone and whose slaves may act for it.
    fn master_went(&mut self, name: &str) {
        let broker = &self.brokers[name];
        if broker.acting_master && !broker.addresses.contains_key(&0) {
            self.change_perm(name, |perm| perm & !PERM_WRITE);
        }
    }

    fn min_id_went(&self, gone: &Unregistration) -> Option<MinIdChange> {
        let broker = self
            .brokers
            .get(&gone.broker)
            .filter(|broker| broker.acting_master && self.options.notify_min_id)?;
        let (min_id, min_address) = broker.addresses.first_key_value()?;
        Some(MinIdChange {
            broker: gone.broker.clone(),
            min_id: *min_id,
            min_address: min_address.clone(),
            offline: Some(gone.address.clone()),
            ha_address: None,
            tell: broker.addresses.values().cloned().collect(),
        })
    }

    fn drop_queues_of(&mut self, brokers: &BTreeSet<&str>) {
        if brokers.is_empty() {
            return;
        }
        let routes = &mut self.routes;
        self.topics.retain(|_, queues| {
            let before = queues.len();
            queues.retain(|broker, _| !brokers.contains(broker.as_str()));
            *routes -= before - queues.len();
            !queues.is_empty()
        });
    }
}
