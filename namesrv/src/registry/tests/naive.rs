//! Any course of events against a registry as naive as can be.

use proptest::prelude::*;

use super::*;

/// The same rules over flat lists, scanned.
#[derive(Default)]
struct Naive {
    /// (broker, cluster of the name, acting master)
    names: Vec<(String, String, bool)>,
    /// (broker, id, address)
    members: Vec<(String, i64, String)>,
    /// (cluster, broker)
    clusters: Vec<(String, String)>,
    /// (topic, broker, queues)
    entries: Vec<(String, String, Queues)>,
    /// (cluster, address, version, connection)
    alive: Vec<(String, String, DataVersion, ConnId)>,
}

impl Naive {
    fn register(&mut self, new: &Registration, conn: ConnId) -> bool {
        let holder = self.members.iter().find(|(name, id, _)| *name == new.broker && *id == new.id).cloned();
        if holder.is_none() && new.topics.len() == 1 {
            return false;
        }
        if let Some((.., holder)) = &holder
            && *holder != new.address
            && self.alive.iter().any(|(cluster, address, version, _)| {
                *cluster == new.cluster
                    && address == holder
                    && version.state_version > new.version.state_version
            })
        {
            self.unregister(&new.cluster, &new.broker, &new.address);
            return true;
        }
        if !self.names.iter().any(|(name, ..)| *name == new.broker) {
            self.names.push((new.broker.clone(), new.cluster.clone(), false));
        }
        for name in &mut self.names {
            if name.0 == new.broker {
                name.2 = new.acting_master == Some(true);
            }
        }
        if !self.clusters.contains(&(new.cluster.clone(), new.broker.clone())) {
            self.clusters.push((new.cluster.clone(), new.broker.clone()));
        }
        self.members
            .retain(|(name, id, address)| *name != new.broker || (*id != new.id && *address != new.address));
        self.members.push((new.broker.clone(), new.id, new.address.clone()));
        let smallest =
            self.members.iter().filter(|(name, ..)| *name == new.broker).map(|(_, id, _)| *id).min();
        let prime = new.id != 0 && new.acting_master.is_some() && smallest == Some(new.id);
        if new.id == 0 || prime {
            let known = self
                .alive
                .iter()
                .find(|(cluster, address, ..)| *cluster == new.cluster && *address == new.address);
            let changed = holder.is_none() || known.is_none_or(|(_, _, version, _)| *version != new.version);
            for (topic, queues) in &new.topics {
                let at =
                    self.entries.iter().position(|(name, broker, _)| name == topic && *broker == new.broker);
                if !changed && at.is_some() {
                    continue;
                }
                if let Some(at) = at {
                    self.entries.remove(at);
                }
                let perm = if prime && new.acting_master == Some(true) {
                    queues.perm & !PERM_WRITE
                } else {
                    queues.perm
                };
                self.entries.push((topic.clone(), new.broker.clone(), Queues { perm, ..*queues }));
            }
        }
        self.alive.retain(|(cluster, address, ..)| *cluster != new.cluster || *address != new.address);
        self.alive.push((new.cluster.clone(), new.address.clone(), new.version, conn));
        true
    }

    fn unregister(&mut self, cluster: &str, broker: &str, address: &str) {
        self.alive.retain(|entry| entry.0 != cluster || entry.1 != address);
        let before = self.members.len();
        let known = self.members.iter().any(|(name, ..)| name == broker);
        self.members.retain(|(name, _, listed)| name != broker || listed != address);
        if !known {
            return;
        }
        let left: Vec<i64> =
            self.members.iter().filter(|(name, ..)| name == broker).map(|(_, id, _)| *id).collect();
        if left.is_empty() && before != self.members.len() {
            self.names.retain(|(name, ..)| name != broker);
            self.clusters.retain(|(_, name)| name != broker);
            self.entries.retain(|(_, name, _)| name != broker);
        } else if !left.contains(&0) && self.names.iter().any(|(name, _, acting)| name == broker && *acting) {
            for entry in self.entries.iter_mut().filter(|(_, name, _)| name == broker) {
                entry.2.perm &= !PERM_WRITE;
            }
        }
    }

