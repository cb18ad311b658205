//! [`Interval`]: counts and histograms of a part of a run, and [`Kept`], the same packed.

use std::collections::BTreeMap;

use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};

use super::{Latencies, Phase, latencies};

/// What happened in an interval of a phase, on one thread or on all.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Which phase.
    pub phase: Phase,
    /// Which interval of it, from 0.
    pub index: u64,
    /// Messages that were due.
    pub due: u64,
    /// Messages written.
    pub sent: u64,
    /// Messages acknowledged.
    pub acked: u64,
    /// Bytes of their bodies.
    pub acked_bytes: u64,
    /// Messages received.
    pub received: u64,
    /// Bytes of their bodies.
    pub received_bytes: u64,
    /// Requests answered, timed out or lost.
    pub requests: u64,
    /// Of them, pulls.
    pub pulls: u64,
    /// Transactions committed.
    pub committed: u64,
    /// Transactions rolled back.
    pub rolled_back: u64,
    /// Transactions that waited for a check.
    pub unknown: u64,
    /// Checks that the broker asked.
    pub checks: u64,
    /// Of them, for messages whose fate it was told.
    pub checks_unexpected: u64,
    /// Of them, for messages that it asked about before.
    pub checks_again: u64,
    /// Messages that scanning consumers read.
    pub scanned: u64,
    /// Bytes of their bodies.
    pub scanned_bytes: u64,
    /// Requests in flight at the end of the interval.
    pub inflight: u64,
    /// How long it was, ns; the last one may be cut short. 0 of the drain.
    pub span_ns: u64,
    /// Answers other than success by code, with the first remark. [`TIMED_OUT`] and [`LOST`] are codes of ours.
    pub errors: BTreeMap<i32, (u64, String)>,
    /// Sends: answer - due time (closed loop: empty).
    pub response: Latencies,
    /// Sends: answer - written.
    pub service: Latencies,
    /// Deliveries: receipt - due time; or pulls: nothing.
    pub delivery: Latencies,
    /// Deliveries: receipt - written; or pulls: answer - request.
    pub delivery_service: Latencies,
    /// How late the generator itself was.
    pub lag: Latencies,
    /// Sends: written - due time, whoever was to blame.
    pub delay: Latencies,
    /// Deliveries: receipt - born time, on two wall clocks, whole ms.
    pub born_to_client: Latencies,
    /// Deliveries: receipt - store time, on two wall clocks, whole ms.
    pub store_to_client: Latencies,
    /// Transactions: decision answered - due time of the half message.
    pub transaction: Latencies,
    /// Transactions: decision answered - half message written.
    pub transaction_service: Latencies,
    /// Transactions: decision answered - decision written.
    pub decision: Latencies,
    /// Delayed messages: receipt - due delivery.
    pub lateness: Latencies,
    /// Pulls of scanning consumers: answer - request.
    pub scan: Latencies,
}

/// An interval that is kept: its histograms take some KiB instead of some 230 each.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Everything but the histograms, which are empty here and share nothing.
    counts: Counts,
    histograms: [Vec<u8>; HISTOGRAMS],
}

#[derive(Clone, Debug)]
struct Counts {
    phase: Phase,
    index: u64,
    span_ns: u64,
    numbers: [u64; NUMBERS],
    errors: BTreeMap<i32, (u64, String)>,
}

const HISTOGRAMS: usize = 13;
const NUMBERS: usize = 17;

impl Kept {
    /// Packs `interval`.
    #[must_use]
    pub fn of(interval: &Interval) -> Self {
        let pack = |latencies: &Latencies| {
            let mut bytes = Vec::new();
            if !latencies.is_empty() {
                let packed = V2DeflateSerializer::new().serialize(latencies, &mut bytes);
                packed.expect("memory takes any bytes");
            }
            bytes
        };
        let counts = Counts {
            phase: interval.phase,
            index: interval.index,
            span_ns: interval.span_ns,
            numbers: interval.numbers(),
            errors: interval.errors.clone(),
        };
        Self { counts, histograms: interval.histograms().map(pack) }
    }

    /// Which phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.counts.phase
    }

    /// Which interval of it.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.counts.index
    }

    /// The interval as it was.
    #[must_use]
    pub fn open(&self) -> Interval {
        let mut interval = Interval::new(self.counts.phase, self.counts.index);
        interval.span_ns = self.counts.span_ns;
        interval.set_numbers(self.counts.numbers);
        interval.errors.clone_from(&self.counts.errors);
        for (histogram, bytes) in interval.histograms_mut().into_iter().zip(&self.histograms) {
            if !bytes.is_empty() {
                let found = Deserializer::new().deserialize(&mut &bytes[..]);
                *histogram = found.expect("just what was packed");
            }
        }
        interval
    }
}

/// Code of a request without an answer in time.
pub const TIMED_OUT: i32 = -1;
/// Code of a request whose connection was lost.
pub const LOST: i32 = -2;
/// Different codes that are kept.
const CODES_MAX: usize = 64;
/// Letters of a remark that are kept.
const REMARK_CHARS: usize = 160;

/// The counters of an interval, as an array to read or to assign to.
macro_rules! numbers {
    ($of:ident) => {
        [
            $of.due,
            $of.sent,
            $of.acked,
            $of.acked_bytes,
            $of.received,
            $of.received_bytes,
            $of.requests,
            $of.pulls,
            $of.committed,
            $of.rolled_back,
            $of.unknown,
            $of.checks,
            $of.checks_unexpected,
            $of.checks_again,
            $of.scanned,
            $of.scanned_bytes,
            $of.inflight,
        ]
    };
}

