//! Seeds that must end without a finding: 500, or those of `SIM_SEEDS=from..to`; with groups 80, or those of
//! `SIM_GROUP_SEEDS=from..to`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds at a time: a simulation is one thread.
const THREADS: usize = 2;

fn seeds(variable: &str, usual: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var(variable) else { return usual };
    let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{variable}=from..to, not {text:?}"));
    match text.split_once("..") {
        Some((from, to)) => parse(from)..parse(to),
        None => parse(&text)..parse(&text) + 1,
    }
}

/// Lives through all of `seeds`; those that end with a finding or a panic fail the test.
fn all_keep_every_promise(seeds: std::ops::Range<u64>, live: fn(u64) -> sim::Run, replay: &str) {
    let next = AtomicU64::new(seeds.start);
    let failed = std::sync::Mutex::new(Vec::new());
    let stored = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let lived = std::panic::catch_unwind(|| live(seed));
                    match lived {
                        Ok(run) => {
                            stored.fetch_add(run.summary.stored as u64, Ordering::Relaxed);
                            if !run.summary.findings.is_empty() {
                                eprintln!("{run}");
                                failed.lock().expect("no holder panics").push(seed);
                            }
                        }
                        Err(_) => failed.lock().expect("no holder panics").push(seed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no holder panics");
    assert!(failed.is_empty(), "cargo run -p sim -- SEED{replay}, for each of {failed:?}");
    assert!(stored.into_inner() > 0, "nothing was stored at all");
}

#[test]
fn every_seed_keeps_every_promise() {
    all_keep_every_promise(seeds("SIM_SEEDS", 0..500), sim::run, "");
}

#[test]
fn every_seed_keeps_every_promise_to_groups_whose_members_come_and_go() {
    all_keep_every_promise(seeds("SIM_GROUP_SEEDS", 0..80), sim::run_groups, " --groups");
}

#[test]
fn two_runs_of_a_seed_are_one() {
    for seed in [3, 4] {
        assert_eq!(sim::run(seed).trace_hash, sim::run(seed).trace_hash, "seed {seed}");
        assert_eq!(
            sim::run_groups(seed).trace_hash,
            sim::run_groups(seed).trace_hash,
            "seed {seed} with groups"
        );
    }
}
