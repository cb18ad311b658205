//! A line chart as SVG: series over two axes, drawn for one width. No script, no network.

use std::fmt::Write;

use ticks::{linear_ticks, log_ticks};

mod ticks;

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
    /// Percentiles by their number of nines: 90, 99, 99.9 are equally far apart.
    Nines,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    /// How.
    pub scale: Scale,
    /// Smallest value.
    pub from: f64,
    /// Largest value.
    pub to: f64,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// Colour, from 0; lines of one run share it.
    pub colour: usize,
    /// Pattern of the line, from 0 (solid).
    pub dash: usize,
    /// Ascending in x.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it says, for those who do not see it.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// Lines.
    pub series: Vec<Series>,
    /// A horizontal line with its name: a target.
    pub mark: Option<(f64, String)>,
    /// Shaded to here: the warm-up.
    pub shade_to: f64,
}

impl Axis {
    /// An axis over all of `values`, from 0 if it is linear.
    #[must_use]
    pub fn over(label: &str, scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let positive = values.filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) =
            positive.fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let (from, to) = match scale {
            _ if high == 0.0 => (if scale == Scale::Log { 0.1 } else { 0.0 }, 1.0),
            Scale::Linear => (0.0, high * 1.08),
            // Half a decade at least, so that a flat line does not look like noise.
            Scale::Log => (low * 0.8, (high * 1.25).max(low * 3.2)),
            Scale::Nines => (0.0, high),
        };
        Self { label: label.to_owned(), scale, from, to }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.from).log10(),
            Scale::Nines => nines(value),
        };
        let (from, to) = (along(self.from), along(self.to));
        ((along(value) - from) / (to - from).max(1e-12)).clamp(0.0, 1.0)
    }

    fn ticks(&self, room: usize) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => linear_ticks(self.to, room),
            Scale::Log => log_ticks(self.from, self.to, room),
            Scale::Nines => [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999]
                .into_iter()
                .filter(|tick| *tick <= self.to)
                .filter(|tick| room > 6 || *tick != 50.0)
                .map(|tick| (tick, format!("{tick}")))
                .collect(),
        }
    }
}

impl Chart {
    /// The SVG, `width` wide.
    #[must_use]
    pub fn svg(&self, width: f64) -> String {
        let height = (width * 0.42).clamp(250.0, 360.0);
        let (left, right, top, bottom) = (56.0, 14.0, 30.0, 44.0);
        let (inner, deep) = (width - left - right, height - top - bottom);
        let x = |value: f64| left + inner * self.x.place(value);
        let y = |value: f64| top + deep * (1.0 - self.y.place(value));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        let unit = escape(&self.y.label);
        let _ = writeln!(svg, "<text class=\"label\" x=\"4\" y=\"14\">{unit}</text>");
        if self.shade_to > self.x.from {
            let w = x(self.shade_to) - left;
            let _ = writeln!(
                svg,
                "<rect class=\"shade\" x=\"{left}\" y=\"{top}\" width=\"{w:.1}\" height=\"{deep:.1}\"/>"
            );
            // Above the picture, where no line crosses it.
            if w > 80.0 {
                let (end, above) = (left + w - 4.0, top - 6.0);
                let _ =
                    writeln!(svg, "<text class=\"tick end\" x=\"{end:.1}\" y=\"{above:.1}\">warm-up</text>");
            }
        }
        for (value, text) in self.y.ticks((deep / 34.0) as usize) {
            let at = y(value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
                width - right
            );
            let _ = writeln!(
                svg,
                "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
                left - 8.0,
                at + 4.0
            );
        }
        let mut free = 0.0;
        for (value, text) in self.x.ticks((inner / 70.0) as usize) {
            let at = x(value);
            let half = text.chars().count() as f64 * DIGIT / 2.0;
            // At the right end a text moves to where it is not cut off; one that would touch the last is left out.
            let middle = at.min(width - half);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{:.1}\"/>",
                top + deep
            );
            if middle - half < free {
                continue;
            }
            free = middle + half + DIGIT;
            let _ = writeln!(
                svg,
                "<text class=\"tick middle\" x=\"{middle:.1}\" y=\"{:.1}\">{text}</text>",
                top + deep + 18.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"label middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + inner / 2.0,
            height - 6.0,
            escape(&self.x.label)
        );
        if let Some((value, name)) = &self.mark {
            let at = y(*value);
            let _ = writeln!(
                svg,
                "<line class=\"mark\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
                width - right
            );
            let _ = writeln!(
                svg,
                "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                width - right - 4.0,
                at - 5.0,
                escape(name)
            );
        }
        for series in &self.series {
            let _ = write!(svg, "{}", line(series, x, y));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// There is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
    }

    /// The legend, as a list.
    #[must_use]
    pub fn legend(&self) -> String {
        let mut text = String::from("<ul class=\"legend\">");
        for series in self.series.iter().filter(|series| !series.points.is_empty()) {
            let class = class(series);
            let _ = write!(
                text,
                "<li><svg width=\"26\" height=\"10\" aria-hidden=\"true\"><line class=\"{class}\" x1=\"1\" x2=\"25\" y1=\"5\" y2=\"5\"/></svg>{}</li>",
                escape(&series.name)
            );
        }
        text.push_str("</ul>\n");
        text
    }
}

/// Number of nines of a percentile: 1 for 90, 2 for 99.
#[must_use]
pub fn nines(percentile: f64) -> f64 {
    -((100.0 - percentile).max(1e-7) / 100.0).log10()
}

fn line(series: &Series, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (at, (px, py)) in series.points.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { "M" } else { "L" }, x(*px), y(*py));
    }
    let mut text = format!(
        "<path class=\"{}\" d=\"{path}\"><title>{}</title></path>\n",
        class(series),
        escape(&series.name)
    );
    // A run of one interval is a point, not a line.
    if let [(px, py)] = series.points[..] {
        let _ = writeln!(
            text,
            "<circle class=\"c{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
            series.colour % COLOURS,
            x(px),
            y(py)
        );
    }
    text
}

