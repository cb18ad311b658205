//! Whole runs: clients, faults, healing, and a last power cut.

use std::collections::BTreeSet;
use std::time::Duration;

use rt::sim::{Crash, NetProfile, SimDisk, Simulation, for_each_seed};

use crate::client::Client;
use crate::server::journaled;
use crate::{SERVER, boot, pass_time};

struct Outcome {
    trace: u64,
    acknowledged: usize,
    /// Acknowledged and not in the journal after a last power cut.
    lost: usize,
    crashes: usize,
}

/// Three clients, 60 numbers each, five faults, then healing.
fn run(seed: u64, durable: bool) -> Outcome {
    let sim = Simulation::new(seed);
    sim.network().set_profile(NetProfile { loss_percent: 2, socket_bytes: 64, ..NetProfile::default() });
    let mut server = boot(&sim, SimDisk::new(), durable);
    let clients: Vec<_> = (0..3_u8)
        .map(|index| {
            let first = u64::from(index) * 1_000;
            Client::start(sim.machine([10, 0, 1, index], SimDisk::new()).env(), first..first + 60)
        })
        .collect();
    let mut crashes = 0;
    for _ in 0..5 {
        pass_time(&sim, 40);
        let random = sim.random();
        let victim = [10, 0, 1, u8::try_from(random.below(3)).unwrap()];
        match random.below(6) {
            0 => sim.network().partition(SERVER, victim),
            1 => sim.network().cut(SERVER, victim),
            2 => sim.network().cut(victim, SERVER),
            3 => sim.network().reset(victim, SERVER),
            4 => {
                server.pause();
                pass_time(&sim, 3_000);
                server.resume();
            }
            _ => {
                let kinds = [Crash::Process, Crash::Os, Crash::Power];
                let disk = server.crash(kinds[usize::try_from(random.below(3)).unwrap()]);
                crashes += 1;
                pass_time(&sim, 500);
                server = boot(&sim, disk, durable);
            }
        }
        pass_time(&sim, 5_000);
        sim.network().heal();
    }
    let done = || clients.iter().all(|client| client.borrow().is_done());
    assert!(sim.run_until(Duration::from_secs(60), done), "healed, and still not done");
    let journaled = journaled(&server.crash(Crash::Power));
    let (mut acknowledged, mut lost) = (0, 0);
    for client in &clients {
        let client = client.borrow();
        acknowledged += client.acknowledged.len();
        lost += client.acknowledged.difference(&journaled).count();
    }
    Outcome { trace: sim.trace_hash(), acknowledged, lost, crashes }
}

#[test]
fn acknowledged_numbers_survive_whatever_happens() {
    let mut crashes = 0;
    for_each_seed(200, |seed| {
        let outcome = run(seed, true);
        assert_eq!((outcome.acknowledged, outcome.lost), (180, 0));
        crashes += outcome.crashes;
    });
    assert!(crashes > 0);
}

#[test]
fn a_server_that_acknowledges_too_early_is_caught() {
    let caught = (0..40).filter(|seed| run(*seed, false).lost > 0).count();
    assert!(caught > 5, "only {caught} of 40");
}

#[test]
fn two_runs_of_a_seed_are_the_same_and_two_seeds_are_not() {
    let mut traces = BTreeSet::new();
    for seed in 0..20 {
        let trace = run(seed, true).trace;
        assert_eq!(run(seed, true).trace, trace, "seed {seed}");
        traces.insert(trace);
    }
    assert_eq!(traces.len(), 20);
}
