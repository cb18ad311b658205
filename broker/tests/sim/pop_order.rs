//! Ordered pops: a queue is closed while a batch of it is out, and goes on where it was acknowledged.

use net::requests::{InvokeBrokerToResetOffset, PopMessage};
use rt::sim::Crash;

use crate::support::{
    Client, Host, Popped, Setup, World, commit, create_topic, message, offset_query, pop, popped,
};

fn boot(world: &World, setup: &Setup, messages: usize) -> Host {
    let host = world.boot(setup);
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut client = world.connect(&host);
    for number in 0..messages {
        client.must(&message("T", 0), format!("m{number}").as_bytes());
    }
    host
}

fn ordered<'a>(count: i32) -> PopMessage<'a> {
    PopMessage { order: true, max_msg_nums: count, ..pop() }
}

fn texts(all: &[Popped]) -> Vec<String> {
    all.iter().map(Popped::text).collect()
}

fn offset(client: &mut Client<'_>) -> i64 {
    client.ask(&offset_query("g", "T", 0), b"").number("offset")
}

#[test]
fn a_queue_is_closed_until_its_batch_is_acknowledged() {
    let world = World::new(1);
    let host = boot(&world, &Setup::default(), 6);
    let mut client = world.connect(&host);
    let answer = client.must(&ordered(3), b"");
    assert_eq!((answer.number("reviveQid"), answer.text("orderCountInfo")), (999, "0 0 0"));
    let batch = popped(&answer);
    assert_eq!(texts(&batch), ["m0", "m1", "m2"]);
    assert!(client.popped(&ordered(3)).is_empty(), "closed");
    let waiting = client.begin(&PopMessage { poll_time_ms: 15_000, ..ordered(3) }, b"");
    for (one, stands) in [(&batch[1], 0), (&batch[0], 2), (&batch[2], 3)] {
        assert!(!client.has(waiting));
        client.must(&one.ack(), b"");
        assert_eq!(offset(&mut client), stands, "behind what is acknowledged without a gap");
    }
    assert_eq!(texts(&popped(&client.wait(waiting))), ["m3", "m4", "m5"], "opened by the last ack");
}

#[test]
fn what_is_not_acknowledged_comes_again_in_its_place_and_is_counted() {
    let world = World::new(2);
    let host = boot(&world, &Setup::default(), 4);
    let mut client = world.connect(&host);
    let first = client.popped(&ordered(2));
    client.must(&first[0].ack(), b"");
    let waiting = client.begin(&PopMessage { poll_time_ms: 15_000, ..ordered(2) }, b"");
    let began = world.now_ms();
    let answer = client.wait(waiting);
    let waited = world.now_ms() - began;
    assert!((9_900..=10_100).contains(&waited), "woken when the time is over: {waited} ms");
    assert_eq!(texts(&popped(&answer)), ["m1", "m2"]);
    assert_eq!(answer.text("orderCountInfo"), "0 qo0%1 1;0 0 0");
    client.must(&first[1].ack(), b"");
    assert_eq!(offset(&mut client), 1, "a receipt of the batch before does nothing");
}

#[test]
fn the_same_attempt_gets_the_same_batch_again() {
    let world = World::new(3);
    let host = boot(&world, &Setup::default(), 4);
    let mut client = world.connect(&host);
    let request = PopMessage { attempt_id: Some("a1"), ..ordered(2) };
    let first = client.must(&request, b"");
    let again = client.must(&request, b"");
    assert_eq!(first.texts(), again.texts());
    assert_eq!(again.text("orderCountInfo"), "0 0 0", "one attempt, however often it is answered");
    assert_eq!(client.ask(&PopMessage { attempt_id: Some("a2"), ..ordered(2) }, b"").code, 210);
}

