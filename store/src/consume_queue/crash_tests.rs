//! Queues on a simulated disk: whatever a crash leaves, checkpoint plus replay equals the commitlog.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rt::sim::{Corruption, Crash, FaultRule, OpKind, Repeat, SimDisk, SimEnv, Simulation, for_each_seed};

use super::*;
use crate::Boundary;
use crate::queue_log::files::SEGMENT_PAGES;

const SEGMENT: u64 = 64 << 10;

pub(super) fn config() -> QueueConfig {
    QueueConfig {
        memory_bytes: 0,
        checkpoint_ms: 20,
        segment_bytes: SEGMENT,
        ..QueueConfig::new("/queues".into())
    }
}

#[derive(Clone, Debug)]
struct Record {
    topic: String,
    queue_id: u32,
    offset: u64,
    entry: Entry,
}

/// The commitlog of the model: what it holds and how far it is safe.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    records: Vec<Record>,
    positions: LogPositions,
    graves: BTreeMap<String, u64>,
    /// Next offset of each living queue.
    next: BTreeMap<(String, u32), u64>,
}

impl Log {
    fn end(&self) -> u64 {
        self.positions.end.get()
    }

    fn alive(&self, record: &Record) -> bool {
        record.entry.at >= self.positions.min
            && self.graves.get(&record.topic).is_none_or(|grave| record.entry.at.get() >= *grave)
    }

    fn entries(&self, topic: &str, queue_id: u32) -> Vec<(QueueOffset, Entry)> {
        let of_queue =
            |record: &&Record| record.topic == topic && record.queue_id == queue_id && self.alive(record);
        self.records
            .iter()
            .filter(of_queue)
            .map(|record| (QueueOffset::new(record.offset), record.entry))
            .collect()
    }
}

async fn recover(env: SimEnv, log: &Log) -> (ConsumeQueues<SimEnv>, QueueRecovery) {
    let (mut queues, recovery) = ConsumeQueues::open(env, config()).await.unwrap();
    assert!(recovery.replay_from <= log.positions.end, "a checkpoint vouches for what was lost");
    for (topic, grave) in &log.graves {
        queues.bury(topic, PhysicalOffset::new(*grave));
    }
    let from = recovery.replay_from.max(log.positions.min);
    for record in log.records.iter().filter(|record| record.entry.at >= from) {
        queues.replay(&record.topic, record.queue_id, QueueOffset::new(record.offset), record.entry);
        queues.relieve(PhysicalOffset::new(record.entry.end())).await.unwrap();
    }
    queues.end_of_turn(log.positions);
    (queues, recovery)
}

async fn check(queues: &ConsumeQueues<SimEnv>, log: &Log) {
    let mut names: Vec<(String, u32)> = log.next.keys().cloned().collect();
    names.sort();
    for (topic, queue_id) in names {
        let expected = log.entries(&topic, queue_id);
        let Some(queue) = queues.find_queue(&topic, queue_id) else {
            assert!(expected.is_empty(), "{topic} {queue_id} is gone");
            continue;
        };
        let range = queues.offsets(queue);
        let mut found = Vec::new();
        let mut from = range.start;
        while from < range.end {
            let read = queues.read_cold(queue, from, 1000).await.unwrap();
            assert!(read.next > from);
            from = read.next;
            found.extend(read.entries);
        }
        found.retain(|(_, entry)| entry.at >= log.positions.min);
        assert_eq!(found, expected, "{topic} {queue_id}");
        if let Some((last, _)) = expected.last() {
            assert_eq!(range.end, last.plus(1));
        }
    }
}

