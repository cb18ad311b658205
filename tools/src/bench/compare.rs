//! `compare`: results of earlier runs beside each other, with a verdict only where their spreads do not overlap.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::output;

use super::options::{Compare, Format};
use super::report::{self, html};
use super::summary::{SCHEMA, Summary};

use forms::{csv, json};

mod forms;

/// Several runs of one thing.
#[derive(Debug)]
pub(super) struct Side {
    /// Name of its directory.
    pub name: String,
    /// The runs.
    pub runs: Vec<Summary>,
}

/// A figure that is compared.
struct Measure {
    name: &'static str,
    of: fn(&Summary) -> Option<f64>,
    more_is_better: bool,
}

const MEASURES: [Measure; 7] = [
    Measure { name: "messages/s", of: |run| Some(run.rates.messages_per_second), more_is_better: true },
    Measure { name: "p50 ms", of: |run| run.headline()?.at("p50"), more_is_better: false },
    Measure { name: "p99 ms", of: |run| run.headline()?.at("p99"), more_is_better: false },
    Measure { name: "p99.9 ms", of: |run| run.headline()?.at("p99.9"), more_is_better: false },
    Measure { name: "max ms", of: |run| Some(run.headline()?.max), more_is_better: false },
    Measure { name: "errors", of: |run| Some(run.error_count() as f64), more_is_better: false },
    Measure { name: "broker CPU us/message", of: |run| run.cpu.broker_us_per_message, more_is_better: false },
];

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    /// The middle one; the mean of the two middle ones.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// Runs it.
///
/// # Errors
/// A directory that holds no result, or one of another schema; no place for the page.
pub(crate) fn run(options: &Compare) -> Result<(), Failure> {
    let mut sides: Vec<Side> = options.results.iter().map(|path| side(path)).collect::<Result<_, _>>()?;
    tell_apart(&mut sides, &options.results);
    if let Some(out) = &options.out {
        let runs: Vec<(String, &Summary)> = sides.iter().flat_map(named).collect();
        let counts: Vec<usize> = sides.iter().map(|side| side.runs.len()).collect();
        write_page(&out.join("report.html"), &html::page(&runs, &counts))?;
    }
    match options.format {
        Format::Line => output::line(text(&sides).trim_end())?,
        Format::Json => output::line(report::pretty(&json(&sides)).trim_end())?,
        Format::Csv => output::line(csv(&sides).trim_end())?,
    }
    Ok(())
}

/// Directories of one name are called by their paths.
fn tell_apart(sides: &mut [Side], paths: &[PathBuf]) {
    let names: Vec<String> = sides.iter().map(|side| side.name.clone()).collect();
    for (side, path) in sides.iter_mut().zip(paths) {
        if names.iter().filter(|name| **name == side.name).count() > 1 {
            side.name = path.display().to_string();
        }
    }
}

/// A page is never written over another: it may be that of a run.
fn write_page(path: &Path, page: &str) -> Result<(), Failure> {
    let at = path.display();
    if path.exists() {
        return Err(Failure::Usage {
            what: format!("--out: {at} is there already"),
            fix: "choose another directory; nothing is written over".to_owned(),
        });
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).and_then(|()| fs::write(path, page)).map_err(|error| {
        Failure::Server(format!(
            "error[E0603]: the result cannot be written: {at}: {error}\n  fix    choose a directory that can be written, with room"
        ))
    })
}

fn named(side: &Side) -> Vec<(String, &Summary)> {
    match &side.runs[..] {
        [only] => vec![(side.name.clone(), only)],
        several => {
            several.iter().enumerate().map(|(at, run)| (format!("{} {}", side.name, at + 1), run)).collect()
        }
    }
}

/// The runs in `path`: itself, or its directories.
fn side(path: &Path) -> Result<Side, Failure> {
    let at = path.display();
    let name = path.file_name().map_or_else(|| at.to_string(), |name| name.to_string_lossy().into_owned());
    if path.join("summary.json").is_file() {
        return Ok(Side { name, runs: vec![read(path)?] });
    }
    let entries = fs::read_dir(path).map_err(|error| usage(format!("{at}: {error}")))?;
    let mut dirs: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|dir| dir.join("summary.json").is_file())
        .collect();
    dirs.sort();
    let runs: Vec<Summary> = dirs.iter().map(|dir| read(dir)).collect::<Result<_, _>>()?;
    if runs.is_empty() {
        return Err(usage(format!("{at} holds no result: there is no summary.json in it or below")));
    }
    Ok(Side { name, runs })
}