#[test]
fn a_changed_time_moves_the_opening() {
    let world = World::new(4);
    let host = boot(&world, &Setup::default(), 2);
    let mut client = world.connect(&host);
    let batch = client.popped(&ordered(1));
    let answer = client.must(&batch[0].change(2_000), b"");
    let receipt = batch[0].changed(&answer);
    assert_eq!(receipt.receipt.split(' ').nth(1), batch[0].receipt.split(' ').nth(1), "the pop time stays");
    world.run_ms(2_050);
    assert_eq!(client.popped_texts(&ordered(1)), ["m0"], "before its first time was over");
}

#[test]
fn an_unknown_message_of_the_batch_is_refused() {
    let world = World::new(5);
    let host = boot(&world, &Setup::default(), 4);
    let mut client = world.connect(&host);
    let batch = client.popped(&ordered(2));
    let foreign = Popped { offset: 3, ..batch[0].clone() };
    assert_eq!(client.ask(&foreign.ack(), b"").code, 13);
    assert_eq!(offset(&mut client), 0);
}

#[test]
fn a_forged_receipt_of_an_ordered_pop_moves_nothing() {
    let world = World::new(9);
    let host = boot(&world, &Setup::default(), 4);
    let mut client = world.connect(&host);
    let batch = client.popped(&PopMessage { max_msg_nums: 1, ..pop() });
    let forged = Popped { offset: 3, receipt: "3 1 10000 999 0 broker-a 0 3".to_owned(), ..batch[0].clone() };
    client.must(&forged.ack(), b"");
    client.must(&forged.change(1), b"");
    assert_eq!(offset(&mut client), 1);
    assert_eq!(client.popped_texts(&pop()), ["m1", "m2", "m3"]);
}

/// since-5.3.md 15, 10.
#[test]
fn an_administrators_offset_opens_a_closed_queue() {
    let world = World::new(6);
    let host = boot(&world, &Setup::default(), 6);
    let mut client = world.connect(&host);
    let batch = client.popped(&ordered(3));
    let waiting = client.begin(&PopMessage { poll_time_ms: 15_000, ..ordered(3) }, b"");
    let reset = InvokeBrokerToResetOffset {
        topic: "T",
        group: "g",
        timestamp: -1,
        is_force: true,
        offset: Some(4),
        queue_id: 0,
    };
    world.connect_local(&host).must(&reset, b"");
    assert_eq!(client.wait(waiting).texts(), ["m4", "m5"]);
    for one in &batch {
        client.must(&one.ack(), b"");
    }
    assert_eq!(offset(&mut client), 4, "late acks of the old batch move nothing");
}

/// since-5.3.md 15, 11: where the group committed, not how far it had read ahead.
#[test]
fn an_ordered_pop_after_pulls_begins_where_the_group_committed() {
    let world = World::new(7);
    let host = boot(&world, &Setup::default(), 6);
    let mut client = world.connect(&host);
    assert_eq!(client.ask(&crate::support::pull("g", "T", 0, 0), b"").messages().len(), 6);
    client.must(&commit("g", "T", 0, 2), b"");
    assert_eq!(client.popped_texts(&ordered(32)), ["m2", "m3", "m4", "m5"]);
}

#[test]
fn a_restart_keeps_a_queue_closed_and_a_crash_skips_nothing() {
    for kind in [None, Some(Crash::Process), Some(Crash::Power)] {
        let world = World::new(8);
        let setup = Setup::sync();
        let host = boot(&world, &setup, 4);
        let mut client = world.connect(&host);
        let batch = client.popped(&ordered(2));
        client.must(&batch[0].ack(), b"");
        world.run_ms(2_000);
        drop(client);
        let disk = match kind {
            None => host.stop(&world),
            Some(kind) => host.crash(kind),
        };
        let host = world.boot_from(disk, &setup);
        let mut client = world.connect(&host);
        assert!(client.popped(&ordered(2)).is_empty(), "{kind:?}: m1 is still out");
        client.must(&batch[1].ack(), b"");
        assert_eq!(client.popped_texts(&ordered(2)), ["m2", "m3"], "{kind:?}");
    }
}
