//! Priority messages: the queue is the priority, and the kinds of messages exclude each other. since-5.3.md 6.

use net::requests::{SendMessageV2, UpdateAndCreateSubscriptiongroup, UpdateAndCreateTopic};

use crate::support::{
    Answer, Client, Setup, World, batch_of, create_topic, group_config, message, property, pull,
};

const PRIORITY: &str = "_SYS_MSG_PRIORITY_";

fn send(client: &mut Client<'_>, queue_id: i32, properties: &str) -> Answer {
    client.must(&SendMessageV2 { properties: Some(properties), ..message("T", queue_id) }, b"x")
}

/// The priority that the last message of a queue carries.
fn stored(client: &mut Client<'_>, topic: &str, queue_id: i32) -> Option<String> {
    let came = client.ask(&pull("g", topic, queue_id, 0), b"").messages();
    came.last().and_then(|message| message.property(PRIORITY)).map(str::to_owned)
}

#[test]
fn the_priority_is_the_queue_whatever_queue_the_producer_chose() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let topic = UpdateAndCreateTopic { attributes: Some("+message.type=PRIORITY"), ..create_topic("T", 4) };
    admin.must(&topic, b"");
    for (priority, queue) in [("0", 0), ("2", 2), ("3", 3), ("4", 3), ("99999999999999", 3)] {
        let sent = send(&mut admin, 1, &property(PRIORITY, priority));
        assert_eq!(sent.number("queueId"), queue, "priority {priority}");
        assert_eq!(stored(&mut admin, "T", i32::try_from(queue).unwrap()).as_deref(), Some(priority));
    }
    for none in ["-1", "high"] {
        assert_eq!(send(&mut admin, 1, &property(PRIORITY, none)).number("queueId"), 1, "{none}");
    }
}

#[test]
fn a_message_of_an_earlier_kind_loses_its_priority() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    world.connect_local(&host).must(&create_topic("T", 4), b"");
    let priority = property(PRIORITY, "3");
    let fifo =
        property("__SHARDINGKEY", "k") + &priority + &property("KEYS", "kept") + &property("UNIQ_KEY", "U");
    assert_eq!(send(&mut client, 1, &fifo).number("queueId"), 1);
    let came = client.ask(&pull("g", "T", 1, 0), b"").messages().remove(0);
    assert_eq!((came.property(PRIORITY), came.property("KEYS")), (None, Some("kept")));
    for delay in [property("DELAY", "1"), property("TIMER_DELAY_MS", "500")] {
        assert_eq!(send(&mut client, 2, &(delay + &priority)).number("queueId"), 2);
    }
    let half = property("TRAN_MSG", "true") + &property("PGROUP", "producers") + &priority;
    assert_eq!(send(&mut client, 2, &half).number("queueId"), 2);
    assert_eq!(stored(&mut client, "RMQ_SYS_TRANS_HALF_TOPIC", 0), None);
    world.run_ms(2_000);
    let came = world.connect(&host).ask(&pull("g", "T", 2, 0), b"").messages();
    assert_eq!(came.len(), 2);
    assert!(came.iter().all(|message| message.property(PRIORITY).is_none()));
}

#[test]
fn batches_are_not_touched() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 4), b"");
    let mut client = world.connect(&host);
    let priority = property(PRIORITY, "3");
    let batch = SendMessageV2 { batch: Some(true), properties: Some(&priority), ..message("T", 1) };
    assert_eq!(client.must(&batch, &batch_of(&[(b"a", &priority)])).number("queueId"), 1);
    assert_eq!(stored(&mut client, "T", 1).as_deref(), Some("3"));
}

#[test]
fn the_factor_of_a_group_is_a_number_up_to_100() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    for (value, code) in [("0", 0), ("100", 0), ("101", 29), ("-1", 29), ("all", 29)] {
        let body = group_config("g", |config| {
            config.attributes.insert("+priority.factor".to_owned(), value.to_owned());
        });
        let answer = admin.ask(&UpdateAndCreateSubscriptiongroup {}, &body);
        assert_eq!(answer.code, code, "{value}: {answer:?}");
    }
}
