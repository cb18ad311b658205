//! [`Spin`]: how long an idle shard polls before it sleeps.
//!
//! Sleeping and waking cost about 25 us a side (performance.md 1); polling costs a core. `Auto` polls only while
//! completions come faster than sleeping would pay, judged by a moving average of the gaps between busy turns.

use crate::Mono;

/// How long an idle shard polls its ring before it sleeps in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spin {
    /// Sleeps at once: an idle shard costs nothing, a lone request two wake-ups.
    Off,
    /// Polls for so many microseconds; `u32::MAX` never sleeps.
    Micros(u32),
    /// Polls up to 100 us (40 us on a host with fewer than four usable cores) while completions come faster than that.
    #[default]
    Auto,
}

/// Decides, turn by turn, between polling and sleeping.
#[derive(Debug)]
pub(crate) struct Spinner {
    mode: Spin,
    auto_ns: u64,
    idle_since: Option<Mono>,
    /// Moving average of the gaps between busy turns.
    gap_ns: u64,
}

impl Spinner {
    pub(crate) fn new(mode: Spin, usable_cores: usize) -> Self {
        let auto_ns = if usable_cores < 4 { 40_000 } else { 100_000 };
        Self { mode, auto_ns, idle_since: None, gap_ns: u64::MAX / 16 }
    }

    /// Completions came.
    pub(crate) fn busy(&mut self, now: Mono) {
        let gap = self.idle_since.take().map_or(0, |since| now.since(since));
        // A long silence counts as a few limits, so that a burst after it is recognised within some ten turns.
        let cap = self.auto_ns * 8;
        self.gap_ns = (self.gap_ns.min(cap) * 7 + gap.min(cap)) / 8;
    }

    /// Nothing came; whether to poll again.
    pub(crate) fn poll_again(&mut self, now: Mono) -> bool {
        let budget_ns = match self.mode {
            Spin::Off => return false,
            Spin::Micros(u32::MAX) => return true,
            Spin::Micros(micros) => u64::from(micros) * 1_000,
            Spin::Auto if self.gap_ns < self.auto_ns => self.auto_ns,
            Spin::Auto => return self.note(now, 0),
        };
        self.note(now, budget_ns)
    }

    fn note(&mut self, now: Mono, budget_ns: u64) -> bool {
        let since = *self.idle_since.get_or_insert(now);
        now.since(since) < budget_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_polls_for_a_stream_and_sleeps_for_a_trickle() {
        let mut spinner = Spinner::new(Spin::Auto, 8);
        let mut now = 0;
        let mut turn = |spinner: &mut Spinner, gap_ns: u64| {
            let polls = spinner.poll_again(Mono(now));
            now += gap_ns;
            spinner.busy(Mono(now));
            polls
        };
        assert!(!turn(&mut spinner, 1_000), "nothing is known yet");
        for _ in 0..40 {
            turn(&mut spinner, 10_000);
        }
        assert!(turn(&mut spinner, 10_000));
        for _ in 0..40 {
            turn(&mut spinner, 5_000_000);
        }
        assert!(!turn(&mut spinner, 5_000_000));
    }

    #[test]
    fn a_fixed_budget_ends_on_time() {
        let mut spinner = Spinner::new(Spin::Micros(50), 8);
        assert!(spinner.poll_again(Mono(0)));
        assert!(spinner.poll_again(Mono(49_999)));
        assert!(!spinner.poll_again(Mono(50_000)));
        spinner.busy(Mono(60_000));
        assert!(spinner.poll_again(Mono(100_000)), "the budget starts anew");
    }
}
