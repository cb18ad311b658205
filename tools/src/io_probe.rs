//! `ringmq io-probe DIR`: what the device and filesystem under a directory do, and which settings follow.
//!
//! Facts come from `rt::real::device`, figures from cells run over the same [`rt::Disk`] as the store, and decisions from
//! the code that the broker decides with at start. `--record` leaves the figures for it. `--full` measures the whole
//! matrix, and writes until the rate is steady.

mod advice;
mod chart;
mod error;
mod measure;
mod page;
mod plan;
mod progress;
mod properties;
mod report;
mod sample;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use rt::real::device::{Facts, RECORD, Record};
use rt::real::{RealEnv, ShardError, ShardOptions, Spin, run_shard};
use rt::{Event, Now, Reactor, TurnOutcome};
use rustix::fs::{Access, access};

pub(crate) use error::ProbeError;

use crate::failure::Failure;
use crate::output::Format;
use crate::{signals, size};
use measure::{BYTES_LEAST, Findings, Limits, Watch};
use plan::Scope;
use report::Report;

/// `ringmq io-probe`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory on the disk in question: the store's, or where it will be
    dir: PathBuf,
    /// Time to spend at most, in seconds [default: 20; with --full 60]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Bytes to write at most, over all; the file is a sixteenth of it, 256 MiB at most (with --full 1 GiB) [default: 4GiB;
    /// with --full 16GiB]
    #[arg(long, value_parser = bytes)]
    bytes: Option<u64>,
    /// The whole matrix: every size, method, depth (1 to 64) and kind of space; and writes until the rate is steady
    #[arg(long)]
    full: bool,
    /// Leave the figures in DIR/io-properties.toml, where a broker with this store.dir reads them
    #[arg(long)]
    record: bool,
    /// Also draw the charts into this file
    #[arg(long, value_name = "FILE.svg")]
    chart: Option<PathBuf>,
    /// Also write all of it as a page: one file, no script, no network
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Measure although a broker runs there
    #[arg(long)]
    beside_broker: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

fn bytes(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        few if few < BYTES_LEAST => {
            Err(format!("{} is the least that means anything", size::show(BYTES_LEAST)))
        }
        bytes => Ok(bytes),
    }
}

/// Probes, prints, records.
///
/// # Errors
/// Nothing is printed on stdout then (but for a file that cannot be written after all), and nothing is left in the
/// directory.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    for (option, path) in [("--chart", &options.chart), ("--html", &options.html)] {
        check_place(option, path.as_deref())?;
    }
    let usual = Limits::of(if options.full { Scope::Full } else { Scope::Usual });
    let limits = Limits {
        time_ns: options.seconds.map_or(usual.time_ns, |seconds| seconds * 1_000_000_000),
        bytes: options.bytes.unwrap_or(usual.bytes),
        ..usual
    };
    let facts = site::look(&options.dir, limits.room(), options.beside_broker).map_err(Failure::Probe)?;
    let interrupted = signals::interrupted()?;
    let watch = Rc::new(progress::Progress::new(limits.time_ns, move || interrupted.load(Ordering::Relaxed)));
    let measured = measure_really(&options.dir, &facts, limits, watch.clone());
    watch.end();
    let findings = match measured {
        Err(ProbeError::Interrupted) => return Err(Failure::Interrupted),
        other => other.map_err(Failure::Probe)?,
    };
    let conclusions = advice::conclude(&facts, &findings);
    let report =
        Report { dir: &options.dir, facts: &facts, limits, findings: &findings, conclusions: &conclusions };
    // Whoever reads the answer may be gone: the files are wanted all the same.
    let printed = report.print(options.output);
    if let Some(path) = &options.chart {
        let title = format!("ringmq io-probe {}", options.dir.display());
        write(path, &chart::svg(&title, &chart::charts(&findings)))?;
    }
    if let Some(path) = &options.html {
        write(path, &report.page())?;
    }
    if options.record {
        write(&options.dir.join(RECORD), &Record::new(&facts, conclusions.measured.clone()).render())?;
    }
    Ok(printed?)
}

/// A file that cannot be written is met before the disk is kept busy for it.
fn check_place(option: &str, path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let why = if path.is_dir() {
        "it is a directory".to_owned()
    } else if let Err(error) = access(dir, Access::WRITE_OK | Access::EXEC_OK) {
        format!("{}: {error}", dir.display())
    } else {
        return Ok(());
    };
    Err(Failure::Usage {
        what: format!("{option} {}: {why}", path.display()),
        fix: "name a file in a directory that can be written".to_owned(),
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|source| Failure::Probe(ProbeError::Unwritten { path: path.to_owned(), source }))
}

/// On a shard of its own, as the broker does its I/O: this thread becomes it.
fn measure_really(
    dir: &Path,
    facts: &Facts,
    limits: Limits,
    watch: Rc<dyn Watch>,
) -> Result<Findings, ProbeError> {
    let (dir, cells) = (dir.to_owned(), plan::plan(facts, limits.scope));
    // As a broker without other work waits for a write: blocked in the ring.
    let options = ShardOptions {
        spin: Spin::Off,
        connections_max: 1,
        receive_buffers: 1,
        ..ShardOptions::new("io-probe")
    };
    let done = run_shard(options, move |env: RealEnv| async move {
        measure::measure(&env, &dir, &cells, limits, watch).await.map(Done)
    });
    match done {
        Ok(Done(findings)) => Ok(findings),
        Err(ShardError::Build(error)) => Err(error),
        Err(other) => Err(ProbeError::Ring(other.to_string())),
    }
}

/// A reactor with nothing left to do.
struct Done(Findings);

impl Reactor for Done {
    fn event(&mut self, _: Event<'_>, _: Now) {}

    fn end_of_turn(&mut self, _: Now) -> TurnOutcome {
        TurnOutcome { deadline: None, stop: true }
    }
}
