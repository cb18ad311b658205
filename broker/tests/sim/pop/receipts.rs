//! What a receipt is good for: one acknowledgement, or another time to be invisible, and nothing once it is void.

use net::body::{BatchAck, BatchAckBody};
use net::json::{self, Style};
use net::requests::{AckMessage, BatchAckMessage, ChangeMessageInvisibletime, PopMessage};

use super::{boot, send};
use crate::support::{Setup, World, pop};

#[test]
fn a_batch_acknowledges_by_bits() {
    let world = World::new(3);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 10);
    let came = client.popped(&pop());
    let fields: Vec<&str> = came[0].receipt.split(' ').collect();
    let ack = BatchAck {
        // Bits 0, 1, 2 and 9.
        bits: "BwI=".to_owned(),
        group: "g".to_owned(),
        invisible_time_ms: 10_000,
        pop_time_ms: fields[1].parse().unwrap(),
        queue_id: 0,
        retry: "0".to_owned(),
        revive_queue_id: fields[3].parse().unwrap(),
        start_offset: 0,
        topic: "T".to_owned(),
    };
    let body = BatchAckBody { acks: vec![ack.clone()], broker_name: "broker-a".to_owned() };
    client.must(&BatchAckMessage {}, &json::to_vec(&body, Style::Raw));
    assert_eq!(client.ask(&BatchAckMessage {}, b"").code, 208);
    world.run_ms(10_100);
    let again = client.popped_texts(&pop());
    assert_eq!(again, ["m003", "m004", "m005", "m006", "m007", "m008"]);
}

#[test]
fn changing_the_invisible_time_gives_a_new_receipt_and_voids_the_old_one() {
    let world = World::new(4);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 2);
    let came = client.popped(&pop());
    world.run_ms(5_000);
    let answer = client.must(&came[0].change(20_000), b"");
    assert_eq!(answer.number("invisibleTime"), 20_000);
    let changed = came[0].changed(&answer);
    client.must(&came[0].ack(), b"");
    world.run_ms(5_200);
    assert_eq!(client.popped_texts(&pop()), ["m001"], "the other one keeps its time");
    world.run_ms(14_600);
    assert!(
        client.popped(&PopMessage { invisible_time_ms: 1, ..pop() }).iter().all(|one| one.text() == "m001")
    );
    world.run_ms(400);
    let again = client.popped_texts(&PopMessage { invisible_time_ms: 600_000, ..pop() });
    assert!(again.contains(&"m000".to_owned()), "the old receipt acknowledged nothing: {again:?}");
    client.must(&changed.ack(), b"");
}

/// since-5.3.md 15, 9: in every order of changes and acks, the last receipt counts.
#[test]
fn an_ack_with_the_latest_receipt_counts_after_any_number_of_changes() {
    let world = World::new(5);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 3);
    let mut came = client.popped(&pop());
    for round in 0..3 {
        for one in &mut came {
            let answer = client.must(&one.change(3_000 + round), b"");
            *one = one.changed(&answer);
        }
        world.run_ms(500);
    }
    for one in came.iter().rev() {
        client.must(&one.ack(), b"");
    }
    world.run_ms(20_000);
    assert!(client.popped(&pop()).is_empty());
}

/// since-5.3.md 15, 1: a change to the deadline that the message has already.
#[test]
fn a_change_to_the_same_deadline_loses_nothing() {
    let world = World::new(6);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 1);
    let came = client.popped(&pop());
    world.run_ms(1_000);
    let popped_at: i64 = came[0].receipt.split(' ').nth(1).unwrap().parse().unwrap();
    // As near as a client gets: the deadline that it has, and twice in one millisecond.
    let left = popped_at + 10_000 - world.unix_ms();
    let once = client.begin(&came[0].change(left), b"");
    let answer = client.wait(once);
    let changed = came[0].changed(&answer);
    let twice = [client.begin(&changed.change(left), b""), client.begin(&changed.change(left), b"")];
    for opaque in twice {
        assert_eq!(client.wait(opaque).code, 0);
    }
    world.run_ms(11_000);
    assert_eq!(client.popped_texts(&pop()), ["m000"]);
}

#[test]
fn a_suspended_message_comes_again_without_being_counted() {
    let world = World::new(7);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 2);
    let came = client.popped(&pop());
    client.must(&ChangeMessageInvisibletime { suspend: true, ..came[0].change(2_000) }, b"");
    client.must(&came[1].change(2_000), b"");
    world.run_ms(2_100);
    let again = client.popped(&pop());
    let mut counts: Vec<_> = again.iter().map(|one| (one.text(), one.message.reconsume_times)).collect();
    counts.sort();
    assert_eq!(counts, [("m000".to_owned(), 0), ("m001".to_owned(), 1)]);
}

#[test]
fn forged_and_expired_receipts_do_nothing() {
    let world = World::new(8);
    let host = boot(&world, &Setup::default(), 2);
    let mut client = world.connect(&host);
    send(&mut client, 1, 2);
    let came = client.popped(&pop());
    let one = &came[0];
    for wrong in ["1 1 1 1 0 broker-a 0 0", "0 -5 10000 3 0 broker-a 0 0", "-9 1 1 1 1 x -7 3"] {
        client.must(&AckMessage { extra_info: wrong, ..one.ack() }, b"");
        client.must(&ChangeMessageInvisibletime { extra_info: wrong, ..one.change(5) }, b"");
    }
    for broken in ["", "1 2 3", "a b c d e f g h"] {
        let answer = client.ask(&AckMessage { extra_info: broken, ..one.ack() }, b"");
        assert!(answer.code == 1 && answer.remark.contains("receipt"), "{answer:?}");
    }
    assert_eq!(client.ask(&AckMessage { offset: 3, ..one.ack() }, b"").code, 208);
    assert_eq!(client.ask(&AckMessage { offset: -1, ..one.ack() }, b"").code, 208);
    assert_eq!(client.ask(&ChangeMessageInvisibletime { offset: 2, ..one.change(5) }, b"").code, 208);
    assert_eq!(client.ask(&AckMessage { queue_id: 2, ..one.ack() }, b"").code, 13);
    assert_eq!(client.ask(&AckMessage { queue_id: -1, ..one.ack() }, b"").code, 13);
    assert_eq!(client.ask(&AckMessage { topic: "U", ..one.ack() }, b"").code, 17);
    world.run_ms(10_100);
    let again = client.popped(&pop());
    assert_eq!(again.len(), 2, "nothing was lost");
    client.must(&one.ack(), b"");
    client.must(&one.ack(), b"");
    world.run_ms(10_100);
    assert_eq!(client.popped(&pop()).len(), 2, "an expired receipt acknowledges nothing");
}