fn class(series: &Series) -> String {
    format!("s{} d{}", series.colour % COLOURS, series.dash % DASHES)
}

/// Width of a digit of a tick, more or less.
const DIGIT: f64 = 7.5;
/// Colours there are.
pub const COLOURS: usize = 6;
/// Patterns there are.
pub const DASHES: usize = 4;

/// Text that is no markup.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_are_equally_far_apart() {
        let axis = Axis { label: String::new(), scale: Scale::Nines, from: 0.0, to: 99.99 };
        for (percentile, place) in [(0.0, 0.0), (90.0, 0.25), (99.0, 0.5), (99.9, 0.75), (99.99, 1.0)] {
            assert!((axis.place(percentile) - place).abs() < 1e-9, "{percentile}");
        }
    }

    #[test]
    fn ticks_neither_touch_each_other_nor_leave_the_picture() {
        let axis = |scale, to| Axis { label: "ms".into(), scale, from: 0.0, to };
        let chart = Chart {
            title: String::new(),
            x: axis(Scale::Nines, 99.9992),
            y: axis(Scale::Linear, 1.0),
            series: Vec::new(),
            mark: None,
            shade_to: 0.0,
        };
        for width in [360.0, 900.0] {
            let svg = chart.svg(width);
            let mut free = 0.0;
            for tick in svg.split("<text class=\"tick middle\" x=\"").skip(1) {
                let (x, rest) = tick.split_once('"').unwrap();
                let text = rest.split_once('>').unwrap().1.split_once('<').unwrap().0;
                let (x, half) = (x.parse::<f64>().unwrap(), text.len() as f64 * 6.8 / 2.0);
                assert!(x - half > free && x + half <= width, "{text} at {x} of {width}");
                free = x + half;
            }
            assert!(free > 0.0 && svg.contains(">ms</text>"), "{svg}");
        }
    }

    #[test]
    fn a_name_is_no_markup() {
        let series = Series { name: "<b>\"&".into(), colour: 0, dash: 0, points: vec![(1.0, 1.0)] };
        let axis = |scale| Axis { label: "x".into(), scale, from: 0.1, to: 1.0 };
        let chart = Chart {
            title: "<t>".into(),
            x: axis(Scale::Linear),
            y: axis(Scale::Log),
            series: vec![series],
            mark: None,
            shade_to: 0.0,
        };
        assert!(!chart.svg(400.0).contains("<b>") && !chart.legend().contains("<b>"));
    }
}