fn read(dir: &Path) -> Result<Summary, Failure> {
    let path = dir.join("summary.json");
    let text = fs::read_to_string(&path).map_err(|error| usage(format!("{}: {error}", path.display())))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| usage(format!("{}: {error}", path.display())))?;
    if value["schema"] != SCHEMA {
        return Err(usage(format!("{}: its schema is {}, not {SCHEMA}", path.display(), value["schema"])));
    }
    serde_json::from_value(value).map_err(|error| usage(format!("{}: {error}", path.display())))
}

fn usage(what: String) -> Failure {
    Failure::Usage {
        what,
        fix: "name directories that `ringmq bench ... --out DIR` wrote, or directories of such".to_owned(),
    }
}

impl Spread {
    /// `None` without a value.
    #[must_use]
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[half - 1], values[half])
        } else {
            values[half]
        };
        Some(Self { median, least, most })
    }

    /// Whether the two have a value in common.
    #[must_use]
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.least <= other.most && other.least <= self.most
    }
}

fn spread(side: &Side, measure: &Measure) -> Option<Spread> {
    Spread::of(side.runs.iter().filter_map(measure.of).collect())
}

/// What `other` is beside `base`.
fn verdict(measure: &Measure, base: (&Side, Option<Spread>), other: (&Side, Option<Spread>)) -> String {
    let (Some(a), Some(b)) = (base.1, other.1) else { return "not measured".to_owned() };
    if base.0.runs.len() < 2 || other.0.runs.len() < 2 {
        return format!("{} (one run: no spread, no verdict)", change(&a, &b));
    }
    if a.overlaps(&b) {
        return "no difference".to_owned();
    }
    let better = (b.median > a.median) == measure.more_is_better;
    format!("{} {}", change(&a, &b), if better { "better" } else { "worse" })
}

fn change(a: &Spread, b: &Spread) -> String {
    if a.median == 0.0 { "-".to_owned() } else { format!("{:+.1} %", (b.median / a.median - 1.0) * 100.0) }
}

fn text(sides: &[Side]) -> String {
    let mut text = String::new();
    let base = &sides[0];
    let cell = |spread: Option<Spread>| match spread {
        None => "-".to_owned(),
        Some(Spread { median, least, most }) if least == most => number(median),
        Some(Spread { median, least, most }) => {
            format!("{} ({} to {})", number(median), number(least), number(most))
        }
    };
    for other in &sides[1..] {
        text.push_str(&format!(
            "{:<22}  {:<34}  {:<34}  {} beside {}\n",
            "", base.name, other.name, other.name, base.name
        ));
        for measure in &MEASURES {
            let (a, b) = (spread(base, measure), spread(other, measure));
            text.push_str(&format!(
                "{:<22}  {:<34}  {:<34}  {}\n",
                measure.name,
                cell(a),
                cell(b),
                verdict(measure, (base, a), (other, b))
            ));
        }
    }
    for (what, values) in differences(sides) {
        text.push_str(&format!("note      not the same load: {what} {}\n", values.join(", ")));
    }
    let (open, closed): (Vec<_>, Vec<_>) = sides
        .iter()
        .filter(|side| !side.runs.is_empty())
        .partition(|side| side.runs.iter().all(|run| run.latency.response.is_some()));
    if !open.is_empty() {
        for side in closed.iter().filter(|side| side.runs.iter().any(|run| run.latency.service.is_some())) {
            text.push_str(&format!(
                "note      the latencies of {} are service times, those of {} response times: no comparison\n",
                side.name, open[0].name
            ));
        }
    }
    for side in sides {
        let invalid = side.runs.iter().filter(|run| !run.valid).count();
        if invalid > 0 {
            text.push_str(&format!("INVALID   {invalid} of {} runs of {}\n", side.runs.len(), side.name));
        }
        if side.runs.len() < PUBLISHED {
            text.push_str(&format!(
                "note      {} has {} run(s); to publish take at least {PUBLISHED}, interleaved\n",
                side.name,
                side.runs.len()
            ));
        }
    }
    text
}

