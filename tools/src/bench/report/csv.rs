//! intervals.csv: a row per interval.

use std::fmt::Write;

use crate::bench::summary::Summary;

/// The rows, with a header. Times in milliseconds, rates per interval.
#[must_use]
pub fn intervals(summary: &Summary) -> String {
    let mut text = String::from(
        "at_s,measured,seconds,due,sent,acknowledged,received,bytes,errors,inflight,p50_ms,p90_ms,p99_ms,p99.9_ms,max_ms,lag_p99.9_ms\n",
    );
    for row in &summary.intervals {
        let _ = writeln!(
            text,
            "{:.3},{},{:.3},{},{},{},{},{},{},{},{:.4},{:.4},{:.4},{:.4},{:.4},{:.4}",
            row.at,
            u8::from(row.measured),
            row.seconds,
            row.due,
            row.sent,
            row.acknowledged,
            row.received,
            row.bytes,
            row.errors,
            row.inflight,
            row.p50,
            row.p90,
            row.p99,
            row.p999,
            row.max,
            row.lag,
        );
    }
    text
}
