//! Who goes: by a word, by a lost connection, by silence; and who hears of it.

use super::*;

#[test]
fn a_group_that_loses_its_master_keeps_its_queues_for_reading_if_a_slave_may_act() {
    for acting in [false, true] {
        let mut registry = Registry::new(RegistryOptions::default());
        ok(&mut registry, &Registration { acting_master: Some(acting), ..master("a", "h:1") });
        ok(&mut registry, &Registration { acting_master: Some(acting), ..slave("a", "h:2", 1) });
        registry.unregister(&[gone("a", "h:1")]);
        registry.check();
        assert_eq!(perm(&registry, "t1", "a"), Some(if acting { PERM_READ } else { 6 }));
    }
}

#[test]
fn the_last_address_takes_name_cluster_and_topics_with_it() {
    let mut registry = Registry::new(RegistryOptions::default());
    ok(&mut registry, &master("a", "h:1"));
    ok(&mut registry, &master("b", "h:2"));
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
    let changes = registry.unregister(&[Unregistration { id: 1, ..gone("a", "h:1") }]);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].min_id, changes[0].offline.as_deref()), (2, Some("h:1")));
    assert_eq!(changes[0].tell, ["h:2"]);
}
