//! Window, record, queue entry, and the append that is all of them. On a simulated machine: no disk is waited for.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rt::real::bare::thread_cpu_ns;
use rt::sim::{SimDisk, Simulation};
use rt::{Backing, Env, Window, WindowIdentity};
use store::consume_queue::{ConsumeQueues, Entry, QueueConfig};
use store::record::{Draft, Place};
use store::{NewMessage, PhysicalOffset, QueueOffset, Store, StoreConfig, WindowBacking};

use super::{Bench, said};

/// Bytes of a body, and a record around it.
const BODY: usize = 1_024;
/// A log window's: larger than any cache.
const WINDOW: usize = 64 << 20;

pub(super) fn measure(bench: &Bench) -> io::Result<()> {
    window(bench)?;
    checksum(bench);
    record(bench);
    entry(bench)?;
    append(bench)
}

/// A copy of 1 KiB takes 37 ns there (performance.md 1), the cursor the rest.
fn window(bench: &Bench) -> io::Result<()> {
    let window = Window::create(Backing::Private, WINDOW, WindowIdentity { store_id: [1; 16], shard: 0 }, 0)?;
    let body = [7; BODY];
    let append = || {
        while let Some(mut job) = window.ensure_ahead() {
            while !job.step().expect("memory for the window") {}
        }
        window.release(window.end());
        let placed = window.append(BODY, |to| to.copy_from_slice(black_box(&body)));
        black_box(placed.expect("released before"));
    };
    // Once around, so that no page is new.
    (0..WINDOW / BODY).for_each(|_| append());
    bench.each("window append of 1 KiB, copied", 50.0, append);
    Ok(())
}

/// The budgets are what `crc32fast` takes (performance.md 1).
fn checksum(bench: &Bench) {
    let bytes = [7; BODY];
    for (name, len, budget) in [("CRC-32 of 128 B", 128, 13.0), ("CRC-32 of 1 KiB", BODY, 42.0)] {
        bench.each(name, budget, || {
            black_box(rt::crc32::hash(black_box(&bytes[..len])));
        });
    }
}

fn record(bench: &Bench) {
    let body = [7; BODY];
    let message = message(&body);
    let mut log = vec![1; WINDOW];
    let mut at = 0;
    bench.each("record of 1 KiB: copy and checksum", 100.0, || {
        let draft = Draft::new(black_box(&message)).expect("fits");
        if at + draft.bytes() > log.len() {
            at = 0;
        }
        let place = Place {
            at: PhysicalOffset::new(at as u64),
            queue_offset: QueueOffset::new(1),
            stored_at_ms: 1_700_000_000_001,
        };
        draft.encode(place, &mut log[at..at + draft.bytes()]);
        at += draft.bytes();
    });
}

fn entry(bench: &Bench) -> io::Result<()> {
    let sim = Simulation::new(1);
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    let opened = sim.block_on(ConsumeQueues::open(env, QueueConfig::new("/queues".into())));
    let (mut queues, _) = opened.map_err(said)?;
    let all: Vec<_> = (0..4).map(|id| queues.queue("MicroTopic", id, PhysicalOffset::new(0))).collect();
    let mut at = 0;
    bench.rounds("queue entry", 50.0, |count| {
        let began = thread_cpu_ns();
        for index in 0..count {
            let entry = Entry { at: PhysicalOffset::new(at), size: 1_200, tags_code: 0 };
            black_box(queues.push(all[index as usize % all.len()], entry));
            at += 1_200;
        }
        let ns = (thread_cpu_ns() - began) as f64 / f64::from(count);
        let end = PhysicalOffset::new(at);
        queues.end_of_turn(store::consume_queue::LogPositions {
            end,
            flushed: end,
            min: PhysicalOffset::new(0),
        });
        sim.run_for(Duration::from_millis(100));
        Ok(ns)
    })
}

/// Record, window, queue entry and the young key index: their budgets together.
fn append(bench: &Bench) -> io::Result<()> {
    let sim = Simulation::new(1);
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    let config = StoreConfig {
        window: WindowBacking::Private,
        segment_bytes: 128 << 20,
        zeroing_part_bytes: 128 << 20,
        zeroing_pause: Duration::ZERO,
        ..StoreConfig::new("/store".into())
    };
    let opened = sim.block_on(Store::open(env.clone(), config));
    let (mut store, _) = opened.map_err(said)?;
    let queues: Vec<_> = (0..4).map(|id| store.queue("MicroTopic", id)).collect();
    let body = [7; BODY];
    let message = message(&body);
    bench.rounds("append of 1 KiB: record, window, queue entry, key index", 150.0, |count| {
        let mut cpu_ns = 0;
        let turns = count.div_ceil(APPENDS);
        for _ in 0..turns {
            let now = env.now();
            let began = thread_cpu_ns();
            for index in 0..APPENDS as usize {
                let appended = store.append(queues[index % queues.len()], &message, now.unix_ms);
                black_box(appended.map_err(said)?);
            }
            cpu_ns += thread_cpu_ns() - began;
            store.end_of_turn(now);
            sim.run_for(Duration::from_millis(5));
            store.end_of_turn(env.now());
        }
        Ok(cpu_ns as f64 / f64::from(turns * APPENDS))
    })
}

/// Appends of a turn: what is in flight in scenario B1.
const APPENDS: u32 = 256;

pub(super) fn message(body: &[u8]) -> NewMessage<'_> {
    NewMessage {
        topic: "MicroTopic",
        queue_id: 1,
        body,
        properties: b"UNIQ_KEY\x017F0000010BEC0000FEDCBA9876543210\x02WAIT\x01true\x02",
        flag: 0,
        sys_flag: 0,
        born_at_ms: 1_700_000_000_000,
        born_host: SocketAddr::from(([127, 0, 0, 1], 50_000)),
        store_host: SocketAddr::from(([127, 0, 0, 1], 10_911)),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        tags_code: 0,
        keys: b"",
        unique_key: b"7F0000010BEC0000FEDCBA9876543210",
    }
}
