//! Pulls that are refused or sent elsewhere: RocketMQ's codes, in its order, with the offset to go on from.

use net::body::SubscriptionData;
use net::requests::{
    GetMinOffset, HeartBeat, PullMessage, SendMessageV2, UpdateAndCreateSubscriptiongroup,
    UpdateAndCreateTopic, UpdateAndGetGroupForbidden,
};

use store::retention::DeleteWhen;

use crate::support::{
    Answer, Client, Setup, World, create_topic, group_config, heartbeat, message, property, pull,
    subscription,
};

fn refused(client: &mut Client<'_>, request: &PullMessage<'_>) -> i32 {
    let answer = client.ask(request, b"");
    assert!(!answer.remark.is_empty(), "{answer:?}");
    answer.code
}

/// A pull that relies on the group's heartbeat.
fn by_heartbeat<'a>(group: &'a str, topic: &'a str, version: i64) -> PullMessage<'a> {
    PullMessage { sys_flag: 0, subscription: None, sub_version: version, ..pull(group, topic, 0, 0) }
}

#[test]
fn an_unknown_group_is_made_unless_that_is_off_or_its_name_is_illegal() {
    let world = World::new(1);
    let host = world.boot(&Setup::with(|config| config.auto_create_group = false));
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    assert_eq!(refused(&mut client, &pull("g", "T", 0, 0)), 26);
    world.connect_local(&host).must(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {}));
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").code, 0);

    let host = world.boot(&Setup { ip: [10, 0, 0, 2], ..Setup::default() });
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    let too_long = "g".repeat(121);
    for name in ["", "a b", too_long.as_str()] {
        assert_eq!(refused(&mut client, &pull(name, "T", 0, 0)), 26, "{name:?}");
    }
    assert_eq!(client.ask(&pull(&too_long[1..], "T", 0, 0), b"").code, 0);
}

#[test]
fn every_check_has_its_code_and_they_come_in_order() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(
        &UpdateAndCreateSubscriptiongroup {},
        &group_config("off", |config| config.consume_enable = false),
    );
    admin.must(&UpdateAndCreateTopic { perm: 2, ..create_topic("blind", 1) }, b"");
    admin.must(&UpdateAndCreateTopic { read_queues: 2, ..create_topic("T", 4) }, b"");
    let mut client = world.connect(&host);
    let bad = |group, topic, queue_id| PullMessage {
        subscription: Some(" || "),
        ..pull(group, topic, queue_id, 0)
    };
    assert_eq!(refused(&mut client, &bad("off", "nowhere", 9)), 16, "the group may not consume");
    assert_eq!(refused(&mut client, &bad("g", "nowhere", 9)), 17, "no such topic");
    assert_eq!(refused(&mut client, &bad("g", "blind", 9)), 16, "a topic that is not readable");
    for queue_id in [-1, 2, 3] {
        assert_eq!(refused(&mut client, &bad("g", "T", queue_id)), 29, "no such read queue {queue_id}");
    }
    assert_eq!(refused(&mut client, &bad("g", "T", 1)), 23, "no subscription");
    assert_eq!(client.ask(&pull("g", "T", 1, 0), b"").code, 19);
}

#[test]
fn a_broker_that_may_not_be_read_refuses_every_pull() {
    let world = World::new(3);
    let host = world.boot(&Setup::with(|config| config.permission = 2));
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    assert_eq!(refused(&mut client, &pull("g", "nowhere", 0, 0)), 16);
}

#[test]
fn without_a_subscription_in_the_request_the_heartbeat_decides() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    admin.must(&create_topic("U", 1), b"");
    let mut client = world.connect(&host);
    assert_eq!(refused(&mut client, &by_heartbeat("g", "T", 0)), 24, "no heartbeat yet");
    client.must(&HeartBeat {}, &heartbeat("me", "g", &[subscription("T", "red", 100)]));
    assert_eq!(refused(&mut client, &by_heartbeat("g", "U", 0)), 24, "another topic");
    assert_eq!(refused(&mut client, &by_heartbeat("g", "T", 101)), 25, "the heartbeat is older");
    assert_eq!(client.ask(&by_heartbeat("g", "T", 100), b"").code, 19);
    for tag in ["red", "green", "red"] {
        let tags = property("TAGS", tag);
        client.ask(&SendMessageV2 { properties: Some(&tags), ..message("T", 0) }, tag.as_bytes());
    }
    let read = client.ask(&by_heartbeat("g", "T", 100), b"");
    assert_eq!((read.texts().len(), read.number("nextBeginOffset")), (2, 3));
    let green = PullMessage { queue_offset: 1, max_msg_nums: 1, ..by_heartbeat("g", "T", 99) };
    assert_eq!(client.ask(&green, b"").texts(), ["red"], "green is skipped");
    let sql =
        SubscriptionData { expression_type: Some("SQL92".to_owned()), ..subscription("T", "a > 1", 200) };
    client.must(&HeartBeat {}, &heartbeat("me", "g", &[sql]));
    assert_eq!(refused(&mut client, &by_heartbeat("g", "T", 200)), 1, "SQL is not built");
    let attached = PullMessage { expression_type: Some("SQL92"), ..pull("g", "T", 0, 0) };
    assert_eq!(refused(&mut client, &attached), 1);
}

