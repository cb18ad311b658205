//! A line chart as SVG: series over two axes, drawn for one width. No script, no network.

use std::fmt::Write;

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
        let (left, right, top, bottom) = (56.0, 14.0, 14.0, 44.0);
        let (inner, deep) = (width - left - right, height - top - bottom);
        let x = |value: f64| left + inner * self.x.place(value);
        let y = |value: f64| top + deep * (1.0 - self.y.place(value));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        if self.shade_to > self.x.from {
            let w = x(self.shade_to) - left;
            let _ = writeln!(
                svg,
                "<rect class=\"shade\" x=\"{left}\" y=\"{top}\" width=\"{w:.1}\" height=\"{deep:.1}\"/>"
            );
            if w > 60.0 {
                let _ = writeln!(
                    svg,
                    "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">warm-up</text>",
                    left + 6.0,
                    top + 14.0
                );
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
        for (value, text) in self.x.ticks((inner / 70.0) as usize) {
            let at = x(value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{:.1}\"/>",
                top + deep
            );
            let _ = writeln!(
                svg,
                "<text class=\"tick middle\" x=\"{at:.1}\" y=\"{:.1}\">{text}</text>",
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

    /// The legend, as a list.
    #[must_use]
    pub fn legend(&self) -> String {
        let mut text = format!("<ul class=\"legend\"><li class=\"axis\">{}</li>", escape(&self.y.label));
        for series in &self.series {
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

/// Colours there are.
pub const COLOURS: usize = 6;
/// Patterns there are.
pub const DASHES: usize = 4;

fn linear_ticks(to: f64, room: usize) -> Vec<(f64, String)> {
    let rough = to / room.clamp(2, 10) as f64;
    let power = 10_f64.powf(rough.max(1e-12).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    (0..=(to / step) as usize).map(|tick| tick as f64 * step).map(|value| (value, figure(value))).collect()
}

fn log_ticks(from: f64, to: f64, room: usize) -> Vec<(f64, String)> {
    let (low, high) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let all = |steps: &[f64]| -> Vec<f64> {
        let decades = (low..=high).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        decades.filter(|value| (from..=to).contains(value)).collect()
    };
    let ticks = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]].into_iter().map(all);
    let chosen = ticks.into_iter().find(|ticks| ticks.len() <= room.max(3)).unwrap_or_else(|| all(&[1.0]));
    chosen.into_iter().map(|value| (value, figure(value))).collect()
}

/// A tick's text: `0.05`, `12`, `200k`.
fn figure(value: f64) -> String {
    match value {
        ..0.000_5 => "0".to_owned(),
        ..10.0 => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        ..10_000.0 => format!("{value:.0}"),
        ..10_000_000.0 => format!("{}k", (value / 1e3).round()),
        _ => format!("{}M", (value / 1e6).round()),
    }
}

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
    fn ticks_are_round_and_fit() {
        let texts = |ticks: Vec<(f64, String)>| ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(linear_ticks(216_000.0, 6)), ["0", "50k", "100k", "150k", "200k"]);
        assert_eq!(texts(log_ticks(0.04, 30.0, 6)), ["0.1", "0.3", "1", "3", "10", "30"]);
        assert_eq!(texts(log_ticks(0.2, 1.1, 6)), ["0.2", "0.5", "1"]);
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
