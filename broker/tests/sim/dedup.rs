//! Idempotent sends: what carries a unique key that was stored is answered with the first result and stored once.

use std::time::Duration;

use broker::config::Span;
use net::requests::{DeleteTopicInBroker, EndTransaction, RecallMessage, SendMessageV2};
use rt::sim::{Crash, OpKind, Verdict};

use crate::support::{
    Answer, Client, Host, Restart, Setup, WindowFile, World, batch_of, create_topic, group_config, message,
    property,
};

const MINUTE_MS: u64 = 60_000;

fn once(mut setup: Setup) -> Setup {
    setup.config.dedup_window = Span(Some(10 * MINUTE_MS));
    setup.config.dedup_count = 64;
    setup
}

fn send(client: &mut Client<'_>, queue_id: i32, key: &str, body: &str) -> Answer {
    let properties = property("UNIQ_KEY", key);
    client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", queue_id) }, body.as_bytes())
}

/// Where an answer says that the message lies.
fn place(answer: &Answer) -> (String, i64, i64) {
    (answer.text("msgId").to_owned(), answer.number("queueId"), answer.number("queueOffset"))
}

fn stored(client: &mut Client<'_>) -> Vec<String> {
    (0..4).flat_map(|queue_id| client.all_texts("T", queue_id)).collect()
}

#[test]
fn a_retry_is_answered_with_the_first_result_whatever_queue_it_names() {
    let world = World::new(1);
    let host = world.boot_with_topic(&once(Setup::default()), 4);
    let mut client = world.connect(&host);
    send(&mut client, 1, "other", "other");
    let first = send(&mut client, 1, "K", "once");
    let again = send(&mut world.connect(&host), 3, "K", "once");
    assert_eq!(place(&again), place(&first));
    assert_eq!(again.text("transactionId"), "K");
    assert_eq!(stored(&mut client), ["other", "once"]);
    send(&mut client, 1, "L", "another key");
    assert_eq!(stored(&mut client).len(), 3);
}

#[test]
fn without_the_switch_every_send_is_stored() {
    let world = World::new(2);
    let host = world.boot_with_topic(&Setup::default(), 4);
    let mut client = world.connect(&host);
    send(&mut client, 0, "K", "a");
    send(&mut client, 0, "K", "b");
    assert_eq!(stored(&mut client), ["a", "b"]);
}

#[test]
fn a_connection_that_dies_between_store_and_answer_leaves_one_message() {
    let world = World::new(3);
    let host = world.boot_with_topic(&once(Setup::sync()), 4);
    // The message is stored in the turn that takes it; its answer waits for a flush that takes a second.
    host.disk().on_operation(|operation| match operation.kind {
        OpKind::Flush | OpKind::DurableWrite => Verdict::Delay(Duration::from_secs(1)),
        _ => Verdict::Proceed,
    });
    let mut dying = world.connect(&host);
    let properties = property("UNIQ_KEY", "K");
    let lost = dying.begin(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"once");
    world.run_ms(300);
    assert!(!dying.has(lost));
    dying.close();
    let mut client = world.connect(&host);
    let began = world.now_ms();
    let again = send(&mut client, 2, "K", "once");
    assert!(world.now_ms() - began > 300, "the retry is answered no sooner than the first send may be");
    assert_eq!((again.number("queueId"), again.number("queueOffset")), (0, 0));
    assert_eq!(place(&send(&mut client, 1, "K", "once")), place(&again));
    assert_eq!(stored(&mut client), ["once"]);
}

#[test]
fn keys_are_known_after_any_restart() {
    for restart in Restart::ALL {
        let world = World::new(4);
        let file = WindowFile::new();
        let setup = restart.survived_by(once(Setup::default()), &file);
        let host = world.boot_with_topic(&setup, 4);
        let mut client = world.connect(&host);
        let firsts: Vec<_> =
            (0..70).map(|number| place(&send(&mut client, number % 4, &format!("K{number}"), "x"))).collect();
        drop(client);
        let disk = restart.end(host, &world);
        let host = world.boot_from(disk, &setup);
        let mut client = world.connect(&host);
        for number in (6..70).rev() {
            let again = send(&mut client, 0, &format!("K{number}"), "x");
            assert_eq!(place(&again), firsts[number as usize], "{restart:?} {number}");
        }
        assert_eq!(stored(&mut client).len(), 70, "{restart:?}");
    }
}

