//! A durable commit on the real disk: 64 messages of 1 KiB, one commit at a time.

use std::io;

use rt::real::bare::thread_cpu_ns;
use rt::real::device::{self, IoMode};
use rt::real::{RealEnv, ShardOptions, Spin, run_shard};
use rt::{Env, Event, Mono, Now, Reactor, TurnOutcome};
use store::{FlushMethod, FlushMode, PhysicalOffset, QueueRef, Store, StoreConfig, WindowBacking};

use super::log::message;
use super::{Bench, said};
use crate::lone_shard::Place;

/// Messages of a commit.
const MESSAGES: usize = 64;

pub(super) fn measure(bench: &Bench) -> io::Result<()> {
    let names = ["commit of 64 KiB, durable: latency", "append and commit, 64 at a time: CPU per message"];
    if !names.iter().any(|name| bench.wanted(name)) {
        return Ok(());
    }
    let place = Place::new(bench.options.dir.clone(), "micro")?;
    let commits = if bench.options.quick { 5 } else { 400 };
    let mut runs = Vec::new();
    for _ in 0..if bench.options.quick { 1 } else { 3 } {
        runs.push(commit(&place, commits)?);
    }
    let mut latencies = runs.iter().map(|run| run.0);
    let mut costs = runs.iter().map(|run| run.1);
    // performance.md 1: durable 64 KiB takes 125 to 135 us.
    bench.whole(names[0], 135_000.0, || latencies.next().ok_or_else(no_run))?;
    // Append 0.15 us, disk share 0.10 (performance.md 5).
    bench.whole(names[1], 250.0, || costs.next().ok_or_else(no_run))
}

fn no_run() -> io::Error {
    io::Error::other("fewer runs than figures")
}

/// Median latency of a commit and CPU per message, ns.
fn commit(place: &Place, commits: usize) -> io::Result<(f64, f64)> {
    let facts = device::probe(&place.dir)?;
    let (io_mode, _) = facts.io_mode(None);
    let (method, _) = facts.flush_method(io_mode, None);
    let config = StoreConfig {
        window: WindowBacking::Private,
        segment_bytes: 64 << 20,
        zeroing_part_bytes: 64 << 20,
        flush_mode: FlushMode::Sync,
        io_mode: if io_mode == IoMode::Direct { store::IoMode::Direct } else { store::IoMode::Buffered },
        flush_method: match method {
            device::FlushMethod::WriteThrough => FlushMethod::WriteThrough,
            device::FlushMethod::Dsync => FlushMethod::Dsync,
            device::FlushMethod::Fdatasync => FlushMethod::Fdatasync,
        },
        ..StoreConfig::new(place.dir.join("log"))
    };
    let options = ShardOptions { spin: Spin::Off, ..ShardOptions::new("commit") };
    let ran = run_shard(options, move |env: RealEnv| async move {
        let (mut store, _) = Store::open(env.clone(), config).await.map_err(said)?;
        let queue = store.queue("MicroTopic", 1);
        let begun = (env.now().mono, thread_cpu_ns());
        let wanted = PhysicalOffset::new(0);
        Ok::<_, io::Error>(Committing {
            store,
            queue,
            wanted,
            begun,
            commits,
            latencies: Vec::new(),
            cpu_ns: 0,
            fault: None,
        })
    });
    let done = ran.map_err(said)?;
    let cpu_ns = done.cpu_ns;
    std::fs::remove_dir_all(place.dir.join("log"))?;
    if let Some(fault) = done.fault {
        return Err(io::Error::other(fault));
    }
    let mut latencies = done.latencies;
    latencies.sort_unstable();
    let messages = latencies.len() * MESSAGES;
    Ok((latencies[latencies.len() / 2] as f64, cpu_ns as f64 / messages as f64))
}

struct Committing {
    store: Store<RealEnv>,
    queue: QueueRef,
    /// The commit in flight is done when everything below is.
    wanted: PhysicalOffset,
    /// When it was appended, and the thread's CPU time at the very start.
    begun: (Mono, u64),
    commits: usize,
    latencies: Vec<u64>,
    /// Of the thread, from the first append to the last commit.
    cpu_ns: u64,
    fault: Option<String>,
}

impl Reactor for Committing {
    fn event(&mut self, _: Event<'_>, _: Now) {}

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        let mut deadline = self.store.end_of_turn(now);
        if self.store.acknowledgeable() >= self.wanted {
            if self.wanted > PhysicalOffset::new(0) {
                self.latencies.push(now.mono.since(self.begun.0));
            }
            self.begun.0 = now.mono;
            let body = [7; 1_024];
            for _ in 0..MESSAGES {
                match self.store.append(self.queue, &message(&body), now.unix_ms) {
                    Ok(appended) => self.wanted = appended.end,
                    Err(error) => self.fault = Some(error.to_string()),
                }
            }
            deadline = self.store.end_of_turn(now).or(deadline);
        }
        self.cpu_ns = thread_cpu_ns() - self.begun.1;
        let stop = self.latencies.len() >= self.commits || self.fault.is_some();
        TurnOutcome { deadline, stop }
    }
}
