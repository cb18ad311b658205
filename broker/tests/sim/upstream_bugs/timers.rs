//! 24 to 29: messages for a time of their own.

use net::requests::{RecallMessage, SendMessageV2};
use rt::sim::Crash;

use super::runtime;
use crate::support::{Client, Setup, World, create_topic, message, property, pull};

fn send_in(client: &mut Client<'_>, ms: u64, key: &str, body: &[u8]) -> String {
    let properties = property("UNIQ_KEY", key) + &property("TIMER_DELAY_MS", &ms.to_string());
    let answer = client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, body);
    answer.text("recallHandle").to_owned()
}

#[test]
fn bug_24_a_timer_is_cancelled_by_its_bare_key_and_by_the_joined_one() {
    for named in ["U", "T+U"] {
        let world = World::new(24);
        let host = world.boot_with_topic(&Setup::default(), 2);
        let mut client = world.connect(&host);
        send_in(&mut client, 5_000, "U", b"cancelled");
        let cancel = property("UNIQ_KEY", "U")
            + &property("TIMER_DEL_UNIQKEY", named)
            + &property("TIMER_DELAY_MS", "5000");
        client.must(&SendMessageV2 { properties: Some(&cancel), ..message("T", 0) }, b"x");
        world.run_ms(7_000);
        assert_eq!(client.all_texts("T", 0), Vec::<String>::new(), "{named}");
    }
}

#[test]
fn bug_25_the_largest_message_with_the_longest_properties_waits_and_holds_nobody_up() {
    let world = World::new(25);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let body = vec![b'x'; setup.config.message_bytes_max as usize];
    let properties =
        property("UNIQ_KEY", "U") + &property("TIMER_DELAY_MS", "2000") + &property("a", &"y".repeat(32_300));
    let request = SendMessageV2 { properties: Some(&properties), ..message("T", 0) };
    client.must(&request, &body);
    assert_eq!(client.ask(&request, &[&body[..], b"x"].concat()).code, 13);
    send_in(&mut client, 2_001, "V", b"behind it");
    world.run_ms(5_000);
    let mut client = world.connect(&host);
    let (mut lengths, mut next) = (Vec::new(), 0);
    while next < 2 {
        let answer = client.ask(&pull("g", "T", 0, next), b"");
        lengths.extend(answer.messages().iter().map(|message| message.body.len()));
        next = answer.number("nextBeginOffset");
    }
    assert_eq!(lengths, [body.len(), 9]);
}

#[test]
fn bug_26_what_fills_the_end_of_a_segment_is_no_waiting_message() {
    let world = World::new(26);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let due: Vec<String> = (0..60).map(|number| format!("U{number}")).collect();
    for key in &due {
        // 60 of 40 KB go over the ends of two segments of 1 MiB.
        let body = [key.as_bytes(), &[b' '; 40_000]].concat();
        send_in(&mut client, 60_000, key, &body);
    }
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(90_000);
    let came = world.connect(&host).all_texts("T", 0);
    let mut keys: Vec<String> = came.iter().map(|text| text.trim().to_owned()).collect();
    keys.sort_by_key(|key| key[1..].parse::<u32>().unwrap());
    assert_eq!(keys, due);
}

#[test]
fn bugs_27_and_29_a_cancelled_timer_leaves_the_count_and_does_not_come_back() {
    let world = World::new(27);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let handle = send_in(&mut client, 20_000, "U", b"cancelled");
    send_in(&mut client, 20_000, "V", b"kept");
    let recall = RecallMessage { producer_group: Some("p"), topic: "T", recall_handle: &handle };
    client.must(&recall, b"");
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(25_000);
    let mut client = world.connect(&host);
    assert_eq!(client.all_texts("T", 0), ["kept"]);
    assert_eq!(runtime(&mut client)["timerNearMessages"], "0", "neither left over nor below zero");
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(5_000);
    assert_eq!(world.connect(&host).all_texts("T", 0), ["kept"]);
}

#[test]
fn bug_28_timers_whose_records_were_cut_off_hold_nobody_up() {
    for seed in 280..288 {
        let world = World::new(seed);
        let setup = Setup::default();
        let host = world.boot_with_topic(&setup, 2);
        world.run_ms(1_000);
        let mut client = world.connect(&host);
        for number in 0..30 {
            send_in(&mut client, 5_000, &format!("U{number}"), b"perhaps");
        }
        // ASYNC_FLUSH: a power cut takes what was not flushed, from the log and from its queues alike.
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        world.connect_local(&host).ask(&create_topic("T", 2), b"");
        let mut client = world.connect(&host);
        send_in(&mut client, 6_000, "last", b"last");
        world.run_ms(8_000);
        let came = world.connect(&host).all_texts("T", 0);
        assert_eq!(came.last().map(String::as_str), Some("last"), "seed {seed}: {} came", came.len());
    }
}
