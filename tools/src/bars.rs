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
    let mut y = 56;
    for group in groups {
        y = draw(&mut out, group, y, &WIDE);
    }
    out + "</svg>\n"
}

/// One group for a page that has styles and a background of its own, for a narrow window or a wide one.
#[must_use]
pub fn inline(group: &Group, narrow: bool) -> String {
    let layout = if narrow { &NARROW } else { &WIDE };
    let (width, height) = (layout.width, 40 + layout.second_line + group.bars.len() * ROW);
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n",
        escape(&group.title)
    );
    draw(&mut out, group, 4, layout);
    out + "</svg>\n"
}

/// What [`inline`] drawings need in the style sheet of their page, light and dark.
#[must_use]
pub fn styles() -> &'static str {
    STYLE
}

/// Draws a group from `y` on, and returns where the next one begins.
fn draw(out: &mut String, group: &Group, mut y: usize, layout: &Layout) -> usize {
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes it");
    let better = if group.more { "longer is better" } else { "shorter is better" };
    let head = escape(&group.title);
    let (left, top, below) = (layout.left, y + 14, y + 14 + layout.second_line);
    if layout.second_line == 0 {
        line(format!("<text class=\"head\" x=\"{left}\" y=\"{top}\">{head} ({better})</text>"));
    } else {
        line(format!(
            "<text class=\"head\" x=\"{left}\" y=\"{top}\">{head}</text><text x=\"{left}\" y=\"{below}\">{better}</text>"
        ));
    }
    y += 26 + layout.second_line;
    let longest = group.longest();
    for bar in &group.bars {
        let width = if bar.value.is_finite() { (bar.value / longest * layout.bar).max(1.0) } else { 0.0 };
        let (label, shown) = (escape(&bar.label), escape(&bar.shown));
        let start = f64::from(layout.label_end) + 8.0;
        line(format!(
            "<text x=\"{label_end}\" y=\"{text}\" text-anchor=\"end\">{label}</text><rect class=\"{class}\" x=\"{start}\" \
             y=\"{top}\" width=\"{width:.1}\" height=\"12\"/><text x=\"{at:.1}\" y=\"{text}\">{shown}</text>",
            label_end = layout.label_end,
            class = if bar.ours { "ours" } else { "bar" },
            text = y + 11,
            top = y + 1,
            at = start + width + 6.0,
        ));
        y += ROW;
    }
    y + 20
}

/// Where things are, from the left.
struct Layout {
    width: u32,
    left: u32,
    label_end: u32,
    bar: f64,
    /// How far below the title what is better stands; 0: beside it.
    second_line: usize,
}

const WIDE: Layout = Layout { width: WIDTH, left: 16, label_end: 220, bar: 430.0, second_line: 0 };
const NARROW: Layout = Layout { width: 360, left: 0, label_end: 150, bar: 130.0, second_line: 16 };
const WIDTH: u32 = 760;
const ROW: usize = 18;
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
    fn a_drawing_for_a_page_fits_its_window() {
        let bars = vec![Bar {
            label: "fdatasync, 64 in flight".into(),
            value: 9.0,
            shown: "123456".into(),
            ours: true,
        }];
        let group = Group { title: "4 KiB writes".into(), more: false, bars };
        let (narrow, wide) = (inline(&group, true), inline(&group, false));
        assert!(narrow.contains("width=\"360\"") && narrow.contains("width=\"130.0\""), "{narrow}");
        assert!(wide.contains("width=\"760\"") && !wide.contains("<style>"), "{wide}");
    }

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
