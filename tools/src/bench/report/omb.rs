//! omb.json: the result as the OpenMessaging Benchmark writes it (`TestResult`), for its charts. Times in milliseconds.

use serde_json::{Map, Value, json};

use crate::bench::plan::{Kind, Plan};
use crate::bench::recorder::{Interval, Kept, Latencies, Phase};
use crate::bench::session::Outcome;
use crate::bench::summary::Summary;

/// The result. `publishLatency` runs from writing, `publishDelayLatency` is the schedule's delay before it.
#[must_use]
pub fn result(plan: &Plan, outcome: &Outcome, summary: &Summary) -> Value {
    let total = &outcome.crew.total;
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| {
        all.insert(key.to_owned(), value);
    };
    let measured = outcome.crew.intervals.iter().filter(|interval| interval.phase() == Phase::Measured);
    let measured: Vec<Interval> = measured.map(Kept::open).collect();
    let rows: Vec<_> = summary.intervals.iter().filter(|row| row.measured).collect();
    let per = |of: &dyn Fn(usize) -> u64| -> Value {
        rows.iter().enumerate().map(|(at, row)| of(at) as f64 / row.seconds).collect::<Vec<_>>().into()
    };
    put("workload", summary.tags.get("workload").unwrap_or(&summary.kind).clone().into());
    put("driver", "RocketMQ".into());
    put("messageSize", (plan.mean_body() as u64).into());
    put("topics", plan.topics.into());
    put("partitions", (outcome.queues as u64 / u64::from(plan.topics)).into());
    put("producersPerTopic", plan.connections.div_ceil(plan.topics).into());
    let consumers = if plan.kind == Kind::E2e { outcome.consumers } else { 0 };
    put("consumersPerTopic", consumers.div_ceil(plan.topics as usize).into());
    put("publishRate", per(&|at| measured[at].acked));
    put("publishErrorRate", per(&|at| measured[at].error_count()));
    put("consumeRate", per(&|at| measured[at].received));
    let mut backlog = 0_i64;
    let backlogs: Vec<i64> = measured
        .iter()
        .map(|interval| {
            backlog += interval.acked.cast_signed() - interval.received.cast_signed();
            if plan.kind == Kind::E2e { backlog.max(0) } else { 0 }
        })
        .collect();
    put("backlog", backlogs.into());
    type Of = fn(&Interval) -> &Latencies;
    let groups: [(&str, &str, Of); 3] = [
        ("publishLatency", "aggregatedPublishLatency", |interval| &interval.service),
        ("publishDelayLatency", "aggregatedPublishDelayLatency", |interval| &interval.delay),
        ("endToEndLatency", "aggregatedEndToEndLatency", |interval| &interval.delivery_service),
    ];
    for (each, aggregated, of) in groups {
        for (suffix, value) in FIGURES {
            put(
                &format!("{each}{suffix}"),
                measured.iter().map(|interval| value(of(interval))).collect::<Vec<_>>().into(),
            );
            put(&format!("{aggregated}{suffix}"), value(of(total)).into());
        }
        put(&format!("{aggregated}Quantiles"), quantiles(of(total)));
    }
    Value::Object(all)
}

type Figure = fn(&Latencies) -> f64;

const FIGURES: [(&str, Figure); 8] = [
    ("Avg", |latencies| latencies.mean() / 1e6),
    ("50pct", |latencies| at(latencies, 50.0)),
    ("75pct", |latencies| at(latencies, 75.0)),
    ("95pct", |latencies| at(latencies, 95.0)),
    ("99pct", |latencies| at(latencies, 99.0)),
    ("999pct", |latencies| at(latencies, 99.9)),
    ("9999pct", |latencies| at(latencies, 99.99)),
    ("Max", |latencies| latencies.max() as f64 / 1e6),
];

fn at(latencies: &Latencies, percentile: f64) -> f64 {
    latencies.value_at_percentile(percentile) as f64 / 1e6
}

fn quantiles(latencies: &Latencies) -> Value {
    let points = latencies.iter_quantiles(2).map(|step| {
        let percentile = step.quantile_iterated_to() * 100.0;
        (format!("{percentile}"), json!(step.value_iterated_to() as f64 / 1e6))
    });
    Value::Object(points.collect())
}
