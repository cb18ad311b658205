use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const START: Mono = Mono(50_000_000_000);

fn conn(index: u32) -> ConnId {
    ConnId { index, generation: 0 }
}

fn queues(count: i32) -> Queues {
    Queues { read: count, write: count, perm: PERM_READ | PERM_WRITE, sys_flag: 0 }
}

fn topics(names: &[&str]) -> BTreeMap<String, Queues> {
    names.iter().map(|name| ((*name).to_owned(), queues(4))).collect()
}

fn version(state_version: i64, counter: i64) -> DataVersion {
    DataVersion { state_version, timestamp: 1, counter }
}

/// A master of cluster `c` named `name`, with two topics.
fn master(name: &str, address: &str) -> Registration {
    Registration {
        cluster: "c".to_owned(),
        broker: name.to_owned(),
        address: address.to_owned(),
        id: 0,
        ha_address: Some(format!("{address}:ha")),
        zone: None,
        timeout_ms: None,
        acting_master: Some(false),
        version: version(0, 1),
        topics: topics(&["t1", "t2"]),
        has_static_topics: false,
        filter_servers: Some(Vec::new()),
    }
}

fn slave(name: &str, address: &str, id: i64) -> Registration {
    Registration { id, ..master(name, address) }
}

fn ok(registry: &mut Registry, new: &Registration) -> Registered {
    let registered = registry.register(new, conn(1), START).expect("accepted");
    registry.check();
    registered
}

fn addresses(registry: &Registry, name: &str) -> Vec<(i64, String)> {
    registry.broker(name).map_or(Vec::new(), |broker| broker.addresses.clone().into_iter().collect())
}

fn perm(registry: &Registry, topic: &str, broker: &str) -> Option<i32> {
    registry.topics.get(topic)?.get(broker).map(|queues| queues.perm)
}

#[test]
fn a_master_brings_its_topics_and_a_route_names_it() {
    let mut registry = Registry::new(RegistryOptions::default());
    assert_eq!(registry.route("t1", None), None);
    ok(&mut registry, &master("a", "10.0.0.1:10911"));
    ok(&mut registry, &master("b", "10.0.0.2:10911"));
    let route = registry.route("t1", None).expect("a route");
    assert_eq!(
        route.queues.iter().map(|(name, queues)| (*name, queues.read)).collect::<Vec<_>>(),
        [("a", 4), ("b", 4)]
    );
    assert_eq!(route.brokers[1].1.addresses[&0], "10.0.0.2:10911");
    assert_eq!(registry.topics().collect::<Vec<_>>(), ["t1", "t2"]);
    assert_eq!(registry.system_topics().collect::<Vec<_>>(), ["c", "a", "b"]);
    assert_eq!(registry.any_address(), Some("10.0.0.1:10911"));
}

#[test]
fn one_topic_of_an_unknown_broker_is_refused_without_a_trace_and_taken_later() {
    let mut registry = Registry::new(RegistryOptions::default());
    let increment = Registration { topics: topics(&["t3"]), version: version(0, 2), ..master("a", "h:1") };
    assert_eq!(registry.register(&increment, conn(1), START), Err(Refusal::Incremental));
    assert_eq!(registry.brokers().count(), 0);
    assert_eq!(registry.clusters().count(), 0);
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &increment);
    assert_eq!(registry.topics().collect::<Vec<_>>(), ["t1", "t2", "t3"], "the others stay");
}

#[test]
fn an_address_that_comes_back_under_another_id_leaves_its_former_one() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &slave("a", "h:2", 1));
    registry.unregister(&[Unregistration {
        cluster: "c".into(),
        broker: "a".into(),
        address: "h:1".into(),
        id: 0,
    }]);
    ok(&mut registry, &master("a", "h:2"));
    assert_eq!(addresses(&registry, "a"), [(0, "h:2".to_owned())]);
}

#[test]
fn an_id_moves_to_another_address_unless_the_holder_has_the_higher_state_version() {
    let mut registry = Registry::new(RegistryOptions::default());
    let first = Registration { version: version(2, 1), ..master("a", "h:1") };
    ok(&mut registry, &first);
    let older = Registration { version: version(1, 9), ..master("a", "h:2") };
    assert_eq!(ok(&mut registry, &older), Registered::default());
    assert_eq!(addresses(&registry, "a"), [(0, "h:1".to_owned())]);
    assert_eq!(registry.data_version("c", "h:2"), None, "turned away, so not alive");
    let same = Registration { version: version(2, 1), ..master("a", "h:3") };
    ok(&mut registry, &same);
    assert_eq!(addresses(&registry, "a"), [(0, "h:3".to_owned())]);
    // The old process dies later: its address is nobody's any more.
    registry.unregister(&[Unregistration {
        cluster: "c".into(),
        broker: "a".into(),
        address: "h:1".into(),
        id: 0,
    }]);
    registry.check();
    assert_eq!(addresses(&registry, "a"), [(0, "h:3".to_owned())]);
}

