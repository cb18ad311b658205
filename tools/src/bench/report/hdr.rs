//! The formats of HdrHistogram: logs of intervals (V2, compressed) and percentile distributions, in nanoseconds and
//! milliseconds as its own tools expect.

use std::fmt::Write;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use crate::bench::plan::Plan;
use crate::bench::recorder::{Interval, Kept, Latencies, Phase};

/// A log of the measured intervals, for HistogramLogProcessor and its like.
pub(super) fn log(
    plan: &Plan,
    intervals: &[Kept],
    started_at_ms: i64,
    of: &dyn Fn(&Interval) -> Latencies,
) -> io::Result<Vec<u8>> {
    let started = UNIX_EPOCH + Duration::from_millis(started_at_ms.unsigned_abs());
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Logged with ringmq bench; values in ns]")
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut out, &mut serializer)?;
    for interval in intervals.iter().filter(|kept| kept.phase() != Phase::WarmUp).map(Kept::open) {
        let latencies = of(&interval);
        // The drain has no length of its own: its messages were due before.
        let index = u32::try_from(interval.index).unwrap_or(u32::MAX);
        let (at, length) = match interval.phase {
            Phase::Drain if latencies.is_empty() => continue,
            Phase::Drain => (plan.warmup + plan.duration.unwrap_or_default(), Duration::from_millis(1)),
            _ => (plan.warmup + plan.interval * index, plan.interval),
        };
        log.write_histogram(&latencies, at, length, None)
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(out)
}

/// The percentile distribution that HdrHistogram's plotter draws, in milliseconds.
pub(super) fn percentiles(latencies: &Latencies) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for step in latencies.iter_quantiles(5) {
        let (value, quantile) = (step.value_iterated_to() as f64 / 1e6, step.quantile_iterated_to());
        let total = latencies.count_between(0, step.value_iterated_to());
        if quantile < 1.0 {
            let _ = writeln!(
                text,
                "{value:>12.3} {quantile:>14.12} {total:>10} {:>14.2}",
                1.0 / (1.0 - quantile)
            );
        } else {
            let _ = writeln!(text, "{value:>12.3} {quantile:>14.12} {total:>10}");
        }
    }
    let max = latencies.max() as f64 / 1e6;
    let _ = writeln!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        latencies.mean() / 1e6,
        latencies.stdev() / 1e6
    );
    let _ = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {:>12}]", latencies.len());
    let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", latencies.buckets(), 2048);
    text
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::bench::plan::{Kind, tests::plan};

    #[test]
    fn a_log_reads_back_interval_by_interval() {
        let plan = plan(Kind::Produce, &["--rate=10/s", "--warmup=2s"]);
        let mut intervals = vec![Kept::of(&Interval::new(Phase::WarmUp, 0))];
        for index in 0..3 {
            let mut interval = Interval::new(Phase::Measured, index);
            (0..=index).for_each(|value| interval.response.saturating_record((value + 1) * 1_000_000));
            intervals.push(Kept::of(&interval));
        }
        let log = log(&plan, &intervals, 1_700_000_000_000, &|interval| interval.response.clone()).unwrap();
        let mut counts = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let bytes = decode(interval.encoded_histogram());
                let found: Latencies = Deserializer::new().deserialize(&mut io::Cursor::new(bytes)).unwrap();
                counts.push((interval.start_timestamp().as_secs(), found.len()));
            }
        }
        assert_eq!(counts, [(2, 1), (3, 2), (4, 3)]);
    }

    /// Base64.
    fn decode(text: &str) -> Vec<u8> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digits = text.bytes().filter_map(|byte| LETTERS.iter().position(|letter| *letter == byte));
        let bits: Vec<u8> =
            digits.flat_map(|digit| (0..6).rev().map(move |bit| (digit >> bit & 1) as u8)).collect();
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect()
    }

    #[test]
    fn a_distribution_ends_with_its_maximum() {
        let mut some = crate::bench::recorder::latencies();
        (1..=1000).for_each(|ms| some.saturating_record(ms * 1_000_000));
        let text = percentiles(&some);
        assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n"), "{text}");
        let middle = text.lines().find(|line| line.contains(" 0.500000000000 ")).unwrap();
        assert_eq!(middle.split_whitespace().collect::<Vec<_>>()[1..], ["0.500000000000", "500", "2.00"]);
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }
}
