//! `ringmq bench`: the load generator.
//!
//! Place: a user of [`rt`] and [`net`] like the broker. `plan` decides what options mean, `stage` finds brokers and makes
//! topics, `crew` runs threads of `driver` + `engine` (`sender`, `receiver`), `recorder` counts, `summary` and `validity`
//! judge, `report` writes. `tools/BENCH.md` says what the figures mean.
//!
//! Invariants: a message's due time is fixed before the run and never moves; a percentile comes from a histogram, never
//! from other percentiles; errors and timeouts stay in the histogram; a warm send allocates nothing.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Parser;

use crate::failure::Failure;
use crate::{output, signals};

pub mod act;
mod aliases;
pub mod arrivals;
mod compare;
pub mod crew;
pub mod driver;
pub mod engine;
mod find_max;
pub mod flight;
pub mod host;
pub mod keys;
pub mod options;
pub mod payload;
pub mod plan;
pub mod popper;
pub mod random;
pub mod receiver;
pub mod recorder;
mod replay;
pub mod report;
mod scrape;
pub mod sender;
pub mod session;
pub mod stage;
pub mod stamp;
pub mod summary;
pub mod template;
#[cfg(test)]
mod tests;
pub mod threshold;
pub mod units;
pub mod validity;
pub mod verify;

pub use options::BenchCommand;

use aliases::Tool;
use options::{Format, Load};
use plan::{Kind, Plan};
use recorder::Interval;
use report::line::Colour;
use summary::Summary;

/// Runs a command of `ringmq bench`.
pub(crate) fn command(command: BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Produce(load) => load_command(Kind::Produce, &load),
        BenchCommand::Consume(load) => load_command(Kind::Consume, &load),
        BenchCommand::E2e(load) => load_command(Kind::E2e, &load),
        BenchCommand::Batch(load) => load_command(Kind::Batch, &load),
        BenchCommand::FindMax(options) => find_max::run(&options, &signals::interrupted()?),
        BenchCommand::Compare(options) => compare::run(&options),
        BenchCommand::Replay(options) => load_command(Kind::E2e, &replay::load(&options)?),
        BenchCommand::RmqProducer(alias) => alias_command(Tool::Producer, &alias.arguments),
        BenchCommand::RmqBatch(alias) => alias_command(Tool::Batch, &alias.arguments),
        BenchCommand::RmqConsumer(alias) => alias_command(Tool::Consumer, &alias.arguments),
        BenchCommand::Pop(load) => load_command(Kind::Pop, &load),
        BenchCommand::Tx(load) => load_command(Kind::Tx, &load),
        BenchCommand::Delay(load) => load_command(Kind::Delay, &load),
        BenchCommand::Mixed(load) => load_command(Kind::Mixed, &load),
        BenchCommand::RmqTx(alias) => alias_command(Tool::Tx, &alias.arguments),
        BenchCommand::RmqTimerProducer(alias) => alias_command(Tool::TimerProducer, &alias.arguments),
        BenchCommand::RmqTimerConsumer(alias) => alias_command(Tool::TimerConsumer, &alias.arguments),
    }
}

/// Runs a load in this process, without a word on stderr: for `benches` and tests. `arguments` are those of the command
/// line after `ringmq bench KIND`.
///
/// # Errors
/// What the command would say on stderr.
pub fn in_process(kind: Kind, arguments: &[&str]) -> Result<Summary, String> {
    let line = Line::try_parse_from(std::iter::once(&"ringmq").chain(arguments))
        .map_err(|error| error.to_string())?;
    let silently = || {
        let plan = Plan::new(kind, &line.load)?;
        let outcome = session::run(&line.load, &plan, &Arc::default(), &mut |_| {}, &mut |_| {})?;
        Ok(Summary::new(&plan, &outcome))
    };
    silently().map_err(|failure: Failure| failure.to_string())
}

/// A command line with nothing but the load.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    load: Load,
}

fn alias_command(tool: Tool, arguments: &[String]) -> Result<(), Failure> {
    let Some(meant) = aliases::read(tool, arguments)? else { return Ok(()) };
    let line =
        Line::try_parse_from(std::iter::once("ringmq").chain(meant.arguments.iter().map(String::as_str)));
    let line = line.map_err(|error| Failure::Usage {
        what: error.to_string(),
        fix: "see -h for what each flag takes".to_owned(),
    })?;
    load_command(meant.kind, &line.load)
}

