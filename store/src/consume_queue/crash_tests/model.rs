//! The commitlog that the tests compare with: in memory, and never wrong.

use std::collections::BTreeMap;

use rt::sim::{Crash, SimDisk, SimEnv, Simulation};

use super::super::*;

pub(super) const SEGMENT: u64 = 64 << 10;

pub(in crate::consume_queue) fn config() -> QueueConfig {
    QueueConfig {
        memory_bytes: 0,
        checkpoint_ms: 20,
        segment_bytes: SEGMENT,
        ..QueueConfig::new("/queues".into())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) topic: String,
    pub(super) queue_id: u32,
    pub(super) offset: u64,
    pub(super) entry: Entry,
}

/// The commitlog of the model: what it holds and how far it is safe.
#[derive(Clone, Debug, Default)]
pub(in crate::consume_queue) struct Log {
    pub(super) records: Vec<Record>,
    pub(super) positions: LogPositions,
    pub(super) graves: BTreeMap<String, u64>,
    /// Next offset of each living queue.
    pub(super) next: BTreeMap<(String, u32), u64>,
}

impl Log {
    pub(super) fn end(&self) -> u64 {
        self.positions.end.get()
    }

    pub(super) fn alive(&self, record: &Record) -> bool {
        record.entry.at >= self.positions.min
            && self.graves.get(&record.topic).is_none_or(|grave| record.entry.at.get() >= *grave)
    }

    pub(super) fn entries(&self, topic: &str, queue_id: u32) -> Vec<(QueueOffset, Entry)> {
        let of_queue =
            |record: &&Record| record.topic == topic && record.queue_id == queue_id && self.alive(record);
        self.records
            .iter()
            .filter(of_queue)
            .map(|record| (QueueOffset::new(record.offset), record.entry))
            .collect()
    }
}

pub(super) async fn recover(env: SimEnv, log: &Log) -> (ConsumeQueues<SimEnv>, QueueRecovery) {
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

pub(super) async fn check(queues: &ConsumeQueues<SimEnv>, log: &Log) {
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

/// A store with `messages` in one queue, closed.
pub(in crate::consume_queue) fn filled(sim: &Simulation, messages: u64) -> (SimDisk, Log) {
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