#[test]
fn keys_that_were_sent_while_the_switch_was_off_do_not_count() {
    let world = World::new(5);
    let setup = once(Setup::default());
    let host = world.boot_with_topic(&setup, 4);
    send(&mut world.connect(&host), 0, "K", "first");
    let host = world.boot_from(host.stop(&world), &Setup::default());
    send(&mut world.connect(&host), 0, "K", "second");
    let host = world.boot_from(host.stop(&world), &setup);
    let mut client = world.connect(&host);
    send(&mut client, 0, "K", "third");
    send(&mut client, 0, "K", "third again");
    assert_eq!(stored(&mut client), ["first", "second", "third"]);
}

#[test]
fn a_key_is_forgotten_after_the_window_and_when_younger_ones_need_the_room() {
    let world = World::new(6);
    let host = world.boot_with_topic(&once(Setup::default()), 4);
    let mut client = world.connect(&host);
    send(&mut client, 0, "K", "a");
    world.run_ms(10 * MINUTE_MS - 1_000);
    let mut client = world.connect(&host);
    send(&mut client, 0, "K", "not stored");
    world.run_ms(2_000);
    send(&mut client, 0, "K", "b");
    for number in 0..63 {
        send(&mut client, 1, &format!("L{number}"), "x");
    }
    send(&mut client, 0, "K", "not stored");
    send(&mut client, 1, "one too many", "x");
    send(&mut client, 0, "K", "c");
    assert_eq!(client.all_texts("T", 0), ["a", "b", "c"]);
}

#[test]
fn a_refused_send_leaves_no_key_behind() {
    let world = World::new(7);
    let host = world.boot_with_topic(&once(Setup::default()), 4);
    let mut client = world.connect(&host);
    let properties = property("UNIQ_KEY", "K") + &property("DELAY", "soon");
    let refused = client.ask(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"x");
    assert_eq!(refused.code, 13, "{refused:?}");
    send(&mut client, 0, "K", "stored");
    assert_eq!(stored(&mut client), ["stored"]);
}

#[test]
fn a_retried_half_message_is_one_half_message() {
    for restart in [false, true] {
        let world = World::new(8);
        let setup = once(Setup::sync());
        let mut host = world.boot_with_topic(&setup, 4);
        let properties =
            property("UNIQ_KEY", "K") + &property("TRAN_MSG", "true") + &property("PGROUP", "producers");
        let born_at_ms = world.unix_ms();
        let half = |queue_id| SendMessageV2 {
            properties: Some(&properties),
            sys_flag: 4,
            born_at_ms,
            ..message("T", queue_id)
        };
        let first = world.connect(&host).must(&half(1), b"once");
        if restart {
            host = world.boot_from(host.crash(Crash::Power), &setup);
        }
        let mut client = world.connect(&host);
        let again = client.must(&half(2), b"once");
        assert_eq!(place(&again), place(&first), "restart: {restart}");
        let at = i64::from_str_radix(&again.text("msgId")[16..], 16).unwrap();
        let end = EndTransaction {
            topic: None,
            producer_group: "producers",
            tran_state_table_offset: again.number("queueOffset"),
            commit_log_offset: at,
            commit_or_rollback: 8,
            from_transaction_check: false,
            msg_id: Some("K"),
            transaction_id: Some("K"),
        };
        client.must(&end, b"");
        assert_eq!(place(&client.must(&half(3), b"once")), place(&first), "decided long ago");
        client.must(&end, b"");
        assert_eq!(stored(&mut client), ["once"]);
    }
}

