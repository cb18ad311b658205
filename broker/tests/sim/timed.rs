//! Messages for a time of their own: to the millisecond, as far ahead as anybody likes, over every kind of restart.

use net::requests::{DeleteTopicInBroker, RecallMessage, SendMessageV2};
use rt::sim::Crash;

use crate::support::{Answer, Client, Setup, World, attached, message, property, pull};

const HOUR: u64 = 3_600_000;

fn send_with(client: &mut Client<'_>, body: &str, properties: &str) -> Answer {
    client.must(&SendMessageV2 { properties: Some(properties), ..message("T", 0) }, body.as_bytes())
}

/// Sends a message that is due in `ms`.
fn send_in(client: &mut Client<'_>, ms: u64, body: &str) -> Answer {
    send_with(client, body, &(property("UNIQ_KEY", body) + &property("TIMER_DELAY_MS", &ms.to_string())))
}

fn delivered(client: &mut Client<'_>) -> Vec<String> {
    client.all_texts("T", 0)
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts
}

#[test]
fn a_message_is_delivered_at_its_millisecond() {
    let world = World::new(1);
    let host = world.boot_with_topic(&Setup::default(), 1);
    for ms in [7, 1_234, 59_999, 61_001, HOUR / 12] {
        let mut client = world.connect(&host);
        let mut consumer = world.connect(&host);
        let at = i64::try_from(delivered(&mut client).len()).unwrap();
        send_in(&mut client, ms, "x");
        let sent = world.now_ms();
        drop(client);
        world.run_ms(ms.saturating_sub(20_000));
        let mut consumer_again = world.connect(&host);
        let consumer = if ms > 20_000 { &mut consumer_again } else { &mut consumer };
        let opaque = consumer.begin(&attached(pull("g", "T", 0, at), 30_000), b"");
        let answer = consumer.wait(opaque);
        let waited = world.now_ms() - sent;
        assert!((ms - 2..=ms + 10).contains(&waited), "due in {ms} ms, came after {waited}");
        let came = answer.messages().remove(0);
        assert_eq!((came.topic.as_str(), came.queue_id), ("T", 0));
        assert_eq!((came.property("REAL_TOPIC"), came.property("UNIQ_KEY")), (None, Some("x")));
        assert!(came.property("TIMER_OUT_MS").is_some());
    }
}

#[test]
fn each_way_to_name_a_time_is_understood_and_a_past_one_is_now() {
    let world = World::new(2);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    let unix_ms = world.unix_ms();
    send_with(&mut client, "seconds", &property("TIMER_DELAY_SEC", "2"));
    send_with(&mut client, "absolute", &property("TIMER_DELIVER_MS", &(unix_ms + 3_000).to_string()));
    send_with(&mut client, "past", &property("TIMER_DELIVER_MS", &(unix_ms - 3_000).to_string()));
    send_with(&mut client, "level wins", &(property("DELAY", "1") + &property("TIMER_DELAY_SEC", "60")));
    assert_eq!(delivered(&mut client), ["past"]);
    world.run_ms(1_100);
    assert_eq!(delivered(&mut client), ["past", "level wins"]);
    world.run_ms(1_000);
    assert_eq!(delivered(&mut client).last().unwrap(), "seconds");
    world.run_ms(1_000);
    assert_eq!(delivered(&mut client).last().unwrap(), "absolute");
    let nonsense = property("TIMER_DELIVER_MS", "tomorrow");
    let refused = client.ask(&SendMessageV2 { properties: Some(&nonsense), ..message("T", 0) }, b"x");
    assert_eq!(refused.code, 13, "{refused:?}");
}

#[test]
fn thousands_come_in_the_order_of_their_times_whatever_that_of_their_sends() {
    let world = World::new(3);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    let mut wanted = Vec::new();
    for number in 0..2_000u64 {
        let ms = 10_000 + number * 7_919 % 2_000 * 60;
        send_in(&mut client, ms, &format!("{ms:06}"));
        wanted.push(format!("{ms:06}"));
    }
    drop(client);
    world.run_ms(131_000);
    let came = delivered(&mut world.connect(&host));
    assert_eq!(sorted(came.clone()), sorted(wanted));
    // Sent one after another, so neighbours may be due in another order by the time their sends took.
    let number = |text: &String| text.parse::<u64>().unwrap();
    assert!(came.windows(2).all(|pair| number(&pair[0]) <= number(&pair[1]) + 5_000));
}

#[test]
fn a_time_far_beyond_the_slots_is_kept() {
    let world = World::new(4);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 1);
    let mut client = world.connect(&host);
    let hours = 50 * HOUR;
    let began = world.now_ms();
    send_in(&mut client, hours, "in two days and more");
    drop(client);
    // Over the end of the slot in which it is parked first; the broker runs only near the moments that count.
    let disk = host.stop(&world);
    world.run_ms(48 * HOUR - 2 * 60_000);
    let host = world.boot_from(disk, &setup);
    world.run_ms(3 * 60_000);
    assert!(delivered(&mut world.connect(&host)).is_empty());
    let disk = host.stop(&world);
    world.run_ms(began + hours - world.now_ms() - 60_000);
    let host = world.boot_from(disk, &setup);
    assert!(delivered(&mut world.connect(&host)).is_empty());
    world.run_ms(began + hours - world.now_ms() + 100);
    assert_eq!(delivered(&mut world.connect(&host)), ["in two days and more"]);
}

