//! Pulls that wait: woken by the message they want, by nothing else, and not for ever.

use net::body::KvTable;
use net::requests::{DeleteTopicInBroker, GetBrokerRuntimeInfo, PullMessage, SendMessageV2};

use crate::support::{Client, Setup, World, attached, create_topic, message, property, pull};

const HOLD_MS: i64 = 15_000;

fn waiting<'a>(tags: &'a str, offset: i64) -> PullMessage<'a> {
    PullMessage { subscription: Some(tags), ..attached(pull("g", "T", 0, offset), HOLD_MS) }
}

fn send_tagged(client: &mut Client<'_>, tag: &str) -> i64 {
    let tags = property("TAGS", tag);
    client
        .ask(&SendMessageV2 { properties: Some(&tags), ..message("T", 0) }, tag.as_bytes())
        .number("queueOffset")
}

#[test]
fn a_waiting_pull_gets_a_message_when_it_comes_and_not_when_the_hold_ends() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let (mut producer, mut consumer) = (world.connect(&host), world.connect(&host));
    let opaque = consumer.begin(&waiting("*", 0), b"");
    world.run_ms(3_000);
    assert!(!consumer.has(opaque), "there is nothing to read");
    producer.ask(&message("T", 0), b"news");
    let sent = world.now_ms();
    let answer = consumer.wait(opaque);
    assert_eq!((answer.code, answer.texts()), (0, vec!["news".to_owned()]));
    assert!(world.now_ms() - sent <= 5, "{} ms after the answer of the send", world.now_ms() - sent);
}

#[test]
fn every_pull_that_waits_at_a_queue_gets_the_message() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut consumers: Vec<_> = (0..5).map(|_| world.connect(&host)).collect();
    let opaques: Vec<_> = consumers.iter_mut().map(|one| one.begin(&waiting("*", 0), b"")).collect();
    world.run_ms(100);
    world.connect(&host).ask(&message("T", 0), b"for all");
    for (consumer, opaque) in consumers.iter_mut().zip(opaques) {
        assert_eq!(consumer.wait(opaque).texts(), ["for all"]);
    }
}

#[test]
fn the_end_of_the_hold_is_answered_with_not_found() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut consumer = world.connect(&host);
    let began = world.now_ms();
    let opaque = consumer.begin(&waiting("*", 0), b"");
    let answer = consumer.wait(opaque);
    assert_eq!((answer.code, answer.number("nextBeginOffset")), (19, 0), "{answer:?}");
    let held = world.now_ms() - began;
    assert!((15_000..15_100).contains(&held), "held {held} ms");
}

#[test]
fn a_pull_that_may_not_wait_is_answered_at_once() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"one");
    let began = world.now_ms();
    let answer = client.ask(&pull("g", "T", 0, 1), b"");
    assert_eq!((answer.code, answer.remark.as_str()), (19, "OFFSET_OVERFLOW_ONE"));
    assert!(world.now_ms() - began < 10);
}

#[test]
fn without_long_polling_a_pull_waits_for_the_short_time_only() {
    let world = World::new(5);
    let host = world.boot(&Setup::with(|config| config.long_polling = false));
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut consumer = world.connect(&host);
    let began = world.now_ms();
    assert_eq!(consumer.ask(&waiting("*", 0), b"").code, 19);
    let held = world.now_ms() - began;
    assert!((1_000..1_100).contains(&held), "held {held} ms");
}

#[test]
fn messages_with_other_tags_do_not_wake_a_pull_and_are_skipped_when_it_wakes() {
    let world = World::new(6);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let (mut producer, mut consumer) = (world.connect(&host), world.connect(&host));
    let opaque = consumer.begin(&waiting("red || blue", 0), b"");
    world.run_ms(100);
    for _ in 0..3 {
        send_tagged(&mut producer, "green");
    }
    world.run_ms(5_000);
    assert!(!consumer.has(opaque), "green is nothing it wants");
    send_tagged(&mut producer, "blue");
    let answer = consumer.wait(opaque);
    assert_eq!((answer.texts(), answer.number("nextBeginOffset")), (vec!["blue".to_owned()], 4));
}

#[test]
fn a_hold_that_saw_only_other_tags_ends_behind_them() {
    let world = World::new(7);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let (mut producer, mut consumer) = (world.connect(&host), world.connect(&host));
    let opaque = consumer.begin(&waiting("red", 0), b"");
    world.run_ms(100);
    for _ in 0..3 {
        send_tagged(&mut producer, "green");
    }
    let answer = consumer.wait(opaque);
    assert!(matches!(answer.code, 19 | 20), "{answer:?}");
    assert_eq!(answer.number("nextBeginOffset"), 3, "it need not look at them again");
}

#[test]
fn a_closed_connection_takes_its_waiting_pulls_along() {
    let world = World::new(8);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let (mut producer, mut gone, mut stays) =
        (world.connect(&host), world.connect(&host), world.connect(&host));
    for _ in 0..3 {
        gone.begin(&waiting("*", 0), b"");
    }
    let opaque = stays.begin(&waiting("*", 0), b"");
    world.run_ms(100);
    gone.close();
    world.run_ms(100);
    // Its slot is taken by a newcomer, which must not get what the other one waited for.
    let mut newcomer = world.connect(&host);
    producer.ask(&message("T", 0), b"news");
    assert_eq!(stays.wait(opaque).texts(), ["news"]);
    world.run_ms(20_000);
    assert!(newcomer.rest().is_empty());
    let table: KvTable = producer.ask(&GetBrokerRuntimeInfo {}, b"").json();
    assert_eq!(table.table["msgGetTotalTodayNow"], "1", "one reader got it");
}

#[test]
fn deleting_the_topic_ends_the_wait() {
    let world = World::new(9);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    let mut consumer = world.connect(&host);
    let opaque = consumer.begin(&waiting("*", 0), b"");
    world.run_ms(100);
    let began = world.now_ms();
    admin.must(&DeleteTopicInBroker { topic: "T" }, b"");
    assert_eq!(consumer.wait(opaque).code, 19);
    assert!(world.now_ms() - began < 1_000);
    assert_eq!(consumer.ask(&waiting("*", 0), b"").code, 17);
}
