//! What a run leaves: lines for people, and the files of `--out`.

use std::fs;
use std::io;
use std::path::Path;

use super::plan::Plan;
use super::recorder::{Interval, Latencies};
use super::scrape;
use super::session::Outcome;
use super::summary::Summary;

pub mod chart;
pub mod csv;
pub mod html;
pub mod line;
pub mod omb;
pub mod prom;
pub mod rmq;

mod hdr;

/// What [`write()`] may write, the summary last.
pub const FILES: [&str; 10] = [
    "intervals.csv",
    "response.hlog",
    "service.hlog",
    "response.hgrm",
    "report.html",
    "omb.json",
    "results.prom",
    scrape::BEFORE,
    scrape::AFTER,
    SUMMARY,
];
const SUMMARY: &str = "summary.json";

/// Writes everything about a run into `dir`. The summary comes last: where there is one, there is everything.
///
/// # Errors
/// The first file that cannot be written, by name.
pub fn write(dir: &Path, plan: &Plan, outcome: &Outcome, summary: &Summary) -> io::Result<()> {
    let put = |name: &str, content: &[u8]| {
        debug_assert!(FILES.contains(&name), "{name} would be written over one day");
        let path = dir.join(name);
        fs::write(&path, content)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    fs::create_dir_all(dir)?;
    let total = &outcome.crew.total;
    let response = |interval: &Interval| super::summary::headline(plan, interval).clone();
    let service = |interval: &Interval| super::summary::service(plan, interval).clone();
    let started = outcome.started_at_ms;
    let hlog = |of: &dyn Fn(&Interval) -> Latencies| hdr::log(plan, &outcome.crew.intervals, started, of);
    put("intervals.csv", csv::intervals(summary).as_bytes())?;
    if summary.latency.response.is_some() {
        put("response.hlog", &hlog(&response)?)?;
    }
    put("service.hlog", &hlog(&service)?)?;
    put("response.hgrm", hdr::percentiles(super::summary::headline(plan, total)).as_bytes())?;
    put("report.html", html::page(&[(summary.kind.clone(), summary)], &[1]).as_bytes())?;
    put("omb.json", pretty(&omb::result(plan, outcome, summary)).as_bytes())?;
    put("results.prom", prom::text(summary).as_bytes())?;
    for (name, text) in &outcome.server_metrics {
        put(name, text.as_bytes())?;
    }
    put_last(&dir.join(SUMMARY), &pretty(&serde_json::to_value(summary).expect("a summary has a text")))
}

/// Writes under another name first: on a full disk there is no summary, rather than half of one.
fn put_last(path: &Path, text: &str) -> io::Result<()> {
    let young = path.with_extension("json.part");
    let done = fs::write(&young, text).and_then(|()| fs::rename(&young, path));
    done.map_err(|error| {
        // Whether it goes or not, it is not taken for a summary.
        let _ = fs::remove_file(&young);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

/// JSON for people too.
#[must_use]
pub fn pretty(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON values always have a text");
    text.push('\n');
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::bench::recorder::latencies;
    use crate::bench::summary::{Distribution, Latency, Parameters, Rates, Row, SCHEMA, Summary};

    #[test]
    fn a_summary_that_cannot_be_written_is_not_there_in_half() {
        let dir = std::env::temp_dir().join(format!("ringmq-summary-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(super::SUMMARY);
        // Every byte written to it finds the disk full.
        std::os::unix::fs::symlink("/dev/full", dir.join("summary.json.part")).unwrap();
        let full = super::put_last(&path, "{}\n").unwrap_err();
        assert!(full.to_string().contains("summary.json: No space left"), "{full}");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "neither it nor its part");
        super::put_last(&path, "{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// A made-up run whose latencies are around `ms`.
    pub(crate) fn summary(kind: &str, ms: f64) -> Summary {
        let mut some = latencies();
        (1..=20_000_u64).for_each(|value| some.saturating_record((ms * 1e6) as u64 + value * 50));
        let latency = Distribution::of(&some, &[]);
        let rows = (1..=5).map(|at| Row {
            at: f64::from(at),
            measured: true,
            seconds: 1.0,
            acknowledged: 4_000,
            received: 4_000,
            p50: ms,
            p99: ms * 2.0,
            p999: ms * 3.0,
            max: ms * 4.0,
            ..Row::default()
        });
        Summary {
            schema: SCHEMA.into(),
            kind: kind.into(),
            valid: true,
            reasons: Vec::new(),
            remarks: Vec::new(),
            interrupted: false,
            failure: None,
            thresholds: Vec::new(),
            started_at: "2026-01-01T00:00:00.000Z".into(),
            command: vec!["ringmq".into()],
            version: "0".into(),
            commit: None,
            seed: 1,
            tags: Default::default(),
            parameters: Parameters { rate: Some(4_000.0), ..Parameters::default() },
            brokers: vec!["127.0.0.1:10911".into()],
            flush: None,
            layout: String::new(),
            host: serde_json::Value::Null,
            seconds: 5.0,
            rates: Rates { messages_per_second: 4_000.0, ..Rates::default() },
            errors: Vec::new(),
            connections: crate::bench::summary::Connections::default(),
            latency: Latency { response: latency, ..Latency::default() },
            verify: None,
            transactions: None,
            cpu: Default::default(),
            intervals: rows.collect(),
        }
    }
}