#[test]
fn a_slave_outvoted_for_an_id_loses_the_id_it_had() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &Registration { version: version(5, 1), ..master("a", "h:1") });
    ok(&mut registry, &slave("a", "h:2", 1));
    ok(&mut registry, &master("a", "h:2"));
    assert_eq!(addresses(&registry, "a"), [(0, "h:1".to_owned())]);
}

#[test]
fn topics_are_taken_when_new_or_when_the_version_changed_and_otherwise_left() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &master("a", "h:1"));
    assert_eq!(registry.wipe_write_perm("a"), 2);
    ok(&mut registry, &master("a", "h:1"));
    assert_eq!(perm(&registry, "t1", "a"), Some(PERM_READ), "the same version restores nothing");
    ok(&mut registry, &Registration { topics: topics(&["t1", "t9"]), ..master("a", "h:1") });
    assert_eq!(perm(&registry, "t1", "a"), Some(PERM_READ));
    assert_eq!(perm(&registry, "t9", "a"), Some(6), "a topic not stored yet is taken");
    ok(&mut registry, &Registration { version: version(0, 2), ..master("a", "h:1") });
    assert_eq!(perm(&registry, "t1", "a"), Some(6));
    assert_eq!(perm(&registry, "t9", "a"), Some(6), "missing topics stay by default");
}

#[test]
fn missing_topics_go_when_the_option_is_on_but_not_beside_static_topics() {
    let mut registry =
        Registry::new(RegistryOptions { delete_missing_topics: true, ..RegistryOptions::default() });
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &master("b", "h:2"));
    ok(
        &mut registry,
        &Registration { topics: topics(&["t2", "t3"]), has_static_topics: true, ..master("a", "h:1") },
    );
    assert_eq!(perm(&registry, "t1", "a"), Some(6));
    ok(&mut registry, &Registration { topics: topics(&["t2", "t3"]), ..master("a", "h:1") });
    assert_eq!(perm(&registry, "t1", "a"), None);
    assert_eq!(perm(&registry, "t1", "b"), Some(6));
}

#[test]
fn a_slave_is_told_its_master_and_brings_no_topics() {
    let mut registry = Registry::new(RegistryOptions::default());
    let alone = ok(&mut registry, &Registration { acting_master: None, ..slave("a", "h:2", 1) });
    assert_eq!(alone.master, None);
    assert_eq!(registry.topics().count(), 0);
    ok(&mut registry, &master("a", "h:1"));
    let answer = ok(&mut registry, &Registration { topics: topics(&["s1", "s2"]), ..slave("a", "h:2", 1) });
    assert_eq!(
        answer.master,
        Some(MasterAddress { address: "h:1".into(), ha_address: Some("h:1:ha".into()) })
    );
    assert_eq!(registry.topics().collect::<Vec<_>>(), ["t1", "t2"]);
}

#[test]
fn a_prime_slave_brings_topics_and_only_for_reading_if_it_may_act_as_master() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &slave("a", "h:2", 2));
    assert_eq!(perm(&registry, "t1", "a"), Some(6), "the field is there, the feature off");
    ok(&mut registry, &Registration { acting_master: Some(true), ..slave("a", "h:1", 1) });
    assert_eq!(perm(&registry, "t1", "a"), Some(PERM_READ));
}

#[test]
fn a_group_that_loses_its_master_keeps_its_queues_for_reading_if_a_slave_may_act() {
    for acting in [false, true] {
        let mut registry = Registry::new(RegistryOptions::default());
        ok(&mut registry, &Registration { acting_master: Some(acting), ..master("a", "h:1") });
        ok(&mut registry, &Registration { acting_master: Some(acting), ..slave("a", "h:2", 1) });
        registry.unregister(&[Unregistration {
            cluster: "c".into(),
            broker: "a".into(),
            address: "h:1".into(),
            id: 0,
        }]);
        registry.check();
        assert_eq!(perm(&registry, "t1", "a"), Some(if acting { PERM_READ } else { 6 }));
    }
}

