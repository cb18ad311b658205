//! A few bars: as text below the table, and as an SVG.

use std::fmt::Write;

use crate::bars;

use super::advice::find;
use super::measure::Findings;
use super::plan::{CHUNK_DEPTH, DEPTHS, GROUPS, Op, SMALL_KIB, Series};

/// One chart: a title with its unit, and bars.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bars {
    title: &'static str,
    more: bool,
    bars: Vec<(String, f64)>,
}

/// The charts of a probe; those without a bar are left out.
pub(crate) fn charts(findings: &Findings) -> Vec<Bars> {
    let samples = &findings.samples;
    let durable = [(Op::Write, "write alone"), (Op::Dsync, "dsync"), (Op::Fdatasync, "fdatasync")];
    let latency = durable.iter().flat_map(|(op, name)| {
        DEPTHS.iter().filter_map(move |depth| {
            let median = find(samples, Series::Flush, *op, SMALL_KIB, *depth)?.quantile_us(0.5)?;
            Some((format!("{name}, {depth} in flight"), median))
        })
    });
    let sizes = [16, 64, 128, 256, 1_024].iter().filter_map(|kib| {
        let sample = find(samples, Series::Size, Op::Write, *kib, CHUNK_DEPTH)?;
        Some((format!("{kib} KiB"), sample.mib_per_second()))
    });
    let reads = DEPTHS.iter().filter_map(|depth| {
        let sample = find(samples, Series::Read, Op::Read, SMALL_KIB, *depth)?;
        Some((format!("{depth} in flight"), sample.per_second() / 1e3))
    });
    let groups = GROUPS.iter().filter_map(|count| {
        let median = find(samples, Series::Group, Op::Group, SMALL_KIB, *count)?.quantile_us(0.5)?;
        Some((format!("{count} writes, one flush"), median))
    });
    let windows = findings.steady.iter().flat_map(|steady| {
        let windows = steady.until_s.iter().zip(&steady.mib_s);
        windows.map(|(until, rate)| (format!("up to {until:.1} s"), *rate))
    });
    let all = [
        Bars { title: "4 KiB writes, median in us", more: false, bars: latency.collect() },
        Bars { title: "writes, four in flight, MiB/s", more: true, bars: sizes.collect() },
        Bars { title: "4 KiB writes, flushed together, median in us", more: false, bars: groups.collect() },
        Bars { title: "random 4 KiB reads, thousand per second", more: true, bars: reads.collect() },
        Bars {
            title: "long run of 256 KiB writes, four in flight, MiB/s",
            more: true,
            bars: windows.collect(),
        },
    ];
    all.into_iter().filter(|chart| !chart.bars.is_empty()).collect()
}

impl Bars {
    fn longest(&self) -> f64 {
        self.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max)
    }

    /// Lines of text, at most some 80 columns wide.
    pub(crate) fn text(&self) -> String {
        let width = self.bars.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let mut out = format!("{}\n", self.title);
        for (label, value) in &self.bars {
            let bar = "█".repeat((value / self.longest() * TEXT_COLUMNS).round().max(1.0) as usize);
            writeln!(out, "  {label:width$}  {bar} {}", figure(*value)).expect("a string takes it");
        }
        out
    }
}

const TEXT_COLUMNS: f64 = 40.0;

/// A standalone SVG of all charts, one below the other.
pub(crate) fn svg(title: &str, charts: &[Bars]) -> String {
    bars::svg(title, &groups(charts))
}

/// The same as data.
pub(crate) fn groups(charts: &[Bars]) -> Vec<bars::Group> {
    let bar = |(label, value): &(String, f64)| bars::Bar {
        label: label.clone(),
        value: *value,
        shown: figure(*value),
        ours: true,
    };
    let group = |chart: &Bars| bars::Group {
        title: chart.title.to_owned(),
        more: chart.more,
        bars: chart.bars.iter().map(bar).collect(),
    };
    charts.iter().map(group).collect()
}

fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_full_and_the_shortest_is_seen() {
        let bars = Bars {
            title: "x",
            more: true,
            bars: vec![("a".into(), 400.0), ("bb".into(), 0.1), ("c".into(), 200.0)],
        };
        let text = bars.text();
        let widths: Vec<usize> = text.lines().skip(1).map(|line| line.matches('█').count()).collect();
        assert_eq!(widths, [40, 1, 20]);
        assert_eq!(text.lines().nth(2), Some("  bb  █ 0.1"));
    }
}
