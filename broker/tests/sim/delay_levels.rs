//! Messages that wait in a level: unseen until they are due, delivered once they are, over every kind of restart.

use net::body::KvTable;
use net::requests::{GetBrokerRuntimeInfo, SendMessageV2};
use rt::sim::Crash;

use crate::support::{Client, Setup, World, batch_of, message, property, pull};

fn send_delayed(client: &mut Client<'_>, level: &str, body: &[u8]) {
    let properties = property("KEYS", "k") + &property("TAGS", "red") + &property("DELAY", level);
    client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 1) }, body);
}

fn delivered(client: &mut Client<'_>) -> Vec<String> {
    client.all_texts("T", 1)
}

#[test]
fn a_message_is_seen_when_its_level_is_over_and_not_before() {
    let world = World::new(1);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    let began = world.now_ms();
    send_delayed(&mut client, "2", b"later");
    world.run_ms(4_900);
    assert!(delivered(&mut client).is_empty(), "level 2 is 5 s");
    world.run_ms(5_020 - (world.now_ms() - began));
    let answer = client.ask(&pull("g", "T", 1, 0), b"");
    let message = answer.messages().remove(0);
    assert_eq!((message.topic.as_str(), message.queue_id, message.body.as_slice()), ("T", 1, &b"later"[..]));
    for (name, value) in [("KEYS", "k"), ("TAGS", "red"), ("REAL_TOPIC", "T"), ("REAL_QID", "1")] {
        assert_eq!(message.property(name), Some(value), "{name}");
    }
    assert_eq!(message.property("DELAY"), None);
}

#[test]
fn a_waiting_pull_is_woken_by_the_delivery() {
    let world = World::new(2);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    let mut consumer = world.connect(&host);
    let opaque = consumer.begin(&crate::support::attached(pull("g", "T", 1, 0), 15_000), b"");
    send_delayed(&mut client, "1", b"soon");
    let sent = world.now_ms();
    assert_eq!(consumer.wait(opaque).texts(), ["soon"]);
    let waited = world.now_ms() - sent;
    assert!((990..=1_010).contains(&waited), "{waited} ms");
}

#[test]
fn a_level_beyond_the_last_is_the_last_and_level_0_is_none() {
    let world = World::new(3);
    let setup = Setup::with(|config| config.delay_levels = broker::config::DelayLevels(vec![1_000, 3_000]));
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    send_delayed(&mut client, "99", b"last level");
    send_delayed(&mut client, "0", b"no level");
    assert_eq!(delivered(&mut client), ["no level"]);
    world.run_ms(3_100);
    assert_eq!(delivered(&mut client), ["no level", "last level"]);
    let refused =
        client.ask(&SendMessageV2 { properties: Some(&property("DELAY", "soon")), ..message("T", 1) }, b"x");
    assert_eq!(refused.code, 13, "{refused:?}");
}

#[test]
fn thousands_that_are_due_together_come_complete_and_in_order() {
    let world = World::new(4);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    let bodies: Vec<String> = (0..3_000).map(|number| format!("m{number}")).collect();
    for body in &bodies {
        send_delayed(&mut client, "1", body.as_bytes());
    }
    world.run_ms(1_500);
    assert_eq!(delivered(&mut client), bodies);
}

#[test]
fn records_that_left_the_window_are_delivered_from_the_files() {
    let world = World::new(5);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    let bodies: Vec<String> = (0..60).map(|number| format!("{number:05}").repeat(8_000)).collect();
    for body in &bodies {
        send_delayed(&mut client, "3", body.as_bytes());
        world.run_ms(10);
    }
    world.run_ms(10_500);
    assert_eq!(delivered(&mut client), bodies, "2.4 MB through a window of 1 MiB");
}

#[test]
fn what_waits_over_a_clean_stop_comes_once_and_at_once_if_it_is_overdue() {
    let world = World::new(6);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    send_delayed(&mut client, "1", b"before the stop");
    world.run_ms(1_100);
    send_delayed(&mut client, "1", b"during it");
    send_delayed(&mut client, "2", b"after it");
    drop(client);
    let disk = host.stop(&world);
    world.run_ms(3_000);
    let host = world.boot_from(disk, &setup);
    world.run_ms(10);
    let mut client = world.connect(&host);
    assert_eq!(delivered(&mut client), ["before the stop", "during it"]);
    world.run_ms(3_000);
    assert_eq!(delivered(&mut client), ["before the stop", "during it", "after it"]);
}

#[test]
fn no_crash_loses_a_delayed_message_whose_send_was_flushed() {
    for seed in 0..24 {
        let world = World::new(100 + seed);
        let mut setup = Setup::default();
        // Metadata reaches the disk long before what was delivered.
        setup.store.flush_interval = std::time::Duration::from_secs(5);
        let host = world.boot_with_topic(&setup, 2);
        let mut client = world.connect(&host);
        for number in 0..20 {
            send_delayed(&mut client, "3", format!("m{number}").as_bytes());
            world.run_ms(10);
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
fn runtime_information_shows_how_far_each_level_is() {
    let world = World::new(7);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    send_delayed(&mut client, "1", b"patient");
    world.run_ms(500);
    let mut info = client.ask(&GetBrokerRuntimeInfo {}, b"").json::<KvTable>().table;
    assert_eq!(info.remove("scheduleMessageOffset_1").as_deref(), Some("0,1"));
    world.run_ms(700);
    let mut info = client.ask(&GetBrokerRuntimeInfo {}, b"").json::<KvTable>().table;
    assert_eq!(info.remove("scheduleMessageOffset_1").as_deref(), Some("1,1"));
    assert_eq!(delivered(&mut client), ["patient"]);
}

#[test]
fn a_batch_cannot_be_delayed() {
    let world = World::new(8);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    for name in ["DELAY", "TIMER_DELAY_SEC", "TIMER_DELIVER_MS", "TRAN_MSG"] {
        let properties = property(name, "1");
        let batch = batch_of(&[(b"one", ""), (b"two", &properties)]);
        let answer = client.ask(&SendMessageV2 { batch: Some(true), ..message("T", 1) }, &batch);
        assert_eq!(answer.code, 13, "{name}: {answer:?}");
    }
    assert!(delivered(&mut client).is_empty(), "whole or not at all");
}
