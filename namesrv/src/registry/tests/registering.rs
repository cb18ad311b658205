//! Who comes: addresses, ids, topics, and what the answer says.

use super::*;

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
    registry.unregister(&[gone("a", "h:1")]);
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
    registry.unregister(&[gone("a", "h:1")]);
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

#[test]
fn filter_servers_are_listed_by_address_until_an_empty_list_comes() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &Registration { filter_servers: Some(vec!["f:1".into()]), ..master("a", "h:1") });
    ok(&mut registry, &Registration { filter_servers: None, ..master("a", "h:1") });
    assert_eq!(registry.route("t1", None).unwrap().filter_servers, [("h:1", ["f:1".to_owned()].as_slice())]);
    ok(&mut registry, &master("a", "h:1"));
    assert!(registry.route("t1", None).unwrap().filter_servers.is_empty());
}
