//! A damaged page, a damaged checkpoint, a disk that says no.

use rt::sim::{Corruption, FaultRule, OpKind, SimDisk, Simulation};

use super::super::*;
use super::model::{check, config, filled, recover};

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
            let rule = FaultRule::forever(kind, "queues", errno);
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