/// Does random things until the disk freezes or `steps` are over.
async fn live(sim: &Simulation, env: SimEnv, log: &RefCell<Log>, steps: u32, durable: &Cell<u64>) {
    let before = log.borrow().clone();
    let (mut queues, _) = recover(env.clone(), &before).await;
    for _ in 0..steps {
        let random = sim.random();
        match random.below(20) {
            0 => {
                // Answered when the tombstone is durable; here it always is.
                let topic = format!("topic{}", random.below(3));
                let mut log = log.borrow_mut();
                queues.bury(&topic, log.positions.end);
                let end = log.end();
                log.graves.insert(topic.clone(), end);
                log.next.retain(|(other, _), _| *other != topic);
            }
            1 => {
                let mut log = log.borrow_mut();
                let min = queues.saved_to().get().min(log.end()) / SEGMENT * SEGMENT;
                if random.chance(50) {
                    log.positions.min = log.positions.min.max(PhysicalOffset::new(min));
                }
            }
            2..5 => env.sleep(std::time::Duration::from_millis(random.below(30))).await,
            _ => {
                let (topic, queue_id) = (format!("topic{}", random.below(3)), random.below(3) as u32);
                let mut log = log.borrow_mut();
                let queue = queues.queue(&topic, queue_id, log.positions.end);
                for _ in 0..random.between(1, 160) {
                    let size = random.between(90, 400) as u32;
                    let entry = Entry { at: log.positions.end, size, tags_code: random.next() as i64 };
                    let offset = queues.push(queue, entry);
                    let next = log.next.entry((topic.clone(), queue_id)).or_insert(offset.get());
                    assert_eq!(*next, offset.get(), "an offset was used twice or skipped");
                    *next += 1;
                    log.positions.end = log.positions.end.plus(u64::from(size));
                    log.records.push(Record { topic: topic.clone(), queue_id, offset: offset.get(), entry });
                }
            }
        }
        let mut log = log.borrow_mut();
        if random.chance(40) {
            log.positions.flushed = log.positions.end;
            durable.set(log.end());
        }
        queues.end_of_turn(log.positions);
    }
    env.sleep(std::time::Duration::from_millis(100)).await;
    let after = log.borrow().clone();
    check(&queues, &after).await;
}

/// Drives `work` to its end, or for a minute if the disk is frozen.
async fn until_frozen(env: SimEnv, work: impl Future<Output = ()>) {
    let mut work = std::pin::pin!(work);
    let mut limit = std::pin::pin!(env.sleep(std::time::Duration::from_secs(60)));
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        std::task::Poll::Ready(()) => std::task::Poll::Ready(()),
        std::task::Poll::Pending => limit.as_mut().poll(context),
    })
    .await;
}

#[test]
fn checkpoint_and_replay_equal_the_commitlog_after_any_crash() {
    for_each_seed(40, |seed| {
        let mut disk = SimDisk::new();
        let log = RefCell::new(Log::default());
        for life in 0..3 {
            let sim = Simulation::new(seed ^ life);
            let machine = sim.machine([10, 0, 0, 1], disk);
            let survives = Cell::new(log.borrow().end());
            machine.disk().freeze_at(sim.random().between(5, 150));
            sim.block_on(until_frozen(machine.env(), live(&sim, machine.env(), &log, 60, &survives)));
            let kind = [Crash::Process, Crash::Os, Crash::Power][sim.random().below(3) as usize];
            disk = machine.crash(kind);
            // The window survives the process; the tail beyond the flush does not survive more.
            let mut log = log.borrow_mut();
            let kept = match kind {
                Crash::Process => log.end(),
                Crash::Os | Crash::Power => sim.random().between(survives.get(), log.end()),
            };
            log.records.retain(|record| record.entry.end() <= kept);
            let end = log.records.last().map_or(0, |record| record.entry.end()).max(survives.get());
            log.positions.end = PhysicalOffset::new(end);
            log.positions.flushed = log.positions.end;
            let graves = log.graves.clone();
            log.graves = graves.into_iter().map(|(topic, grave)| (topic, grave.min(end))).collect();
            let mut next = BTreeMap::new();
            for record in log.records.iter().filter(|record| {
                log.graves.get(&record.topic).is_none_or(|grave| record.entry.at.get() >= *grave)
            }) {
                next.insert((record.topic.clone(), record.queue_id), record.offset + 1);
            }
            log.next = next;
        }
        let sim = Simulation::new(seed ^ 99);
        let machine = sim.machine([10, 0, 0, 1], disk);
        let log = log.into_inner();
        sim.block_on(async {
            let (queues, _) = recover(machine.env(), &log).await;
            check(&queues, &log).await;
            queues.close(log.positions).await.unwrap();
            let (queues, recovery) = recover(machine.env(), &log).await;
            assert_eq!(recovery.rebuilt, None);
            assert_eq!(recovery.replay_from, log.positions.end, "nothing to replay after a clean stop");
            check(&queues, &log).await;
        });
    });
}