/// The histograms of an interval, each borrowed as said. A list for reading and one for writing could differ.
macro_rules! histograms {
    ($of:ident, $($borrow:tt)+) => {
        [
            $($borrow)+ $of.response,
            $($borrow)+ $of.service,
            $($borrow)+ $of.delivery,
            $($borrow)+ $of.delivery_service,
            $($borrow)+ $of.lag,
            $($borrow)+ $of.delay,
            $($borrow)+ $of.born_to_client,
            $($borrow)+ $of.store_to_client,
            $($borrow)+ $of.transaction,
            $($borrow)+ $of.transaction_service,
            $($borrow)+ $of.decision,
            $($borrow)+ $of.lateness,
            $($borrow)+ $of.scan,
        ]
    };
}

impl Interval {
    /// Nothing yet.
    #[must_use]
    pub fn new(phase: Phase, index: u64) -> Self {
        Self {
            phase,
            index,
            due: 0,
            sent: 0,
            acked: 0,
            acked_bytes: 0,
            received: 0,
            received_bytes: 0,
            requests: 0,
            pulls: 0,
            committed: 0,
            rolled_back: 0,
            unknown: 0,
            checks: 0,
            checks_unexpected: 0,
            checks_again: 0,
            scanned: 0,
            scanned_bytes: 0,
            inflight: 0,
            span_ns: 0,
            errors: BTreeMap::new(),
            response: latencies(),
            service: latencies(),
            delivery: latencies(),
            delivery_service: latencies(),
            lag: latencies(),
            delay: latencies(),
            born_to_client: latencies(),
            store_to_client: latencies(),
            transaction: latencies(),
            transaction_service: latencies(),
            decision: latencies(),
            lateness: latencies(),
            scan: latencies(),
        }
    }

    fn numbers(&self) -> [u64; NUMBERS] {
        numbers!(self)
    }

    fn set_numbers(&mut self, numbers: [u64; NUMBERS]) {
        numbers!(self) = numbers;
    }

    fn histograms(&self) -> [&Latencies; HISTOGRAMS] {
        histograms!(self, &)
    }

    fn histograms_mut(&mut self) -> [&mut Latencies; HISTOGRAMS] {
        histograms!(self, &mut)
    }

    /// Adds what another thread (or interval) counted.
    pub fn add(&mut self, other: &Self) {
        let mut numbers = self.numbers();
        numbers.iter_mut().zip(other.numbers()).for_each(|(ours, theirs)| *ours += theirs);
        self.set_numbers(numbers);
        // Those of the threads are of one time.
        self.span_ns = self.span_ns.max(other.span_ns);
        for (code, (count, remark)) in &other.errors {
            self.errors.entry(*code).or_insert_with(|| (0, remark.clone())).0 += count;
        }
        for (all, part) in self.histograms_mut().into_iter().zip(other.histograms()) {
            if !part.is_empty() {
                all.add(part).expect("all histograms have one range");
            }
        }
    }

    /// Requests that were no success.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.values().map(|(count, _)| count).sum()
    }

    /// Counts a failed request.
    pub fn error(&mut self, code: i32, remark: &str) {
        let known = self.errors.len() < CODES_MAX || self.errors.contains_key(&code);
        let code = if known { code } else { i32::MAX };
        let first = || (0, remark.chars().take(REMARK_CHARS).collect());
        self.errors.entry(code).or_insert_with(first).0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(sorted: &[u64], percentile: f64) -> u64 {
        let rank = (percentile / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1]
    }

    #[test]
    fn a_kept_interval_opens_as_it_was() {
        let mut interval = Interval::new(Phase::Measured, 7);
        interval.set_numbers(std::array::from_fn(|at| at as u64 + 1));
        interval.error(TIMED_OUT, "late");
        [5_000, 7_000_000, 90_000_000_000]
            .iter()
            .for_each(|value| interval.response.saturating_record(*value));
        let opened = Kept::of(&interval).open();
        assert_eq!((opened.phase, opened.index, opened.numbers()), (interval.phase, 7, interval.numbers()));
        assert_eq!((&opened.errors, &opened.response), (&interval.errors, &interval.response));
        assert!(opened.lag.is_empty());
    }

    proptest! {
        #[test]
        fn merged_intervals_say_what_a_naive_model_of_all_values_says(
            values in proptest::collection::vec(1_000_u64..100_000_000_000, 1..400), parts in 1_usize..9,
        ) {
            let mut merged = Interval::new(Phase::Measured, 0);
            for chunk in values.chunks(values.len().div_ceil(parts)) {
                let mut part = Interval::new(Phase::Measured, 0);
                chunk.iter().for_each(|value| part.response.saturating_record(*value));
                merged.add(&part);
            }
            let mut sorted = values.clone();
            sorted.sort_unstable();
            prop_assert_eq!(merged.response.len(), values.len() as u64);
            for percentile in [50.0, 90.0, 99.0, 99.9, 100.0] {
                let (found, exact) = (merged.response.value_at_percentile(percentile), naive(&sorted, percentile));
                let error = found.abs_diff(exact) as f64;
                // Three digits, but no finer than 1 us.
                prop_assert!(error <= (exact as f64 / 1000.0).max(1024.0), "p{percentile}: {found}, not {exact}");
            }
        }
    }
}
