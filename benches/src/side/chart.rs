//! The chart of a comparison: bars per scenario, one for each system, in an SVG that follows the reader's light or dark.

use std::fmt::Write;

use super::report::number;

/// The bars of one scenario.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// Scenario and figure.
    pub(super) title: String,
    /// Whether longer is better.
    pub(super) more: bool,
    /// System, value, and whether it is ours.
    pub(super) bars: Vec<(String, f64, bool)>,
}

/// All groups, one below the other.
pub(super) fn svg(title: &str, groups: &[Group]) -> String {
    let rows: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = 60 + groups.len() * 46 + rows * ROW;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"16\" y=\"30\">{title}</text>\n",
        title = escape(title)
    );
    let mut y = 56;
    for group in groups {
        let better = if group.more { "longer is better" } else { "shorter is better" };
        line(
            &mut out,
            &format!(
                "<text class=\"head\" x=\"16\" y=\"{}\">{} ({better})</text>",
                y + 14,
                escape(&group.title)
            ),
        );
        y += 26;
        let longest = group
            .bars
            .iter()
            .map(|bar| bar.1)
            .filter(|value| value.is_finite())
            .fold(f64::MIN_POSITIVE, f64::max);
        for (system, value, ours) in &group.bars {
            let width = if value.is_finite() { (value / longest * BAR).max(1.0) } else { 0.0 };
            let class = if *ours { "ours" } else { "bar" };
            line(
                &mut out,
                &format!(
                    "<text x=\"{LABEL_END}\" y=\"{text}\" text-anchor=\"end\">{}</text><rect class=\"{class}\" \
                     x=\"{START}\" y=\"{top}\" width=\"{width:.1}\" height=\"12\"/><text x=\"{at:.1}\" \
                     y=\"{text}\">{}</text>",
                    escape(system),
                    number(*value),
                    text = y + 11,
                    top = y + 1,
                    at = START + width + 6.0,
                ),
            );
            y += ROW;
        }
        y += 20;
    }
    out + "</svg>\n"
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes it");
}

const WIDTH: u32 = 760;
const ROW: usize = 18;
const LABEL_END: u32 = 220;
const START: f64 = 228.0;
const BAR: f64 = 430.0;
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1c2430}.title{font-size:15px;font-weight:600}\
                     .head{font-weight:600}.bar{fill:#9aa7b5}.ours{fill:#2f6fbf}.page{fill:#fff}\
                     @media(prefers-color-scheme:dark){text{fill:#dde3ea}.bar{fill:#5f6b78}.ours{fill:#6aa5ef}\
                     .page{fill:#14181d}}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_a_bar_in_proportion_and_the_unknown_has_none() {
        let bars = vec![
            ("a<b".into(), 50.0, false),
            ("RingMQ".into(), 100.0, true),
            ("none".into(), f64::NAN, false),
        ];
        let svg = svg("t", &[Group { title: "B1, messages/s".into(), more: true, bars }]);
        assert!(
            svg.contains("a&lt;b") && svg.contains("width=\"215.0\"") && svg.contains("width=\"430.0\""),
            "{svg}"
        );
        assert!(svg.contains("class=\"ours\"") && svg.contains("width=\"0.0\""), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }
}