/// What was asked of the runs, where it is not the same: name, and the values that there are.
fn differences(sides: &[Side]) -> Vec<(&'static str, Vec<String>)> {
    // None: a result of an earlier version does not say.
    type Of = fn(&Summary) -> Option<String>;
    let asked: [(&str, Of); 18] = [
        ("kind", |run| Some(run.kind.clone())),
        ("rate", |run| Some(run.parameters.rate.map_or("max".to_owned(), |rate| rate.to_string()))),
        ("arrivals", |run| Some(run.parameters.arrivals.clone())),
        ("body_bytes", |run| Some(format!("{:.0}", run.parameters.body_bytes))),
        ("body_range", |run| Some(format!("{:?}", run.parameters.body_range))),
        ("batch", |run| Some(run.parameters.batch.to_string())),
        ("header", |run| Some(run.parameters.header.clone())),
        ("oneway", |run| Some(run.parameters.oneway.to_string())),
        ("connections", |run| Some(run.parameters.connections.to_string())),
        ("inflight", |run| Some(run.parameters.inflight.to_string())),
        ("topics", |run| Some(run.parameters.topics.to_string())),
        ("queues", |run| Some(run.parameters.queues.to_string())),
        ("consumers", |run| Some(run.parameters.consumers?.to_string())),
        ("pull", |run| Some(run.parameters.pull?.to_string())),
        ("verify", |run| Some(run.parameters.verify?.to_string())),
        ("warmup_seconds", |run| Some(run.parameters.warmup_seconds.to_string())),
        ("threads", |run| Some(run.parameters.threads.to_string())),
        ("flush", |run| Some(run.flush.clone().unwrap_or("unknown".to_owned()))),
    ];
    let values = |of: Of| {
        let mut all: Vec<String> = Vec::new();
        for value in sides.iter().flat_map(|side| &side.runs).filter_map(of) {
            if !all.contains(&value) {
                all.push(value);
            }
        }
        all
    };
    asked.into_iter().map(|(name, of)| (name, values(of))).filter(|(_, all)| all.len() > 1).collect()
}

fn number(value: f64) -> String {
    if value >= 1000.0 { super::units::grouped(value) } else { format!("{value:.3}") }
}

/// Runs of a published figure (operations.md 6).
const PUBLISHED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::summary;

    fn side_of(name: &str, all: &[f64]) -> Side {
        Side { name: name.to_owned(), runs: all.iter().map(|ms| summary("produce", *ms)).collect() }
    }

    #[test]
    fn inside_of_the_spread_there_is_no_difference() {
        let measure = &MEASURES[2];
        let judge = |a: &[f64], b: &[f64]| {
            let (a, b) = (side_of("a", a), side_of("b", b));
            verdict(measure, (&a, spread(&a, measure)), (&b, spread(&b, measure)))
        };
        assert_eq!(judge(&[10.0, 12.0, 14.0], &[13.0, 15.0, 17.0]), "no difference");
        assert!(judge(&[10.0, 12.0, 14.0], &[30.0, 31.0, 32.0]).ends_with("worse"));
        assert!(judge(&[30.0, 31.0, 32.0], &[10.0, 12.0, 14.0]).ends_with("better"));
        assert!(judge(&[10.0], &[20.0]).contains("no verdict"));
    }

    #[test]
    fn another_load_is_said() {
        let mut other = side_of("b", &[10.0]);
        assert_eq!(differences(&[side_of("a", &[10.0]), side_of("b", &[20.0])]), []);
        other.runs[0].parameters.rate = None;
        let said = text(&[side_of("a", &[10.0]), other]);
        assert!(said.contains("note      not the same load: rate 4000, max\n"), "{said}");
        let mut other = side_of("b", &[10.0]);
        other.runs[0].parameters.consumers = Some(4);
        other.runs[0].parameters.header = "rocketmq".to_owned();
        assert_eq!(
            differences(&[side_of("a", &[10.0]), other]),
            [("header", vec![String::new(), "rocketmq".to_owned()])],
            "what an earlier version did not say is no difference"
        );
        let (mut first, mut other) = (side_of("a", &[10.0]), side_of("b", &[10.0]));
        (first.runs[0].parameters.consumers, other.runs[0].parameters.consumers) = (Some(1), Some(4));
        let said = text(&[first, other]);
        assert!(said.contains("not the same load: consumers 1, 4\n"), "{said}");
    }

    #[test]
    fn service_times_beside_response_times_are_said_to_be_no_comparison() {
        let mut other = side_of("b", &[10.0]);
        let note =
            "note      the latencies of b are service times, those of a response times: no comparison\n";
        assert!(!text(&[side_of("a", &[10.0]), side_of("b", &[10.0])]).contains("no comparison"));
        other.runs[0].latency.service = other.runs[0].latency.response.take();
        assert!(text(&[side_of("a", &[10.0]), other]).contains(note));
    }

    #[test]
    fn directories_of_one_name_are_told_apart_by_their_paths() {
        let mut sides = [side_of("e2e", &[1.0]), side_of("e2e", &[1.0]), side_of("c", &[1.0])];
        tell_apart(&mut sides, &["old/e2e".into(), "new/e2e".into(), "x/c".into()]);
        assert_eq!(sides.map(|side| side.name), ["old/e2e", "new/e2e", "c"]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
        assert_eq!(Spread::of(vec![]), None);
    }
}
