//! One life: everybody works under faults, everything is healed, everything is read.

use std::fmt;

use history::{Event, History, Reader, Summary, check};

use crate::cluster::{Cluster, QUEUES, SHARDS};
use crate::consumers::{INVISIBLE_MS, Popper, Puller};
use crate::drain::drain;
use crate::faults::Faults;
use crate::producers::{Producer, first_answer};
use crate::support::World;

/// How long everybody works under faults, in virtual milliseconds.
const TROUBLE_MS: u64 = 12_000;
/// After the last send, everything parked is due within this time and everything popped comes again.
const SETTLE_MS_MAX: u64 = 60_000;
const SETTLE_MS_MIN: u64 = 12_000;
/// A healed cluster answers a send within this time; the checker judges what it took.
const ALIVE_MS_MAX: u64 = 30_000;

/// What came of a seed.
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// Equal for two runs of a seed.
    pub trace_hash: u64,
    /// The verdict.
    pub summary: Summary,
    /// What happened.
    pub history: History,
    /// What was done to the cluster.
    pub faults: Vec<String>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, trace_hash, summary, faults, .. } = self;
        faults.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        summary.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
        write!(
            f,
            "seed {seed}: {} sent, {} stored, {} unknown, {} refused, {} copies, {} findings, trace {trace_hash:016x}",
            summary.sent,
            summary.stored,
            summary.unknown,
            summary.refused,
            summary.copies,
            summary.findings.len()
        )
    }
}

/// Lives through a seed.
#[must_use]
pub fn run(seed: u64) -> Run {
    let world = World::new(seed);
    let mut cluster = Cluster::start(&world, seed);
    let mut faults = Faults::choose(&mut cluster);
    let mut producers: Vec<_> = (0..3).map(Producer::new).collect();
    let mut pullers: Vec<_> = (0..SHARDS * QUEUES as usize)
        .map(|number| {
            let queue = u32::try_from(number % QUEUES as usize).unwrap();
            Puller::new(u32::try_from(number).unwrap(), number / QUEUES as usize, queue)
        })
        .collect();
    let mut popper = Popper::new();

    let end = world.now_ms() + TROUBLE_MS;
    while world.now_ms() < end {
        faults.step(&mut cluster);
        cluster.deliver();
        producers.iter_mut().for_each(|one| one.step(&mut cluster, true));
        pullers.iter_mut().for_each(|one| one.step(&mut cluster));
        popper.step(&mut cluster, false);
        let pause = 5 + cluster.random.below(40);
        world.run_ms(pause);
    }

    faults.heal(&mut cluster);
    let healed = world.now_ms();
    cluster.note(Event::Healed { at_ms: healed });
    for shard in 0..SHARDS {
        let at_ms = first_answer(&mut cluster, shard, ALIVE_MS_MAX).unwrap_or(u64::MAX);
        cluster.note(Event::Alive { at_ms });
    }
    // First everybody, until what is parked is due and what is undecided was asked about; then the consumers, for
    // something may have become visible behind their backs.
    let mut settle = |decides: bool, least_ms: u64| {
        pullers.iter_mut().for_each(|one| one.is_at_end = false);
        let start = world.now_ms();
        loop {
            let now = world.now_ms();
            let is_settled = now > start + least_ms
                && producers.iter().all(Producer::is_quiet)
                && pullers.iter().all(|one| one.is_at_end)
                && now > popper.nothing_since + 3 * INVISIBLE_MS.unsigned_abs();
            if is_settled || now > start + SETTLE_MS_MAX {
                return;
            }
            cluster.deliver();
            if decides {
                producers.iter_mut().for_each(|one| one.step(&mut cluster, false));
            }
            pullers.iter_mut().for_each(|one| one.step(&mut cluster));
            popper.step(&mut cluster, true);
            world.run_ms(50);
        }
    };
    settle(true, SETTLE_MS_MIN);
    settle(false, 0);

    // Once from memory as it is, once as a new process finds it on the disk.
    drain(&mut cluster, Reader(100), 32);
    for shard in 0..SHARDS {
        cluster.stop(shard);
        cluster.boot(shard);
    }
    drain(&mut cluster, Reader(101), 7);
    let history = std::mem::take(&mut cluster.history);
    let summary = check(&history);
    Run { seed, trace_hash: world.sim.trace_hash(), summary, history, faults: faults.log }
}
