//! [`Sample`]: what one cell gave.

use super::plan::Cell;

/// Latencies and volume of one cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// What was measured.
    pub(crate) cell: Cell,
    /// Latency of each operation in ns, ascending.
    sorted_ns: Vec<u64>,
    /// From the first start to the last end, a final flush of buffered writes included, in ns.
    elapsed_ns: u64,
}

impl Sample {
    pub(crate) fn new(cell: Cell, mut latencies_ns: Vec<u64>, elapsed_ns: u64) -> Self {
        latencies_ns.sort_unstable();
        Self { cell, sorted_ns: latencies_ns, elapsed_ns: elapsed_ns.max(1) }
    }

    /// Operations.
    pub(crate) fn count(&self) -> usize {
        self.sorted_ns.len()
    }

    /// The latency in us that `share` of the operations did not exceed. `None` with fewer than ten beyond it (the
    /// median: with none at all), where it would be one operation's luck.
    pub(crate) fn quantile_us(&self, share: f64) -> Option<f64> {
        let count = self.sorted_ns.len();
        if count == 0 || (share > 0.5 && (1.0 - share) * (count as f64) < 10.0) {
            return None;
        }
        let rank = (share * count as f64).ceil().max(1.0) as usize; // at most `count`
        Some(self.sorted_ns[rank.min(count) - 1] as f64 / 1e3)
    }

    /// The longest.
    pub(crate) fn longest_us(&self) -> Option<f64> {
        self.sorted_ns.last().map(|ns| *ns as f64 / 1e3)
    }

    /// Operations per second, a group counted once; 0 of none.
    pub(crate) fn per_second(&self) -> f64 {
        self.count() as f64 * 1e9 / self.elapsed_ns as f64
    }

    /// MiB per second.
    pub(crate) fn mib_per_second(&self) -> f64 {
        self.per_second() * f64::from(self.cell.kib * self.cell.writes_at_once()) / 1024.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Area, Op, Series};
    use super::*;

    #[test]
    fn quantiles_are_of_the_operations_and_not_of_luck() {
        let cell =
            Cell { series: Series::Read, op: Op::Read, direct: true, area: Area::Zeroed, kib: 4, depth: 1 };
        let sample = Sample::new(cell, (1..=1000).rev().map(|us| us * 1000).collect(), 500_000_000);
        assert_eq!(sample.quantile_us(0.5), Some(500.0));
        assert_eq!(sample.quantile_us(0.99), Some(990.0));
        assert_eq!(sample.quantile_us(0.999), None);
        assert_eq!(sample.longest_us(), Some(1000.0));
        assert_eq!(sample.per_second(), 2000.0);
        assert_eq!(sample.mib_per_second(), 7.8125);
        let none = Sample::new(cell, Vec::new(), 0);
        assert_eq!((none.quantile_us(0.5), none.longest_us(), none.count()), (None, None, 0));
        assert_eq!(Sample::new(cell, vec![7_000], 1).quantile_us(0.5), Some(7.0));
    }
}
