//! [`Distribution`]: times as a result shows them. A percentile that too few values support is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bench::recorder::Latencies;
use crate::bench::validity;

/// A distribution of times, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    /// Values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// By percentile, as `"p99.9"`; null with fewer than ten values beyond it.
    pub percentiles: BTreeMap<String, Option<f64>>,
    /// Percentile and value, for drawing.
    pub curve: Vec<(f64, f64)>,
}

impl Distribution {
    /// Of `latencies`, with `percentiles`; `None` without a value.
    #[must_use]
    pub fn of(latencies: &Latencies, percentiles: &[f64]) -> Option<Self> {
        if latencies.is_empty() {
            return None;
        }
        let value = |percentile: f64| ms(latencies.value_at_percentile(percentile));
        let mut wanted: Vec<f64> = percentiles.to_vec();
        wanted.extend(SHOWN);
        let one = |percentile: f64| {
            let supported = validity::supports(latencies, percentile);
            (format!("p{percentile}"), supported.then(|| value(percentile)))
        };
        Some(Self {
            count: latencies.len(),
            mean: latencies.mean() / 1e6,
            deviation: latencies.stdev() / 1e6,
            min: ms(latencies.min()),
            max: ms(latencies.max()),
            percentiles: wanted.into_iter().map(one).collect(),
            curve: latencies
                .iter_quantiles(CURVE_TICKS)
                .map(|step| (step.quantile_iterated_to() * 100.0, ms(step.value_iterated_to())))
                .collect(),
        })
    }

    /// A percentile as text key, if enough values lie beyond it.
    #[must_use]
    pub fn at(&self, percentile: &str) -> Option<f64> {
        self.percentiles.get(percentile).copied().flatten()
    }
}

/// Percentiles that every report shows.
pub const SHOWN: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];
/// Steps of the curve from one halving of the remaining values to the next.
const CURVE_TICKS: u32 = 8;

/// Nanoseconds in milliseconds.
pub(super) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
