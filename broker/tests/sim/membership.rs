//! Consumer groups as heartbeats describe them: who is in, who is told, who is dropped.

use net::RequestCode;
use net::body::{ConsumerConnection, ConsumerList, ProducerConnection};
use net::requests::{
    GetConsumerConnectionList, GetConsumerListByGroup, GetProducerConnectionList, HeartBeat,
    UnregisterClient, UpdateAndCreateSubscriptiongroup,
};

use crate::support::{Client, Setup, World, group_config, heartbeat, message, pull, subscription};

fn beat(client: &mut Client<'_>, id: &str, topics: &[&str]) -> bool {
    let subscriptions: Vec<_> = topics.iter().map(|topic| subscription(topic, "*", 1)).collect();
    let answer = client.must(&HeartBeat {}, &heartbeat(id, "g", &subscriptions));
    assert_eq!(answer.text("IS_SUPPORT_HEART_BEAT_V2"), "true");
    answer.text("IS_SUB_CHANGE") == "true"
}

fn members(client: &mut Client<'_>) -> Vec<String> {
    let answer = client.ask(&GetConsumerListByGroup { consumer_group: "g" }, b"");
    if answer.code == 1 {
        assert!(answer.remark.contains("no consumer for this group"), "{answer:?}");
        return Vec::new();
    }
    answer.json::<ConsumerList>().client_ids
}

/// How often the client was told that its group changed.
fn notices(world: &World, client: &mut Client<'_>) -> usize {
    world.run_ms(50);
    let pushed = client.pushes(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED);
    assert!(pushed.iter().all(|push| push.text("consumerGroup") == "g"), "{pushed:?}");
    pushed.len()
}

#[test]
fn who_joins_is_listed_and_the_others_are_told() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let (mut a, mut b) = (world.connect(&host), world.connect(&host));
    assert_eq!(members(&mut a), Vec::<String>::new());
    assert!(beat(&mut a, "a", &["T"]));
    notices(&world, &mut a);
    assert!(beat(&mut b, "b", &["T"]));
    assert!(notices(&world, &mut a) >= 1, "a shares its queues with b from now on");
    assert_eq!(members(&mut a), ["a", "b"]);
    notices(&world, &mut b);
    for _ in 0..3 {
        assert!(!beat(&mut b, "b", &["T"]), "the same again is no change");
    }
    assert_eq!((notices(&world, &mut a), notices(&world, &mut b)), (0, 0));
    beat(&mut b, "b", &["T", "U"]);
    assert_eq!(notices(&world, &mut a), 1, "another topic is a change");
}

#[test]
fn who_leaves_is_gone_at_once_by_request_or_by_closing() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let (mut a, mut b, mut c) = (world.connect(&host), world.connect(&host), world.connect(&host));
    for (client, id) in [(&mut a, "a"), (&mut b, "b"), (&mut c, "c")] {
        beat(client, id, &["T"]);
    }
    notices(&world, &mut a);
    let leave =
        UnregisterClient { client_id: "b", producer_group: Some("producers"), consumer_group: Some("g") };
    b.must(&leave, b"");
    assert_eq!(notices(&world, &mut a), 1);
    assert_eq!(members(&mut a), ["a", "c"]);
    c.close();
    assert_eq!(notices(&world, &mut a), 1);
    assert_eq!(members(&mut a), ["a"]);
    let producers: ProducerConnection =
        a.ask(&GetProducerConnectionList { producer_group: "producers" }, b"").json();
    assert_eq!(producers.connections.len(), 1, "b and c are no producers either");
}

#[test]
fn a_client_whose_heartbeats_stop_is_dropped_after_two_minutes() {
    let world = World::new(3);
    let host = world.boot(&Setup::with(|config| config.idle_seconds = 86_400));
    let (mut silent, mut alive) = (world.connect(&host), world.connect(&host));
    beat(&mut silent, "silent", &["T"]);
    beat(&mut alive, "alive", &["T"]);
    for _ in 0..3 {
        world.run_ms(30_000);
        beat(&mut alive, "alive", &["T"]);
    }
    world.run_ms(28_000);
    assert_eq!(members(&mut alive), ["alive", "silent"], "118 s: not yet");
    beat(&mut alive, "alive", &["T"]);
    world.run_ms(15_000);
    assert_eq!(members(&mut alive), ["alive"], "gone with the first scan after 120 s");
    assert!(!silent.is_open() && alive.is_open());
}

