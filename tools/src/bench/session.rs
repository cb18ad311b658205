//! A run from start to end: make the topics, load, verify, remove the topics.
//!
//! `fit` fits the plan to the brokers that were found; `reads` are the loads that send nothing, `backlog` stores what they
//! read; `account` says afterwards where the messages are. The loads that send are here.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::failure::Failure;

use super::crew::{self, Crew, Readers, Span};
use super::host;
use super::plan::{Kind, Plan};
use super::receiver::Reading;
use super::recorder::Interval;
use super::scrape;
use super::stage::{Queue, Stage};
use super::verify::Verdict;

mod account;
mod backlog;
mod fit;
mod reads;

/// What a run gave, with what was around it.
#[derive(Debug)]
pub struct Outcome {
    /// The load.
    pub crew: Crew,
    /// With `--verify`.
    pub verdict: Option<Verdict>,
    /// Queues in all.
    pub queues: usize,
    /// Consumers.
    pub consumers: usize,
    /// Brokers (shards).
    pub brokers: Vec<String>,
    /// Who runs where.
    pub layout: String,
    /// The brokers' processes, as far as they are known.
    pub processes: Vec<u32>,
    /// The broker runs on this host.
    pub local: bool,
    /// Where its store is, if it says so and is on this host.
    pub store: Option<PathBuf>,
    /// When the run began, Unix ms.
    pub started_at_ms: i64,
    /// The flush mode of the brokers, as they say.
    pub flush: Option<String>,
    /// With `--server-metrics`: file names and what the URL answered.
    pub server_metrics: Vec<(String, String)>,
    /// What went wrong after the load.
    pub trouble: Vec<String>,
}

/// Runs `plan`; `told` gets the layout once it is known, `each` every interval.
///
/// # Errors
/// Nothing could be measured: nobody answers, the topic is somebody else's, no connection.
pub(crate) fn run(
    load: &super::options::Load,
    plan: &Plan,
    interrupted: &Arc<AtomicBool>,
    told: &mut dyn FnMut(&str),
    each: &mut dyn FnMut(&Interval),
) -> Result<Outcome, Failure> {
    let started_at_ms = crate::time::now_ms();
    let mut stage = Stage::set(load, plan, interrupted.clone())?;
    let local = stage.brokers.iter().all(|broker| fit::is_ours(broker.socket.ip()));
    let processes = match plan.broker_pid {
        Some(pid) => vec![pid],
        None if local => host::processes_at(stage.brokers.iter().map(|broker| broker.socket.port())),
        None => Vec::new(),
    };
    let store = if local { stage.setting("storePathRootDir").map(PathBuf::from) } else { None };
    let plan = &fit::with_levels(fit::off_the_brokers_cores(plan, load, &processes), &mut stage)?;
    let layout = fit::layout(plan, &processes);
    told(&layout);
    let flush = stage.flush_mode();
    let mut server_metrics = Vec::new();
    if let Some(url) = &plan.server_metrics {
        server_metrics.push((scrape::BEFORE.to_owned(), scrape::get(url)?));
    }
    let mut session = Session { plan, stage: &mut stage, interrupted, processes: &processes };
    let (crew, verdict) = session.load(each)?;
    let (queues, brokers) =
        (stage.queues.len(), stage.brokers.iter().map(|broker| broker.address.clone()).collect());
    let mut trouble = Vec::new();
    if crew.failure.is_none() {
        trouble.extend(stage.roll_back(&plan.shape.group, &crew.undecided, crew.undecided_more));
    }
    if let Some(url) = &plan.server_metrics {
        match scrape::get(url) {
            Ok(text) => server_metrics.push((scrape::AFTER.to_owned(), text)),
            Err(failure) => trouble.push(failure.to_string()),
        }
    }
    if crew.failure.is_none() {
        trouble.extend(stage.clear());
    } else {
        // A broker that died cannot remove anything.
        drop(stage);
    }
    Ok(Outcome {
        crew,
        verdict,
        queues,
        consumers: consumers(plan, queues),
        brokers,
        layout,
        processes,
        local,
        store,
        started_at_ms,
        flush,
        server_metrics,
        trouble,
    })
}

/// The load, and with `--verify` what became of its messages.
type Ran = Result<(Crew, Option<Verdict>), Failure>;

struct Session<'a> {
    plan: &'a Plan,
    stage: &'a mut Stage,
    interrupted: &'a AtomicBool,
    processes: &'a [u32],
}

