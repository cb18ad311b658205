//! From what a run gave to its [`Summary`].

use std::time::Duration;

use crate::bench::host;
use crate::bench::plan::{Kind, Plan};
use crate::bench::recorder::{Interval, Kept, LOST, Latencies, Phase, TIMED_OUT};
use crate::bench::session::Outcome;
use crate::bench::threshold::Figure;
use crate::bench::validity;

use super::distribution::ms;
use super::*;

impl Summary {
    /// Makes it from what a run gave.
    #[must_use]
    pub fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let total = &outcome.crew.total;
        let (reasons, mut remarks) = validity::judge(plan, outcome, total, headline(plan, total));
        if plan.follow {
            remarks.push(WALL_CLOCKS.to_owned());
            remarks.extend(outcome.crew.clock_gap_ms.map(clock_bound));
        } else if !plan.is_open() {
            remarks.insert(0, COORDINATED.to_owned());
        }
        let cpu = cpu(outcome, total, plan);
        if let (count @ 1.., most) = outcome.crew.ledger.early_count() {
            remarks.push(format!(
                "{count} messages came before they were due, by {} ms at most",
                crate::bench::units::ms(most)
            ));
        }
        if let Some(bound) = generator_bound(plan, outcome, &cpu) {
            remarks.push(bound);
        }
        if outcome.crew.interrupted {
            remarks.push(INTERRUPTED.to_owned());
        }
        if plan.verify && outcome.verdict.is_none() {
            remarks.push(if plan.kind == Kind::Consume { CHECKED } else { UNVERIFIED }.to_owned());
        }
        if outcome.crew.outages.lost > 0 {
            remarks.push(OUTAGE.to_owned());
        }
        let store = outcome.store.clone().filter(|store| store.exists());
        let place = store.or_else(|| plan.out.clone()).unwrap_or_else(|| ".".into());
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
            connections: Connections { lost: outcome.crew.outages.lost, back: outcome.crew.outages.back },
            latency: latency(plan, total),
            verify: outcome.verdict,
            transactions: (plan.shares.half > 0.0).then_some(Transactions {
                committed: total.committed,
                rolled_back: total.rolled_back,
                unknown: total.unknown,
                checks: total.checks,
                checks_unexpected: total.checks_unexpected,
                checks_again: total.checks_again,
            }),
            cpu,
            intervals: rows(plan, &outcome.crew.intervals, outcome.crew.window.as_secs_f64()),
        };
        summary.thresholds = checked(plan, &summary, total);
        summary
    }
}

const INTERRUPTED: &str = "interrupted by the user: this is what ran until then";
const UNVERIFIED: &str = "not verified: it ended before messages could be read back";
const CHECKED: &str =
    "verify: every queue was read without a hole, every record checked to its CRC, unless said otherwise";
const OUTAGE: &str = "connections were lost: what was in flight on them failed (code -2), what was due meanwhile was sent late";
const WALL_CLOCKS: &str = "response is since the message was born, service since it was stored, on the wall clocks of their hosts in whole ms";

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
        consumers: Some(if sends_only(plan) { 0 } else { outcome.consumers }),
        pull: Some(plan.pull),
        verify: Some(plan.verify),
    }
}

fn sends_only(plan: &Plan) -> bool {
    !plan.has_consumers() && !matches!(plan.kind, Kind::Consume | Kind::Pop)
}

fn rates(plan: &Plan, outcome: &Outcome, total: &Interval) -> Rates {
    let seconds = outcome.crew.window.as_secs_f64().max(1e-9);
    let reads = plan.kind == Kind::Consume;
    let sent = if plan.shape.oneway { total.sent } else { total.acked };
    let (messages, bytes) =
        if reads { (total.received, total.received_bytes) } else { (sent, sent_bytes(plan, total)) };
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
        scanned_per_second: total.scanned as f64 / seconds,
        scanned_bytes_per_second: total.scanned_bytes as f64 / seconds,
    }
}

/// Bytes of the bodies that were acknowledged; of those that were sent, where nothing is.
fn sent_bytes(plan: &Plan, interval: &Interval) -> u64 {
    if plan.shape.oneway { (interval.sent as f64 * plan.mean_body()) as u64 } else { interval.acked_bytes }
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
            lateness: of(&total.lateness),
            ..Latency::default()
        },
        Kind::Consume => Latency { service: of(&total.delivery_service), ..Latency::default() },
        Kind::E2e => Latency {
            response: of(&total.delivery),
            service: of(&total.delivery_service),
            publish_response: of(&total.response),
            publish_service: of(&total.service),
            lag,
            ..Latency::default()
        },
        Kind::Pop => Latency {
            service: of(&total.delivery_service),
            decision: of(&total.decision),
            ..Latency::default()
        },
        Kind::Tx => Latency {
            response: of(&total.transaction),
            service: of(&total.transaction_service),
            publish_response: of(&total.response),
            publish_service: of(&total.service),
            decision: of(&total.decision),
            lag,
            ..Latency::default()
        },
        Kind::Delay | Kind::Mixed if !plan.has_consumers() => Latency {
            response: of(&total.response),
            service: of(&total.service),
            decision: of(&total.decision),
            transaction: of(&total.transaction),
            scan: of(&total.scan),
            lag,
            ..Latency::default()
        },
        Kind::Delay | Kind::Mixed => Latency {
            response: of(&total.delivery),
            service: of(&total.delivery_service),
            publish_response: of(&total.response),
            publish_service: of(&total.service),
            decision: of(&total.decision),
            transaction: of(&total.transaction),
            lateness: of(&total.lateness),
            scan: of(&total.scan),
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
    let told = outcome.crew.usage_span >= USAGE_LEAST;
    let share =
        |cpu: Duration, count: u64| (told && count > 0).then(|| cpu.as_secs_f64() * 1e6 / count as f64);
    let per = |count: u64| share(usage.broker?, count);
    Cpu {
        broker_seconds: usage.broker.map(|cpu| cpu.as_secs_f64()),
        broker_us_per_message: per(messages),
        broker_us_per_request: per(requests),
        generator_seconds: usage.own.as_secs_f64(),
        generator_us_per_message: share(usage.own, messages),
        others_percent: validity::others_percent(outcome),
        steal_seconds: usage.steal.as_secs_f64(),
        throttled: usage.throttled,
    }
}

/// CPU time is told in ticks of 10 ms: below ten of them it says nothing of a message.
const USAGE_LEAST: Duration = Duration::from_millis(100);

/// What the smallest receipt - store says of two wall clocks: nothing is received before it is stored.
fn clock_bound(gap_ms: i64) -> String {
    match gap_ms {
        0.. => format!("the clock of this host is at most {gap_ms} ms ahead of the broker's"),
        _ => format!(
            "the clock of this host is at least {} ms behind the broker's: times are too small by that",
            -gap_ms
        ),
    }
}

/// A closed loop whose generator was busy all the time measured the generator. (One that polls is always busy.)
fn generator_bound(plan: &Plan, outcome: &Outcome, cpu: &Cpu) -> Option<String> {
    let threads = plan.cpus.len() as f64;
    let busy = cpu.generator_seconds / outcome.crew.usage_span.as_secs_f64().max(1e-9) / threads;
    let sleeps = plan.spin == rt::real::Spin::Off;
    let broker = cpu.broker_seconds.unwrap_or(0.0) / outcome.crew.usage_span.as_secs_f64().max(1e-9);
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
        bytes: if plan.kind == Kind::Consume { interval.received_bytes } else { sent_bytes(plan, interval) },
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
