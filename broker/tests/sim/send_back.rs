//! Messages that consumers give back: stored anew for their group, or among its dead letters.

use net::body::{LockBatch, MessageQueue};
use net::json::{self, Style};
use net::requests::{ConsumerSendMsgBack, LockBatchMq, SendMessageV2, UpdateAndCreateSubscriptiongroup};
use rt::sim::Crash;

use crate::support::{Client, Message, Setup, World, group_config, message, property, pull};

fn give_back(group: &str, offset: u64) -> ConsumerSendMsgBack<'_> {
    ConsumerSendMsgBack {
        offset: i64::try_from(offset).unwrap(),
        group,
        delay_level: 0,
        origin_msg_id: None,
        origin_topic: Some("T"),
        unit_mode: false,
        max_reconsume_times: None,
    }
}

fn only(client: &mut Client<'_>, topic: &str, offset: i64) -> Message {
    let answer = client.ask(&pull("g", topic, 0, offset), b"");
    let mut all = answer.messages();
    assert_eq!(all.len(), 1, "{topic}: {all:?}");
    all.remove(0)
}

#[test]
fn a_message_given_back_comes_again_to_its_group_with_its_history() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let properties = property("KEYS", "k") + &property("TAGS", "red") + &property("UNIQ_KEY", "U1");
    let sent = client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"try me");
    let first = only(&mut client, "T", 0);
    client.must(&give_back("g", first.physical_offset), b"");
    world.run_ms(9_900);
    assert_eq!(
        client.ask(&pull("g", "%RETRY%g", 0, 0), b"").messages().len(),
        0,
        "the first retry waits 10 s"
    );
    world.run_ms(200);
    let second = only(&mut client, "%RETRY%g", 0);
    assert_eq!((second.body.as_slice(), second.reconsume_times), (&b"try me"[..], 1));
    for (name, value) in [("RETRY_TOPIC", "T"), ("UNIQ_KEY", "U1"), ("KEYS", "k"), ("TAGS", "red")] {
        assert_eq!(second.property(name), Some(value), "{name}");
    }
    assert_eq!(second.property("ORIGIN_MESSAGE_ID"), Some(sent.text("msgId")));
    client.must(&give_back("g", second.physical_offset), b"");
    world.run_ms(29_900);
    assert_eq!(client.ask(&pull("g", "%RETRY%g", 0, 1), b"").messages().len(), 0, "the second one 30 s");
    world.run_ms(200);
    let third = only(&mut client, "%RETRY%g", 1);
    assert_eq!(third.reconsume_times, 2);
    assert_eq!(third.property("RETRY_TOPIC"), Some("T"));
    assert_eq!(
        third.property("ORIGIN_MESSAGE_ID"),
        Some(sent.text("msgId")),
        "the first one's, whatever the try"
    );
}

#[test]
fn what_was_tried_often_enough_or_is_not_wanted_again_is_a_dead_letter() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    world
        .connect_local(&host)
        .must(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |config| config.retry_max_times = 1));
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"x");
    let first = only(&mut client, "T", 0);
    client.must(&give_back("g", first.physical_offset), b"");
    world.run_ms(10_100);
    let second = only(&mut client, "%RETRY%g", 0);
    client.must(&give_back("g", second.physical_offset), b"");
    assert_eq!(only(&mut client, "%DLQ%g", 0).reconsume_times, 2, "the group's limit is 1");
    client.must(&ConsumerSendMsgBack { delay_level: -1, ..give_back("g", first.physical_offset) }, b"");
    assert_eq!(client.ask(&pull("g", "%DLQ%g", 0, 0), b"").messages().len(), 2);
    let patient =
        ConsumerSendMsgBack { max_reconsume_times: Some(9), ..give_back("g", second.physical_offset) };
    client.must(&patient, b"");
    world.run_ms(30_100);
    assert_eq!(
        client.ask(&pull("g", "%RETRY%g", 0, 0), b"").messages().len(),
        2,
        "the request's limit counts"
    );
}

#[test]
fn a_message_given_back_is_safe_when_the_consumer_is_told_so() {
    for seed in 10..16 {
        let world = World::new(seed);
        let setup = Setup::sync();
        let host = world.boot(&setup);
        let mut client = world.connect(&host);
        client.must(&message("T", 0), b"try me");
        let first = only(&mut client, "T", 0);
        client.must(&give_back("g", first.physical_offset), b"");
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        world.run_ms(10_100);
        assert_eq!(only(&mut world.connect(&host), "%RETRY%g", 0).body, b"try me", "seed {seed}");
    }
}

#[test]
fn what_a_client_sends_to_a_retry_topic_waits_and_what_an_orderly_consumer_gives_up_is_a_dead_letter() {
    let world = World::new(5);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"x");
    only(&mut client, "T", 0);
    let delay = property("DELAY", "4");
    let again =
        SendMessageV2 { properties: Some(&delay), reconsume_times: Some(1), ..message("%RETRY%g", 0) };
    client.must(&again, b"once more");
    world.run_ms(30_100);
    assert_eq!(only(&mut client, "%RETRY%g", 0).body, b"once more");
    let queue = MessageQueue { broker_name: "broker-a".to_owned(), topic: "T".to_owned(), queue_id: 0 };
    let lock = LockBatch {
        client_id: "me".to_owned(),
        consumer_group: "g".to_owned(),
        queues: vec![queue],
        only_this_broker: false,
    };
    client.must(&LockBatchMq {}, &json::to_vec(&lock, Style::Raw));
    client.must(&again, b"given up");
    assert_eq!(only(&mut client, "%DLQ%g", 0).body, b"given up");
}

#[test]
fn what_cannot_be_given_back_is_refused() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"x");
    assert_eq!(client.ask(&give_back("nobody", 0), b"").code, 26);
    let first = only(&mut client, "T", 0);
    for offset in [first.physical_offset + 1, 1 << 40] {
        let answer = client.ask(&give_back("g", offset), b"");
        assert_eq!(
            (answer.code, answer.remark.contains("look message by offset failed")),
            (1, true),
            "{answer:?}"
        );
    }
    let none = group_config("g", |config| config.retry_queues = 0);
    world.connect_local(&host).must(&UpdateAndCreateSubscriptiongroup {}, &none);
    client.must(&give_back("g", first.physical_offset), b"");
    assert_eq!(
        client.ask(&pull("g", "%RETRY%g", 0, 0), b"").code,
        17,
        "a group without retry queues drops it"
    );
}

#[test]
fn a_send_to_a_retry_topic_that_was_tried_often_enough_is_a_dead_letter() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"x");
    only(&mut client, "T", 0);
    let again = |times| SendMessageV2 {
        reconsume_times: Some(times),
        max_reconsume_times: Some(3),
        ..message("%RETRY%g", 0)
    };
    client.must(&again(3), b"once more");
    assert_eq!(only(&mut client, "%RETRY%g", 0).reconsume_times, 3);
    client.must(&again(4), b"enough");
    let dead = only(&mut client, "%DLQ%g", 0);
    assert_eq!((dead.body.as_slice(), dead.reconsume_times), (&b"enough"[..], 4));
    assert_eq!(client.ask(&pull("g", "%RETRY%g", 0, 1), b"").code, 19);
}
