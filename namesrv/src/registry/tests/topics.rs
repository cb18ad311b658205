//! Topics: permissions, deletion, lists, and the zones of a route.

use super::*;

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
