//! `kill -9` while a pair of members consumes in order, and what must hold (behaviour.md 10).
//!
//! 1. No message is passed over, and none is consumed before one that lies in front of it: `tools/history` judges.
//! 2. No queue has two owners, though the broker that granted it is gone: its locks are remembered.
//! 3. Who owned a queue before a kill has its lock again within [`AGAIN`] of the broker's return; others wait their time.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering::Relaxed,
    thread::sleep,
    time::{Duration, Instant},
};

use history::{Attempt, Event, Kind, Queue, Reader, check};

use super::{happened, kill, read_queue, restart, seeded, stop_and_start};
use crate::{
    cluster::Cluster,
    random::Random,
    report::Report,
    trouble::Trouble,
    wire::{NewMessage, Wire},
};

mod member;
mod notes;

use member::Member;
use notes::{Notes, attempt_of};

const TOPIC: &str = "Kill9OrderTopic";
const GROUP: &str = "Kill9OrderGroup";
const QUEUES: u16 = 4;
const CYCLES: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(5);
/// Members ask for their locks more often than clients do, who take 20 s.
const RENEW: Duration = Duration::from_millis(500);
/// An owner that asks again is granted its queues at once; here it shares two cores with everything else that runs.
const AGAIN: Duration = Duration::from_secs(10);

/// Runs the cycles against the broker `broker-0` of `cluster`; a scenario per cycle.
pub(crate) fn run(suite: &str, cluster: &mut Cluster, report: &Report) -> Result<(), Trouble> {
    let (_, mut random) = seeded(suite);
    cluster.make_topic(TOPIC, QUEUES)?;
    let address = cluster.addresses().remove(0);
    let broker = cluster.masters().remove(0);
    let notes = Notes::new();
    let members = ["one", "two"].map(|name| Member::new(name, &broker, &notes));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&address, &notes));
        for member in &members {
            scope.spawn(|| member.run(&address));
        }
        for cycle in 0..CYCLES {
            report.scenario(suite, &format!("cycle-{cycle}"), || {
                one_cycle(cycle, cluster, &mut random, &members)
            });
        }
        notes.quiet.store(true, Relaxed);
        report.scenario(suite, "everything-was-consumed-in-order", || {
            let outcome = await_end(&address);
            notes.done.store(true, Relaxed);
            outcome
        });
        notes.done.store(true, Relaxed);
    });
    report.scenario(suite, "no-gap-no-swap-one-owner", || {
        for reader in [Reader(100), Reader(101)] {
            drain(&address, reader, &notes)?;
            stop_and_start(cluster)?;
        }
        let history = notes.history.lock().expect("no holder panics");
        let summary = check(&history);
        let tenures = notes.tenures.load(Relaxed);
        println!("  {suite}: {} messages in order under {tenures} ownerships", summary.stored);
        happened(summary.stored, "a send that was acknowledged")?;
        match summary.findings.first() {
            None => Ok(()),
            Some(first) => {
                Err(Trouble::Answer(format!("{} findings, such as {first}", summary.findings.len())))
            }
        }
    });
    Ok(())
}

/// A kill in the middle of the work; now and then a member leaves before, so that the other takes over.
fn one_cycle(
    cycle: u32,
    cluster: &mut Cluster,
    random: &mut Random,
    members: &[Member<'_>],
) -> Result<(), Trouble> {
    members[1].rests.store(cycle % 2 == 1, Relaxed);
    sleep(Duration::from_millis(800 + random.below(1_500)));
    let owned: Vec<BTreeSet<i32>> = members.iter().map(Member::owned).collect();
    let late = &members[usize::try_from(random.below(2)).expect("one of two")];
    kill(cluster)?;
    late.is_late.store(true, Relaxed);
    sleep(Duration::from_millis(random.below(300)));
    restart(cluster)?;
    // The other believes to be alone, and wants all queues.
    sleep(2 * RENEW);
    late.is_late.store(false, Relaxed);
    let start = Instant::now();
    for (member, before) in members.iter().zip(owned) {
        // What it gives up by itself meanwhile it need not have again.
        while before.iter().any(|queue| member.lacks(*queue, start)) {
            if start.elapsed() > AGAIN {
                let what = format!("{} owned {before:?} and has not all of them again", member.name);
                return Err(Trouble::Late { awaited: what, log: None });
            }
            sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// One message after the other to one queue after the other, over all kills.
fn send(address: &str, notes: &Notes) {
    while !notes.quiet.load(Relaxed) {
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else {
            sleep(Duration::from_millis(20));
            continue;
        };
        while !notes.quiet.load(Relaxed) {
            let number = notes.attempts.fetch_add(1, Relaxed);
            let attempt = Attempt(u64::from(number));
            let queue = number % u32::from(QUEUES);
            notes.note(Event::Send { attempt, queue: Queue(queue), kind: Kind::Plain });
            let body = number.to_string();
            let queue_id = i32::try_from(queue).expect("few queues");
            let message =
                NewMessage { topic: TOPIC, queue_id, keys: "", tags: "TagA", body: body.as_bytes() };
            match wire.send_message("Kill9OrderProducers", &message) {
                Ok(sent) => {
                    let offset = u64::try_from(sent.queue_offset).expect("an offset");
                    notes.note(Event::Stored { attempt, offset });
                }
                Err(_) => {
                    notes.note(Event::Unknown { attempt });
                    break;
                }
            }
            sleep(Duration::from_millis(1));
        }
    }
}

/// Until the group stands at the end of every queue.
fn await_end(address: &str) -> Result<(), Trouble> {
    let mut wire = Wire::connect_to(address, PATIENCE)?;
    let end = Instant::now() + Duration::from_secs(60);
    for queue in 0..i32::from(QUEUES) {
        loop {
            let max = wire.max_offset(TOPIC, queue)?;
            if wire.consumer_offset(GROUP, TOPIC, queue)? == Some(max) {
                break;
            }
            if Instant::now() > end {
                return Err(Trouble::Late { awaited: format!("offset {max} of queue {queue}"), log: None });
            }
            sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Reads every queue from its beginning to its end.
fn drain(address: &str, reader: Reader, notes: &Notes) -> Result<(), Trouble> {
    notes.note(Event::Drain { reader });
    let mut wire = Wire::connect_to(address, PATIENCE)?;
    for queue in 0..i32::from(QUEUES) {
        let max = wire.max_offset(TOPIC, queue)?;
        let place = Queue(queue.unsigned_abs());
        notes.note(Event::Max { queue: place, offset: u64::try_from(max).expect("an offset") });
        read_queue(&mut wire, (TOPIC, queue), 0, |record| {
            let offset = u64::try_from(record.queue_offset).expect("an offset");
            let attempt = attempt_of(&record);
            notes.note(Event::Read { reader, queue: place, offset, attempt, at_ms: 0 });
            Ok(())
        })?;
    }
    Ok(())
}
