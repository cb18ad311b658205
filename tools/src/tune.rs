//! `ringmq tune check`: is this host what a broker, or a measurement, would like it to be?
//!
//! The rows are data (`tuning/knobs.toml`); [`check`] reads what each names and judges it. Nothing is written, no root
//! is needed. `bench` puts the same findings into its results.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

mod disks;
mod judge;
mod knob;
mod read;

pub(crate) use judge::{Finding, check};
use knob::Severity;

use crate::failure::Failure;
use crate::output::{Format, Rows, line};

/// `ringmq tune`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TuneCommand {
    /// Compare this host with what RingMQ wants; exit code 3 if a row is fatal or a warning
    Check(CheckOptions),
}

/// `ringmq tune check`
#[derive(Debug, clap::Args)]
pub(crate) struct CheckOptions {
    /// Directory of the store: only its disks are looked at [default: all disks]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Read /proc and /sys below this directory
    #[arg(long, default_value = "/", value_name = "DIR")]
    root: PathBuf,
    /// Also show the rows that are as wanted
    #[arg(long)]
    all: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Looks and prints.
///
/// # Errors
/// [`Failure::Checks`] if a row is fatal or a warning, [`Failure::Usage`] for directories that are none.
pub(crate) fn run(command: &TuneCommand) -> Result<(), Failure> {
    let TuneCommand::Check(options) = command;
    if let Some(dir) = options.dir.iter().chain([&options.root]).find(|dir| !dir.is_dir()) {
        let what = format!("{} is no directory", dir.display());
        return Err(Failure::Usage { what, fix: "name one that is there".to_owned() });
    }
    let findings = check(&options.root, options.dir.as_deref());
    if findings.is_empty() {
        let what = format!("{} has neither /proc nor /sys of a host", options.root.display());
        return Err(Failure::Usage { what, fix: "name the directory that both lie in".to_owned() });
    }
    let mut rows = Rows::new(&["severity", "knob", "current", "wanted", "why", "source"]);
    for finding in findings.iter().filter(|finding| options.all || !finding.is_fine()) {
        rows.push(vec![
            finding.word().into(),
            finding.name.clone().into(),
            finding.current.clone().into(),
            finding.wanted.clone().into(),
            finding.why.clone().into(),
            finding.source.clone().into(),
        ]);
    }
    rows.print(options.output)?;
    if options.output == Format::Table {
        line(&format!("\n{}", told(&findings)))?;
    }
    let bad = |finding: &Finding| matches!(finding.otherwise, Some(Severity::Fatal | Severity::Warn));
    if findings.iter().any(bad) { Err(Failure::Checks) } else { Ok(()) }
}

/// The findings for `store` (its disks; all disks if it is not known) as they stand in a result: counts, and the rows that
/// are not as wanted.
#[must_use]
pub(crate) fn for_the_record(root: &Path, store: Option<&Path>) -> Value {
    let findings = check(root, store);
    let [fatal, warn, info, ok] = counts(&findings);
    let rows = findings.iter().filter(|finding| !finding.is_fine()).map(|finding| {
        json!({
            "severity": finding.word(), "knob": finding.name, "current": finding.current, "wanted": finding.wanted,
        })
    });
    json!({ "fatal": fatal, "warn": warn, "info": info, "ok": ok, "findings": rows.collect::<Vec<_>>() })
}

fn counts(findings: &[Finding]) -> [usize; 4] {
    let of = |wanted| findings.iter().filter(|finding| finding.otherwise == wanted).count();
    [of(Some(Severity::Fatal)), of(Some(Severity::Warn)), of(Some(Severity::Info)), of(None)]
}

fn told(findings: &[Finding]) -> String {
    let [fatal, warn, info, ok] = counts(findings);
    format!("{fatal} fatal, {warn} to warn of, {info} to know, {ok} as wanted")
}