    fn connection_lost(&mut self, conn: ConnId) {
        let lost: Vec<_> = self.alive.iter().filter(|(.., used)| *used == conn).cloned().collect();
        for (cluster, address, ..) in lost {
            let listed = self
                .members
                .iter()
                .filter(|(name, _, listed)| {
                    *listed == address
                        && self.names.iter().any(|(known, of, _)| known == name && *of == cluster)
                })
                .map(|(name, ..)| name.clone())
                .min();
            match listed {
                Some(name) => self.unregister(&cluster, &name, &address),
                None => self.alive.retain(|entry| entry.0 != cluster || entry.1 != address),
            }
        }
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a list of steps in a test")]
enum Step {
    Register(Registration, u32),
    Unregister(u8, u8, u8),
    Lost(u32),
}

fn registration() -> impl Strategy<Value = Registration> {
    let names = (0u8..2, 0u8..3, 0u8..4, 0i64..3);
    let acting = prop::option::of(any::<bool>());
    let table = prop::collection::btree_map((0u8..4).prop_map(|n| format!("t{n}")), (1i32..3, 0i32..8), 0..4);
    (names, acting, 0i64..3, 0i64..3, table).prop_map(
        |((cluster, broker, address, id), acting, state, counter, table)| {
            let topics = table
                .into_iter()
                .map(|(name, (count, perm))| (name, Queues { read: count, write: count, perm, sys_flag: 0 }))
                .collect();
            Registration {
                cluster: format!("c{cluster}"),
                broker: format!("b{broker}"),
                address: format!("h:{address}"),
                id,
                acting_master: acting,
                version: version(state, counter),
                topics,
                ..master("", "")
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (registration(), 0u32..3).prop_map(|(new, conn)| Step::Register(new, conn)),
        2 => (0u8..2, 0u8..3, 0u8..4).prop_map(|(cluster, broker, address)| Step::Unregister(cluster, broker, address)),
        1 => (0u32..3).prop_map(Step::Lost),
    ]
}

proptest! {
    #[test]
    fn any_course_of_registrations_and_losses_equals_the_naive_tables(steps in prop::collection::vec(step(), 1..40)) {
        let mut registry = Registry::new(RegistryOptions::default());
        let mut naive = Naive::default();
        for step in steps {
            match step {
                Step::Register(new, index) => {
                    let taken = registry.register(&new, conn(index), START).is_ok();
                    prop_assert_eq!(taken, naive.register(&new, conn(index)));
                }
                Step::Unregister(cluster, broker, address) => {
                    let (cluster, broker, address) = (format!("c{cluster}"), format!("b{broker}"), format!("h:{address}"));
                    naive.unregister(&cluster, &broker, &address);
                    registry.unregister(&[Unregistration { cluster, broker, address, id: 0 }]);
                }
                Step::Lost(index) => {
                    naive.connection_lost(conn(index));
                    registry.connection_lost(conn(index));
                }
            }
            registry.check();
            let mut members: Vec<_> = registry
                .brokers()
                .flat_map(|(name, broker)| broker.addresses.iter().map(move |(id, at)| (name.to_owned(), *id, at.clone())))
                .collect();
            members.sort();
            naive.members.sort();
            prop_assert_eq!(&members, &naive.members);
            let entries: Vec<_> = registry
                .topics
                .iter()
                .flat_map(|(topic, queues)| queues.iter().map(move |(broker, queues)| (topic.clone(), broker.clone(), *queues)))
                .collect();
            naive.entries.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            prop_assert_eq!(&entries, &naive.entries);
            let clusters: Vec<_> = registry
                .clusters()
                .flat_map(|(cluster, names)| names.iter().map(move |name| (cluster.to_owned(), name.clone())))
                .collect();
            naive.clusters.sort();
            prop_assert_eq!(&clusters, &naive.clusters);
            let mut alive: Vec<_> = naive.alive.iter().map(|entry| (entry.0.clone(), entry.1.clone())).collect();
            alive.sort();
            prop_assert_eq!(registry.live.keys().cloned().collect::<Vec<_>>(), alive);
        }
    }
}