impl Session<'_> {
    fn load(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        match self.plan.kind {
            Kind::Produce | Kind::Batch | Kind::Tx => self.produce(each),
            Kind::Consume => self.consume(each),
            Kind::Pop => self.pop(each),
            Kind::E2e => self.end_to_end(each),
            Kind::Delay | Kind::Mixed if self.plan.has_consumers() || self.plan.scanners > 0 => {
                self.end_to_end(each)
            }
            Kind::Delay | Kind::Mixed => self.send_only(each),
        }
    }

    fn produce(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let before = self.stage.offsets()?;
        let parts = crew::sending_parts(self.plan, &self.stage.brokers, &self.stage.queues);
        let mut crew = self.crew(parts, self.span(), each)?;
        if crew.failure.is_some() {
            return Ok((crew, None));
        }
        let stored = match self.stored_since(&before, &crew) {
            Ok(stored) => stored,
            // What was measured is told all the same.
            Err(failure) => {
                crew.failure = Some(format!("counting what was stored: {failure}"));
                return Ok((crew, None));
            }
        };
        if !self.plan.verify {
            crew.faults.extend(stored);
            return Ok((crew, None));
        }
        match self.read_back(&before, crew.visible_ever) {
            Ok(reading) => {
                crew.ledger.merge(&reading.ledger);
                crew.faults.extend(reading.faults);
                crew.failure = crew.failure.or(reading.failure.map(|why| format!("reading back: {why}")));
                let verdict = crew.ledger.verdict();
                Ok((crew, Some(verdict)))
            }
            Err(failure) => {
                crew.failure = Some(format!("reading back: {failure}"));
                Ok((crew, None))
            }
        }
    }

    /// Every queue, from its end on.
    fn ends(&mut self) -> Result<Vec<(Queue, Reading)>, Failure> {
        let offsets = self.stage.offsets()?;
        let queues = self.stage.queues.iter().cloned().zip(offsets);
        Ok(queues.map(|(queue, (_, end))| (queue, Reading::Follow(end))).collect())
    }

    /// Sends what nobody waits for.
    fn send_only(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let parts = crew::sending_parts(self.plan, &self.stage.brokers, &self.stage.queues);
        Ok((self.crew(parts, self.span(), each)?, None))
    }

    fn end_to_end(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let queues = self.stage.queues.len();
        let consumers = consumers(self.plan, queues);
        if consumers > queues {
            return Err(Failure::Usage {
                what: format!(
                    "--consumers {consumers} is more than the {queues} queues: some would have nothing to do"
                ),
                fix: "give at most one per queue, or more --queues".to_owned(),
            });
        }
        if self.plan.scanners > 0 && !self.plan.topic_exists {
            self.fill()?;
        }
        let readings = self.ends()?;
        let scans = self.scans()?;
        let mut parts = crew::sending_parts(self.plan, &self.stage.brokers, &self.stage.queues);
        let readers = Readers { consumers, deliveries: true, suspend: SUSPEND_MS, budget: None };
        for _ in 0..self.plan.subscriptions {
            if consumers > 0 {
                crew::add_consumers(&mut parts, self.plan, readers, &self.stage.brokers, &readings);
            }
        }
        for scan in scans {
            let one = Readers { consumers: 1, ..readers };
            crew::add_consumers(&mut parts, self.plan, one, &self.stage.brokers, &scan);
        }
        let crew = self.crew(parts, self.span(), each)?;
        let verdict = self.plan.verify.then(|| crew.ledger.verdict());
        Ok((crew, verdict))
    }

    /// What each scanning consumer reads: everything that is there, from a place of its own.
    fn scans(&mut self) -> Result<Vec<Vec<(Queue, Reading)>>, Failure> {
        let scanners = i64::from(self.plan.scanners);
        if scanners == 0 {
            return Ok(Vec::new());
        }
        let offsets = self.stage.offsets()?;
        let of = |scanner: i64| {
            let queues = self.stage.queues.iter().cloned().zip(&offsets);
            queues
                .map(|(queue, (first, end))| {
                    let from = first + (end - first) / scanners * scanner;
                    (queue, Reading::Scan(*first..*end, from))
                })
                .collect()
        };
        Ok((0..scanners).map(of).collect())
    }

    fn crew(
        &self,
        parts: Vec<crew::Part>,
        span: Span,
        each: &mut dyn FnMut(&Interval),
    ) -> Result<Crew, Failure> {
        crew::run(parts, span, self.processes, self.interrupted, each).map_err(cannot_run)
    }

    fn span(&self) -> Span {
        let plan = self.plan;
        Span {
            warmup: plan.warmup,
            duration: plan.duration,
            interval: plan.interval,
            drain: plan.timeout + plan.longest_delay(),
            copies: if plan.has_consumers() { u64::from(plan.subscriptions) } else { 0 },
        }
    }
}

fn cannot_run(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::Interrupted => Failure::Interrupted,
        _ => Failure::Server(format!("error[E0601]: the load generator cannot run: {error}")),
    }
}

/// How many consumers there are: as told, or some, but not more than have something to do.
fn consumers(plan: &Plan, most: usize) -> usize {
    plan.consumers.map_or(CONSUMERS.min(most), |count| count as usize)
}

/// The span of work around a load: it ends when it is through.
fn beside_the_load(plan: &Plan) -> Span {
    Span {
        warmup: Duration::ZERO,
        duration: None,
        interval: Duration::from_secs(1),
        drain: plan.timeout,
        copies: 1,
    }
}

/// Consumers unless told, as many as a small group of a user has.
const CONSUMERS: usize = 4;
/// How long a broker may hold a pull of an end-to-end run.
const SUSPEND_MS: i64 = 15_000;
