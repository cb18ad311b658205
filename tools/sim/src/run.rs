//! One life: everybody works under faults, everything is healed, everything is read.

use std::fmt;

use history::{Event, History, Reader, Summary, check};
use testbed::World;

use crate::cluster::{Cluster, QUEUES, SHARDS};
use crate::consumers::{Popper, Puller};
use crate::drain::drain;
use crate::faults::Faults;
use crate::life::{Actor, Life, Phase};
use crate::ordered::OrderedGroup;
use crate::producers::{Producer, first_answer};
use crate::triers::Trier;

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

/// Lives through a seed with messages of every kind.
#[must_use]
pub fn run(seed: u64) -> Run {
    live(seed, Life::Kinds)
}

/// Lives through a seed with groups whose members come and go.
#[must_use]
pub fn run_groups(seed: u64) -> Run {
    live(seed, Life::Groups)
}

fn live(seed: u64, life: Life) -> Run {
    let world = World::new(seed);
    let mut cluster = Cluster::start(&world, seed, life);
    let mut faults = Faults::choose(&mut cluster);
    let mut everybody = cast(life);

    let end = world.now_ms() + life.trouble_ms();
    while world.now_ms() < end {
        faults.step(&mut cluster);
        cluster.deliver();
        everybody.iter_mut().for_each(|one| one.step(&mut cluster, Phase::Trouble));
        let (least, more) = life.tick_ms();
        let pause = least + cluster.random.below(more);
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
    let (least_ms, most_ms) = life.settle_ms();
    settle(&mut cluster, &mut everybody, Phase::Settling, (least_ms, most_ms));
    settle(&mut cluster, &mut everybody, Phase::Reading, (0, most_ms));

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

/// Everybody there is, in the order in which they are looked at.
fn cast<'w>(life: Life) -> Vec<Box<dyn Actor<'w> + 'w>> {
    let mut everybody: Vec<Box<dyn Actor<'w> + 'w>> = Vec::new();
    everybody.extend((0..3).map(|number| Box::new(Producer::new(number)) as _));
    match life {
        Life::Kinds => {
            everybody.extend((0..SHARDS * QUEUES as usize).map(|number| {
                let queue = u32::try_from(number % QUEUES as usize).unwrap();
                let reader = u32::try_from(number).unwrap();
                Box::new(Puller::new(reader, number / QUEUES as usize, queue)) as _
            }));
            everybody.push(Box::new(Popper::new()));
        }
        Life::Groups => {
            everybody.extend((0..SHARDS).map(|shard| Box::new(Trier::new(shard)) as _));
            everybody.push(Box::new(OrderedGroup::new()));
        }
    }
    everybody
}

/// Until nobody has anything more to do, at least and at most so long.
fn settle<'w>(
    cluster: &mut Cluster<'w>,
    everybody: &mut [Box<dyn Actor<'w> + 'w>],
    phase: Phase,
    (least_ms, most_ms): (u64, u64),
) {
    everybody.iter_mut().for_each(|one| one.enter());
    let start = cluster.world.now_ms();
    loop {
        let now = cluster.world.now_ms();
        let is_settled = now > start + least_ms && everybody.iter().all(|one| one.is_quiet(now));
        if is_settled || now > start + most_ms {
            return;
        }
        cluster.deliver();
        everybody.iter_mut().for_each(|one| one.step(cluster, phase));
        cluster.world.run_ms(cluster.life.calm_tick_ms());
    }
}
