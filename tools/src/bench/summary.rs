//! [`Summary`]: a finished run as data: what `summary.json` holds, and what every report is made from.
//!
//! `tools/BENCH.md` documents the schema; a field that changes its meaning changes [`SCHEMA`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::host;
use super::plan::{Kind, Plan};
use super::recorder::{Interval, Kept, LOST, Latencies, Phase, TIMED_OUT};
use super::session::Outcome;
use super::threshold::Figure;
use super::validity::{self, Reason};
use super::verify::Verdict;

/// Name and version of the schema.
pub const SCHEMA: &str = "ringmq-bench/1";

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: String,
    /// `produce`, `batch`, `consume`, `e2e`.
    pub kind: String,
    /// No reason against it.
    pub valid: bool,
    /// Why it is not.
    pub reasons: Vec<Reason>,
    /// What could not be checked, and what to know when reading the figures.
    pub remarks: Vec<String>,
    /// The user ended it before its time.
    pub interrupted: bool,
    /// Why it ended by itself before its time.
    pub failure: Option<String>,
    /// `--fail-if` conditions.
    pub thresholds: Vec<Checked>,
    /// Start, RFC 3339.
    pub started_at: String,
    /// The command line.
    pub command: Vec<String>,
    /// Version of this program.
    pub version: String,
    /// Commit it was built from, if it runs in its tree.
    pub commit: Option<String>,
    /// Everything random follows from it.
    pub seed: u64,
    /// `--tag`.
    pub tags: BTreeMap<String, String>,
    /// What was asked for, resolved.
    pub parameters: Parameters,
    /// Brokers called.
    pub brokers: Vec<String>,
    /// Their flush mode, if they say.
    pub flush: Option<String>,
    /// Who ran where.
    pub layout: String,
    /// The machine of the generator.
    pub host: Value,
    /// Measured time, seconds.
    pub seconds: f64,
    /// Messages and bytes in the measured time.
    pub rates: Rates,
    /// Requests that failed, by code.
    pub errors: Vec<Failed>,
    /// Latencies.
    pub latency: Latency,
    /// With `--verify`.
    pub verify: Option<Verdict>,
    /// CPU in the measured time.
    pub cpu: Cpu,
    /// One row per interval.
    pub intervals: Vec<Row>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Parameters {
    /// Messages per second; none in a closed loop.
    pub rate: Option<f64>,
    /// When messages are due.
    pub arrivals: String,
    /// Producing connections to each broker.
    pub connections: u32,
    /// Requests in flight per connection.
    pub inflight: usize,
    /// Queues in all.
    pub queues: usize,
    /// Topics.
    pub topics: u32,
    /// Mean bytes of a body as sent.
    pub body_bytes: f64,
    /// Smallest and largest body as sent.
    pub body_range: [usize; 2],
    /// Messages per request.
    pub batch: usize,
    /// Header codec.
    pub header: String,
    /// No answers.
    pub oneway: bool,
    /// Warm-up, seconds.
    pub warmup_seconds: f64,
    /// Threads of the generator.
    pub threads: usize,
}

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Messages due in the measured time, and those never sent.
    pub due: u64,
    /// Due, and held back to the end.
    pub unsent: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages received.
    pub received: u64,
    /// Requests answered.
    pub requests: u64,
    /// Pulls answered.
    pub pulls: u64,
    /// Messages per second: acknowledged, or received by a consume run.
    pub messages_per_second: f64,
    /// Bytes of their bodies per second.
    pub bytes_per_second: f64,
    /// Received per second in an end-to-end run.
    pub received_per_second: f64,
}

/// Failed requests of one code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// Response code; -1 no answer in time, -2 connection lost.
    pub code: i32,
    /// Its name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// The first remark.
    pub remark: String,
}

/// Latencies of a run. Errors and timeouts are in them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// From the time a message was due: to its acknowledgement, or (e2e) to its delivery. None in a closed loop.
    pub response: Option<Distribution>,
    /// From the time a request was written.
    pub service: Option<Distribution>,
    /// e2e: from the due time to the acknowledgement.
    pub publish_response: Option<Distribution>,
    /// e2e: from writing to the acknowledgement.
    pub publish_service: Option<Distribution>,
    /// How late the generator was.
    pub lag: Option<Distribution>,
}

