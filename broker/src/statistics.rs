//! What a shard counts: plain integers bumped on the hot path, sampled once a second for the rates that tools show.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rt::Mono;

/// Counters since start. Plain: one thread bumps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Messages stored.
    pub put_messages: u64,
    /// Bytes of the stored records.
    pub put_bytes: u64,
    /// Messages sent once more and answered with their first place.
    pub put_again: u64,
    /// Sends refused or failed.
    pub put_failed: u64,
    /// Messages handed to consumers.
    pub got_messages: u64,
    /// Bytes of them.
    pub got_bytes: u64,
    /// Pulls that found something.
    pub pulls_found: u64,
    /// Pulls that found nothing.
    pub pulls_missed: u64,
}

/// Counters, their history and the latency bands of the last minute.
#[derive(Debug)]
pub(crate) struct Statistics {
    /// Since start.
    pub counters: Counters,
    /// One sample a second, the youngest last; at most [`HISTORY_SECONDS`] + 1.
    history: VecDeque<(Mono, Counters)>,
    /// Counters at the last two midnights: yesterday's and today's.
    mornings: [Counters; 2],
    day: i64,
    bands: [u32; BAND_LIMITS_MS.len() + 1],
    last_minute_bands: [u32; BAND_LIMITS_MS.len() + 1],
    bands_since: Mono,
    put_latency_ms_max: u64,
}

const HISTORY_SECONDS: usize = 600;

/// Upper limits (exclusive, but for the first) of the bands of `putMessageDistributeTime`, ms.
const BAND_LIMITS_MS: [u64; 12] = [0, 10, 50, 100, 200, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 10_000];

/// Labels as the exporter parses them (operations.md 1.4).
const BAND_LABELS: [&str; BAND_LIMITS_MS.len() + 1] = [
    "[<=0ms]",
    "[0~10ms]",
    "[10~50ms]",
    "[50~100ms]",
    "[100~200ms]",
    "[200~500ms]",
    "[500ms~1s]",
    "[1~2s]",
    "[2~3s]",
    "[3~4s]",
    "[4~5s]",
    "[5~10s]",
    "[10s~]",
];

impl Statistics {
    /// Starts counting at `now`; `day` is the number of the local day.
    #[must_use]
    pub(crate) fn new(now: Mono, day: i64) -> Self {
        let mut history = VecDeque::with_capacity(HISTORY_SECONDS + 2);
        history.push_back((now, Counters::default()));
        Self {
            counters: Counters::default(),
            history,
            mornings: [Counters::default(); 2],
            day,
            bands: [0; BAND_LIMITS_MS.len() + 1],
            last_minute_bands: [0; BAND_LIMITS_MS.len() + 1],
            bands_since: now,
            put_latency_ms_max: 0,
        }
    }

    /// Takes the sample of this second. Call it about once a second.
    pub(crate) fn sample(&mut self, now: Mono, day: i64) {
        if day != self.day {
            self.mornings = [self.mornings[1], self.counters];
            self.day = day;
        }
        if now.since(self.bands_since) >= 60_000_000_000 {
            self.last_minute_bands = std::mem::take(&mut self.bands);
            self.bands_since = now;
        }
        self.history.push_back((now, self.counters));
        while self.history.len() > HISTORY_SECONDS + 1 {
            self.history.pop_front();
        }
    }

    /// Counts one send that took `latency_ns` from its frame to its answer.
    pub(crate) fn put_latency(&mut self, latency_ns: u64) {
        let ms = latency_ns / 1_000_000;
        self.put_latency_ms_max = self.put_latency_ms_max.max(ms);
        let band = if ms == 0 { 0 } else { BAND_LIMITS_MS.partition_point(|limit| *limit <= ms) };
        self.bands[band] = self.bands[band].saturating_add(1);
    }

    /// The longest time a send took, ms.
    #[must_use]
    pub(crate) fn put_latency_ms_max(&self) -> u64 {
        self.put_latency_ms_max
    }

    /// `a b c`: the rate of `counter` per second over the last 10, 60 and 600 s.
    #[must_use]
    pub(crate) fn rates(&self, counter: impl Fn(&Counters) -> u64) -> String {
        let mut text = String::new();
        for (place, seconds) in [10, 60, 600].into_iter().enumerate() {
            let separator = if place == 0 { "" } else { " " };
            write!(text, "{separator}{:?}", self.rate(seconds, &counter))
                .expect("writing to a string succeeds");
        }
        text
    }

    fn rate(&self, seconds: usize, counter: impl Fn(&Counters) -> u64) -> f64 {
        let (Some(newest), Some(oldest)) =
            (self.history.back(), self.history.get(self.history.len().saturating_sub(seconds + 1)))
        else {
            return 0.0;
        };
        let nanos = newest.0.since(oldest.0);
        if nanos == 0 {
            return 0.0;
        }
        (counter(&newest.1) - counter(&oldest.1)) as f64 * 1e9 / nanos as f64
    }

    /// Counters at the start of yesterday and of today.
    #[must_use]
    pub(crate) fn mornings(&self) -> [Counters; 2] {
        self.mornings
    }

    /// The latency bands of the last full minute, as the exporter reads them.
    #[must_use]
    pub(crate) fn distribution(&self) -> String {
        let mut text = String::new();
        for (label, count) in BAND_LABELS.iter().zip(self.last_minute_bands) {
            write!(text, "{label}:{count} ").expect("writing to a string succeeds");
        }
        text.pop();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Mono {
        Mono(n * 1_000_000_000)
    }

    #[test]
    fn rates_cover_their_own_span() {
        let mut statistics = Statistics::new(second(0), 0);
        for n in 1..=20 {
            statistics.counters.put_messages += if n > 10 { 100 } else { 0 };
            statistics.sample(second(n), 0);
        }
        assert_eq!(statistics.rates(|counters| counters.put_messages), "100.0 50.0 50.0");
    }

    #[test]
    fn a_new_day_moves_the_mornings() {
        let mut statistics = Statistics::new(second(0), 1);
        statistics.counters.put_messages = 5;
        statistics.sample(second(1), 2);
        statistics.counters.put_messages = 7;
        statistics.sample(second(2), 3);
        assert_eq!(statistics.mornings().map(|counters| counters.put_messages), [5, 7]);
    }

    #[test]
    fn latencies_fall_into_their_bands() {
        let mut statistics = Statistics::new(second(0), 0);
        for ms in [0, 1, 9, 10, 9_999, 10_000] {
            statistics.put_latency(ms * 1_000_000);
        }
        statistics.sample(second(60), 0);
        let text = statistics.distribution();
        for band in ["[<=0ms]:1 ", "[0~10ms]:2 ", "[10~50ms]:1 ", "[5~10s]:1 ", "[10s~]:1"] {
            assert!(text.contains(band), "{band} in {text}");
        }
        assert_eq!(statistics.put_latency_ms_max(), 10_000);
    }
}