/// A store with `messages` in one queue, closed.
pub(super) fn filled(sim: &Simulation, messages: u64) -> (SimDisk, Log) {
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    let mut log = Log::default();
    sim.block_on(async {
        let (mut queues, _) = recover(machine.env(), &log).await;
        let queue = queues.queue("topic", 0, PhysicalOffset::new(0));
        for offset in 0..messages {
            let entry = Entry { at: log.positions.end, size: 100, tags_code: 0 };
            queues.push(queue, entry);
            log.records.push(Record { topic: "topic".into(), queue_id: 0, offset, entry });
            log.positions.end = log.positions.end.plus(100);
        }
        log.next.insert(("topic".into(), 0), messages);
        log.positions.flushed = log.positions.end;
        queues.close(log.positions).await.unwrap();
    });
    (machine.crash(Crash::Power), log)
}

#[test]
fn a_damaged_page_is_reported_and_the_others_are_read() {
    let sim = Simulation::new(1);
    let (disk, _) = filled(&sim, 1000);
    let file = disk.files().into_iter().find(|name| name.ends_with(".queuelog")).unwrap();
    disk.corrupt(&file, 2 * 4096 + 700, 512, Corruption::Zeros);
    let sim = Simulation::new(2);
    let machine = sim.machine([10, 0, 0, 1], disk);
    sim.block_on(async {
        let (queues, _) = ConsumeQueues::open(machine.env(), config()).await.unwrap();
        let queue = queues.find_queue("topic", 0).unwrap();
        let page = |number: u64| QueueOffset::new(number * PAGE_ENTRIES as u64);
        assert!(matches!(queues.read_cold(queue, page(2), 1).await, Err(QueueError::Corrupt { .. })));
        assert_eq!(queues.read_cold(queue, page(1), 204).await.unwrap().entries.len(), 204);
        assert_eq!(queues.read_cold(queue, page(3), 500).await.unwrap().next, QueueOffset::new(1000));
    });
}

#[test]
fn damaged_checkpoints_are_thrown_away_and_everything_is_replayed() {
    let sim = Simulation::new(1);
    let (disk, log) = filled(&sim, 1000);
    let file = disk.files().into_iter().find(|name| name.ends_with(".journal")).unwrap();
    disk.corrupt(&file, 4096 + 20, 1, Corruption::FlipBit);
    let sim = Simulation::new(2);
    let machine = sim.machine([10, 0, 0, 1], disk);
    sim.block_on(async {
        let (queues, recovery) = recover(machine.env(), &log).await;
        assert_eq!(recovery.replay_from, PhysicalOffset::new(0));
        assert!(recovery.rebuilt.is_some());
        check(&queues, &log).await;
    });
}

#[test]
fn a_failed_flush_is_final_and_a_full_disk_is_not() {
    for (kind, errno, is_final) in
        [(OpKind::Flush, 5, true), (OpKind::Write, 5, true), (OpKind::Write, 28, false)]
    {
        let sim = Simulation::new(1);
        let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
        sim.block_on(async {
            let (mut queues, _) = ConsumeQueues::open(machine.env(), config()).await.unwrap();
            let queue = queues.queue("topic", 0, PhysicalOffset::new(0));
            let rule = FaultRule { kind, path_contains: "queues", after: 0, repeat: Repeat::Forever, errno };
            machine.disk().inject(rule);
            let mut log = LogPositions::default();
            for _ in 0..10_000 {
                queues.push(queue, Entry { at: log.end, size: 100, tags_code: 0 });
                log.end = log.end.plus(100);
                log.flushed = log.end;
                queues.end_of_turn(log);
            }
            machine.env().sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(queues.failure().is_some(), is_final);
            assert_eq!(queues.saved_to(), PhysicalOffset::new(0));
            machine.disk().heal();
            machine.env().sleep(std::time::Duration::from_secs(5)).await;
            assert_eq!(queues.failure().is_some(), is_final);
            assert_eq!(queues.saved_to() == log.end, !is_final);
        });
    }
}

