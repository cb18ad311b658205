//! A broker that stops answers everybody who waits, takes nothing new, and closes its store.

use broker::PeerMessage;
use rt::sim::{OpKind, Verdict};
use std::time::Duration;

use crate::support::{Setup, World, attached, create_topic, message, pull};

#[test]
fn waiting_pulls_are_answered_when_it_stops() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut consumer = world.connect(&host);
    let opaque = consumer.begin(&attached(pull("g", "T", 0, 0), 15_000), b"");
    world.run_ms(100);
    host.tell(PeerMessage::Stop);
    let answer = consumer.wait_at_most(opaque, Duration::from_secs(1)).unwrap();
    assert_eq!(answer.code, 19);
    world.run_ms(10_000);
    assert!(!host.is_running());
}

#[test]
fn a_send_in_flight_is_answered_and_a_new_one_is_sent_elsewhere() {
    let world = World::new(2);
    let setup = Setup::sync();
    let host = world.boot(&setup);
    let (mut before, mut after) = (world.connect(&host), world.connect(&host));
    before.must(&message("T", 0), b"first");
    host.disk().on_operation(|operation| match operation.kind {
        OpKind::Flush | OpKind::DurableWrite => Verdict::Delay(Duration::from_secs(2)),
        _ => Verdict::Proceed,
    });
    let in_flight = before.begin(&message("T", 0), b"second");
    world.run_ms(500);
    host.tell(PeerMessage::Stop);
    world.run_ms(100);
    let refused = after.begin(&message("T", 0), b"third");
    let parked = after.begin(&attached(pull("g", "T", 0, 9_999), 15_000), b"");
    let refused = after.wait_at_most(refused, Duration::from_secs(1)).unwrap();
    assert_eq!(refused.code, 1500, "GO_AWAY: {refused:?}");
    assert_eq!(before.wait(in_flight).code, 0);
    assert!(after.wait_at_most(parked, Duration::from_secs(5)).is_some(), "nobody is left without an answer");
    let disk = host.stop(&world);
    let host = world.boot_from(disk, &setup);
    assert_eq!(world.connect(&host).ask(&pull("g", "T", 0, 0), b"").texts(), ["first", "second"]);
}

#[test]
fn a_pull_that_comes_while_it_stops_is_not_held() {
    let world = World::new(3);
    let host = world.boot(&Setup::sync());
    let (mut producer, mut consumer) = (world.connect(&host), world.connect(&host));
    producer.must(&message("T", 0), b"first");
    host.disk().on_operation(|operation| match operation.kind {
        OpKind::Flush | OpKind::DurableWrite => Verdict::Delay(Duration::from_secs(4)),
        _ => Verdict::Proceed,
    });
    producer.begin(&message("T", 0), b"second");
    world.run_ms(500);
    host.tell(PeerMessage::Stop);
    world.run_ms(10);
    let held = consumer.begin(&attached(pull("g", "T", 1, 0), 15_000), b"");
    let answer = consumer.wait_at_most(held, Duration::from_secs(1)).unwrap();
    assert_eq!(answer.code, 19);
}
