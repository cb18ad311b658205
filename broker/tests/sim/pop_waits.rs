//! Pops and notifications that wait: woken by what concerns them, by nothing else, and never forgotten.

use net::requests::{Notification, PollingInfo, PopMessage, SendMessageV2};

use crate::support::{Client, Host, Setup, World, batch_of, create_topic, message, pop, popped, property};

fn boot(world: &World, setup: &Setup, queues: i32) -> Host {
    let host = world.boot(setup);
    world.connect_local(&host).must(&create_topic("T", queues), b"");
    host
}

fn waiting<'a>() -> PopMessage<'a> {
    PopMessage { poll_time_ms: 15_000, ..pop() }
}

fn notification<'a>() -> Notification<'a> {
    Notification {
        consumer_group: "g",
        topic: "T",
        queue_id: -1,
        poll_time_ms: 15_000,
        born_at_ms: 0,
        order: false,
        attempt_id: None,
        exp_type: None,
        exp: None,
        is_lite_consumer: false,
        client_id: None,
    }
}

fn polling(client: &mut Client<'_>, queue_id: i32) -> i64 {
    let request = PollingInfo { consumer_group: "g", topic: "T", queue_id };
    client.must(&request, b"").number("pollingNum")
}

#[test]
fn an_arrival_wakes_a_waiting_pop_at_once_and_only_as_many_as_it_serves() {
    for setup in [Setup::default(), Setup::sync()] {
        let world = World::new(1);
        let host = boot(&world, &setup, 4);
        let (mut first, mut second) = (world.connect(&host), world.connect(&host));
        let one = first.begin(&waiting(), b"");
        world.run_ms(10);
        let two = second.begin(&waiting(), b"");
        let mut producer = world.connect(&host);
        assert_eq!(polling(&mut producer, -1), 2);
        producer.must(&message("T", 2), b"x");
        let sent = world.now_ms();
        assert_eq!(first.wait(one).texts(), ["x"], "who waited longest");
        assert!(world.now_ms() - sent < 20);
        world.run_ms(1_000);
        assert!(!second.has(two));
        assert_eq!(polling(&mut producer, -1), 1);
        producer.must(&message("T", 3), b"y");
        assert_eq!(second.wait(two).texts(), ["y"]);
    }
}

#[test]
fn a_pop_waits_no_longer_than_it_asked_counted_from_its_birth() {
    let world = World::new(2);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    let began = world.now_ms();
    let born_at_ms = world.unix_ms() - 1_000;
    let answer = client.ask(&PopMessage { poll_time_ms: 3_000, born_at_ms, ..pop() }, b"");
    assert_eq!((answer.code, answer.remark.as_str()), (210, "NO_MESSAGE_IN_QUEUE"));
    let waited = world.now_ms() - began;
    assert!((1_950..=2_060).contains(&waited), "{waited} ms");
}

/// since-5.3.md 15, 7: under both names of retry topics, also when the topic is new.
#[test]
fn a_revived_message_wakes_a_pop_that_waits_for_its_topic() {
    for v2 in [false, true] {
        let world = World::new(3);
        let host = boot(&world, &Setup::with(|config| config.pop_retry_topic_v2 = v2), 2);
        let mut client = world.connect(&host);
        client.must(&message("T", 1), b"again");
        assert_eq!(client.popped(&pop()).len(), 1);
        let began = world.now_ms();
        for round in 1..4 {
            let opaque = client.begin(&waiting(), b"");
            let answer = client.wait(opaque);
            assert_eq!(popped(&answer)[0].message.reconsume_times, round);
        }
        let waited = world.now_ms() - began;
        assert!((29_900..=30_300).contains(&waited), "{waited} ms");
    }
}

#[test]
fn a_pop_of_one_queue_is_woken_by_that_queue_only() {
    let world = World::new(4);
    let host = boot(&world, &Setup::default(), 2);
    let mut client = world.connect(&host);
    let opaque = client.begin(&PopMessage { queue_id: 1, ..waiting() }, b"");
    let mut producer = world.connect(&host);
    producer.must(&message("T", 0), b"other");
    world.run_ms(500);
    assert!(!client.has(opaque));
    producer.must(&message("T", 1), b"mine");
    assert_eq!(client.wait(opaque).texts(), ["mine"]);
}

#[test]
fn what_does_not_match_wakes_nobody() {
    let world = World::new(5);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    let opaque = client.begin(&PopMessage { exp: Some("red"), ..waiting() }, b"");
    let mut producer = world.connect(&host);
    for tag in ["blue", "red"] {
        let properties = property("TAGS", tag);
        let request = SendMessageV2 { properties: Some(&properties), ..message("T", 0) };
        world.run_ms(100);
        assert!(!client.has(opaque));
        producer.must(&request, tag.as_bytes());
    }
    assert_eq!(client.wait(opaque).texts(), ["red"]);
}

