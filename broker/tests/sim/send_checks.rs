//! Sends that are refused: RocketMQ's code for each reason, in RocketMQ's order.

use net::RequestCode;
use net::requests::{PullMessage, SendMessageV2, UpdateAndCreateTopic};

use crate::support::{Client, Setup, World, batch_of, create_topic, message, property, pull};

/// The code of one send, and that it left nothing behind.
fn code(client: &mut Client<'_>, request: &SendMessageV2<'_>, body: &[u8]) -> i32 {
    let answer = client.ask(request, body);
    assert_eq!(answer.code == 0, answer.remark.is_empty(), "a refusal says why: {answer:?}");
    answer.code
}

#[test]
fn names_that_are_illegal_are_invalid_parameters() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let longest = "t".repeat(127);
    assert_eq!(code(&mut client, &message(&longest, 0), b"x"), 0);
    assert_eq!(client.ask(&pull("g", &longest, 0, 0), b"").texts(), ["x"]);
    let too_long = "t".repeat(128);
    for name in ["", " ", "a b", "a/../b", "a.b", "täg", too_long.as_str()] {
        assert_eq!(code(&mut client, &message(name, 0), b"x"), 29, "{name:?}");
    }
}

#[test]
fn system_topics_that_are_not_for_producers_are_forbidden() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    for name in [
        "SCHEDULE_TOPIC_XXXX",
        "RMQ_SYS_TRANS_HALF_TOPIC",
        "RMQ_SYS_TRANS_OP_HALF_TOPIC",
        "TRANS_CHECK_MAX_TIME_TOPIC",
        "SELF_TEST_TOPIC",
        "OFFSET_MOVED_EVENT",
    ] {
        assert_eq!(code(&mut client, &message(name, 0), b"x"), 16, "{name}");
    }
    assert_eq!(code(&mut client, &message("BenchmarkTest", 0), b"x"), 0);
}

#[test]
fn an_unknown_topic_is_refused_when_none_is_made_on_the_fly() {
    let world = World::new(3);
    let host = world.boot(&Setup::with(|config| config.auto_create_topic = false));
    let mut client = world.connect(&host);
    assert_eq!(code(&mut client, &message("T", 0), b"x"), 17);
    // Nor from a template that is none.
    let setup = Setup { ip: [10, 0, 0, 2], ..Setup::default() };
    let second = world.boot(&setup);
    let mut client = world.connect(&second);
    for template in ["SELF_TEST_TOPIC", "nowhere", ""] {
        let request = SendMessageV2 { default_topic: template, ..message("T", 0) };
        assert_eq!(code(&mut client, &request, b"x"), 17, "{template:?}");
    }
}

#[test]
fn a_queue_id_must_be_one_of_the_topics_read_or_write_queues() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let topic = UpdateAndCreateTopic { read_queues: 6, ..create_topic("T", 4) };
    admin.must(&topic, b"");
    let mut client = world.connect(&host);
    for queue_id in 0..6 {
        assert_eq!(code(&mut client, &message("T", queue_id), b"x"), 0, "{queue_id}");
    }
    for queue_id in [6, 7, i32::MAX] {
        assert_eq!(code(&mut client, &message("T", queue_id), b"x"), 29, "{queue_id}");
    }
}

#[test]
fn the_largest_body_is_stored_and_one_byte_more_is_illegal() {
    let world = World::new(5);
    let setup = Setup::default();
    let host = world.boot(&setup);
    let mut client = world.connect(&host);
    let limit = setup.config.message_bytes_max as usize;
    let body = vec![b'x'; limit + 1];
    assert_eq!(code(&mut client, &message("T", 0), &body[..limit]), 0);
    assert_eq!(code(&mut client, &message("T", 0), &body), 13);
    let read = client.ask(&pull("g", "T", 0, 0), b"");
    assert_eq!(read.messages().iter().map(|one| one.body.len()).collect::<Vec<_>>(), [limit]);
}

#[test]
fn a_message_without_a_body_is_illegal() {
    let world = World::new(6);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    assert_eq!(code(&mut client, &message("T", 0), b""), 13);
    let batch = SendMessageV2 { batch: Some(true), ..message("T", 0) };
    assert_eq!(code(&mut client, &batch, b""), 13);
    assert_eq!(code(&mut client, &message("T", 0), b"x"), 0);
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts(), ["x"]);
}

#[test]
fn properties_that_no_record_can_hold_are_illegal_and_the_longest_that_fit_come_back() {
    let world = World::new(7);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let of_length = |length: usize| property("p", &"v".repeat(length - 3));
    // The broker adds its own, so the limit lies a little below that of the length field.
    let (mut fits, mut too_long) = (1_000, 32_768);
    while too_long - fits > 1 {
        let middle = (fits + too_long) / 2;
        let properties = of_length(middle);
        let request = SendMessageV2 { properties: Some(&properties), ..message("T", 0) };
        match code(&mut client, &request, b"x") {
            0 => fits = middle,
            13 => too_long = middle,
            other => panic!("{other} for {middle} bytes"),
        }
    }
    assert!((32_400..32_767).contains(&fits), "{fits}");
    let last = client.ask(&message("U", 0), b"alive");
    assert_eq!(last.code, 0);
    let properties = of_length(fits);
    let request = SendMessageV2 { properties: Some(&properties), ..message("U", 0) };
    assert_eq!(code(&mut client, &request, b"longest"), 0);
    let read = client.ask(&PullMessage { max_msg_nums: 1, ..pull("g", "U", 0, 1) }, b"");
    assert_eq!(read.messages()[0].property("p").map(str::len), Some(fits - 3));
}

