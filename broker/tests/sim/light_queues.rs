//! Light queues: one record, readable in every queue it names, over every kind of restart. store.md 2.10.

use net::requests::{DeleteTopicInBroker, GetAllTopicConfig, GetMaxOffset, SendMessageV2, ViewMessageById};
use rt::sim::Crash;

use crate::support::{
    Answer, Client, Restart, Setup, WindowFile, World, attached, commit, message, offset_query, property,
    pull,
};

const A: &str = "%LMQ%a";
const B: &str = "%LMQ%b";

fn light(mut setup: Setup) -> Setup {
    setup.config.light_queues = true;
    setup.config.multi_dispatch = true;
    setup
}

fn send(client: &mut Client<'_>, names: &str, more: &str, body: &str) -> Answer {
    let properties = property("INNER_MULTI_DISPATCH", names) + more;
    client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, body.as_bytes())
}

fn end(client: &mut Client<'_>, topic: &str) -> i64 {
    client.must(&GetMaxOffset { topic, queue_id: 0, committed: true }, b"").number("offset")
}

#[test]
fn a_message_is_read_in_its_queue_and_in_every_light_queue_that_it_names() {
    let world = World::new(1);
    let host = world.boot_with_topic(&light(Setup::default()), 2);
    let mut client = world.connect(&host);
    send(&mut client, A, "", "one");
    send(&mut client, &format!("{A},{B},{A}"), "", "two");
    send(&mut client, "plain,%LMQ%x/y", "", "three");
    assert_eq!(client.all_texts("T", 0), ["one", "two", "three"]);
    assert_eq!(client.all_texts(A, 0), ["one", "two"]);
    assert_eq!(client.all_texts(B, 0), ["two"]);
    let two = client.ask(&pull("g", B, 0, 0), b"").messages().remove(0);
    assert_eq!((two.topic.as_str(), two.queue_offset), ("T", 1), "the record is that of its own topic");
    assert_eq!(two.property("INNER_MULTI_QUEUE_OFFSET"), Some("1,0,"));
    let offset = i64::try_from(two.physical_offset).unwrap();
    for (topic, code) in [("T", 0), (A, 0), ("%LMQ%c", 16)] {
        assert_eq!(client.ask(&ViewMessageById { topic: Some(topic), offset }, b"").code, code, "{topic}");
    }
    client.must(&commit("g", A, 0, 1), b"");
    assert_eq!(client.must(&offset_query("g", A, 0), b"").number("offset"), 1);
    let topics =
        client.must(&GetAllTopicConfig { topic_seq: None, max_topic_num: None, data_version: None }, b"");
    assert!(!String::from_utf8_lossy(&topics.body).contains("%LMQ%"), "a light queue is in no list");
}

#[test]
fn a_reader_that_waits_for_a_light_queue_is_woken() {
    let world = World::new(2);
    let host = world.boot_with_topic(&light(Setup::default()), 2);
    let mut reader = world.connect(&host);
    let waiting = reader.begin(&attached(pull("g", A, 0, 0), 15_000), b"");
    world.run_ms(100);
    assert!(!reader.has(waiting));
    send(&mut world.connect(&host), A, "", "here");
    assert_eq!(reader.wait(waiting).texts(), ["here"]);
}

#[test]
fn light_queues_are_the_same_after_any_restart() {
    for restart in Restart::ALL {
        let world = World::new(3);
        let file = WindowFile::new();
        let setup = restart.survived_by(light(Setup::default()), &file);
        let host = world.boot_with_topic(&setup, 2);
        let mut client = world.connect(&host);
        for number in 0..40 {
            let names = if number % 4 == 0 { format!("{A},{B}") } else { A.to_owned() };
            send(&mut client, &names, "", &number.to_string());
        }
        drop(client);
        let disk = restart.end(host, &world);
        let host = world.boot_from(disk, &setup);
        let mut client = world.connect(&host);
        let all: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        assert_eq!(client.all_texts(A, 0), all, "{restart:?}");
        assert_eq!(client.all_texts(B, 0).len(), 10, "{restart:?}");
        let before = end(&mut client, A);
        send(&mut client, A, "", "more");
        assert_eq!(end(&mut client, A), before + 1, "{restart:?}");
        assert_eq!(client.all_texts(A, 0).len(), 41, "{restart:?}");
    }
}

#[test]
fn a_delayed_message_comes_into_its_light_queues_when_it_is_due() {
    let world = World::new(4);
    let host = world.boot_with_topic(&light(Setup::default()), 2);
    let mut client = world.connect(&host);
    send(&mut client, A, &property("DELAY", "1"), "later");
    send(&mut client, A, &property("TIMER_DELAY_MS", "700"), "and this");
    assert_eq!(end(&mut client, A), 0);
    world.run_ms(3_000);
    let mut client = world.connect(&host);
    assert_eq!(client.all_texts(A, 0), ["and this", "later"]);
    assert_eq!(client.all_texts("T", 0), ["and this", "later"]);
}

#[test]
fn what_a_producer_writes_about_places_is_not_believed() {
    for setup in [Setup::default(), light(Setup::default())] {
        let is_on = setup.config.light_queues;
        let world = World::new(5);
        let host = world.boot_with_topic(&setup, 2);
        let forged = property("INNER_MULTI_QUEUE_OFFSET", "7000000");
        send(&mut world.connect(&host), A, &forged, "x");
        let came = world.connect(&host).ask(&pull("g", "T", 0, 0), b"").messages().remove(0);
        let places = came.property("INNER_MULTI_QUEUE_OFFSET").map(str::to_owned);
        assert_eq!(places.as_deref(), is_on.then_some("0"));
        let host = world.boot_from(host.crash(Crash::Process), &setup);
        let mut client = world.connect(&host);
        let answer = client.ask(&pull("g", A, 0, 0), b"");
        assert_eq!(answer.code, if is_on { 0 } else { 17 }, "{answer:?}");
    }
}

#[test]
fn there_are_so_many_light_queues_and_no_more() {
    let world = World::new(6);
    let mut setup = light(Setup::default());
    setup.config.light_queues_max = 2;
    let host = world.boot_with_topic(&setup, 2);
    let mut admin = world.connect_local(&host);
    send(&mut admin, &format!("{A},{B}"), "", "x");
    let third = property("INNER_MULTI_DISPATCH", "%LMQ%c");
    let refused = admin.ask(&SendMessageV2 { properties: Some(&third), ..message("T", 0) }, b"y");
    assert_eq!(refused.code, 2017, "{refused:?}");
    assert!(refused.remark.contains("topics.light_queues_max"), "{refused:?}");
    assert_eq!(admin.ask(&pull("g", "%LMQ%d", 0, 0), b"").code, 2017);
    assert_eq!(admin.all_texts("T", 0), ["x"], "nothing of what was refused");
    admin.must(&DeleteTopicInBroker { topic: B }, b"");
    send(&mut admin, "%LMQ%c", "", "z");
    assert_eq!(admin.all_texts("%LMQ%c", 0), ["z"]);
}
