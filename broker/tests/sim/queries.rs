//! Messages by id and by key.

use net::message_id::OffsetMessageId;
use net::requests::{QueryMessage, SendMessageV2, ViewMessageById};

use crate::support::{Answer, Client, Setup, World, batch_of, message, property};

fn send(client: &mut Client<'_>, topic: &str, keys: &str, unique: &str, body: &str) -> Answer {
    let properties = property("KEYS", keys) + &property("UNIQ_KEY", unique);
    let request = SendMessageV2 { properties: Some(&properties), ..message(topic, 0) };
    client.must(&request, body.as_bytes())
}

fn by_key<'a>(topic: &'a str, key: &'a str) -> QueryMessage<'a> {
    QueryMessage {
        topic,
        key,
        max_num: 32,
        begin_timestamp: 0,
        end_timestamp: i64::MAX,
        unique_key_query: None,
        index_type: None,
        last_key: None,
    }
}

fn sorted(answer: &Answer) -> Vec<String> {
    let mut texts = answer.texts();
    texts.sort_unstable();
    texts
}

#[test]
fn a_message_is_found_by_its_id() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let first = client.must(&message("T", 0), b"first");
    client.must(&message("T", 0), b"second");
    let id = OffsetMessageId::parse(first.text("msgId")).unwrap();
    let offset = i64::try_from(id.offset).unwrap();
    let found = client.ask(&ViewMessageById { topic: None, offset }, b"");
    assert_eq!(found.texts(), ["first"]);
    assert_eq!(client.ask(&ViewMessageById { topic: Some("T"), offset }, b"").texts(), ["first"]);
    assert_eq!(client.ask(&ViewMessageById { topic: Some("U"), offset }, b"").code, 16, "not its topic");
    for nowhere in [offset + 1, offset + 1_000_000, -1, i64::MAX] {
        let answer = client.ask(&ViewMessageById { topic: None, offset: nowhere }, b"");
        assert_eq!(answer.code, 1, "{nowhere}: {answer:?}");
        assert!(answer.remark.contains("can not find message by the offset"), "{answer:?}");
    }
}

#[test]
fn messages_are_found_by_each_of_their_keys_and_by_their_unique_key() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    send(&mut client, "T", "order-1 red", "U1", "one");
    send(&mut client, "T", "order-2 red", "U2", "two");
    send(&mut client, "other", "red", "U3", "elsewhere");
    let batch = SendMessageV2 { batch: Some(true), ..message("T", 0) };
    let items = batch_of(&[(b"three", &property("KEYS", "order-3")), (b"four", &property("UNIQ_KEY", "U4"))]);
    client.must(&batch, &items);
    assert_eq!(client.ask(&by_key("T", "order-1"), b"").texts(), ["one"]);
    assert_eq!(sorted(&client.ask(&by_key("T", "red"), b"")), ["one", "two"], "not the other topic's");
    assert_eq!(client.ask(&by_key("T", "order-3"), b"").texts(), ["three"]);
    for key in ["U1", "U4"] {
        let unique = QueryMessage { unique_key_query: Some(true), ..by_key("T", key) };
        assert_eq!(client.ask(&unique, b"").texts(), [if key == "U1" { "one" } else { "four" }]);
    }
    let nothing = client.ask(&by_key("T", "order-9"), b"");
    assert_eq!(
        (nothing.code, nothing.remark.as_str()),
        (22, "can not find message, maybe time range not correct")
    );
}

#[test]
fn a_query_by_key_keeps_to_its_time_and_its_number() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let mut times = Vec::new();
    for number in 0..5 {
        send(&mut client, "T", "k", &format!("U{number}"), &number.to_string());
        times.push(1_700_000_000_000 + i64::try_from(world.now_ms()).unwrap());
        world.run_ms(10_000);
    }
    let between =
        QueryMessage { begin_timestamp: times[1] - 50, end_timestamp: times[3], ..by_key("T", "k") };
    assert_eq!(sorted(&client.ask(&between, b"")), ["1", "2", "3"]);
    let two = QueryMessage { max_num: 2, ..by_key("T", "k") };
    assert_eq!(sorted(&client.ask(&two, b"")), ["3", "4"], "the newest");
}

#[test]
fn what_left_memory_is_still_found() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let first = send(&mut client, "T", "needle", "U1", "first");
    for _ in 0..60 {
        client.must(&message("T", 0), &[b'x'; 60_000]);
    }
    world.run_ms(30_000);
    let id = OffsetMessageId::parse(first.text("msgId")).unwrap();
    let by_id = ViewMessageById { topic: None, offset: i64::try_from(id.offset).unwrap() };
    assert_eq!(client.ask(&by_id, b"").texts(), ["first"]);
    assert_eq!(client.ask(&by_key("T", "needle"), b"").texts(), ["first"]);
}
