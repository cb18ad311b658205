//! Search by time on files.

use rt::sim::{Simulation, for_each_seed};

use super::super::*;
use super::model::{config, filled};
use crate::Boundary;

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
