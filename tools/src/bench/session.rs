//! A run from start to end: make the topics, load, verify, remove the topics.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use net::ResponseCode;

use crate::failure::Failure;

use super::act::{Delays, Shares};
use super::crew::{self, Crew, Readers, Span};
use super::host;
use super::plan::{Kind, Plan};
use super::receiver::Reading;
use super::recorder::Interval;
use super::scrape;
use super::stage::{Queue, Stage};
use super::template::Shape;
use super::verify::Verdict;

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
    /// The broker's process.
    pub broker_pid: Option<u32>,
    /// The broker runs on this host.
    pub local: bool,
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
    let local =
        stage.brokers.iter().all(|broker| broker.socket.ip().is_loopback() || is_ours(broker.socket.ip()));
    let broker_pid =
        plan.broker_pid.or_else(|| local.then(|| host::process_at(stage.brokers[0].socket.port())).flatten());
    let plan = &with_levels(off_the_brokers_core(plan, load, broker_pid), &mut stage)?;
    let layout = layout(plan, broker_pid);
    told(&layout);
    let flush = stage.flush_mode();
    let mut server_metrics = Vec::new();
    if let Some(url) = &plan.server_metrics {
        server_metrics.push(("server-metrics-before.txt".to_owned(), scrape::get(url)?));
    }
    let mut session = Session { plan, stage: &mut stage, interrupted, broker_pid };
    let (crew, verdict, trouble) = match plan.kind {
        Kind::Produce | Kind::Batch | Kind::Tx => session.produce(each)?,
        Kind::Consume => session.consume(each)?,
        Kind::Pop => session.pop(each)?,
        Kind::E2e => session.end_to_end(each)?,
        Kind::Delay | Kind::Mixed if plan.has_consumers() || plan.scanners > 0 => session.end_to_end(each)?,
        Kind::Delay | Kind::Mixed => session.send_only(each)?,
    };
    let (queues, brokers) =
        (stage.queues.len(), stage.brokers.iter().map(|broker| broker.address.clone()).collect());
    let mut trouble = trouble;
    if crew.failure.is_none() {
        trouble.extend(stage.roll_back(&plan.shape.group, &crew.undecided, crew.undecided_more));
    }
    if let Some(url) = &plan.server_metrics {
        match scrape::get(url) {
            Ok(text) => server_metrics.push(("server-metrics-after.txt".to_owned(), text)),
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
        consumers: plan.consumers.map_or(CONSUMERS.min(queues), |count| count as usize),
        brokers,
        layout,
        broker_pid,
        local,
        started_at_ms,
        flush,
        server_metrics,
        trouble,
    })
}

type Ran = Result<(Crew, Option<Verdict>, Vec<String>), Failure>;

struct Session<'a> {
    plan: &'a Plan,
    stage: &'a mut Stage,
    interrupted: &'a AtomicBool,
    broker_pid: Option<u32>,
}

