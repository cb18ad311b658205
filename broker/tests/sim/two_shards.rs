//! Two shards of a node: a topic made on the fly is made on both, an administrator's stays where he wrote it.

use broker::PeerMessage;
use net::body::TopicConfig;
use net::requests::GetTopicConfig;

use crate::support::{Client, Host, Setup, World, create_topic, message};

/// Carries what the shards told each other to the other one.
fn deliver(world: &World, a: &Host, b: &Host) -> usize {
    let (from_a, from_b) = (a.heard(), b.heard());
    let count = from_a.len() + from_b.len();
    from_a.into_iter().for_each(|message| b.tell(message));
    from_b.into_iter().for_each(|message| a.tell(message));
    world.run_ms(10);
    count
}

fn config_of(client: &mut Client<'_>, topic: &str) -> Option<TopicConfig> {
    let answer = client.ask(&GetTopicConfig { topic, logical: None }, b"");
    (answer.code == 0).then(|| answer.json())
}

fn node(world: &World) -> (Host, Host) {
    let first = Setup::with(|config| config.shards = Some(2));
    let mut second = Setup { ip: [10, 0, 0, 2], index: 1, ..first.clone() };
    second.store.shard = 1;
    second.store.shards = 2;
    let mut first = first;
    first.store.shards = 2;
    (world.boot(&first), world.boot(&second))
}

#[test]
fn a_topic_made_by_a_send_to_one_shard_exists_on_the_other() {
    let world = World::new(1);
    let (a, b) = node(&world);
    assert_eq!((a.address.port(), b.address.port()), (10911, 10921));
    let (mut at_a, mut at_b) = (world.connect(&a), world.connect(&b));
    at_a.must(&message("T", 3), b"x");
    assert_eq!(config_of(&mut at_b, "T"), None);
    assert_eq!(deliver(&world, &a, &b), 1);
    assert_eq!(config_of(&mut at_b, "T"), config_of(&mut at_a, "T"));
    assert_eq!(deliver(&world, &a, &b), 0, "it is not told back");
    assert_eq!(
        at_b.must(&message("T", 0), b"x").number("queueOffset"),
        0,
        "each shard numbers its own queues"
    );
}

#[test]
fn a_topic_that_exists_already_is_not_overwritten() {
    let world = World::new(2);
    let (a, b) = node(&world);
    world.connect_local(&b).must(&create_topic("T", 9), b"");
    world.connect(&a).must(&message("T", 0), b"x");
    assert_eq!(deliver(&world, &a, &b), 1);
    assert_eq!(config_of(&mut world.connect(&b), "T").unwrap().write_queues, 9);
    assert_eq!(config_of(&mut world.connect(&a), "T").unwrap().write_queues, 4);
}

#[test]
fn every_shard_has_a_name_of_its_own() {
    let world = World::new(3);
    let (a, b) = node(&world);
    for (host, name) in [(&a, "broker-a"), (&b, "broker-a-1")] {
        assert!(config_of(&mut world.connect(host), name).is_some(), "its name is a topic: {name}");
    }
    a.tell(PeerMessage::Stop);
    world.run_ms(10_000);
    assert!(!a.is_running() && b.is_running());
}
