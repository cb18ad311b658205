//! A few bars: as text below the table, and as an SVG that follows the reader's light or dark.

use std::fmt::Write;

use super::advice::find;
use super::plan::{CHUNK_DEPTH, DEPTHS, Op, SMALL_KIB, Series};
use super::sample::Sample;

/// One chart: a title with its unit, and bars.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bars {
    title: &'static str,
    bars: Vec<(String, f64)>,
}

/// The charts of a probe; those without a bar are left out.
pub(crate) fn charts(samples: &[Sample]) -> Vec<Bars> {
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
    let all = [
        Bars { title: "4 KiB writes, median in us (shorter is better)", bars: latency.collect() },
        Bars { title: "writes, four in flight, MiB/s", bars: sizes.collect() },
        Bars { title: "random 4 KiB reads, thousand per second", bars: reads.collect() },
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
    let rows: usize = charts.iter().map(|chart| chart.bars.len()).sum();
    let height = 56 + charts.len() * 44 + rows * ROW;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"16\" y=\"30\">{title}</text>\n",
        title = escape(title)
    );
    let mut y = 56;
    for chart in charts {
        writeln!(out, "<text class=\"head\" x=\"16\" y=\"{}\">{}</text>", y + 14, escape(chart.title))
            .expect("a string takes it");
        y += 26;
        for (label, value) in &chart.bars {
            let bar = value / chart.longest() * BAR_WIDTH;
            writeln!(
                out,
                "<text x=\"{LABEL_END}\" y=\"{text}\" text-anchor=\"end\">{}</text><rect class=\"bar\" x=\"{BAR_START}\" \
                 y=\"{top}\" width=\"{bar:.1}\" height=\"12\"/><text x=\"{value_at:.1}\" y=\"{text}\">{}</text>",
                escape(label),
                figure(*value),
                text = y + 11,
                top = y + 1,
                value_at = BAR_START + bar + 6.0,
            )
            .expect("a string takes it");
            y += ROW;
        }
        y += 18;
    }
    out + "</svg>\n"
}

const WIDTH: u32 = 720;
const ROW: usize = 18;
const LABEL_END: u32 = 190;
const BAR_START: f64 = 198.0;
const BAR_WIDTH: f64 = 430.0;
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1c2430}.title{font-size:15px;font-weight:600}\
                     .head{font-weight:600}.bar{fill:#2f6fbf}.page{fill:#fff}\
                     @media(prefers-color-scheme:dark){text{fill:#dde3ea}.bar{fill:#6aa5ef}.page{fill:#14181d}}";

fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_full_and_the_shortest_is_seen() {
        let bars =
            Bars { title: "x", bars: vec![("a".into(), 400.0), ("bb".into(), 0.1), ("c".into(), 200.0)] };
        let text = bars.text();
        let widths: Vec<usize> = text.lines().skip(1).map(|line| line.matches('█').count()).collect();
        assert_eq!(widths, [40, 1, 20]);
        assert_eq!(text.lines().nth(2), Some("  bb  █ 0.1"));
    }

    #[test]
    fn names_cannot_break_the_svg() {
        let chart = Bars { title: "t", bars: vec![("<b>&".into(), 1.0)] };
        let svg = svg("/data/\"x\"<y>", &[chart]);
        assert!(svg.contains("&lt;b&gt;&amp;") && svg.contains("&quot;x&quot;&lt;y&gt;"), "{svg}");
        assert!(!svg.contains("<b>") && !svg.contains("<y>"));
    }
}
