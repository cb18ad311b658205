//! Bars as a standalone SVG that follows the reader's light or dark: of comparisons (`benches`) and of `io-probe`.

use std::fmt::Write;

/// Bars that are compared with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they show, with the unit.
    pub title: String,
    /// Longer is better; otherwise shorter is.
    pub more: bool,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// Its length; none if it is no number.
    pub value: f64,
    /// The value as it is written beside it.
    pub shown: String,
    /// The one that the chart is about.
    pub ours: bool,
}

impl Group {
    /// The longest value.
    #[must_use]
    pub fn longest(&self) -> f64 {
        let values = self.bars.iter().map(|bar| bar.value).filter(|value| value.is_finite());
        values.fold(f64::MIN_POSITIVE, f64::max)
    }
}

/// All groups, one below the other.
#[must_use]
pub fn svg(title: &str, groups: &[Group]) -> String {
    let rows: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = 60 + groups.len() * 46 + rows * ROW;
    let title = escape(title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"16\" y=\"30\">{title}</text>\n"
    );
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes it");
    let mut y = 56;
    for group in groups {
        let better = if group.more { "longer is better" } else { "shorter is better" };
        let head = escape(&group.title);
        line(format!("<text class=\"head\" x=\"16\" y=\"{}\">{head} ({better})</text>", y + 14));
        y += 26;
        let longest = group.longest();
        for bar in &group.bars {
            let width = if bar.value.is_finite() { (bar.value / longest * BAR).max(1.0) } else { 0.0 };
            let (label, shown) = (escape(&bar.label), escape(&bar.shown));
            line(format!(
                "<text x=\"{LABEL_END}\" y=\"{text}\" text-anchor=\"end\">{label}</text><rect class=\"{class}\" x=\"{START}\" \
                 y=\"{top}\" width=\"{width:.1}\" height=\"12\"/><text x=\"{at:.1}\" y=\"{text}\">{shown}</text>",
                class = if bar.ours { "ours" } else { "bar" },
                text = y + 11,
                top = y + 1,
                at = START + width + 6.0,
            ));
            y += ROW;
        }
        y += 20;
    }
    out + "</svg>\n"
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

/// `text` as it stands in XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_is_in_proportion_the_unknown_has_none_and_names_break_nothing() {
        let bar = |label: &str, value: f64, ours| Bar { label: label.into(), value, shown: "x".into(), ours };
        let bars = vec![bar("a<b", 50.0, false), bar("RingMQ", 100.0, true), bar("none", f64::NAN, false)];
        let svg = svg("\"t\"<y>", &[Group { title: "<b>&".into(), more: true, bars }]);
        assert!(svg.contains("a&lt;b") && svg.contains("width=\"215.0\"") && svg.contains("width=\"430.0\""));
        assert!(svg.contains("class=\"ours\"") && svg.contains("width=\"0.0\""), "{svg}");
        assert!(
            svg.contains("&lt;b&gt;&amp;") && svg.contains("&quot;t&quot;&lt;y&gt;") && !svg.contains("<y>")
        );
        assert!(svg.ends_with("</svg>\n"));
    }
}
