//! Pops over crashes: what nobody acknowledged comes again, what was acknowledged a second before does not.

use std::collections::BTreeMap;
use std::time::Duration;

use net::requests::PopMessage;
use rt::sim::{Crash, FaultRule, OpKind};
use rustix::io::Errno;

use crate::support::{Client, Setup, World, message, pop};

/// Pops until nothing came for longer than messages are invisible, and acknowledges all of it.
fn drain(world: &World, client: &mut Client<'_>) -> BTreeMap<String, usize> {
    let mut came = BTreeMap::new();
    let mut quiet = 0;
    while quiet < 13 {
        let batch = client.popped(&pop());
        quiet = if batch.is_empty() { quiet + 1 } else { 0 };
        for one in batch {
            client.must(&one.ack(), b"");
            *came.entry(one.text()).or_default() += 1;
        }
        world.run_ms(1_000);
    }
    came
}

fn life(seed: u64, setup: &Setup, kind: Crash, until_ms: u64) {
    let world = World::new(seed);
    let host = world.boot_with_topic(setup, 2);
    let mut client = world.connect(&host);
    let (mut stable, mut open) = (Vec::new(), Vec::new());
    let mut number = 0;
    let began = world.now_ms();
    while world.now_ms() - began < until_ms {
        for _ in 0..3 {
            client.must(&message("T", number % 2), format!("m{number:04}").as_bytes());
            open.push(format!("m{number:04}"));
            number += 1;
        }
        let batch = client.popped(&PopMessage { max_msg_nums: 4, invisible_time_ms: 3_000, ..pop() });
        for one in batch {
            // Every third is forgotten, as by a consumer that died.
            if one.text().bytes().map(u64::from).sum::<u64>() % 3 != seed % 3 {
                client.must(&one.ack(), b"");
                open.retain(|text| *text != one.text());
                stable.push((world.now_ms(), one.text()));
            }
        }
        world.run_ms(70 + seed * 13 % 50);
    }
    let crashed = world.now_ms();
    drop(client);
    let host = world.boot_from(host.crash(kind), setup);
    let mut client = world.connect(&host);
    let came = drain(&world, &mut client);
    for text in &open {
        assert!(came.contains_key(text), "seed {seed}, {kind:?} at {until_ms}: {text} is lost: {came:?}");
    }
    for (acked, text) in &stable {
        let age = crashed - acked;
        assert!(
            age < 1_500 || !came.contains_key(text),
            "seed {seed}, {kind:?} at {until_ms}: {text}, acknowledged {age} ms before, came again"
        );
    }
}

/// since-5.3.md 15, 30 among others.
#[test]
fn no_crash_loses_a_message_that_nobody_acknowledged() {
    for seed in 0..36 {
        let kind = [Crash::Process, Crash::Os, Crash::Power][usize::try_from(seed % 3).unwrap()];
        life(400 + seed, &Setup::sync(), kind, 300 + seed * 131 % 6_000);
    }
}

/// The metadata is flushed long before the log: a checkpoint must not end before its retry is flushed.
#[test]
fn a_retry_that_was_not_flushed_is_made_again() {
    for seed in 0..12 {
        let world = World::new(500 + seed);
        let mut setup = Setup::default();
        setup.store.flush_interval = Duration::from_secs(5);
        let host = world.boot_with_topic(&setup, 2);
        let mut client = world.connect(&host);
        let texts: Vec<String> = (0..6).map(|number| format!("m{number}")).collect();
        for text in &texts {
            client.must(&message("T", 0), text.as_bytes());
        }
        world.run_ms(6_000);
        assert_eq!(client.popped(&PopMessage { invisible_time_ms: 2_000, ..pop() }).len(), 6);
        world.run_ms(1_900 + seed * 150);
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        let came = drain(&world, &mut world.connect(&host));
        for text in &texts {
            let times = came.get(text).copied().unwrap_or(0);
            assert!((1..=2).contains(&times), "seed {seed}: {text} came {times} times");
        }
    }
}