#[test]
fn a_retried_delayed_message_waits_once_and_can_be_recalled_by_the_handle_of_either_answer() {
    for restart in [false, true] {
        let world = World::new(9);
        let setup = once(Setup::sync());
        let mut host = world.boot_with_topic(&setup, 4);
        let send_in = |host: &Host, key: &str, name: &str, value: &str| {
            let properties = property("UNIQ_KEY", key) + &property(name, value);
            let request = SendMessageV2 { properties: Some(&properties), ..message("T", 0) };
            world.connect(host).must(&request, key.as_bytes())
        };
        let level = send_in(&host, "level", "DELAY", "2");
        let timed = send_in(&host, "timed", "TIMER_DELAY_MS", "90000");
        if restart {
            host = world.boot_from(host.crash(Crash::Power), &setup);
        }
        world.run_ms(1_000);
        assert_eq!(place(&send_in(&host, "level", "DELAY", "2")), place(&level));
        let again = send_in(&host, "timed", "TIMER_DELAY_MS", "90000");
        assert_eq!((place(&again), again.text("recallHandle")), (place(&timed), timed.text("recallHandle")));
        let recall = RecallMessage {
            producer_group: Some("producers"),
            topic: "T",
            recall_handle: again.text("recallHandle"),
        };
        world.connect(&host).must(&recall, b"");
        world.run_ms(100_000);
        assert_eq!(stored(&mut world.connect(&host)), ["level"], "restart: {restart}");
    }
}

#[test]
fn of_a_batch_only_what_is_new_is_stored() {
    let world = World::new(10);
    let host = world.boot_with_topic(&once(Setup::default()), 4);
    let mut client = world.connect(&host);
    let keys: Vec<String> = (0..4).map(|number| property("UNIQ_KEY", &format!("K{number}"))).collect();
    let item = |number: usize| (&b"0123"[number..=number], keys[number].as_str());
    let header = property("UNIQ_KEY", "batch");
    let batch =
        |queue_id| SendMessageV2 { batch: Some(true), properties: Some(&header), ..message("T", queue_id) };
    let first = client.must(&batch(1), &batch_of(&[item(0), item(1)]));
    assert_eq!(first.text("transactionId"), "batch");
    let again = client.must(&batch(2), &batch_of(&[item(0), item(1)]));
    assert_eq!(place(&again), place(&first));
    let mixed = client.must(&batch(2), &batch_of(&[item(2), item(1), item(3)]));
    let ids: Vec<&str> = mixed.text("msgId").split(',').collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(Some(ids[1]), first.text("msgId").split(',').nth(1));
    assert_eq!(stored(&mut client), ["0", "1", "2", "3"]);
    assert_eq!(place(&send(&mut client, 0, "K3", "alone")).0, ids[2], "a message of a batch sent alone");
}

#[test]
fn one_message_is_tried_again_under_its_first_key_as_often_as_it_fails() {
    let world = World::new(11);
    let host = world.boot_with_topic(&once(Setup::default()), 4);
    let mut admin = world.connect_local(&host);
    admin.must(&net::requests::UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {}));
    admin.must(&create_topic("%RETRY%g", 1), b"");
    let properties = property("UNIQ_KEY", "K");
    for times in 1..4 {
        let request = SendMessageV2 {
            properties: Some(&properties),
            reconsume_times: Some(times),
            max_reconsume_times: Some(16),
            ..message("%RETRY%g", 0)
        };
        admin.must(&request, b"again");
    }
    assert_eq!(admin.all_texts("%RETRY%g", 0).len(), 3);
}

#[test]
fn a_topic_made_anew_knows_no_keys_of_the_old_one() {
    let world = World::new(12);
    let host = world.boot_with_topic(&once(Setup::default()), 4);
    let mut admin = world.connect_local(&host);
    send(&mut admin, 0, "K", "old");
    admin.must(&DeleteTopicInBroker { topic: "T" }, b"");
    admin.must(&create_topic("T", 4), b"");
    assert_eq!(send(&mut admin, 0, "K", "new").number("queueOffset"), 0);
    assert_eq!(send(&mut admin, 1, "K", "new").number("queueId"), 0);
    assert_eq!(stored(&mut admin), ["new"]);
}
