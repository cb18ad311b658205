//! [`Phases`]: warm-up, measured window, drain; and the usage at the borders of the window.

use std::time::Duration;

use rt::Mono;

use crate::usage::Usage;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Load without counting.
    WarmUp,
    /// What counts.
    Measured,
    /// No new requests; answers are awaited.
    Draining,
}

/// The clock of a run.
#[derive(Debug)]
pub(crate) struct Phases {
    warmup: Duration,
    duration: Duration,
    broker: Option<u32>,
    phase: Phase,
    since: Mono,
    at_start: Usage,
    measured: Option<(Duration, Usage)>,
}

impl Phases {
    /// A run that has not begun.
    pub(crate) fn new(warmup: Duration, duration: Duration, broker: Option<u32>) -> Self {
        Self {
            warmup,
            duration,
            broker,
            phase: Phase::WarmUp,
            since: Mono(0),
            at_start: Usage::default(),
            measured: None,
        }
    }

    /// The warm-up begins.
    pub(crate) fn start(&mut self, now: Mono) {
        self.since = now;
    }

    /// The phase at `now`, once a turn.
    pub(crate) fn at(&mut self, now: Mono) -> Phase {
        if now < self.deadline() {
            return self.phase;
        }
        match self.phase {
            Phase::WarmUp => {
                self.at_start = Usage::now(self.broker);
                (self.phase, self.since) = (Phase::Measured, now);
            }
            Phase::Measured => self.stop(now),
            Phase::Draining => {}
        }
        self.phase
    }

    /// The phase as of the last [`Phases::at`].
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Ends the load now: the measured window is what passed of it.
    pub(crate) fn stop(&mut self, now: Mono) {
        if self.phase == Phase::Measured {
            let used = Usage::now(self.broker).since(&self.at_start);
            self.measured = Some((Duration::from_nanos(now.since(self.since)), used));
        }
        (self.phase, self.since) = (Phase::Draining, now);
    }

    /// When the phase changes.
    pub(crate) fn deadline(&self) -> Mono {
        let length = match self.phase {
            Phase::WarmUp => self.warmup,
            Phase::Measured => self.duration,
            Phase::Draining => DRAIN,
        };
        Mono(self.since.0 + u64::try_from(length.as_nanos()).expect("a run below 584 years"))
    }

    /// Length of the measured window and what was used in it.
    pub(crate) fn measured(&self) -> (Duration, Usage) {
        self.measured.unwrap_or_default()
    }
}

/// How long answers are awaited after the load has ended.
const DRAIN: Duration = Duration::from_secs(10);