#[test]
fn what_is_out_at_a_clean_stop_is_out_after_it() {
    let world = World::new(1);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    for number in 0..4 {
        client.must(&message("T", 0), format!("m{number}").as_bytes());
    }
    let batch = client.popped(&PopMessage { invisible_time_ms: 30_000, ..pop() });
    client.must(&batch[0].ack(), b"");
    drop(client);
    let host = world.boot_from(host.stop(&world), &setup);
    let mut client = world.connect(&host);
    assert!(client.popped(&pop()).is_empty(), "invisible as before");
    client.must(&batch[1].ack(), b"");
    let answer = client.must(&batch[2].change(60_000), b"");
    let third = batch[2].changed(&answer);
    drop(client);
    world.run_ms(30_500);
    let mut client = world.connect(&host);
    assert_eq!(client.popped_texts(&pop()), ["m3"], "old receipts counted after the restart");
    client.must(&third.ack(), b"");
    world.run_ms(40_000);
    assert_eq!(client.popped_texts(&pop()), ["m3"]);
}

/// since-5.3.md 15, 13: the pauses between attempts have no last one.
#[test]
fn a_retry_that_the_disk_refuses_is_made_when_there_is_room() {
    let world = World::new(2);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    for number in 0..3 {
        client.must(&message("T", 0), format!("m{number}").as_bytes());
    }
    assert_eq!(client.popped(&PopMessage { invisible_time_ms: 5_000, ..pop() }).len(), 3);
    host.disk().inject(FaultRule::forever(OpKind::Create, "commitlog", Errno::NOSPC.raw_os_error()));
    while client.ask(&message("T", 1), &[b'x'; 60_000]).code == 0 {}
    // Some thirty attempts, each refused.
    for _ in 0..6 {
        world.run_ms(50_000);
        client.ask(&message("T", 1), b"still alive");
    }
    host.disk().heal();
    world.run_ms(80_000);
    let came = client.popped_texts(&PopMessage { queue_id: 0, ..pop() });
    assert_eq!(came, ["m0", "m1", "m2"]);
}

/// since-5.3.md 15, 8: an ack that meets the writing of its checkpoint is not overwritten by it.
#[test]
fn an_ack_in_the_moment_of_a_flush_is_not_undone_by_it() {
    for delay in (0..700).step_by(35) {
        let world = World::new(600 + delay);
        let setup = Setup::sync();
        let host = world.boot_with_topic(&setup, 2);
        let mut client = world.connect(&host);
        for number in 0..2 {
            client.must(&message("T", 0), format!("m{number}").as_bytes());
        }
        let batch = client.popped(&PopMessage { invisible_time_ms: 4_000, ..pop() });
        world.run_ms(delay);
        client.must(&batch[0].ack(), b"");
        world.run_ms(1_500);
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        let came = drain(&world, &mut world.connect(&host));
        assert_eq!(came.into_keys().collect::<Vec<_>>(), ["m1"], "acknowledged after {delay} ms");
    }
}

#[test]
fn thousands_that_are_due_together_come_again_complete() {
    let world = World::new(3);
    let mut setup = Setup::default();
    setup.store.window_bytes = 4 << 20;
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let mut sent = Vec::new();
    for number in 0..3_000 {
        client.must(&message("T", number % 2), format!("m{number:04}").as_bytes());
        sent.push(format!("m{number:04}"));
    }
    // One message a pop: as many checkpoints as messages, all over at about the same time.
    let one = PopMessage { max_msg_nums: 1, invisible_time_ms: 60_000, ..pop() };
    for _ in 0..3_000 {
        client.begin(&one, b"");
    }
    world.run_ms(2_000);
    assert_eq!(client.rest().iter().map(|answer| answer.messages().len()).sum::<usize>(), 3_000);
    world.run_ms(60_000);
    let mut came = Vec::new();
    loop {
        let batch = client.popped_texts(&pop());
        if batch.is_empty() {
            break;
        }
        came.extend(batch);
    }
    came.sort();
    assert_eq!(came, sent);
}

#[test]
fn what_left_the_window_comes_again_from_the_files() {
    let world = World::new(4);
    let mut setup = Setup::default();
    setup.store.window_bytes = 256 << 10;
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    for number in 0..5 {
        client.must(&message("T", 0), format!("m{number}").as_bytes());
    }
    let batch = client.popped(&pop());
    client.must(&batch[3].ack(), b"");
    for _ in 0..40 {
        client.must(&message("T", 1), &[b'x'; 30 << 10]);
    }
    world.run_ms(10_500);
    let came = client.popped_texts(&PopMessage { queue_id: 0, ..pop() });
    assert_eq!(came, ["m0", "m1", "m2", "m4"]);
    // And pops of many queues at once, some of which lie in files.
    let patient = PopMessage { invisible_time_ms: 600_000, ..pop() };
    let all: usize = (0..40).map(|_| client.popped(&patient).len()).sum();
    assert_eq!(all, 40);
}