#[test]
fn the_log_shrinks_when_messages_expire_although_a_slow_queue_still_needs_a_few_pages() {
    let sim = Simulation::new(1);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    sim.block_on(async {
        let (mut queues, _) = ConsumeQueues::open(machine.env(), config()).await.unwrap();
        let fast = queues.queue("fast", 0, PhysicalOffset::new(0));
        let slow = queues.queue("slow", 0, PhysicalOffset::new(0));
        let mut log = LogPositions::default();
        let mut slow_entries = Vec::new();
        let segment_messages = SEGMENT_PAGES * PAGE_ENTRIES as u64;
        for message in 0..segment_messages * 5 / 2 {
            let entry = Entry { at: log.end, size: 100, tags_code: 0 };
            log.end = log.end.plus(100);
            log.flushed = log.end;
            if message > segment_messages / 2 && message % 2000 == 0 {
                slow_entries.push((queues.push(slow, entry), entry));
            } else {
                queues.push(fast, entry);
            }
            if message % 10_000 == 0 {
                queues.end_of_turn(log);
                machine.env().sleep(std::time::Duration::from_millis(2)).await;
            }
        }
        let bytes = || -> u64 {
            let disk = machine.disk();
            let names = disk.files().into_iter().filter(|name| name.ends_with(".queuelog"));
            names.map(|name| disk.contents(&name).unwrap().len() as u64).sum()
        };
        assert!(bytes() > 4 << 20);
        // Three fifths of the log have expired, but not the slow queue's last messages in the first files.
        let keep = PhysicalOffset::new(log.end.get() / SEGMENT * 3 / 5 * SEGMENT);
        for _ in 0..40 {
            log.min = keep.min(PhysicalOffset::new(queues.saved_to().get() / SEGMENT * SEGMENT));
            queues.end_of_turn(log);
            machine.env().sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(log.min, keep);
        // Of two and a half files the first is gone; the second is still half full.
        assert!(bytes() < 3 << 20, "{} bytes are left", bytes());
        let min = queues.offsets(slow).start;
        let found = queues.read_cold(slow, min, usize::MAX).await.unwrap().entries;
        let expected: Vec<_> = slow_entries.into_iter().filter(|(_, entry)| entry.at >= log.min).collect();
        assert_eq!(found, expected);
        let first = queues.read_cold(fast, queues.offsets(fast).start, 1).await.unwrap().entries[0].1;
        assert!(first.at >= log.min && first.at.get() < log.min.get() + 300, "the first offset is exact");
    });
}

#[test]
fn search_by_time_equals_a_linear_scan() {
    for_each_seed(10, |seed| {
        let sim = Simulation::new(seed);
        let (disk, _) = filled(&sim, 700);
        let sim = Simulation::new(seed);
        let machine = sim.machine([10, 0, 0, 1], disk);
        // Ties, and gaps between times; record n starts at byte 100 n.
        let mut times = vec![1000];
        for _ in 1..700 {
            times.push(times.last().unwrap() + sim.random().below(3) as i64);
        }
        sim.block_on(async {
            let (mut queues, _) = ConsumeQueues::open(machine.env(), config()).await.unwrap();
            let queue = queues.find_queue("topic", 0).unwrap();
            queues.skip_to(queue, QueueOffset::new(900));
            let (min, max) = (QueueOffset::new(100), QueueOffset::new(700));
            let times = Rc::new(times);
            for wanted in [0, 999, 1000, 1001, 1100, 1350, 1351, 1352, *times.last().unwrap(), 9999] {
                for boundary in [Boundary::Lower, Boundary::Upper] {
                    let times_of = times.clone();
                    let stored_at = move |entry: Entry| {
                        let time = times_of[(entry.at.get() / 100) as usize];
                        // The log has lost its first 120 records.
                        std::future::ready(Ok::<_, QueueError>((entry.at.get() >= 12_000).then_some(time)))
                    };
                    let search = queues.offset_by_time(queue, (min, max), wanted, boundary, stored_at);
                    let found = search.await.unwrap().get();
                    let expected = match boundary {
                        Boundary::Lower => (120..700).find(|n| times[*n] >= wanted).unwrap_or(700),
                        Boundary::Upper => (100..700).rfind(|n| *n < 120 || times[*n] <= wanted).unwrap(),
                    };
                    assert_eq!(found, expected as u64, "{boundary:?} {wanted}");
                }
            }
            let nothing = (max, max);
            let search = queues.offset_by_time(queue, nothing, 5, Boundary::Lower, |_| {
                std::future::ready(Ok::<_, QueueError>(None))
            });
            assert_eq!(search.await.unwrap(), max);
        });
    });
}