/// A distribution of times, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// By percentile, as `"p99.9"`; null with fewer than ten values beyond it.
    pub percentiles: BTreeMap<String, Option<f64>>,
    /// Percentile and value, for drawing.
    pub curve: Vec<(f64, f64)>,
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// Of the broker, seconds.
    pub broker_seconds: Option<f64>,
    /// The same per message, microseconds.
    pub broker_us_per_message: Option<f64>,
    /// The same per request.
    pub broker_us_per_request: Option<f64>,
    /// Of the generator, seconds.
    pub generator_seconds: f64,
    /// Of everything else, percent of a core.
    pub others_percent: Option<f64>,
    /// Taken by a hypervisor, seconds.
    pub steal_seconds: f64,
    /// Times throttled.
    pub throttled: u64,
}

/// A `--fail-if` condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// As written.
    pub condition: String,
    /// Whether it holds: then the run failed.
    pub failed: bool,
    /// The figure, in ns, messages or messages per second; null if there is none.
    pub value: Option<f64>,
}

/// An interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its end, seconds since the start of the load.
    pub at: f64,
    /// It is part of the measured time.
    pub measured: bool,
    /// Its length, seconds.
    pub seconds: f64,
    /// Messages due.
    pub due: u64,
    /// Messages written.
    pub sent: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages received.
    pub received: u64,
    /// Bytes of bodies acknowledged, or received if none is sent.
    pub bytes: u64,
    /// Failed requests.
    pub errors: u64,
    /// Requests in flight at its end.
    pub inflight: u64,
    /// Headline latency, ms.
    pub p50: f64,
    /// Headline latency, ms.
    pub p90: f64,
    /// Headline latency, ms.
    pub p99: f64,
    /// Headline latency, ms.
    pub p999: f64,
    /// Headline latency, ms.
    pub max: f64,
    /// Generator lag at p99.9, ms.
    pub lag: f64,
}

/// The latencies a run is about: response if there is one, else service.
#[must_use]
pub fn headline<'i>(plan: &Plan, interval: &'i Interval) -> &'i Latencies {
    match plan.kind {
        Kind::E2e => &interval.delivery,
        Kind::Consume if plan.follow => &interval.born_to_client,
        Kind::Consume => &interval.delivery_service,
        Kind::Produce | Kind::Batch if plan.is_open() => &interval.response,
        Kind::Produce | Kind::Batch => &interval.service,
    }
}

/// The latencies since a request was written, whatever is the headline.
#[must_use]
pub fn service<'i>(plan: &Plan, interval: &'i Interval) -> &'i Latencies {
    match plan.kind {
        Kind::Consume if plan.follow => &interval.store_to_client,
        Kind::E2e | Kind::Consume => &interval.delivery_service,
        Kind::Produce | Kind::Batch => &interval.service,
    }
}

impl Summary {
    /// Makes it from what a run gave.
    #[must_use]
    pub fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let total = &outcome.crew.total;
        let (reasons, mut remarks) = validity::judge(plan, outcome, total, headline(plan, total));
        if plan.follow {
            remarks.push(WALL_CLOCKS.to_owned());
        } else if !plan.is_open() {
            remarks.insert(0, COORDINATED.to_owned());
        }
        let cpu = cpu(outcome, total, plan);
        if let Some(bound) = generator_bound(plan, outcome, &cpu) {
            remarks.push(bound);
        }
        let place = plan.out.clone().unwrap_or_else(|| ".".into());
        let mut summary = Self {
            schema: SCHEMA.to_owned(),
            kind: plan.kind.name().to_owned(),
            valid: reasons.is_empty(),
            reasons,
            remarks,
            interrupted: outcome.crew.interrupted,
            failure: outcome.crew.failure.clone(),
            thresholds: Vec::new(),
            started_at: crate::time::show(outcome.started_at_ms),
            command: std::env::args().collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: host::commit(),
            seed: plan.seed,
            tags: plan.notes.iter().cloned().collect(),
            parameters: parameters(plan, outcome),
            brokers: outcome.brokers.clone(),
            flush: outcome.flush.clone(),
            layout: outcome.layout.clone(),
            host: host::facts(&place),
            seconds: outcome.crew.window.as_secs_f64(),
            rates: rates(plan, outcome, total),
            errors: total
                .errors
                .iter()
                .map(|(code, (count, remark))| failed(*code, *count, remark))
                .collect(),
            latency: latency(plan, total),
            verify: outcome.verdict,
            cpu,
            intervals: rows(plan, &outcome.crew.intervals, outcome.crew.window.as_secs_f64()),
        };
        summary.thresholds = checked(plan, &summary, total);
        summary
    }

    /// The latency that counts: response, or service in a closed loop.
    #[must_use]
    pub fn headline(&self) -> Option<&Distribution> {
        self.latency.response.as_ref().or(self.latency.service.as_ref())
    }

    /// The process's exit code: 1 if the run failed or lost messages, 3 if it is INVALID or broke a threshold.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let unsafe_verdict = self.verify.is_some_and(|verdict| !verdict.is_safe());
        let faulty = self.reasons.iter().any(|reason| matches!(reason.code.as_str(), "fault" | "incomplete"));
        if self.failure.is_some() || unsafe_verdict || faulty {
            1
        } else if !self.valid || self.thresholds.iter().any(|one| one.failed) {
            3
        } else {
            0
        }
    }

    /// Failed requests.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.iter().map(|one| one.count).sum()
    }
}

