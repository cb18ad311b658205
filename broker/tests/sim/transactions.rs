//! Half messages: unseen until they are committed, asked about when nobody decides, over every kind of restart.

use net::RequestCode;
use net::requests::{EndTransaction, ResumeCheckHalfMessage, SendMessageV2};
use rt::sim::Crash;

use crate::support::{Answer, Client, Setup, World, heartbeat, message, property, pull};

const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;

fn half_properties(extra: &str) -> String {
    property("TRAN_MSG", "true")
        + &property("PGROUP", "producers")
        + &property("UNIQ_KEY", "U")
        + &property("TAGS", "red")
        + extra
}

/// Sends a half message that is born now; returns its half queue offset and its position.
fn send_half(world: &World, client: &mut Client<'_>, body: &[u8], extra: &str) -> (i64, i64) {
    let properties = half_properties(extra);
    let born_at_ms = world.unix_ms();
    let sent = client.must(
        &SendMessageV2 { properties: Some(&properties), sys_flag: 4, born_at_ms, ..message("T", 0) },
        body,
    );
    let at = u64::from_str_radix(&sent.text("msgId")[16..], 16).unwrap();
    assert_eq!(sent.text("transactionId"), "U");
    (sent.number("queueOffset"), i64::try_from(at).unwrap())
}

fn end((offset, at): (i64, i64), decision: i32) -> EndTransaction<'static> {
    EndTransaction {
        topic: None,
        producer_group: "producers",
        tran_state_table_offset: offset,
        commit_log_offset: at,
        commit_or_rollback: decision,
        from_transaction_check: false,
        msg_id: Some("U"),
        transaction_id: Some("U"),
    }
}

fn delivered(client: &mut Client<'_>) -> Vec<String> {
    client.all_texts("T", 0)
}

/// The questions a producer was asked since it looked last.
fn questions(client: &mut Client<'_>) -> Vec<Answer> {
    client.pushes(RequestCode::CHECK_TRANSACTION_STATE)
}

#[test]
fn a_half_message_is_seen_when_it_is_committed_and_never_when_it_is_rolled_back() {
    let world = World::new(1);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    let kept = send_half(&world, &mut client, b"kept", "");
    let dropped = send_half(&world, &mut client, b"dropped", "");
    world.run_ms(1_000);
    assert!(delivered(&mut client).is_empty());
    client.must(&end(dropped, ROLLBACK), b"");
    client.must(&end(kept, COMMIT), b"");
    let came = client.ask(&pull("g", "T", 0, 0), b"").messages();
    assert_eq!(came.len(), 1);
    assert_eq!((came[0].body.as_slice(), came[0].topic.as_str()), (&b"kept"[..], "T"));
    for (name, value) in
        [("TAGS", "red"), ("UNIQ_KEY", "U"), ("__transactionId__", "U"), ("TRAN_MSG", "true")]
    {
        assert_eq!(came[0].property(name), Some(value), "{name}");
    }
    assert_eq!((came[0].property("REAL_TOPIC"), came[0].property("REAL_QID")), (None, None));
}

#[test]
fn a_decision_counts_once_however_often_it_is_told() {
    let world = World::new(2);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    let half = send_half(&world, &mut client, b"once", "");
    for decision in [COMMIT, COMMIT, ROLLBACK, COMMIT] {
        client.must(&end(half, decision), b"");
    }
    assert_eq!(delivered(&mut client), ["once"]);
}

#[test]
fn a_decision_by_the_wrong_hand_is_refused() {
    let world = World::new(3);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    let (offset, at) = send_half(&world, &mut client, b"mine", "");
    let stranger = EndTransaction { producer_group: "others", ..end((offset, at), COMMIT) };
    assert_eq!(client.ask(&stranger, b"").code, 1);
    for wrong in [(offset + 1, at), (offset, at + 1), (offset, 1 << 40), (-1, at), (offset, -1)] {
        let answer = client.ask(&end(wrong, COMMIT), b"");
        assert_eq!(answer.code, 1, "{wrong:?}: {answer:?}");
    }
    assert!(delivered(&mut client).is_empty());
    client.must(&end((offset, at), COMMIT), b"");
}

#[test]
fn an_unknown_decision_is_none_and_gets_no_answer() {
    let world = World::new(4);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    let half = send_half(&world, &mut client, b"x", "");
    let opaque = client.begin(&end(half, 0), b"");
    world.run_ms(100);
    assert!(!client.has(opaque));
    assert!(delivered(&mut client).is_empty());
}

#[test]
fn the_producer_is_asked_and_its_answer_decides() {
    let world = World::new(5);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    client.must(&net::requests::HeartBeat {}, &heartbeat("p", "unused", &[]));
    let half = send_half(&world, &mut client, b"in doubt", "");
    world.run_ms(31_000);
    let asked = questions(&mut client);
    assert_eq!(asked.len(), 1, "asked once per round");
    assert_eq!((asked[0].number("tranStateTableOffset"), asked[0].number("commitLogOffset")), half);
    let shown = asked[0].messages().remove(0);
    assert_eq!((shown.topic.as_str(), shown.queue_id, shown.body.as_slice()), ("T", 0, &b"in doubt"[..]));
    assert_eq!(shown.property("TRANSACTION_CHECK_TIMES"), Some("1"));
    client.must(&EndTransaction { from_transaction_check: true, ..end(half, COMMIT) }, b"");
    assert_eq!(delivered(&mut client), ["in doubt"]);
    world.run_ms(61_000);
    assert!(questions(&mut client).is_empty(), "decided is decided");
}

