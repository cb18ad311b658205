//! [`Env`]: the machine as a shard sees it. Real in `real`, simulated in `sim`.

use std::future::Future;
use std::time::Duration;

use crate::{Disk, Transport};

/// Everything a shard may ask of the machine: disk, transport, clock, randomness, tasks.
///
/// Cloning is cheap (an `Rc`); nothing in it is `Send`.
pub trait Env: Clone + 'static {
    /// The files of this machine.
    type Disk: Disk;
    /// The sockets of this shard.
    type Net: Transport;

    /// The disk.
    fn disk(&self) -> &Self::Disk;
    /// The sockets.
    fn net(&self) -> &Self::Net;
    /// The time, read afresh. On the hot path use the `Now` that the pump passes in, read once per turn.
    fn now(&self) -> Now;
    /// 64 random bits. In simulation they follow from the seed.
    fn random(&self) -> u64;
    /// Runs `task` in the background class `class` on this shard's thread. Tasks end with the shard.
    fn spawn(&self, class: Class, task: impl Future<Output = ()> + 'static);
    /// Completes when `pause` has passed. Cancelling is safe.
    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + 'static;
    /// Lets the pump and other tasks run. Background work calls this at least every 50 us of CPU.
    fn yield_now(&self) -> impl Future<Output = ()> + 'static;
    /// Makes the pump take a turn soon although no event came (a task left something for the reactor).
    fn kick(&self);
}

/// Monotonic nanoseconds since an arbitrary start of this process (or simulation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// This instant plus `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0 + ms * 1_000_000)
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The instant `ms` milliseconds after the start.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    /// Nanoseconds from `earlier` to this instant; 0 if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both clocks, read together once per turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For intervals and deadlines.
    pub mono: Mono,
    /// For what is stored and shown: wall-clock milliseconds since the Unix epoch. May jump.
    pub unix_ms: i64,
}

/// Background classes (performance.md 3, "Classes"): shares and latency of the executor's task queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The ring pump and what must run between its turns (commits).
    Pump,
    /// Reads of data that left the window.
    ColdRead,
    /// Queue log, key index and metadata writes.
    Flush,
    /// Admin requests and registration.
    Admin,
    /// Zeroing, cleanup, snapshots.
    Housekeeping,
}