impl Distribution {
    /// Of `latencies`, with `percentiles`; `None` without a value.
    #[must_use]
    pub fn of(latencies: &Latencies, percentiles: &[f64]) -> Option<Self> {
        if latencies.is_empty() {
            return None;
        }
        let value = |percentile: f64| ms(latencies.value_at_percentile(percentile));
        let mut wanted: Vec<f64> = percentiles.to_vec();
        wanted.extend(SHOWN);
        let one = |percentile: f64| {
            let supported = validity::supports(latencies, percentile);
            (format!("p{percentile}"), supported.then(|| value(percentile)))
        };
        Some(Self {
            count: latencies.len(),
            mean: latencies.mean() / 1e6,
            deviation: latencies.stdev() / 1e6,
            min: ms(latencies.min()),
            max: ms(latencies.max()),
            percentiles: wanted.into_iter().map(one).collect(),
            curve: latencies
                .iter_quantiles(CURVE_TICKS)
                .map(|step| (step.quantile_iterated_to() * 100.0, ms(step.value_iterated_to())))
                .collect(),
        })
    }

    /// A percentile as text key, if enough values lie beyond it.
    #[must_use]
    pub fn at(&self, percentile: &str) -> Option<f64> {
        self.percentiles.get(percentile).copied().flatten()
    }
}

/// Percentiles that every report shows.
pub const SHOWN: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];
/// What a closed loop has to say about itself (rule 4).
pub const COORDINATED: &str = "service time only: coordinated omission";
const WALL_CLOCKS: &str = "response is since the message was born, service since it was stored, on the wall clocks of their hosts in whole ms";
const CURVE_TICKS: u32 = 8;

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

fn parameters(plan: &Plan, outcome: &Outcome) -> Parameters {
    let sizes = plan.bodies.iter().map(Vec::len);
    Parameters {
        rate: plan.rate,
        arrivals: plan.arrivals.to_string(),
        connections: plan.connections,
        inflight: plan.inflight,
        queues: outcome.queues,
        topics: plan.topics,
        body_bytes: plan.mean_body(),
        body_range: [sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0)],
        batch: plan.shape.batch,
        header: if plan.shape.codec == net::Codec::Json { "json" } else { "rocketmq" }.to_owned(),
        oneway: plan.shape.oneway,
        warmup_seconds: plan.warmup.as_secs_f64(),
        threads: plan.cpus.len(),
    }
}

fn rates(plan: &Plan, outcome: &Outcome, total: &Interval) -> Rates {
    let seconds = outcome.crew.window.as_secs_f64().max(1e-9);
    let reads = plan.kind == Kind::Consume;
    let sent = if plan.shape.oneway { total.sent } else { total.acked };
    let (messages, bytes) =
        if reads { (total.received, total.received_bytes) } else { (sent, total.acked_bytes) };
    Rates {
        due: outcome.crew.due,
        unsent: outcome.crew.unsent,
        acknowledged: total.acked,
        received: total.received,
        requests: total.requests,
        pulls: total.pulls,
        messages_per_second: messages as f64 / seconds,
        bytes_per_second: bytes as f64 / seconds,
        received_per_second: total.received as f64 / seconds,
    }
}

fn latency(plan: &Plan, total: &Interval) -> Latency {
    let of = |latencies: &Latencies| Distribution::of(latencies, &plan.percentiles);
    let lag = of(&total.lag);
    match plan.kind {
        Kind::Produce | Kind::Batch => {
            Latency { response: of(&total.response), service: of(&total.service), lag, ..Latency::default() }
        }
        Kind::Consume if plan.follow => Latency {
            response: of(&total.born_to_client),
            service: of(&total.store_to_client),
            ..Latency::default()
        },
        Kind::Consume => Latency { service: of(&total.delivery_service), ..Latency::default() },
        Kind::E2e => Latency {
            response: of(&total.delivery),
            service: of(&total.delivery_service),
            publish_response: of(&total.response),
            publish_service: of(&total.service),
            lag,
        },
    }
}

