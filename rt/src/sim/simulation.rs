//! [`Simulation`]: the handle a test holds.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::machine::SimMachine;
use super::net::Network;
use super::world::{Stepped, World};
use super::{Random, SimDisk};
use crate::Mono;

/// One thread, one seed, virtual time; any number of machines. Ends everything in it when dropped.
pub struct Simulation {
    world: Rc<World>,
}

impl Simulation {
    /// A simulation whose every choice follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: World::new(seed) }
    }

    /// Switches on a machine at `ip` that boots from `disk`. After a crash the same address may be used again.
    ///
    /// # Panics
    /// If a machine with this address is running.
    pub fn machine(&self, ip: impl Into<IpAddr>, disk: SimDisk) -> SimMachine {
        SimMachine::boot(&self.world, ip.into(), disk)
    }

    /// The cables between the machines: partitions, delays, resets.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::new(&self.world)
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.world.seed
    }

    /// Virtual time since the start.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.world.now()
    }

    /// For choices of the test itself.
    #[must_use]
    pub fn random(&self) -> &Random {
        &self.world.random
    }

    /// A hash over everything that happened so far: which task ran when, which I/O was started, which bytes arrived.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.trace_hash()
    }

    /// Runs everything until `future` is done.
    ///
    /// # Panics
    /// If it is not done within a day of virtual time.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.block_on_within(A_DAY, future)
            .unwrap_or_else(|| panic!("seed {:#x}: not done within a day", self.world.seed))
    }

    /// As [`Simulation::block_on`]; `None` if the future is not done within `limit` of virtual time, or never can be
    /// because nothing is ready and no timer is set. (Its disk is frozen, say.)
    pub fn block_on_within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let main = self.world.main();
        let waker = main.waker();
        let end = self.after(limit);
        while self.world.now().0 < end {
            match self.world.step(end) {
                Stepped::Ran => {}
                Stepped::Idle => return None,
                Stepped::Main => {
                    main.unqueue();
                    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Some(value);
                    }
                }
            }
        }
        None
    }

    /// Runs everything for `time` of virtual time.
    pub fn run_for(&self, time: Duration) {
        self.run_until(time, || false);
    }

    /// Runs everything until `done` says so or `limit` of virtual time has passed; returns whether it is done.
    pub fn run_until(&self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = self.after(limit);
        while !done() {
            if self.world.now().0 >= end {
                return false;
            }
            if let Stepped::Idle = self.world.step(end) {
                self.world.set_clock(end);
            }
        }
        true
    }

    /// Runs `count` steps: one poll of a task, one turn of a reactor, or one jump in time each. False if nothing was
    /// left to do before. Good for stopping anywhere.
    pub fn run_steps(&self, count: u64) -> bool {
        (0..count).all(|_| !matches!(self.world.step(u64::MAX), Stepped::Idle))
    }

    fn after(&self, limit: Duration) -> u64 {
        let limit_ns = u64::try_from(limit.as_nanos()).expect("a limit of less than centuries");
        self.world.now().0.saturating_add(limit_ns)
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.world.end();
    }
}

/// Runs `test` with `count` seeds; one that fails is printed with the way to replay it alone.
///
/// With `RINGMQ_SIM_SEED` set, only that seed runs; with `RINGMQ_SIM_SEEDS`, that many instead of `count`.
pub fn for_each_seed(count: u64, mut test: impl FnMut(u64)) {
    if let Some(seed) = number("RINGMQ_SIM_SEED") {
        return test(seed);
    }
    for index in 0..number("RINGMQ_SIM_SEEDS").unwrap_or(count) {
        let seed = super::random::mix(index + 1);
        let report = ReportOnPanic(seed);
        test(seed);
        drop(report);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

const A_DAY: Duration = Duration::from_secs(24 * 3600);

struct ReportOnPanic(u64);

impl Drop for ReportOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with seed {0:#x}; replay with RINGMQ_SIM_SEED={0:#x}", self.0);
        }
    }
}