#[test]
fn the_last_address_takes_name_cluster_and_topics_with_it() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &master("b", "h:2"));
    let gone = |name: &str, address: &str| Unregistration {
        cluster: "c".into(),
        broker: name.into(),
        address: address.into(),
        id: 0,
    };
    registry.unregister(&[gone("a", "h:other")]);
    assert!(registry.broker("a").is_some(), "another address than the one listed");
    registry.unregister(&[gone("a", "h:1"), gone("nobody", "h:9")]);
    registry.check();
    assert_eq!(registry.route("t1", None).map(|route| route.queues.len()), Some(1));
    registry.unregister(&[gone("b", "h:2")]);
    registry.check();
    assert_eq!((registry.topics().count(), registry.clusters().count(), registry.live.len()), (0, 0, 0));
}

#[test]
fn every_broker_registered_over_a_lost_connection_goes_and_no_other() {
    let mut registry = Registry::new(RegistryOptions::default());
    registry.register(&master("a", "h:1"), conn(1), START).unwrap();
    registry.register(&master("b", "h:2"), conn(1), START).unwrap();
    registry.register(&master("c", "h:3"), conn(2), START).unwrap();
    // It came again over a new connection before the old one was seen to close.
    registry.register(&master("a", "h:1"), conn(3), START).unwrap();
    registry.connection_lost(conn(1));
    registry.check();
    assert_eq!(registry.brokers().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c"]);
    registry.connection_lost(ConnId { index: 3, generation: 1 });
    assert_eq!(registry.brokers().count(), 2, "a later connection in the same slot");
}

#[test]
fn a_silent_broker_goes_after_its_timeout_and_not_before() {
    let mut registry = Registry::new(RegistryOptions::default());
    registry.register(&master("a", "h:1"), conn(1), START).unwrap();
    registry
        .register(&Registration { timeout_ms: Some(10_000), ..master("b", "h:2") }, conn(1), START)
        .unwrap();
    assert_eq!(registry.expire(START.plus_ms(10_000)), Expired::default());
    let expired = registry.expire(START.plus_ms(10_001));
    assert_eq!(
        (expired.brokers, expired.close.as_slice()),
        (1, [].as_slice()),
        "`a` still uses the connection"
    );
    registry.heard_of("c", "h:1", START.plus_ms(60_000));
    registry.heard_of("c", "h:unknown", START);
    assert_eq!(registry.expire(START.plus_ms(180_000)).brokers, 0);
    let expired = registry.expire(START.plus_ms(180_001));
    registry.check();
    assert_eq!((expired.brokers, expired.close.as_slice()), (1, [conn(1)].as_slice()));
    assert_eq!(registry.brokers().count(), 0);
}

#[test]
fn members_hear_of_a_new_smallest_id_only_when_asked_for() {
    let mut registry = Registry::new(RegistryOptions::default());
    let acting = |new: Registration| Registration { acting_master: Some(true), ..new };
    ok(&mut registry, &acting(slave("a", "h:2", 2)));
    assert_eq!(ok(&mut registry, &acting(slave("a", "h:1", 1))).notify, None);

    let mut registry = Registry::new(RegistryOptions { notify_min_id: true, ..RegistryOptions::default() });
    ok(&mut registry, &acting(slave("a", "h:2", 2)));
    let change = ok(&mut registry, &acting(slave("a", "h:1", 1))).notify.expect("a new smallest id");
    assert_eq!((change.min_id, change.tell.as_slice()), (1, ["h:2".to_owned()].as_slice()));
    assert_eq!(change.ha_address.as_deref(), Some("h:1:ha"));
    assert_eq!(ok(&mut registry, &acting(slave("a", "h:1", 1))).notify, None, "again");
    let gone = Unregistration { cluster: "c".into(), broker: "a".into(), address: "h:1".into(), id: 1 };
    let changes = registry.unregister(std::slice::from_ref(&gone));
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].min_id, changes[0].offline.as_deref()), (2, Some("h:1")));
    assert_eq!(changes[0].tell, ["h:2"]);
}

