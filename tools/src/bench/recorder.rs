//! [`Recorder`]: what one thread counts, handed over interval by interval; [`Interval`]s add up without loss.
//!
//! Histograms hold nanoseconds from 1 us to 100 s with three digits, errors and timeouts included. A message belongs to
//! the measured time if it was due in it, whenever its answer comes; rates count what happened in it.

use std::sync::mpsc::Sender;

use hdrhistogram::Histogram;

mod interval;

pub use interval::{Interval, Kept, LOST, TIMED_OUT};

/// Latencies, ns.
pub type Latencies = Histogram<u64>;

/// An empty histogram of the range every one here has.
#[must_use]
pub fn latencies() -> Latencies {
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("valid bounds")
}

/// Smallest latency told apart: 1 us.
pub const LOWEST_NS: u64 = 1_000;
/// Largest latency: 100 s. A longer one counts as this.
pub const HIGHEST_NS: u64 = 100_000_000_000;
const DIGITS: u8 = 3;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Load that does not count.
    WarmUp,
    /// What counts.
    Measured,
    /// No new messages; answers are awaited.
    Drain,
}

/// The times of a run, known before its first message. Nanoseconds on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The load begins.
    pub start: u64,
    /// The measured time begins.
    pub measured: u64,
    /// It ends; `u64::MAX` if a number of messages decides.
    pub end: u64,
    /// Length of an interval.
    pub interval: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    times: Times,
    /// What is counted now.
    pub now: Interval,
    /// When it ends.
    until: u64,
    out: Sender<Interval>,
}

impl Recorder {
    /// Counts nothing before the load begins.
    #[must_use]
    pub fn new(times: Times, out: Sender<Interval>) -> Self {
        let phase = if times.measured > times.start { Phase::WarmUp } else { Phase::Measured };
        let now = Interval::new(phase, 0);
        let mut recorder = Self { times, now, until: 0, out };
        recorder.until = recorder.end_of_interval();
        recorder
    }

    /// The phase as of the last [`Recorder::at`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.now.phase
    }

    /// Whether a message due at `intended` is measured now. In the warm-up everything is shown, and forgotten after.
    #[must_use]
    pub fn counts(&self, intended: u64) -> bool {
        self.now.phase == Phase::WarmUp || intended >= self.times.measured
    }

    /// Goes on to the interval of `now`, handing over those that ended; `inflight` is for their end. Once a turn.
    pub fn at(&mut self, now: u64, inflight: u64) {
        while now >= self.until {
            self.hand_over(inflight);
        }
    }

    /// When [`Recorder::at`] is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.until
    }

    /// Ends the load at `now`; what comes after is drained.
    pub fn stop(&mut self, now: u64, inflight: u64) {
        self.at(now, inflight);
        if self.now.phase != Phase::Drain {
            self.times.end = now;
            self.times.measured = self.times.measured.min(now);
            self.until = now;
            self.now.phase = Phase::Measured.min(self.now.phase);
            self.hand_over_as(Phase::Drain, 0, inflight);
        }
    }

    /// Hands over what is left.
    pub fn finish(&mut self, inflight: u64) {
        self.now.inflight = inflight;
        let index = self.now.index + 1;
        let last = std::mem::replace(&mut self.now, Interval::new(Phase::Drain, index));
        // Nobody listens any more: then nobody wants it.
        let _ = self.out.send(last);
    }

    fn hand_over(&mut self, inflight: u64) {
        let (phase, index) = match self.now.phase {
            Phase::WarmUp if self.until >= self.times.measured => (Phase::Measured, 0),
            Phase::Measured if self.until >= self.times.end => (Phase::Drain, 0),
            phase => (phase, self.now.index + 1),
        };
        self.hand_over_as(phase, index, inflight);
    }

    fn hand_over_as(&mut self, phase: Phase, index: u64, inflight: u64) {
        self.now.inflight = inflight;
        self.now.span_ns = self.until.saturating_sub(self.begin_of_interval());
        let done = std::mem::replace(&mut self.now, Interval::new(phase, index));
        let _ = self.out.send(done);
        self.until = self.end_of_interval();
    }

    fn begin_of_interval(&self) -> u64 {
        let from = match self.now.phase {
            Phase::WarmUp => self.times.start,
            Phase::Measured => self.times.measured,
            Phase::Drain => return u64::MAX,
        };
        from.saturating_add(self.now.index.saturating_mul(self.times.interval))
    }

    fn end_of_interval(&self) -> u64 {
        let (from, to) = match self.now.phase {
            Phase::WarmUp => (self.times.start, self.times.measured),
            Phase::Measured => (self.times.measured, self.times.end),
            Phase::Drain => return u64::MAX,
        };
        from.saturating_add((self.now.index + 1).saturating_mul(self.times.interval)).min(to)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TIMES: Times = Times { start: 0, measured: 25, end: 50, interval: 10 };

    #[test]
    fn intervals_end_with_their_phase() {
        let (out, all) = mpsc::channel();
        let mut recorder = Recorder::new(TIMES, out);
        for now in 0..60 {
            recorder.at(now, 0);
            recorder.now.sent += 1;
        }
        recorder.finish(0);
        let seen: Vec<_> = all.try_iter().map(|one| (one.phase, one.index, one.sent)).collect();
        use Phase::{Drain, Measured, WarmUp};
        assert_eq!(
            seen,
            [
                (WarmUp, 0, 10),
                (WarmUp, 1, 10),
                (WarmUp, 2, 5),
                (Measured, 0, 10),
                (Measured, 1, 10),
                (Measured, 2, 5),
                (Drain, 0, 10)
            ]
        );
    }

    #[test]
    fn a_stop_in_the_middle_ends_the_measured_time_there() {
        let (out, all) = mpsc::channel();
        let mut recorder = Recorder::new(TIMES, out);
        recorder.at(33, 0);
        recorder.now.sent = 3;
        recorder.stop(33, 0);
        recorder.at(100, 0);
        recorder.finish(0);
        let seen: Vec<_> = all.try_iter().map(|one| (one.phase, one.sent, one.span_ns)).collect();
        assert_eq!(seen[2..], [(Phase::WarmUp, 0, 5), (Phase::Measured, 3, 8), (Phase::Drain, 0, 0)]);
    }
}
