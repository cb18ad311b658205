//! What a shard does by the clock: held pulls, statistics, offsets, client expiry, registration.

use rt::{Env, Mono, Now};

use crate::long_poll::ParkedId;
use crate::pop::{CheckpointId, PopQueueId};
use crate::shard::Shard;

/// A timer on the shard's wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A parked pull has been held long enough.
    Hold(ParkedId),
    /// Hand changed consumer offsets to the store.
    Offsets,
    /// Once a second: sample the counters.
    Second,
    /// Every ten seconds: drop silent clients and expired locks.
    Clients,
    /// The head of a delay level (by index) may be due.
    Delay(usize),
    /// Ask about undecided half messages from this queue offset on.
    Transactions(u64),
    /// A message may be due that waits for a time of its own.
    Timed,
    /// A pop or notification has waited long enough.
    PopHold(ParkedId),
    /// Popped messages are visible again.
    PopDue(CheckpointId),
    /// There are popped messages to store again.
    PopRevive,
    /// What an ordered pop took of a queue is visible again.
    PopOrder(PopQueueId),
    /// A name server did not answer the question about a route with this number.
    Route(i32),
    /// A client did not answer the relayed request with this number.
    Relay(i32),
}

/// Consumer offsets regress by a second at most after a crash: this, and a fifth of a second
/// until the store writes them.
const OFFSETS_MS_MAX: u64 = 300;
const SECOND_MS: u64 = 1_000;
const CLIENTS_MS: u64 = 10_000;

impl<E: Env> Shard<E> {
    /// Arms the periodic timers.
    pub(crate) fn arm_periodic(&mut self, now: Now) {
        for (after_ms, timer) in [
            (self.offsets_ms(), Timer::Offsets),
            (SECOND_MS, Timer::Second),
            (CLIENTS_MS, Timer::Clients),
            (u64::from(self.config.transaction_check_ms), Timer::Transactions(0)),
        ] {
            self.wheel.arm(now.mono.as_ms() + after_ms, timer);
        }
    }

    /// Runs what is due; returns when to look again.
    pub(crate) fn fire_timers(&mut self, now: Now) -> Option<Mono> {
        while let Some(timer) = self.wheel.pop_due(now.mono.as_ms()) {
            match timer {
                Timer::Hold(id) => self.hold_expired(id, now),
                Timer::Route(opaque) => self.route_unknown(opaque),
                Timer::PopHold(id) => self.release_pop(id, now),
                Timer::PopDue(id) => self.pop_due(id, now),
                Timer::PopRevive => self.revive_due(now),
                Timer::PopOrder(id) => self.pop_order_over(id),
                Timer::Second => {
                    self.statistics.sample(now.mono, local_day(now.unix_ms));
                    self.wheel.arm(now.mono.as_ms() + SECOND_MS, Timer::Second);
                }
                Timer::Transactions(from) => self.check_transactions(from, now),
                Timer::Relay(opaque) => self.relay_expired(opaque),
                Timer::Timed => self.fire_timed(now),
                Timer::Delay(level) => self.deliver_level(level, now),
                Timer::Offsets => {
                    self.store_progress();
                    self.store_offsets();
                    self.wheel.arm(now.mono.as_ms() + self.offsets_ms(), Timer::Offsets);
                }
                Timer::Clients => {
                    self.drop_silent_clients(now);
                    self.sample_figures(now);
                    self.wheel.arm(now.mono.as_ms() + CLIENTS_MS, Timer::Clients);
                }
            }
        }
        self.wheel.next_deadline().map(Mono::from_ms)
    }

    fn offsets_ms(&self) -> u64 {
        u64::from(self.config.flush_offsets_ms).clamp(10, OFFSETS_MS_MAX)
    }
}

/// Number of the day since 1970, UTC: where the daily counters of tools turn over.
pub(crate) fn local_day(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(86_400_000)
}