#[test]
fn what_waits_over_a_stop_comes_when_it_is_due_and_at_once_if_it_is_overdue() {
    let world = World::new(5);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 1);
    let mut client = world.connect(&host);
    send_in(&mut client, 500, "before");
    send_in(&mut client, 60_000, "during");
    send_in(&mut client, 70 * 60_000, "long after");
    world.run_ms(1_000);
    drop(client);
    let disk = host.stop(&world);
    world.run_ms(HOUR);
    let host = world.boot_from(disk, &setup);
    world.run_ms(1_000);
    let mut client = world.connect(&host);
    assert_eq!(delivered(&mut client), ["before", "during"]);
    drop(client);
    world.run_ms(9 * 60_000);
    assert_eq!(delivered(&mut world.connect(&host)).len(), 2);
    world.run_ms(2 * 60_000);
    assert_eq!(delivered(&mut world.connect(&host)), ["before", "during", "long after"]);
}

#[test]
fn no_crash_loses_a_waiting_message_that_was_flushed() {
    for seed in 0..24 {
        let world = World::new(300 + seed);
        let mut setup = Setup::default();
        // Metadata reaches the disk long before what was delivered.
        setup.store.flush_interval = std::time::Duration::from_secs(5);
        let host = world.boot_with_topic(&setup, 1);
        let mut client = world.connect(&host);
        for number in 0..20 {
            send_in(&mut client, 10_000 + number * 37, &format!("m{number}"));
        }
        world.run_ms(9_700 + seed * 100);
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        world.run_ms(10_500);
        let came = delivered(&mut world.connect(&host));
        for number in 0..20 {
            let wanted = format!("m{number}");
            let times = came.iter().filter(|body| **body == wanted).count();
            assert!((1..=2).contains(&times), "seed {seed}: {wanted} came {times} times");
        }
    }
}

#[test]
fn records_that_left_the_window_are_delivered_from_the_files() {
    let world = World::new(6);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    for number in 0..60 {
        let body = format!("{number:05}").repeat(8_000);
        send_with(&mut client, &body, &property("TIMER_DELAY_SEC", "90"));
        world.run_ms(10);
    }
    world.run_ms(91_000);
    let numbers: Vec<String> = delivered(&mut client).iter().map(|body| body[..5].to_owned()).collect();
    assert_eq!(numbers, (0..60).map(|number| format!("{number:05}")).collect::<Vec<_>>());
}

#[test]
fn a_message_can_be_taken_back_until_it_is_due() {
    let world = World::new(7);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 1);
    let mut client = world.connect(&host);
    let kept = send_in(&mut client, 20_000, "kept").text("recallHandle").to_owned();
    let handle = send_in(&mut client, 20_000, "taken back").text("recallHandle").to_owned();
    let far = send_in(&mut client, 90_000, "far").text("recallHandle").to_owned();
    let recall =
        |topic, handle| RecallMessage { producer_group: Some("producers"), topic, recall_handle: handle };
    assert_eq!(client.must(&recall("T", &handle), b"").text("msgId"), "taken back");
    client.must(&recall("T", &far), b"");
    for (topic, handle, code) in [
        ("U", &*handle, 17),
        ("T", "???", 604),
        ("T", "djEgVCBicm9rZXItYg", 604),
        ("SELF_TEST_TOPIC", &kept, 604),
    ] {
        let answer = client.ask(&recall(topic, handle), b"");
        assert_eq!(answer.code, code, "{topic} {handle}: {answer:?}");
    }
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(30_000);
    let mut client = world.connect(&host);
    assert_eq!(delivered(&mut client), ["kept"]);
    assert_eq!(client.ask(&recall("T", &kept), b"").code, 604, "it is delivered");
    world.run_ms(90_000);
    assert_eq!(delivered(&mut world.connect(&host)), ["kept"]);
}

#[test]
fn clients_before_recall_cancel_by_a_message_in_either_form() {
    for named in ["U1", "T+U1"] {
        let world = World::new(8);
        let host = world.boot_with_topic(&Setup::default(), 1);
        let mut client = world.connect(&host);
        let time = property("TIMER_DELAY_SEC", "5");
        send_with(&mut client, "cancelled", &(property("UNIQ_KEY", "U1") + &time));
        send_with(&mut client, "other", &(property("UNIQ_KEY", "U2") + &time));
        send_with(
            &mut client,
            "0",
            &(property("UNIQ_KEY", "U1") + &property("TIMER_DEL_UNIQKEY", named) + &time),
        );
        world.run_ms(6_000);
        assert_eq!(delivered(&mut client), ["other"], "{named}");
    }
}

#[test]
fn a_topic_that_was_deleted_does_not_come_back_with_its_delayed_messages() {
    let world = World::new(9);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    send_in(&mut client, 5_000, "late");
    world.connect_local(&host).must(&DeleteTopicInBroker { topic: "T" }, b"");
    world.run_ms(6_000);
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").code, 17);
}

/// Found by the simulated cluster, seed 5 of 2026-11-21, and by `kill -9` an hour later: the first step of the
/// watermark from nothing counted the slots of the running minute, and of the next one, among those that are over.
#[test]
fn what_waits_when_a_new_broker_delivers_first_outlives_a_power_cut() {
    for (start_s, second_ms) in [(0, 5_000), (25, 20_000), (38, 5_000)] {
        let world = World::new(16);
        world.run_ms(start_s * 1_000);
        let setup = Setup::sync();
        let host = world.boot_with_topic(&setup, 1);
        let mut client = world.connect(&host);
        send_in(&mut client, 200, "first");
        send_in(&mut client, second_ms, "second");
        world.run_ms(2_000);
        assert_eq!(delivered(&mut client), ["first"]);
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        world.run_ms(second_ms + 1_000);
        let mut client = world.connect(&host);
        assert_eq!(delivered(&mut client), ["first", "second"], "started {start_s} s later");
    }
}
