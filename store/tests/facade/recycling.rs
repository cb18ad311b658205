//! Segments used again, under crashes: the records that were in them never pass for new ones.

use std::collections::BTreeMap;
use std::time::Duration;

use rt::sim::{Crash, Random, SimDisk};
use store::DeleteWhen;

use crate::bench::{Bench, body_of, message, small};

const TOPIC: &str = "Orders";

#[test]
fn no_old_record_comes_back_from_a_segment_used_again() {
    let mut recycled = 0;
    for seed in 1..=SEEDS {
        recycled += lives(seed);
    }
    assert!(recycled > SEEDS, "segments were used again {recycled} times");
}

/// Some lives of one store that keeps as little as it may; returns how many segments it used again.
fn lives(seed: u64) -> u64 {
    let random = Random::new(seed);
    let mut config = small();
    config.retention.reserved_hours = 0;
    config.retention.delete_when = DeleteWhen::Steady;
    config.retention_interval = Duration::from_millis(5);
    // The body that each offset has, as sent last.
    let (mut sent, mut answered, mut bodies, mut recycled) = (BTreeMap::new(), 0, 0, 0);
    let mut bench = Bench::on(SimDisk::new(), config, seed);
    for life in 0..LIVES {
        let spare =
            |bench: &Bench| bench.machine.disk().files().iter().any(|name| name.contains("recycled-"));
        let mut had_spare = spare(&bench);
        for _ in 0..random.between(100, 400) {
            bodies += 1;
            let body = body_of(bodies, random.below(3_000) as usize);
            let placed = bench.send(&message(TOPIC, &body), 1);
            sent.insert(placed.queue_offset.get(), body);
            if random.chance(2) {
                // Long enough for the queues to be saved, which retention waits for.
                bench.idle(Duration::from_secs(random.between(1, 12)));
            } else if random.chance(20) {
                bench.run(Duration::from_micros(random.below(8_000)));
            }
            let has_spare = spare(&bench);
            recycled += u64::from(had_spare && !has_spare);
            had_spare = has_spare;
            if bench.store.acknowledgeable() >= placed.end {
                answered = placed.queue_offset.get() + 1;
            }
        }
        let kind = [Crash::Process, Crash::Os, Crash::Power][random.below(3) as usize];
        bench = bench.crash(kind, random.next());
        let queue = bench.store.find_queue(TOPIC, 0).expect("it has messages");
        let range = bench.store.offsets(queue);
        assert!(range.max.get() >= answered, "seed {seed} life {life} {kind:?}: lost {answered}, {range:?}");
        sent.retain(|offset, _| *offset < range.max.get());
        for (offset, body) in bench.all(queue) {
            assert!(sent.get(&offset) == Some(&body), "seed {seed} life {life} {kind:?}: offset {offset}");
        }
    }
    recycled
}

const SEEDS: u64 = 12;
const LIVES: u64 = 4;