#[test]
fn a_young_half_message_is_left_alone_for_its_own_time() {
    let world = World::new(6);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    client.must(&net::requests::HeartBeat {}, &heartbeat("p", "unused", &[]));
    world.run_ms(1_000);
    let half = send_half(&world, &mut client, b"slow", &property("CHECK_IMMUNITY_TIME_IN_SECONDS", "45"));
    world.run_ms(40_000);
    assert!(questions(&mut client).is_empty(), "the round at 30 s finds it too young");
    world.run_ms(21_000);
    assert_eq!(questions(&mut client).len(), 1);
    let late = client.ask(&end(half, COMMIT), b"");
    assert_eq!(late.code, 604, "{late:?}");
    client.must(&EndTransaction { from_transaction_check: true, ..end(half, COMMIT) }, b"");
    assert_eq!(delivered(&mut client), ["slow"]);
}

#[test]
fn what_nobody_decides_is_given_up_and_can_be_taken_up_again() {
    let world = World::new(7);
    let setup = Setup::with(|config| {
        config.transaction_check_max = 2;
        config.transaction_check_ms = 1_000;
    });
    let host = world.boot_with_topic(&setup, 1);
    let mut client = world.connect(&host);
    send_half(&world, &mut client, b"orphan", "");
    world.run_ms(20_000);
    assert!(delivered(&mut client).is_empty());
    let given_up = client.ask(&pull("g", "TRANS_CHECK_MAX_TIME_TOPIC", 0, 0), b"").messages();
    assert_eq!(given_up.len(), 1);
    let id = net::message_id::OffsetMessageId { host: host.address, offset: given_up[0].physical_offset };
    let mut text = String::new();
    id.append(&mut text);
    let resume = ResumeCheckHalfMessage { topic: None, msg_id: Some(&text) };
    world.connect_local(&host).must(&resume, b"");
    client.must(&net::requests::HeartBeat {}, &heartbeat("p", "unused", &[]));
    world.run_ms(1_500);
    let asked = questions(&mut client);
    assert_eq!(asked.len(), 1);
    let again = (asked[0].number("tranStateTableOffset"), asked[0].number("commitLogOffset"));
    client.must(&end(again, COMMIT), b"");
    assert_eq!(delivered(&mut client), ["orphan"]);
}

#[test]
fn decisions_and_doubts_outlive_a_clean_stop() {
    let world = World::new(8);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 1);
    let mut client = world.connect(&host);
    let halves: Vec<_> =
        (0..30).map(|number| send_half(&world, &mut client, format!("m{number}").as_bytes(), "")).collect();
    for (number, half) in halves.iter().enumerate() {
        match number % 3 {
            0 => drop(client.must(&end(*half, COMMIT), b"")),
            1 => drop(client.must(&end(*half, ROLLBACK), b"")),
            _ => {}
        }
    }
    let before = delivered(&mut client);
    assert_eq!(before.len(), 10);
    drop(client);
    let host = world.boot_from(host.stop(&world), &setup);
    let mut client = world.connect(&host);
    for half in &halves {
        client.must(&end(*half, COMMIT), b"");
    }
    let after = delivered(&mut client);
    assert_eq!(after.len(), 20, "the undecided ones are committed, the others were decided: {after:?}");
}

#[test]
fn no_crash_loses_a_decision_that_was_acknowledged() {
    for seed in 0..24 {
        let world = World::new(200 + seed);
        let setup = Setup::sync();
        let host = world.boot_with_topic(&setup, 1);
        let mut client = world.connect(&host);
        let mut committed = Vec::new();
        for number in 0..12 {
            let body = format!("m{number}");
            let half = send_half(&world, &mut client, body.as_bytes(), "");
            if number % 3 != 2 {
                client.must(&end(half, if number % 3 == 0 { COMMIT } else { ROLLBACK }), b"");
                committed.extend((number % 3 == 0).then_some(body));
            }
            world.run_ms(seed * 7 % 30);
        }
        world.run_ms(seed * 13 % 200);
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        let came = delivered(&mut world.connect(&host));
        assert_eq!(came, committed, "seed {seed}");
    }
}

#[test]
fn a_transactional_message_cannot_be_delayed_or_batched_and_a_bare_flag_is_a_mistake() {
    let world = World::new(9);
    let host = world.boot_with_topic(&Setup::default(), 1);
    let mut client = world.connect(&host);
    for extra in [property("DELAY", "1"), property("TIMER_DELAY_SEC", "1")] {
        let properties = half_properties(&extra);
        let answer = client.ask(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"x");
        assert_eq!(answer.code, 13, "{answer:?}");
    }
    assert_eq!(client.ask(&SendMessageV2 { sys_flag: 4, ..message("T", 0) }, b"x").code, 13);
    let setup = Setup { ip: [10, 0, 0, 2], ..Setup::with(|config| config.reject_transactions = true) };
    let host = world.boot_with_topic(&setup, 1);
    let properties = half_properties("");
    let request = SendMessageV2 { properties: Some(&properties), sys_flag: 4, ..message("T", 0) };
    assert_eq!(world.connect(&host).ask(&request, b"x").code, 16);
}