#[test]
fn a_notification_says_whether_there_is_something_to_pop_and_takes_nothing() {
    let world = World::new(6);
    let host = boot(&world, &Setup::default(), 2);
    let mut client = world.connect(&host);
    let at_once = Notification { poll_time_ms: 0, ..notification() };
    assert_eq!(client.must(&at_once, b"").text("hasMsg"), "false");
    let opaque = client.begin(&notification(), b"");
    let mut producer = world.connect(&host);
    producer.must(&message("T", 1), b"x");
    let told = client.wait(opaque);
    assert_eq!((told.text("hasMsg"), told.text("pollingFull")), ("true", "false"));
    assert_eq!(client.must(&at_once, b"").text("hasMsg"), "true");
    assert_eq!(client.popped_texts(&pop()), ["x"]);
    let began = world.now_ms();
    let late = client.must(&Notification { poll_time_ms: 2_000, ..notification() }, b"");
    assert_eq!(late.text("hasMsg"), "false");
    assert!((1_950..=2_050).contains(&(world.now_ms() - began)));
}

#[test]
fn too_many_waiters_are_told_so() {
    let world = World::new(7);
    let host = boot(&world, &Setup::default(), 1);
    let mut clients: Vec<Client<'_>> = (0..9).map(|_| world.connect(&host)).collect();
    for client in &mut clients {
        for _ in 0..125 {
            client.begin(&waiting(), b"");
        }
    }
    world.run_ms(500);
    let codes: Vec<i32> =
        clients.iter_mut().flat_map(|client| client.rest()).map(|answer| answer.code).collect();
    assert_eq!(codes, vec![209; 9 * 125 - 1_025], "1,024 and one wait, as in RocketMQ");
}

#[test]
fn who_is_gone_waits_no_more_and_takes_nothing() {
    let world = World::new(8);
    let host = boot(&world, &Setup::default(), 1);
    let mut gone = world.connect(&host);
    gone.begin(&waiting(), b"");
    world.run_ms(100);
    gone.close();
    world.run_ms(100);
    let mut client = world.connect(&host);
    assert_eq!(polling(&mut client, -1), 0);
    client.must(&message("T", 0), b"x");
    assert_eq!(client.popped_texts(&pop()), ["x"]);
}

#[test]
fn a_stop_and_the_deletion_of_the_topic_answer_those_who_wait() {
    let world = World::new(9);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    let one = client.begin(&waiting(), b"");
    world.run_ms(50);
    world.connect_local(&host).must(&net::requests::DeleteTopicInBroker { topic: "T" }, b"");
    assert_eq!(client.wait(one).code, 210);
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let two = client.begin(&waiting(), b"");
    world.run_ms(50);
    let mut producer = world.connect(&host);
    producer.must(&message("T", 0), b"new");
    assert_eq!(client.wait(two).texts(), ["new"], "a topic made again wakes too");
    let three = client.begin(&waiting(), b"");
    world.run_ms(50);
    host.stop(&world);
    assert_eq!(client.take(three).map(|answer| answer.code), Some(210));
}

#[test]
fn a_notification_with_a_filter_is_about_what_matches() {
    let world = World::new(10);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    let mut producer = world.connect(&host);
    let opaque = client.begin(&Notification { exp: Some("red"), ..notification() }, b"");
    for tag in ["blue", "red"] {
        world.run_ms(100);
        assert!(!client.has(opaque), "nothing red so far");
        let properties = property("TAGS", tag);
        producer.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"x");
    }
    assert_eq!(client.wait(opaque).text("hasMsg"), "true");
    let green = Notification { exp: Some("green"), poll_time_ms: 0, ..notification() };
    assert_eq!(client.must(&green, b"").text("hasMsg"), "false");
}

#[test]
fn what_is_out_of_a_queue_is_bounded_and_an_ack_makes_room() {
    const BOUND: usize = 20_000;
    let world = World::new(11);
    let mut setup = Setup::default();
    setup.store.window_bytes = 8 << 20;
    let host = boot(&world, &setup, 1);
    let mut client = world.connect(&host);
    let items: Vec<(&[u8], &str)> = vec![(b"x", ""); 100];
    for _ in 0..=BOUND / 100 {
        client.must(&SendMessageV2 { batch: Some(true), ..message("T", 0) }, &batch_of(&items));
    }
    let one = PopMessage { max_msg_nums: 1, invisible_time_ms: 3_600_000, ..pop() };
    let first = client.popped(&one);
    for _ in 0..BOUND + 5 {
        client.begin(&one, b"");
    }
    world.run_ms(5_000);
    let answers = client.rest();
    assert_eq!(answers.iter().filter(|answer| answer.code == 0).count(), BOUND - 1);
    assert_eq!(answers.iter().filter(|answer| answer.code == 210).count(), 6);
    let waiting = client.begin(&PopMessage { poll_time_ms: 15_000, ..one }, b"");
    world.run_ms(100);
    assert!(!client.has(waiting));
    client.must(&first[0].ack(), b"");
    assert_eq!(client.wait(waiting).messages().len(), 1);
}
