//! Space comes back when messages expire, however slow one queue is.

use rt::sim::{SimDisk, Simulation};

use super::super::*;
use super::model::{SEGMENT, config};
use crate::queue_log::files::SEGMENT_PAGES;

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