#[test]
fn an_idle_connection_is_closed() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut idle = world.connect(&host);
    beat(&mut idle, "idle", &["T"]);
    world.run_ms(115_000);
    assert!(idle.is_open());
    world.run_ms(15_000);
    assert!(!idle.is_open());
    assert_eq!(members(&mut world.connect(&host)), Vec::<String>::new());
}

#[test]
fn the_latest_heartbeat_decides_what_the_group_subscribes_to() {
    let world = World::new(5);
    let host = world.boot(&Setup::default());
    let (mut a, mut b) = (world.connect(&host), world.connect(&host));
    a.must(&HeartBeat {}, &heartbeat("a", "g", &[subscription("T", "red", 5), subscription("U", "*", 5)]));
    b.must(&HeartBeat {}, &heartbeat("b", "g", &[subscription("T", "blue", 4), subscription("V", "*", 4)]));
    let connections: ConsumerConnection =
        a.ask(&GetConsumerConnectionList { consumer_group: "g" }, b"").json();
    assert_eq!(connections.connections.len(), 2);
    let topics: Vec<(&str, &str)> = connections
        .subscriptions
        .iter()
        .map(|(topic, data)| (topic.as_str(), data.expression.as_str()))
        .collect();
    assert_eq!(topics, [("T", "red"), ("V", "*")], "an older version of T does not count, U is gone");
    assert_eq!(a.ask(&GetConsumerConnectionList { consumer_group: "nobody" }, b"").code, 206);
}

#[test]
fn a_heartbeat_makes_the_group_and_its_retry_topic() {
    let world = World::new(6);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    assert_eq!(client.ask(&message("%RETRY%g", 0), b"x").code, 26);
    beat(&mut client, "a", &["T"]);
    assert_eq!(client.ask(&pull("g", "%RETRY%g", 0, 0), b"").code, 19);
}

#[test]
fn a_group_that_must_not_be_made_is_skipped_in_silence() {
    let world = World::new(7);
    let host = world.boot(&Setup::with(|config| config.auto_create_group = false));
    let mut client = world.connect(&host);
    beat(&mut client, "a", &["T"]);
    assert_eq!(members(&mut client), Vec::<String>::new());
    world.connect_local(&host).must(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {}));
    beat(&mut client, "a", &["T"]);
    assert_eq!(members(&mut client), ["a"]);
}

#[test]
fn groups_that_broadcast_or_do_not_want_it_are_not_told() {
    let world = World::new(8);
    let host = world.boot(&Setup::default());
    let (mut a, mut b) = (world.connect(&host), world.connect(&host));
    let broadcasting = |id| {
        let body = String::from_utf8(heartbeat(id, "g", &[subscription("T", "*", 1)])).unwrap();
        body.replace("CLUSTERING", "BROADCASTING").into_bytes()
    };
    a.must(&HeartBeat {}, &broadcasting("a"));
    b.must(&HeartBeat {}, &broadcasting("b"));
    assert_eq!(notices(&world, &mut a), 0, "everybody reads everything, there is nothing to share");

    let host = world.boot(&Setup { ip: [10, 0, 0, 2], ..Setup::default() });
    let quiet = group_config("g", |config| config.notify_consumer_ids_changed_enable = false);
    world.connect_local(&host).must(&UpdateAndCreateSubscriptiongroup {}, &quiet);
    let (mut a, mut b) = (world.connect(&host), world.connect(&host));
    beat(&mut a, "a", &["T"]);
    beat(&mut b, "b", &["T"]);
    assert_eq!(notices(&world, &mut a), 0);
}

#[test]
fn a_heartbeat_that_is_none_is_refused_and_the_connection_goes_on() {
    let world = World::new(9);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    for body in [&b"{"[..], b"[]", b"", b"\xff\xfe"] {
        let answer = client.ask(&HeartBeat {}, body);
        assert!(answer.code == 1 && !answer.remark.is_empty(), "{answer:?}");
    }
    assert!(beat(&mut client, "a", &["T"]));
}