fn cpu(outcome: &Outcome, total: &Interval, plan: &Plan) -> Cpu {
    let usage = &outcome.crew.usage;
    let sent = if plan.shape.oneway { total.sent } else { total.acked };
    let messages = if plan.kind == Kind::Consume { total.received } else { sent };
    let requests = if plan.kind == Kind::Consume {
        total.pulls
    } else {
        total.requests - total.pulls.min(total.requests)
    };
    let per = |count: u64| usage.broker.map(|cpu| cpu.as_secs_f64() * 1e6 / count.max(1) as f64);
    Cpu {
        broker_seconds: usage.broker.map(|cpu| cpu.as_secs_f64()),
        broker_us_per_message: per(messages),
        broker_us_per_request: per(requests),
        generator_seconds: usage.own.as_secs_f64(),
        others_percent: validity::others_percent(outcome),
        steal_seconds: usage.steal.as_secs_f64(),
        throttled: usage.throttled,
    }
}

/// A closed loop whose generator was busy all the time measured the generator. (One that polls is always busy.)
fn generator_bound(plan: &Plan, outcome: &Outcome, cpu: &Cpu) -> Option<String> {
    let threads = plan.cpus.len() as f64;
    let busy = cpu.generator_seconds / outcome.crew.window.as_secs_f64().max(1e-9) / threads;
    let sleeps = plan.spin == rt::real::Spin::Off;
    let broker = cpu.broker_seconds.unwrap_or(0.0) / outcome.crew.window.as_secs_f64().max(1e-9);
    (!plan.is_open() && sleeps && busy > 0.95 && broker < 0.95 * outcome.brokers.len() as f64).then(|| {
        format!(
            "generator-bound: the generator used {:.0} % of its cores; give it more (--cpus)",
            busy * 100.0
        )
    })
}

fn failed(code: i32, count: u64, remark: &str) -> Failed {
    let name = match code {
        TIMED_OUT => "NO_ANSWER_IN_TIME".to_owned(),
        LOST => "CONNECTION_LOST".to_owned(),
        _ => net::ResponseCode(code).name().unwrap_or("UNKNOWN").to_owned(),
    };
    Failed { code, name, count, remark: remark.to_owned() }
}

fn rows(plan: &Plan, intervals: &[Kept], window: f64) -> Vec<Row> {
    let step = plan.interval.as_secs_f64();
    let warmup = plan.warmup.as_secs_f64();
    intervals
        .iter()
        .filter(|interval| interval.phase() != Phase::Drain)
        .map(|kept| {
            let interval = kept.open();
            let (from, length) = match interval.phase {
                Phase::WarmUp => (0.0, warmup),
                Phase::Measured | Phase::Drain => (warmup, window),
            };
            let begin = interval.index as f64 * step;
            let end = (begin + step).min(length);
            row(plan, &interval, from + end, (end - begin).max(1e-9))
        })
        .collect()
}

/// The figures of one interval that ends at `at` and lasted `seconds`.
#[must_use]
pub fn row(plan: &Plan, interval: &Interval, at: f64, seconds: f64) -> Row {
    let latencies = headline(plan, interval);
    let value =
        |quantile: f64| if latencies.is_empty() { 0.0 } else { ms(latencies.value_at_quantile(quantile)) };
    Row {
        at,
        measured: interval.phase == Phase::Measured,
        seconds,
        due: interval.due,
        sent: interval.sent,
        acknowledged: interval.acked,
        received: interval.received,
        bytes: if plan.kind == Kind::Consume { interval.received_bytes } else { interval.acked_bytes },
        errors: interval.error_count(),
        inflight: interval.inflight,
        p50: value(0.5),
        p90: value(0.9),
        p99: value(0.99),
        p999: value(0.999),
        max: value(1.0),
        lag: if interval.lag.is_empty() { 0.0 } else { ms(interval.lag.value_at_quantile(0.999)) },
    }
}

fn checked(plan: &Plan, summary: &Summary, total: &Interval) -> Vec<Checked> {
    let latencies = headline(plan, total);
    let some = |value: f64| (!latencies.is_empty()).then_some(value);
    plan.thresholds
        .iter()
        .map(|threshold| {
            let value = match threshold.figure {
                Figure::Percentile(percentile) => some(latencies.value_at_percentile(percentile) as f64),
                Figure::Max => some(latencies.max() as f64),
                Figure::Mean => some(latencies.mean()),
                Figure::Errors => Some(summary.error_count() as f64),
                Figure::Rate => Some(summary.rates.messages_per_second),
                Figure::Lost => summary.verify.map(|verdict| verdict.lost as f64),
                Figure::Lag => Some(total.lag.value_at_quantile(0.999) as f64),
            };
            // A figure that is not there fails: nothing was measured that could be good.
            let failed = value.is_none_or(|value| threshold.holds(value));
            Checked { condition: threshold.text.clone(), failed, value }
        })
        .collect()
}