impl Session<'_> {
    fn produce(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let before = self.stage.offsets()?;
        let parts = crew::sending_parts(self.plan, &self.stage.brokers, &self.stage.queues);
        let mut crew = self.crew(parts, self.span(), each)?;
        if crew.failure.is_some() {
            return Ok((crew, None, Vec::new()));
        }
        let stored = self.stored_since(&before, &crew)?;
        if !self.plan.verify {
            crew.faults.extend(stored);
            return Ok((crew, None, Vec::new()));
        }
        match self.read_back(&before, crew.visible_ever) {
            Ok(reading) => {
                crew.ledger.merge(&reading.ledger);
                crew.faults.extend(reading.faults);
                crew.failure = crew.failure.or(reading.failure.map(|why| format!("reading back: {why}")));
                let verdict = crew.ledger.verdict();
                Ok((crew, Some(verdict), Vec::new()))
            }
            Err(failure) => {
                crew.failure = Some(format!("reading back: {failure}"));
                Ok((crew, None, Vec::new()))
            }
        }
    }

    /// What is wrong with the number of messages that the queues grew by. (A refused one may have been stored: a flush
    /// that timed out.)
    fn stored_since(&mut self, before: &[(i64, i64)], crew: &Crew) -> Result<Option<String>, Failure> {
        let after = self.stage.offsets_with(before, crew.visible_ever)?;
        let end = |offsets: &[(i64, i64)]| offsets.iter().map(|(_, end)| end).sum::<i64>();
        let stored = (end(&after) - end(before)).unsigned_abs();
        // What a check committed is there beside what this run committed.
        let checked = crew.total.checks > 0;
        let exact = !self.plan.topic_exists && !self.plan.shape.oneway && !checked && crew.failed_ever == 0;
        let wrong = stored < crew.visible_ever || exact && stored != crew.visible_ever;
        Ok(wrong.then(|| format!("{} messages acknowledged, {stored} stored", crew.visible_ever)))
    }

    fn consume(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        if !self.plan.topic_exists {
            self.fill()?;
        }
        if self.plan.follow {
            return self.follow(each);
        }
        let offsets = self.stage.offsets()?;
        let readings: Vec<(Queue, Reading)> = self
            .stage
            .queues
            .iter()
            .cloned()
            .zip(offsets)
            .map(|(queue, (first, end))| (queue, Reading::Again(first..end)))
            .collect();
        let total: i64 = readings.iter().map(|(_, reading)| length(reading)).sum();
        if total == 0 {
            return Err(Failure::Partly {
                what: format!(
                    "{} has no messages to read\n  fix    send some first, or leave out --topic-exists",
                    self.stage.topics().join(", ")
                ),
            });
        }
        let readings: Vec<_> = readings.into_iter().filter(|(_, reading)| length(reading) > 0).collect();
        let consumers = self.plan.consumers.map_or(CONSUMERS.min(readings.len()), |count| count as usize);
        let readers = Readers { consumers, deliveries: false, suspend: 0, budget: self.plan.messages };
        let mut parts = Vec::new();
        let plan = Plan { verify: false, ..self.plan.clone() };
        crew::add_consumers(&mut parts, &plan, readers, &self.stage.brokers, &readings);
        let crew = self.crew(parts, self.span(), each)?;
        Ok((crew, None, Vec::new()))
    }

    /// Pops what is stored.
    fn pop(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        if !self.plan.topic_exists {
            self.fill()?;
        }
        let names: Vec<String> =
            (0..self.stage.brokers.len()).map(|broker| self.stage.name_of(broker)).collect();
        let topics = self.stage.topics().to_vec();
        let consumers = self.plan.consumers.map_or(CONSUMERS, |count| count as usize);
        let parts = crew::popping_parts(self.plan, &self.stage.brokers, &names, &topics, consumers);
        let crew = self.crew(parts, self.span(), each)?;
        Ok((crew, None, Vec::new()))
    }

    /// Waits for what others send.
    fn follow(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let readings = self.ends()?;
        let consumers = self.plan.consumers.map_or(CONSUMERS, |count| count as usize).min(readings.len());
        let readers =
            Readers { consumers, deliveries: true, suspend: SUSPEND_MS, budget: self.plan.messages };
        let mut parts = Vec::new();
        crew::add_consumers(&mut parts, self.plan, readers, &self.stage.brokers, &readings);
        let crew = self.crew(parts, self.span(), each)?;
        Ok((crew, None, Vec::new()))
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
        Ok((self.crew(parts, self.span(), each)?, None, Vec::new()))
    }

    fn end_to_end(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let queues = self.stage.queues.len();
        let consumers = self.plan.consumers.map_or(CONSUMERS.min(queues), |count| count as usize);
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
        Ok((crew, verdict, Vec::new()))
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

    /// Stores the backlog of a consume run. A broker that asks for patience gets what it refused again.
    fn fill(&mut self) -> Result<(), Failure> {
        let wanted = self.plan.backlog * self.stage.queues.len() as u64;
        let before = self.stage.offsets()?;
        let (mut stored, mut tries) = (0, 0);
        while stored < wanted {
            let crew = self.fill_with(wanted - stored)?;
            stored += crew.acked_ever;
            tries += 1;
            let worst = crew.total.errors.iter().find(|(code, _)| **code != ResponseCode::SYSTEM_BUSY.0);
            let failed = crew.failure.clone().or_else(|| {
                let (code, (count, remark)) =
                    worst.or_else(|| crew.total.errors.iter().next().filter(|_| tries == FILLS_MAX))?;
                Some(format!("{count} sends were refused with code {code}: {remark}"))
            });
            if let Some(why) = failed {
                return Err(Failure::Partly { what: format!("storing the messages to be read: {why}") });
            }
            if self.interrupted.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
        }
        self.stage.offsets_with(&before, stored)?;
        Ok(())
    }

    fn fill_with(&mut self, messages: u64) -> Result<Crew, Failure> {
        let batch = (FILL_BYTES / (self.plan.mean_body() as usize + 128)).clamp(1, 32);
        let plan = Plan {
            kind: Kind::Produce,
            rate: None,
            inflight: 8,
            messages: Some(messages),
            connections: self.plan.connections.min(4),
            shape: Shape { batch, oneway: false, stamped: false, sys_flag: 0, ..self.plan.shape.clone() },
            verify: false,
            shares: Shares::default(),
            delays: None,
            ..crew::modest(self.plan)
        };
        let parts = crew::sending_parts(&plan, &self.stage.brokers, &self.stage.queues);
        let span = Span {
            warmup: Duration::ZERO,
            duration: None,
            interval: Duration::from_secs(1),
            drain: plan.timeout,
            copies: 1,
        };
        self.crew(parts, span, &mut |_| {})
    }

    /// Reads everything stored since `before`, once.
    fn read_back(&mut self, before: &[(i64, i64)], acked: u64) -> Result<Crew, Failure> {
        let after = self.stage.offsets_with(before, acked)?;
        let readings: Vec<(Queue, Reading)> = self
            .stage
            .queues
            .iter()
            .cloned()
            .zip(before.iter().zip(after))
            .map(|(queue, ((_, from), (_, to)))| (queue, Reading::Once(*from..to)))
            .filter(|(_, reading)| length(reading) > 0)
            .collect();
        let mut parts = Vec::new();
        let plan = Plan { pull: 64, ..crew::modest(self.plan) };
        let consumers = READERS.min(readings.len()).max(1);
        let readers = Readers { consumers, deliveries: false, suspend: 0, budget: None };
        if !readings.is_empty() {
            crew::add_consumers(&mut parts, &plan, readers, &self.stage.brokers, &readings);
        }
        let span = Span {
            warmup: Duration::ZERO,
            duration: None,
            interval: Duration::from_secs(1),
            drain: plan.timeout,
            copies: 1,
        };
        // An impatient user has ended the load; the account is still wanted, and a second Ctrl-C ends that too.
        crew::run(parts, span, None, &AtomicBool::new(false), &mut |_| {}).map_err(cannot_run)
    }

    fn crew(
        &self,
        parts: Vec<crew::Part>,
        span: Span,
        each: &mut dyn FnMut(&Interval),
    ) -> Result<Crew, Failure> {
        crew::run(parts, span, self.broker_pid, self.interrupted, each).map_err(cannot_run)
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

fn length(reading: &Reading) -> i64 {
    match reading {
        Reading::Follow(_) => i64::MAX,
        Reading::Again(range) | Reading::Once(range) | Reading::Scan(range, _) => range.end - range.start,
    }
}

fn layout(plan: &Plan, broker: Option<u32>) -> String {
    let cores: Vec<String> =
        plan.cpus.iter().map(|cpu| cpu.map_or("any".to_owned(), |cpu| cpu.to_string())).collect();
    let threads = if cores.len() == 1 { "1 thread".to_owned() } else { format!("{} threads", cores.len()) };
    let generator = format!("generator {threads} on core {}", cores.join(","));
    let Some(pid) = broker else { return generator };
    let theirs = host::cores_of(pid);
    let shared = plan.cpus.iter().flatten().any(|cpu| theirs.contains(cpu));
    let note = if shared { " (the generator's too: figures will suffer)" } else { "" };
    let theirs: Vec<String> = theirs.iter().map(usize::to_string).collect();
    format!("{generator}; broker pid {pid} on core {}{note}", theirs.join(","))
}

/// One thread on the last core that is not the broker's, unless cores were named.
fn off_the_brokers_core(plan: &Plan, load: &super::options::Load, broker: Option<u32>) -> Plan {
    let mut plan = plan.clone();
    if let (None, Some(pid)) = (&load.cpus, broker) {
        let theirs = host::cores_of(pid);
        let usable = rt::real::cpus::usable().unwrap_or_default();
        if let Some(free) = usable.iter().rev().find(|cpu| !theirs.contains(cpu)) {
            plan.cpus = vec![Some(*free)];
        }
    }
    plan
}

/// With a delay level: how long that is, as the brokers say.
fn with_levels(plan: Plan, stage: &mut Stage) -> Result<Plan, Failure> {
    let (Some(_), Some(level)) = (plan.delays, plan.shape.level) else { return Ok(plan) };
    let Some(levels) = stage.setting("messageDelayLevel") else { return Ok(plan) };
    let Some(text) = levels.split_whitespace().nth(level as usize - 1) else {
        return Err(Failure::Usage {
            what: format!("--level {level}: the broker has the levels {levels}"),
            fix: "choose one of them, counted from 1".to_owned(),
        });
    };
    let delay =
        super::units::duration(text).map_err(|what| Failure::Server(format!("messageDelayLevel: {what}")))?;
    let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    Ok(Plan { delays: Some(Delays { least_ms: ms, most_ms: ms, step_ms: 1 }), ..plan })
}

/// The address is one of this host's.
fn is_ours(ip: std::net::IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// Consumers unless told, as many as a small group of a user has.
const CONSUMERS: usize = 4;
/// Connections that read back for `--verify`.
const READERS: usize = 4;
/// How long a broker may hold a pull of an end-to-end run.
const SUSPEND_MS: i64 = 15_000;
/// How often a backlog is topped up with what a busy broker refused.
const FILLS_MAX: usize = 50;
/// Bodies in a request that stores a backlog.
const FILL_BYTES: usize = 128 << 10;
