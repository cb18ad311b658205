//! What an answer promises: SYNC_FLUSH a flush, ASYNC_FLUSH that the death of the process loses nothing.

use std::time::Duration;

use rt::sim::{Crash, OpKind, Verdict};

use crate::support::{Host, Setup, WindowFile, World, message, pull};

/// Nothing that makes bytes durable comes to its end any more.
fn stop_flushes(host: &Host) {
    host.disk().on_operation(|operation| match operation.kind {
        OpKind::Flush | OpKind::DurableWrite => Verdict::Delay(Duration::from_secs(3_600)),
        _ => Verdict::Proceed,
    });
}

fn texts(world: &World, host: &Host, topic: &str) -> Vec<String> {
    let mut client = world.connect(host);
    let mut all = Vec::new();
    loop {
        let answer = client.ask(&pull("g", topic, 0, i64::try_from(all.len()).unwrap()), b"");
        if answer.code != 0 {
            return all;
        }
        all.extend(answer.texts());
    }
}

#[test]
fn sync_flush_answers_only_after_the_flush() {
    let world = World::new(1);
    let host = world.boot(&Setup::sync());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    stop_flushes(&host);
    let opaque = client.begin(&message("T", 0), b"second");
    world.run_ms(4_000);
    assert!(!client.has(opaque), "nothing is flushed, so nothing is promised");
    let read = client.ask(&pull("g", "T", 0, 0), b"");
    assert_eq!(read.texts(), ["first"], "and nobody sees what may still be lost");
    assert_eq!(read.number("maxOffset"), 1);
}

#[test]
fn a_flush_that_takes_too_long_is_told_as_such_and_not_as_a_loss() {
    let world = World::new(2);
    let host = world.boot(&Setup::sync());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    stop_flushes(&host);
    let began = world.now_ms();
    let opaque = client.begin(&message("T", 0), b"second");
    let answer = client.wait(opaque);
    assert_eq!(answer.code, 10, "{answer:?}");
    assert_eq!(answer.number("queueOffset"), 1, "it is stored");
    let waited = world.now_ms() - began;
    assert!((5_000..6_500).contains(&waited), "after syncFlushTimeout, not after {waited} ms");
}

#[test]
fn what_sync_flush_answered_survives_a_power_cut() {
    for seed in 10..16 {
        let world = World::new(seed);
        let setup = Setup::sync();
        let host = world.boot(&setup);
        let mut client = world.connect(&host);
        let sent: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
        for text in &sent {
            assert_eq!(client.ask(&message("T", 0), text.as_bytes()).code, 0);
        }
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        assert_eq!(texts(&world, &host, "T"), sent, "seed {seed}");
    }
}

#[test]
fn async_flush_with_a_named_window_answers_without_the_disk_and_survives_kill_9() {
    let world = World::new(3);
    let file = WindowFile::new();
    let setup = Setup::default().window(&file);
    let host = world.boot(&setup);
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    // The topic's own record is flushed in the background; the message needs no disk at all.
    world.run_ms(2_000);
    let next = host.disk().statistics().operations;
    host.disk().freeze_at(next);
    let answer = client.wait_at_most_ms(&message("T", 0), b"second", 1_000).unwrap();
    assert_eq!(answer.code, 0, "{answer:?}");
    drop(client);
    let host = world.boot_from(host.crash(Crash::Process), &setup);
    assert_eq!(texts(&world, &host, "T"), ["first", "second"]);
}

#[test]
fn async_flush_with_a_private_window_answers_when_the_write_is_done() {
    let world = World::new(4);
    let setup = Setup::default();
    let host = world.boot(&setup);
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    world.run_ms(2_000);
    let sent = client.ask(&message("T", 0), b"second");
    assert_eq!(sent.code, 0);
    let next = host.disk().statistics().operations;
    host.disk().freeze_at(next);
    let refused = client.wait_at_most_ms(&message("T", 0), b"third", 1_000);
    assert!(refused.is_none(), "no memory outlives the process, so the write must: {refused:?}");
    drop(client);
    let host = world.boot_from(host.crash(Crash::Process), &setup);
    assert_eq!(&texts(&world, &host, "T")[..2], ["first", "second"]);
}

#[test]
fn a_producer_that_does_not_wait_is_answered_at_once() {
    let world = World::new(5);
    let file = WindowFile::new();
    let host = world.boot(&Setup::sync().window(&file));
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    stop_flushes(&host);
    let wait = crate::support::property("WAIT", "false");
    let request = net::requests::SendMessageV2 { properties: Some(&wait), ..message("T", 0) };
    let answer = client.wait_at_most_ms(&request, b"second", 500).unwrap();
    assert_eq!(answer.code, 0, "waitStoreMsgOK=false asks for no flush: {answer:?}");
}
