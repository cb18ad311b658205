//! [`Clock`]: both clocks for the price of one read per turn.

use std::cell::Cell;

use rustix::time::{ClockId, clock_gettime};

use crate::{Mono, Now};

/// Wall time is monotonic time plus an offset that is measured anew this often, ns. A step of the wall clock shows
/// after at most that long.
const RESYNC_NS: u64 = 20_000_000;

/// The clocks of one shard.
#[derive(Default)]
pub(crate) struct Clock {
    offset_ns: Cell<i64>,
    synced_at: Cell<Option<u64>>,
}

impl Clock {
    /// The time now.
    pub(crate) fn now(&self) -> Now {
        let mono = monotonic();
        if self.synced_at.get().is_none_or(|at| mono.since(Mono(at)) >= RESYNC_NS) {
            let wall = clock_gettime(ClockId::Realtime);
            let wall_ns = wall.tv_sec * 1_000_000_000 + wall.tv_nsec;
            self.offset_ns.set(wall_ns - i64::try_from(mono.0).expect("uptime below 292 years"));
            self.synced_at.set(Some(mono.0));
        }
        let wall_ns = i64::try_from(mono.0).expect("uptime below 292 years") + self.offset_ns.get();
        Now { mono, unix_ms: wall_ns.div_euclid(1_000_000) }
    }
}

/// `CLOCK_MONOTONIC`, which is the same in all threads.
pub(crate) fn monotonic() -> Mono {
    let time = clock_gettime(ClockId::Monotonic);
    Mono(u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("monotonic time is not negative"))
}