#[test]
fn what_does_not_match_moves_the_offset_and_says_try_again() {
    let world = World::new(5);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    for _ in 0..3 {
        client.ask(&message("T", 0), b"untagged");
    }
    let read = client.ask(&PullMessage { subscription: Some("red"), ..pull("g", "T", 0, 0) }, b"");
    assert_eq!(
        (read.code, read.remark.as_str(), read.number("nextBeginOffset")),
        (20, "NO_MATCHED_MESSAGE", 3)
    );
}

#[test]
fn a_group_may_be_kept_from_one_topic_and_from_broadcasting() {
    let world = World::new(6);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    let mut client = world.connect(&host);
    client.must(&HeartBeat {}, &heartbeat("me", "g", &[subscription("T", "*", 1)]));
    let forbid = |readable| UpdateAndGetGroupForbidden { group: "g", topic: "T", readable: Some(readable) };
    admin.must(&forbid(false), b"");
    assert_eq!(refused(&mut client, &by_heartbeat("g", "T", 1)), 16);
    admin.must(&forbid(true), b"");
    assert_eq!(client.ask(&by_heartbeat("g", "T", 1), b"").code, 19);

    admin.must(
        &UpdateAndCreateSubscriptiongroup {},
        &group_config("b", |config| config.consume_broadcast_enable = false),
    );
    let beat = String::from_utf8(heartbeat("me", "b", &[subscription("T", "*", 1)])).unwrap();
    let beat = beat.replace("CLUSTERING", "BROADCASTING");
    client.must(&HeartBeat {}, beat.as_bytes());
    assert_eq!(refused(&mut client, &by_heartbeat("b", "T", 1)), 16);
}

#[test]
fn an_offset_outside_the_queue_is_moved_into_it() {
    let world = World::new(7);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    world.connect_local(&host).must(&create_topic("T", 2), b"");
    for _ in 0..3 {
        client.ask(&message("T", 0), b"x");
    }
    let outcome = |answer: &Answer| (answer.code, answer.remark.clone(), answer.number("nextBeginOffset"));
    for (queue_id, offset, expected) in [
        (0, 3, (19, "OFFSET_OVERFLOW_ONE", 3)),
        (0, 4, (21, "OFFSET_OVERFLOW_BADLY", 3)),
        (0, i64::MAX, (21, "OFFSET_OVERFLOW_BADLY", 3)),
        (0, -1, (21, "OFFSET_TOO_SMALL", 0)),
        (1, 0, (19, "NO_MESSAGE_IN_QUEUE", 0)),
    ] {
        let answer = client.ask(&pull("g", "T", queue_id, offset), b"");
        assert_eq!(outcome(&answer), (expected.0, expected.1.to_owned(), expected.2), "{queue_id} {offset}");
        let max = if queue_id == 0 { 3 } else { 0 };
        assert_eq!((answer.number("minOffset"), answer.number("maxOffset")), (0, max));
        assert_eq!(answer.number("suggestWhichBrokerId"), 0);
    }
    for offset in [5, -1] {
        let answer = client.ask(&pull("g", "T", 1, offset), b"");
        assert_eq!((answer.code, answer.number("nextBeginOffset")), (21, 0), "empty queue, offset {offset}");
    }
}

#[test]
fn an_offset_whose_message_expired_is_moved_to_the_oldest_one_there_is() {
    let world = World::new(8);
    let mut setup = Setup::default();
    setup.store.retention.reserved_hours = 1;
    setup.store.retention.delete_when = DeleteWhen::Steady;
    let host = world.boot(&setup);
    let mut client = world.connect(&host);
    // More than two segments of 1 MiB, and a younger message behind them.
    for _ in 0..45 {
        client.must(&message("T", 0), &[b'x'; 60_000]);
    }
    drop(client);
    world.run_ms(4_000_000);
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"young");
    world.run_ms(60_000);
    let moved = client.ask(&pull("g", "T", 0, 0), b"");
    let min = moved.number("minOffset");
    assert!(min > 0, "{moved:?}");
    assert_eq!(
        (moved.code, moved.remark.as_str(), moved.number("nextBeginOffset")),
        (21, "OFFSET_TOO_SMALL", min)
    );
    let oldest = client.ask(&pull("g", "T", 0, min), b"");
    assert_eq!((oldest.code, oldest.messages()[0].queue_offset), (0, u64::try_from(min).unwrap()));
    assert_eq!(client.ask(&pull("g", "T", 0, min - 1), b"").code, 21);
    assert_eq!(client.ask(&GetMinOffset { topic: "T", queue_id: 0 }, b"").number("offset"), min);
    assert_eq!(client.ask(&pull("g", "T", 0, 45), b"").texts(), ["young"]);
}