#[test]
fn what_cannot_be_in_a_batch_refuses_all_of_it() {
    let world = World::new(18);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let batch = SendMessageV2 { batch: Some(true), ..message("T", 0) };
    for (name, value) in [("DELAY", "3"), ("TIMER_DELAY_SEC", "5"), ("TRAN_MSG", "true")] {
        let body = batch_of(&[(b"plain", ""), (b"special", &property(name, value))]);
        let answer = client.ask(&batch, &body);
        assert!(matches!(answer.code, 13 | 16), "{name}: {answer:?}");
    }
    let flagged = SendMessageV2 { sys_flag: 4, ..batch };
    assert_eq!(client.ask(&flagged, &batch_of(&[(b"half", "")])).code, 13);
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").number("maxOffset"), 0);
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let world = World::new(9);
    let setup = Setup::default();
    let host = world.boot(&setup);
    let mut client = world.connect(&host);
    let batch = SendMessageV2 { batch: Some(true), ..message("T", 0) };
    client.ask(&message("T", 0), b"first");
    let mut cut = batch_of(&[(b"one", ""), (b"two", "")]);
    cut.pop();
    assert_eq!(code(&mut client, &batch, &cut), 13);
    let half = vec![b'x'; setup.config.message_bytes_max as usize / 2];
    let large = batch_of(&[(b"small", ""), (&half, ""), (&half, "")]);
    assert_eq!(code(&mut client, &batch, &large), 13, "the whole batch counts as one message");
    let long = "v".repeat(32_750);
    let bad_properties = batch_of(&[(b"good", ""), (b"bad", &property("p", &long))]);
    assert_eq!(code(&mut client, &batch, &bad_properties), 13);
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts(), ["first"]);
    let retry = SendMessageV2 { batch: Some(true), ..message("%RETRY%g", 0) };
    assert_eq!(code(&mut client, &retry, &batch_of(&[(b"one", "")])), 13);
}

#[test]
fn a_retry_topic_is_made_for_a_known_group_only() {
    let world = World::new(10);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    assert_eq!(code(&mut client, &message("%RETRY%g", 0), b"x"), 26);
    client.ask(&message("T", 0), b"x");
    client.ask(&pull("g", "T", 0, 0), b"");
    assert_eq!(code(&mut client, &message("%RETRY%g", 0), b"again"), 0);
    assert_eq!(code(&mut client, &message("%RETRY%g", 1), b"again"), 29, "one queue");
    assert_eq!(client.ask(&pull("g", "%RETRY%g", 0, 0), b"").texts(), ["again"]);
}

#[test]
fn a_broker_that_may_not_be_written_refuses_ordered_topics_only() {
    let world = World::new(11);
    let host = world.boot(&Setup::with(|config| config.permission = 4));
    let mut admin = world.connect_local(&host);
    admin.must(&UpdateAndCreateTopic { order: true, ..create_topic("ordered", 1) }, b"");
    admin.must(&create_topic("plain", 1), b"");
    assert_eq!(code(&mut admin, &message("ordered", 0), b"x"), 16);
    assert_eq!(code(&mut admin, &message("plain", 0), b"x"), 0, "a quirk that clients know");
}

#[test]
fn sends_before_the_configured_time_are_refused() {
    let world = World::new(12);
    let host = world.boot(&Setup::with(|config| config.accept_sends_from_ms = 1_700_000_010_000));
    let mut client = world.connect(&host);
    assert_eq!(code(&mut client, &message("T", 0), b"x"), 1);
    world.run_ms(10_000);
    assert_eq!(code(&mut client, &message("T", 0), b"x"), 0);
}

#[test]
fn checks_come_in_rocketmqs_order() {
    let world = World::new(13);
    let setup = Setup::with(|config| config.auto_create_topic = false);
    let host = world.boot(&setup);
    world.connect_local(&host).must(&create_topic("T", 4), b"");
    let mut client = world.connect(&host);
    let too_large = vec![0; setup.config.message_bytes_max as usize + 1];
    // Each is wrong in every later way, too.
    assert_eq!(code(&mut client, &message("a b", 99), &too_large), 29, "the name first");
    assert_eq!(code(&mut client, &message("SELF_TEST_TOPIC", 99), &too_large), 16, "then the forbidden ones");
    assert_eq!(code(&mut client, &message("unknown", 99), &too_large), 17, "then whether it exists");
    assert_eq!(code(&mut client, &message("T", 99), &too_large), 29, "then the queue");
    assert_eq!(code(&mut client, &message("T", 0), &too_large), 13, "then the message");
}

#[test]
fn a_request_with_fields_missing_is_a_system_error_that_names_the_field() {
    let world = World::new(14);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let opaque = client.begin_as(RequestCode::SEND_MESSAGE_V2, &net::requests::NoHeader {}, b"x", false);
    let answer = client.wait(opaque);
    assert_eq!(answer.code, 1);
    assert!(answer.remark.contains("required field"), "{answer:?}");
    assert_eq!(code(&mut client, &message("T", 0), b"x"), 0, "the connection goes on");
}
