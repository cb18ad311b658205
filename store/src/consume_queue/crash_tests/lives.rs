//! Lives that end in crashes of every kind, on many seeds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rt::sim::{Crash, SimDisk, SimEnv, Simulation, for_each_seed};

use super::super::*;
use super::model::{Log, Record, SEGMENT, check, recover};

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