#[test]
fn write_permission_is_wiped_and_added_keeping_the_inherit_bit() {
    let mut registry = Registry::new(RegistryOptions::default());
    let mut new = master("a", "h:1");
    new.topics.insert("TBW102".into(), Queues { perm: 7, ..queues(8) });
    ok(&mut registry, &new);
    assert_eq!(registry.wipe_write_perm("a"), 3);
    assert_eq!((perm(&registry, "TBW102", "a"), perm(&registry, "t1", "a")), (Some(5), Some(4)));
    assert_eq!(registry.add_write_perm("a"), 3);
    assert_eq!((perm(&registry, "TBW102", "a"), perm(&registry, "t1", "a")), (Some(7), Some(6)));
    assert_eq!(registry.wipe_write_perm("nobody"), 0);
}

#[test]
fn a_topic_is_deleted_whole_or_for_one_cluster() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &Registration { cluster: "d".into(), ..master("b", "h:2") });
    registry.delete_topic("t1", Some("nowhere"));
    registry.delete_topic("t1", Some("c"));
    registry.check();
    assert_eq!(registry.topics_of_cluster("c").collect::<Vec<_>>(), ["t2"]);
    assert_eq!(registry.topics_of_cluster("d").collect::<Vec<_>>(), ["t1", "t2"]);
    assert_eq!(registry.topics_of_cluster("nowhere").count(), 0);
    registry.delete_topic("t1", Some("d"));
    registry.delete_topic("t2", None);
    registry.delete_topic("t2", None);
    registry.check();
    assert_eq!(registry.topics().count(), 0);
}

#[test]
fn a_registered_topic_stops_at_the_first_unknown_broker() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &master("a", "h:1"));
    let entries =
        [("a", 3), ("nobody", 3), ("a", 9)].map(|(broker, count)| (broker.to_owned(), queues(count)));
    registry.register_topic("new", entries);
    registry.check();
    assert_eq!(registry.topics["new"], BTreeMap::from([("a".to_owned(), queues(3))]));
}

#[test]
fn unit_lists_follow_the_flags() {
    let mut registry = Registry::new(RegistryOptions::default());
    let mut new = master("a", "h:1");
    for (name, sys_flag) in [("plain", 0), ("unit", UNIT), ("sub", UNIT_SUB), ("both", UNIT | UNIT_SUB)] {
        new.topics.insert(name.into(), Queues { sys_flag, ..queues(1) });
    }
    ok(&mut registry, &new);
    let list = |which| registry.unit_topics(which).collect::<Vec<_>>();
    assert_eq!(list(UnitList::Unit), ["both", "unit"]);
    assert_eq!(list(UnitList::UnitSub), ["both", "sub"]);
    assert_eq!(list(UnitList::UnitSubNotUnit), ["sub"]);
}

#[test]
fn a_zone_shows_its_own_groups_and_those_without_a_master() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &Registration { zone: Some("East".into()), ..master("a", "h:1") });
    ok(&mut registry, &Registration { zone: Some("west".into()), ..master("b", "h:2") });
    ok(&mut registry, &Registration { zone: None, ..slave("d", "h:3", 1) });
    let names = |zone| {
        let route = registry.route("t1", zone).expect("a route");
        assert_eq!(route.queues.len(), route.brokers.len());
        route.brokers.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["a", "b", "d"]);
    assert_eq!(names(Some("EAST")), ["a", "d"]);
    assert_eq!(names(Some("north")), ["d"]);
}

#[test]
fn filter_servers_are_listed_by_address_until_an_empty_list_comes() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &Registration { filter_servers: Some(vec!["f:1".into()]), ..master("a", "h:1") });
    ok(&mut registry, &Registration { filter_servers: None, ..master("a", "h:1") });
    assert_eq!(registry.route("t1", None).unwrap().filter_servers, [("h:1", ["f:1".to_owned()].as_slice())]);
    ok(&mut registry, &master("a", "h:1"));
    assert!(registry.route("t1", None).unwrap().filter_servers.is_empty());
}

#[test]
fn the_table_takes_as_much_as_its_bounds_say_and_no_more() {
    let options = RegistryOptions { brokers_max: 2, routes_max: 4, ..RegistryOptions::default() };
    let mut registry = Registry::new(options);
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &master("b", "h:2"));
    let third = Registration { topics: BTreeMap::new(), ..master("d", "h:3") };
    assert_eq!(registry.register(&third, conn(1), START), Err(Refusal::Full));
    let more = Registration { topics: topics(&["t3", "t4"]), ..master("a", "h:1") };
    assert_eq!(registry.register(&more, conn(1), START), Err(Refusal::Full));
    registry.check();
}

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