fn load_command(kind: Kind, load: &Load) -> Result<(), Failure> {
    let plan = Plan::new(kind, load)?;
    let interrupted = signals::interrupted()?;
    let mut progress = Progress::new(&plan);
    let mut layout = |layout: &str| output::aside(layout);
    let outcome =
        session::run(load, &plan, &interrupted, &mut layout, &mut |interval| progress.show(interval))?;
    let summary = Summary::new(&plan, &outcome);
    // Whoever reads the answer may be gone: the files are wanted all the same, and so is the verdict.
    let printed = print(&plan, &outcome, &summary);
    if let Some(dir) = &plan.out {
        report::write(dir, &plan, &outcome, &summary).map_err(|error| {
            Failure::Server(format!(
                "error[E0603]: the result cannot be written: {error}\n  effect the directory is incomplete, without a summary.json\n  fix    \
                 make room and run again with another --out"
            ))
        })?;
        output::aside(&format!("written to {}", dir.display()));
    }
    told(printed)?;
    exit(&summary)
}

/// The answer, on stdout.
fn print(plan: &Plan, outcome: &session::Outcome, summary: &Summary) -> io::Result<()> {
    if plan.rmq_format
        && let Some(line) = report::rmq::complete(report::rmq::Lines::of(plan), &outcome.crew.total, summary)
    {
        output::line(&line)?;
    }
    match plan.format {
        Format::Line => output::line(report::line::result(plan, summary, colour()).trim_end()),
        Format::Json => output::line(&serde_json::to_string_pretty(summary).expect("a summary has a text")),
        Format::Csv => output::line(report::csv::intervals(summary).trim_end()),
    }
}

/// An answer that nobody waited for has been told; one that found no room has not.
fn told(printed: io::Result<()>) -> io::Result<()> {
    printed.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

fn exit(summary: &Summary) -> Result<(), Failure> {
    match summary.exit_code() {
        0 => Ok(()),
        3 => Err(Failure::Checks),
        _ => match &summary.failure {
            Some(why) => Err(Failure::Server(format!("error[E0602]: the run ended early: {why}"))),
            None => Err(Failure::Said),
        },
    }
}

/// A line per second on a terminal (or per interval, if that is longer), one per ten seconds without.
struct Progress<'p> {
    plan: &'p Plan,
    every: f64,
    /// What was not shown yet, and its length.
    gathered: Option<(Interval, f64)>,
}

impl<'p> Progress<'p> {
    fn new(plan: &'p Plan) -> Self {
        let every = if io::stderr().is_terminal() { SHOWN_S } else { QUIET_S };
        Self { plan, every, gathered: None }
    }

    fn show(&mut self, interval: &Interval) {
        if interval.phase == recorder::Phase::Drain {
            return;
        }
        let seconds = (interval.span_ns as f64 / 1e9).max(1e-9);
        let begin = interval.index as f64 * self.plan.interval.as_secs_f64();
        let measured = interval.phase == recorder::Phase::Measured;
        let at = begin + seconds + if measured { self.plan.warmup.as_secs_f64() } else { 0.0 };
        let (all, shown) = match self.gathered.take() {
            Some((mut all, seconds_before)) if all.phase == interval.phase => {
                all.add(interval);
                all.inflight = interval.inflight;
                (all, seconds_before + seconds)
            }
            _ => (interval.clone(), seconds),
        };
        if self.plan.rmq_format {
            let batch = self.plan.shape.batch;
            let line = report::rmq::interval(
                report::rmq::Lines::of(self.plan),
                &all,
                batch,
                shown,
                crate::time::now_ms(),
            );
            // A reader that went away does not end the run.
            let _ = output::line(&line);
            return;
        }
        if shown + 1e-6 < self.every {
            self.gathered = Some((all, shown));
            return;
        }
        let row = summary::row(self.plan, &all, at, shown);
        output::aside(&report::line::progress(self.plan.kind, &row));
    }
}

fn colour() -> Colour {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !plain { Colour::On } else { Colour::Off }
}

/// Seconds between lines on a terminal, and without.
const SHOWN_S: f64 = 1.0;
const QUIET_S: f64 = 10.0;
