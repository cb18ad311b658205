//! `micro`: every primitive that the budget of performance.md 5 names, with its budget beside it.
//!
//! CPU time of this thread, so that a busy machine disturbs less: the median and the least of many rounds. Budgets hold
//! on the machine they were taken from (performance.md 1); elsewhere read them as ratios. What repeats everywhere is
//! counted instead: `cargo xtask instructions`, `cargo test -p benches`.

mod codec;
mod commit;
mod log;
mod wheel;

use std::io;
use std::path::PathBuf;

use rt::real::bare::thread_cpu_ns;

use crate::echo;

/// Options of `benches micro`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only primitives whose name contains this.
    #[arg(default_value = "")]
    only: String,
    /// One short round of each: checks that they work, the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Core of what is measured.
    #[arg(long, default_value_t = 0)]
    cpu: usize,
    /// Core of the generator of the ring echo.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Directory for the log of the commits: on the disk in question [default: a temporary one].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What a primitive took, in ns.
#[derive(Clone, Copy, Debug)]
struct Cost {
    median: f64,
    least: f64,
}

/// Measures all and prints them.
///
/// # Errors
/// What a ring, a store or a disk says.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let spawned = std::thread::Builder::new().name("micro".into());
    let options = options.clone();
    // On a thread of its own, so that the pinning ends with it.
    let thread = spawned.spawn(move || {
        rt::real::cpus::pin_thread(&[options.cpu])?;
        table(&options)
    })?;
    thread.join().map_err(|_| io::Error::other("a measurement panicked"))?
}

fn table(options: &Options) -> io::Result<()> {
    println!("{:58} {:>9} {:>9} {:>9}", "primitive", "median", "least", "budget");
    let bench = Bench { options: options.clone() };
    codec::measure(&bench);
    log::measure(&bench)?;
    wheel::measure(&bench);
    commit::measure(&bench)?;
    bench.whole("ring echo, 4 x 64: CPU per frame", 400.0, || {
        echo::pump_cpu_ns(options.cpu, options.load_cpu, if options.quick { 0.1 } else { 2.0 })
    })
}

struct Bench {
    options: Options,
}

impl Bench {
    fn wanted(&self, name: &str) -> bool {
        name.contains(&self.options.only)
    }

    /// Repeats `operation` and prints what one takes.
    fn each(&self, name: &str, budget_ns: f64, mut operation: impl FnMut()) {
        let (rounds, count) = if self.options.quick { (2, 10) } else { (ROUNDS, COUNT) };
        if !self.wanted(name) {
            return;
        }
        let round = || {
            let began = thread_cpu_ns();
            (0..count).for_each(|_| operation());
            (thread_cpu_ns() - began) as f64 / f64::from(count)
        };
        print(name, Cost::of(std::iter::repeat_with(round).take(rounds).collect()), budget_ns);
    }

    /// As [`Bench::each`], for operations that need something done between the rounds: `round` returns ns per
    /// operation of a number of them that it is given.
    fn rounds(
        &self,
        name: &str,
        budget_ns: f64,
        mut round: impl FnMut(u32) -> io::Result<f64>,
    ) -> io::Result<()> {
        let (rounds, count) = if self.options.quick { (2, 10) } else { (ROUNDS, COUNT) };
        if !self.wanted(name) {
            return Ok(());
        }
        let figures = (0..rounds).map(|_| round(count)).collect::<io::Result<Vec<_>>>()?;
        print(name, Cost::of(figures), budget_ns);
        Ok(())
    }

    /// Something that takes seconds by itself, three times.
    fn whole(
        &self,
        name: &str,
        budget_ns: f64,
        mut measure: impl FnMut() -> io::Result<f64>,
    ) -> io::Result<()> {
        if !self.wanted(name) {
            return Ok(());
        }
        let runs = if self.options.quick { 1 } else { 3 };
        let figures = (0..runs).map(|_| measure()).collect::<io::Result<Vec<_>>>()?;
        print(name, Cost::of(figures), budget_ns);
        Ok(())
    }
}

/// An error of a crate below, which need not be `Send`.
fn said(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

const ROUNDS: usize = 31;
const COUNT: u32 = 10_000;

impl Cost {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self { median: rounds[rounds.len() / 2], least: rounds[0] }
    }
}

fn print(name: &str, cost: Cost, budget_ns: f64) {
    let verdict = if cost.median <= budget_ns {
        ""
    } else if cost.least <= budget_ns {
        "  over at the median"
    } else {
        "  OVER"
    };
    println!("{name:58} {:>9} {:>9} {:>9}{verdict}", show(cost.median), show(cost.least), show(budget_ns));
}

fn show(ns: f64) -> String {
    if ns < 10_000.0 { format!("{ns:.1} ns") } else { format!("{:.1} us", ns / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_primitive_can_be_measured() {
        let options = Options {
            only: String::new(),
            quick: true,
            cpu: 0,
            load_cpu: 0,
            dir: Some(std::env::temp_dir()),
        };
        run(&options).unwrap();
    }
}
