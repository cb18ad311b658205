//! Pops: every message once, out of sight while it is out, again if nobody acknowledges it.

use net::requests::{PeekMessage, PopMessage, SendMessageV2, UpdateAndCreateSubscriptiongroup};

use crate::support::{
    Client, Host, Setup, World, create_topic, group_config, message, offset_query, pop, property,
};

mod receipts;
mod retries;

fn boot(world: &World, setup: &Setup, queues: i32) -> Host {
    let host = world.boot(setup);
    world.connect_local(&host).must(&create_topic("T", queues), b"");
    host
}

fn send(client: &mut Client<'_>, queues: i32, count: usize) -> Vec<String> {
    let mut sent = Vec::new();
    for number in 0..count {
        let body = format!("m{number:03}");
        let queue_id = i32::try_from(number).unwrap() % queues;
        client.must(&message("T", queue_id), body.as_bytes());
        sent.push(body);
    }
    sent
}

fn offset(client: &mut Client<'_>, topic: &str, queue_id: i32) -> i64 {
    client.ask(&offset_query("g", topic, queue_id), b"").number("offset")
}

#[test]
fn every_message_of_every_queue_is_popped_once() {
    let world = World::new(1);
    let host = boot(&world, &Setup::default(), 4);
    let mut client = world.connect(&host);
    let sent = send(&mut client, 4, 50);
    let mut came = Vec::new();
    for _ in 0..5 {
        came.extend(client.popped_texts(&PopMessage { max_msg_nums: 12, ..pop() }));
    }
    came.sort();
    assert_eq!(came, sent);
    let nothing = client.ask(&pop(), b"");
    assert_eq!((nothing.code, nothing.text("startOffsetInfo")), (210, ""), "{nothing:?}");
    assert_eq!(offset(&mut client, "T", 0), 13, "the group stands behind what it took");
}

#[test]
fn what_is_acknowledged_does_not_come_again_and_the_rest_does_once_under_the_retry_topic() {
    let world = World::new(2);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 8);
    let properties = property("TAGS", "red") + &property("KEYS", "k1") + &property("UNIQ_KEY", "U9");
    client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"m008");
    let first = client.popped(&pop());
    assert_eq!(first.len(), 9);
    for one in first.iter().filter(|one| one.offset % 2 == 1) {
        client.must(&one.ack(), b"");
    }
    world.run_ms(9_900);
    assert!(client.popped(&pop()).is_empty(), "invisible for 10 s");
    world.run_ms(150);
    let again = client.popped(&pop());
    assert_eq!(
        again.iter().map(|one| one.text()).collect::<Vec<_>>(),
        ["m000", "m002", "m004", "m006", "m008"]
    );
    let last = &again[4].message;
    assert_eq!((last.reconsume_times, again[4].topic.as_str()), (1, "%RETRY%g_T"));
    for (name, value) in [("TAGS", "red"), ("KEYS", "k1"), ("UNIQ_KEY", "U9"), ("ORIGIN_GROUP", "g")] {
        assert_eq!(last.property(name), Some(value), "{name}");
    }
    let popped_first = first[8].receipt.split(' ').nth(1);
    assert_eq!(last.property("1ST_POP_TIME"), popped_first);
    world.run_ms(10_100);
    let third = client.popped(&pop());
    assert_eq!(third.len(), 5);
    assert!(third.iter().all(|one| one.message.reconsume_times == 2));
    assert_eq!(third[4].message.property("1ST_POP_TIME"), popped_first, "the first time is kept");
    for one in &third {
        client.must(&one.ack(), b"");
    }
    world.run_ms(30_000);
    assert!(client.popped(&pop()).is_empty());
}

#[test]
fn a_pop_is_checked_as_rocketmq_checks_it() {
    let world = World::new(9);
    let host = boot(&world, &Setup::with(|config| config.auto_create_group = false), 2);
    let mut admin = world.connect_local(&host);
    let mut client = world.connect(&host);
    assert_eq!(client.ask(&pop(), b"").code, 26);
    admin.must(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {}));
    assert_eq!(client.ask(&pop(), b"").code, 210);
    let old = world.unix_ms() - 2_000;
    assert_eq!(
        client.ask(&PopMessage { born_at_ms: old, poll_time_ms: 1_000, topic: "U", ..pop() }, b"").code,
        210
    );
    assert_eq!(client.ask(&PopMessage { max_msg_nums: 33, ..pop() }, b"").code, 29);
    assert_eq!(client.ask(&PopMessage { topic: "U", ..pop() }, b"").code, 17);
    assert_eq!(client.ask(&PopMessage { queue_id: 2, ..pop() }, b"").code, 29);
    assert_eq!(client.ask(&PopMessage { exp: Some(" || "), exp_type: Some("TAG"), ..pop() }, b"").code, 23);
    admin.must(
        &UpdateAndCreateSubscriptiongroup {},
        &group_config("g", |config| config.consume_enable = false),
    );
    assert_eq!(client.ask(&pop(), b"").code, 16);
}

