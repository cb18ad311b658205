//! `kill -9` under sends, commits and everything that waits.
//!
//! Each cycle starts the broker, loads it from several connections with messages and batches of mixed sizes, commits
//! consumer offsets, and kills it. After the restart every queue is read. What must hold (reliability.md 1):
//!
//! 1. Everything acknowledged, and everything once read, is at its (queue, offset) with its body.
//! 2. Offsets of a queue have no gap, and none is ever given to two messages.
//! 3. Nothing is there that was not sent, and nothing twice: no send is repeated here.
//! 4. A committed consumer offset is at most a second old.
//! 5. What waits keeps waiting, and comes: [`super::waiting`].

use std::{
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    commits::Commits,
    happened, kill, kill_under_load,
    ledger::{Ledger, Place},
    load::Load,
    restart, seeded, stop_and_start,
    waiting::{self, Waiting},
};
use crate::{cluster::Cluster, random::Random, report::Report, trouble::Trouble};

pub(super) const TOPIC: &str = "Kill9Topic";
pub(super) const GROUP: &str = "Kill9Group";
pub(super) const QUEUES: u16 = 4;
/// Connections per shard.
const SENDERS: usize = 2;
/// By how much the load of a long cycle outlasts the age that an offset may have.
const OFFSETS_OLDER: Duration = Duration::from_millis(1_500);

/// One run of cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) cycles: u32,
    /// How old a consumer offset may be after a crash.
    pub(crate) offset_age_max: Duration,
}

/// Runs the trial against the broker `broker-0` of `cluster`; a scenario per cycle.
pub(crate) fn run(suite: &str, trial: Trial, cluster: &mut Cluster, report: &Report) -> Result<(), Trouble> {
    let (seed, mut random) = seeded(suite);
    cluster.make_topic(TOPIC, QUEUES)?;
    cluster.make_topic(waiting::TOPIC, 1)?;
    let waiting: Vec<Mutex<Waiting>> = cluster.addresses().iter().map(|_| Mutex::default()).collect();
    let mut ledger = Ledger::default();
    for cycle in 0..trial.cycles {
        let start = Instant::now();
        let outcome = one_cycle(cycle, trial, cluster, &mut random, &mut ledger, &waiting);
        match outcome {
            Ok(()) => report.pass(suite, &format!("cycle-{cycle}"), start.elapsed()),
            Err(trouble) => {
                report.fail(suite, &format!("cycle-{cycle}"), &format!("{trouble} (INTEROP_SEED={seed})"));
                return Ok(()); // what follows a loss is only noise
            }
        }
    }
    report.scenario(suite, "everything-that-waited-comes", || {
        for (address, waiting) in cluster.addresses().iter().zip(&waiting) {
            let came = waiting.lock().expect("no holder panics").settle(address)?;
            happened(came, "what waits")?;
            println!("  {suite}: {came} timers, delays and commits at {address}");
        }
        Ok::<(), Trouble>(())
    });
    report.scenario(suite, "everything-is-there-in-the-end", || {
        stop_and_start(cluster)?;
        let addresses = cluster.addresses();
        (0..addresses.len()).try_for_each(|shard| ledger.read_back(shard, &addresses[shard], true))?;
        println!(
            "  {suite}: {} messages in {} queues",
            ledger.known.len(),
            QUEUES as usize * addresses.len()
        );
        happened(ledger.known.len(), "a send that was acknowledged")?;
        happened(ledger.offsets_checked, "a kill well behind the commit of an offset")
    });
    Ok(())
}

fn one_cycle(
    cycle: u32,
    trial: Trial,
    cluster: &mut Cluster,
    random: &mut Random,
    ledger: &mut Ledger,
    waiting: &[Mutex<Waiting>],
) -> Result<(), Trouble> {
    let addresses = cluster.addresses();
    let serial = ledger.serial;
    ledger.serial += 1 << 32;
    let acknowledged: Mutex<Vec<(Place, u64)>> = Mutex::default();
    let commits: Vec<Mutex<Commits>> = addresses.iter().map(|_| Mutex::default()).collect();
    let mut wait = Duration::from_millis(150 + random.below(900));
    // An offset can only be too old if the load lasts longer than offsets may be old.
    if cycle % 3 == 2 {
        wait += trial.offset_age_max + OFFSETS_OLDER;
    }
    let committed = ledger.committed;
    let killed = kill_under_load(cluster, wait, |scope| {
        for (shard, address) in addresses.iter().enumerate() {
            for sender in 0..SENDERS {
                let mut load = Load {
                    shard,
                    serial: serial + ((shard * SENDERS + sender) as u64) * (1 << 24),
                    random: Random::new(random.next()),
                    acknowledged: &acknowledged,
                };
                scope.spawn(move || load.run(address));
            }
            let random = Random::new(random.next());
            scope.spawn(move || Waiting::send(&waiting[shard], address, random));
            let commits = &commits[shard];
            scope.spawn(move || {
                *commits.lock().expect("no holder panics") = Commits::run(address, committed + 1)
            });
        }
    })?;
    // About every other time it is killed again, once or twice, while it recovers.
    for _ in 0..random.below(3) / 2 + u64::from(random.below(4) == 0) {
        cluster.launch("broker-0")?;
        sleep(Duration::from_millis(random.below(200)));
        kill(cluster)?;
    }
    restart(cluster)?;
    let commits: Vec<Commits> =
        commits.into_iter().map(|one| one.into_inner().expect("a committer does not panic")).collect();
    for (place, hash) in acknowledged.into_inner().expect("no holder panics") {
        ledger.learn(place, hash, "acknowledged")?;
    }
    for (shard, address) in addresses.iter().enumerate() {
        ledger.read_back(shard, address, false)?;
        if commits[shard].check(address, killed, trial.offset_age_max)? {
            ledger.offsets_checked += 1;
        }
    }
    ledger.committed = commits.iter().map(Commits::last).max().unwrap_or(0).max(ledger.committed);
    Ok(())
}
