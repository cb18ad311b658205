//! The charts of a page: which lines of which runs, and what of them is drawn.

use crate::bench::report::chart::{Axis, COLOURS, Chart, Scale, Series};
use crate::bench::report::line::latencies;
use crate::bench::summary::{Distribution, Row, Summary};

/// One run: response and service. Several: what counts of each.
pub(super) fn percentiles(runs: &[(String, &Summary)], sides: &[usize]) -> Chart {
    let mut series = Vec::new();
    let mut most: f64 = 90.0;
    for (at, (name, run)) in runs.iter().enumerate() {
        let single = latencies(run);
        let chosen: Vec<(String, &Distribution)> = if runs.len() == 1 {
            single.into_iter().map(|(which, latency)| (which.to_owned(), latency)).collect()
        } else {
            run.headline().map(|latency| (name.clone(), latency)).into_iter().collect()
        };
        for (line, (name, latency)) in chosen.into_iter().enumerate() {
            // Beyond the last sample there is nothing to draw.
            let last = 100.0 - 100.0 / latency.count.max(2) as f64;
            most = most.max(last);
            let points =
                latency.curve.iter().copied().map(|(percentile, ms)| (percentile.min(last), ms)).collect();
            let (colour, dash) = if runs.len() == 1 { (line, line) } else { look(sides, at) };
            series.push(Series { name, colour, dash, points });
        }
    }
    let values =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect::<Vec<_>>();
    Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis { label: "percentile".to_owned(), scale: Scale::Nines, from: 0.0, to: most },
        y: Axis::over("ms", Scale::Log, values.into_iter()),
        series,
        mark: None,
        shade_to: 0.0,
    }
}

pub(super) fn rates(runs: &[(String, &Summary)], sides: &[usize]) -> Chart {
    let mut series = Vec::new();
    for (at, (name, run)) in runs.iter().enumerate() {
        let got = |row: &Row| {
            if run.kind == "consume" || run.kind == "e2e" { row.received } else { row.acknowledged }
        };
        // The rest of a second at the end is no second.
        let whole = run.intervals.iter().filter(|row| row.seconds * 2.0 > longest(run));
        let points = whole.map(|row| (row.at, got(row) as f64 / row.seconds)).collect();
        let points = thinned(points, |some| some.iter().sum::<f64>() / some.len() as f64);
        let what = match run.kind.as_str() {
            "consume" | "e2e" => "received",
            _ => "acknowledged",
        };
        let name = if runs.len() == 1 { what.to_owned() } else { name.clone() };
        let (colour, dash) = look(sides, at);
        series.push(Series { name, colour, dash, points });
    }
    let target = match runs {
        [(_, run)] => run.parameters.rate,
        _ => None,
    };
    let values: Vec<f64> =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).chain(target).collect();
    Chart {
        title: "Rate over time".to_owned(),
        x: time(runs),
        y: Axis::over("messages/s", Scale::Linear, values.into_iter()),
        series,
        mark: target.map(|rate| (rate, "target".to_owned())),
        shade_to: warmup(runs),
    }
}

/// One run: p50, p99 and the maximum of each interval. Several: p99 of each.
pub(super) fn over_time(runs: &[(String, &Summary)], sides: &[usize]) -> Chart {
    let points = |run: &Summary, of: Of| -> Vec<(f64, f64)> {
        let all =
            run.intervals.iter().map(|row| (row.at, of(row))).filter(|(_, value)| *value > 0.0).collect();
        // The worst of each part stays: a spike of one interval is what people look for.
        thinned(all, |some| some.iter().copied().fold(0.0, f64::max))
    };
    let lines: [(&str, Of); 3] = [("p50", |row| row.p50), ("p99", |row| row.p99), ("max", |row| row.max)];
    let series: Vec<Series> = match runs {
        [(_, run)] => lines
            .into_iter()
            .enumerate()
            .map(|(at, (name, of))| Series {
                name: name.to_owned(),
                colour: at,
                dash: at,
                points: points(run, of),
            })
            .collect(),
        _ => runs
            .iter()
            .enumerate()
            .map(|(at, (name, run))| {
                let (colour, dash) = look(sides, at);
                Series { name: format!("{name} p99"), colour, dash, points: points(run, lines[1].1) }
            })
            .collect(),
    };
    let values: Vec<f64> =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    Chart {
        title: "Latency over time".to_owned(),
        x: time(runs),
        y: Axis::over("ms", Scale::Log, values.into_iter()),
        series,
        mark: None,
        shade_to: warmup(runs),
    }
}

/// Colour and pattern of run `at`: a colour for each side, a pattern for each run of it.
fn look(sides: &[usize], at: usize) -> (usize, usize) {
    let mut first = 0;
    for (side, runs) in sides.iter().enumerate() {
        if at < first + runs {
            return (side, at - first + side / COLOURS);
        }
        first += runs;
    }
    (at, at / COLOURS)
}

/// At most [`POINTS`] of many points; `of` makes one value of several.
fn thinned(points: Vec<(f64, f64)>, of: impl Fn(&[f64]) -> f64) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points;
    }
    let parts = points.chunks(points.len().div_ceil(POINTS));
    parts
        .map(|part| {
            let values: Vec<f64> = part.iter().map(|point| point.1).collect();
            (part[part.len() - 1].0, of(&values))
        })
        .collect()
}

/// A figure of an interval.
type Of = fn(&Row) -> f64;

fn longest(run: &Summary) -> f64 {
    run.intervals.iter().map(|row| row.seconds).fold(0.0, f64::max)
}

fn time(runs: &[(String, &Summary)]) -> Axis {
    let last = runs.iter().filter_map(|(_, run)| run.intervals.last()).map(|row| row.at).fold(0.1, f64::max);
    Axis {
        label: "seconds since the start of the load".to_owned(),
        scale: Scale::Linear,
        from: 0.0,
        to: last,
    }
}

fn warmup(runs: &[(String, &Summary)]) -> f64 {
    let mut all = runs.iter().map(|(_, run)| run.parameters.warmup_seconds);
    let first = all.next().unwrap_or(0.0);
    if all.all(|other| other == first) { first } else { 0.0 }
}

/// More than a line of a chart has room for.
const POINTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_side_share_a_colour_and_differ_in_their_pattern() {
        let looks: Vec<_> = (0..5).map(|at| look(&[2, 3], at)).collect();
        assert_eq!(looks, [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]);
        assert_eq!(
            look(&[1; 8], COLOURS),
            (COLOURS, 1),
            "a seventh side has the first colour and another pattern"
        );
    }

    #[test]
    fn a_spike_survives_thinning() {
        let points: Vec<(f64, f64)> =
            (0..50_000).map(|at| (f64::from(at), if at == 31_415 { 9.0 } else { 1.0 })).collect();
        let thin = thinned(points, |some| some.iter().copied().fold(0.0, f64::max));
        assert!(thin.len() <= POINTS && thin.iter().any(|point| point.1 == 9.0));
        assert_eq!(thin.last().unwrap().0, 49_999.0);
    }
}