#[test]
fn a_new_group_begins_at_the_end_only_of_a_queue_that_left_memory() {
    let world = World::new(10);
    let mut setup = Setup::default();
    setup.store.window_bytes = 256 << 10;
    let host = boot(&world, &setup, 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 3);
    assert_eq!(client.popped(&PopMessage { init_mode: 1, ..pop() }).len(), 3, "young: from its beginning");
    for _ in 0..20 {
        client.must(&message("T", 0), &vec![b'x'; 30 << 10]);
    }
    let late = client.ask(&PopMessage { init_mode: 1, consumer_group: "late", ..pop() }, b"");
    assert_eq!((late.messages().len(), late.text("startOffsetInfo")), (1, "0 0 22"), "the newest message");
    let all = client.ask(&PopMessage { init_mode: 0, consumer_group: "early", ..pop() }, b"");
    assert_eq!(all.messages()[0].body, b"m000", "read from the files");
}

#[test]
fn tags_filter_and_the_group_stands_behind_what_does_not_match() {
    let world = World::new(11);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    for (number, tag) in ["red", "blue", "red", "green"].iter().enumerate() {
        let properties = property("TAGS", tag);
        let request = SendMessageV2 { properties: Some(&properties), ..message("T", 0) };
        client.must(&request, format!("{tag}{number}").as_bytes());
    }
    let reds = PopMessage { exp: Some("red"), exp_type: Some("TAG"), ..pop() };
    let came = client.popped(&reds);
    assert_eq!(came.iter().map(|one| one.text()).collect::<Vec<_>>(), ["red0", "red2"]);
    assert_eq!(offset(&mut client, "T", 0), 4);
    client.must(&came[0].ack(), b"");
    world.run_ms(10_100);
    assert_eq!(client.popped_texts(&reds), ["red2"]);
    assert_eq!(client.ask(&PopMessage { exp: Some("violet"), ..pop() }, b"").code, 210);
}

#[test]
fn peeking_takes_nothing() {
    let world = World::new(13);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 3);
    let peek = PeekMessage { topic: "T", queue_id: -1, max_msg_nums: 2, consumer_group: "g" };
    for _ in 0..2 {
        let seen = client.must(&peek, b"");
        assert_eq!((seen.texts(), seen.number("restNum")), (vec!["m000".to_owned(), "m001".to_owned()], 1));
    }
    assert_eq!(client.popped(&pop()).len(), 3);
    assert_eq!(client.ask(&peek, b"").code, 19);
}

#[test]
fn pops_work_in_the_binary_codec_which_cuts_their_codes() {
    let world = World::new(15);
    let host = boot(&world, &Setup::default(), 2);
    let mut client = world.connect_with(&host, net::Codec::Binary);
    let sent = send(&mut client, 2, 6);
    let came = client.popped(&pop());
    assert_eq!(came.len(), sent.len());
    for one in &came[1..] {
        client.must(&one.ack(), b"");
    }
    client.must(&came[0].change(1_000), b"");
    world.run_ms(1_100);
    assert_eq!(client.popped_texts(&pop()), ["m000"]);
}

#[test]
fn a_topic_with_priorities_is_popped_from_its_highest_queue_down() {
    for highest_first in [true, false] {
        let world = World::new(17);
        let setup = Setup::with(|config| config.priority_highest_first = highest_first);
        let host = world.boot(&setup);
        let mut admin = world.connect_local(&host);
        let attributes = Some("+message.type=PRIORITY");
        admin.must(&net::requests::UpdateAndCreateTopic { attributes, ..create_topic("T", 4) }, b"");
        let mut client = world.connect(&host);
        for _ in 0..3 {
            for queue_id in [1, 3, 0, 2] {
                client.must(&message("T", queue_id), queue_id.to_string().as_bytes());
            }
        }
        let mut came: Vec<String> = Vec::new();
        for _ in 0..12 {
            came.extend(client.popped_texts(&PopMessage { max_msg_nums: 1, ..pop() }));
        }
        let mut expected: Vec<&str> = "3 3 3 2 2 2 1 1 1 0 0 0".split(' ').collect();
        if !highest_first {
            expected.reverse();
        }
        assert_eq!(came, expected);
    }
}
