//! [`Summary`]: a finished run as data: what `summary.json` holds, and what every report is made from.
//!
//! `tools/BENCH.md` documents the schema; a field that changes its meaning changes [`SCHEMA`]. Fields may be added: a
//! result from before is read with their defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::validity::Reason;
use super::verify::Verdict;

/// Name and version of the schema.
pub const SCHEMA: &str = "ringmq-bench/1";

mod distribution;
mod headline;
mod make;

pub use distribution::{Distribution, SHOWN};
pub use headline::{headline, service};
pub use make::row;

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
    /// Commit that the program was built from, `-dirty` behind it if its sources were changed; none if its build could not tell.
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
    /// Connections that ended in its course, warm-up included.
    #[serde(default)]
    pub connections: Connections,
    /// Latencies.
    pub latency: Latency,
    /// With `--verify`.
    pub verify: Option<Verdict>,
    /// Transactions and the broker's checks.
    #[serde(default)]
    pub transactions: Option<Transactions>,
    /// CPU in the measured time.
    pub cpu: Cpu,
    /// One row per interval.
    pub intervals: Vec<Row>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
    /// Consumers of each subscription; 0 without. Results of earlier versions do not say.
    pub consumers: Option<usize>,
    /// Messages per pull at most.
    pub pull: Option<u32>,
    /// Every message was accounted for: they carry a mark, and records are checked.
    pub verify: Option<bool>,
}

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
    /// Read per second by scanning consumers.
    pub scanned_per_second: f64,
    /// Bytes of their bodies per second.
    pub scanned_bytes_per_second: f64,
}

/// Transactions by their ends, and the broker's checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transactions {
    /// Committed.
    pub committed: u64,
    /// Rolled back.
    pub rolled_back: u64,
    /// Left open until a check.
    pub unknown: u64,
    /// Checks that the broker asked.
    pub checks: u64,
    /// Of them, for transactions whose end it had been told.
    pub checks_unexpected: u64,
    /// Of them, for transactions that it had asked about before.
    pub checks_again: u64,
}

/// Connections that ended in the course of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connections {
    /// How often one was lost.
    pub lost: u64,
    /// How often one came back.
    pub back: u64,
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
#[serde(default)]
pub struct Latency {
    /// From the time a message was due: to its acknowledgement, or (e2e) to its delivery. None in a closed loop.
    pub response: Option<Distribution>,
    /// From the time a request was written.
    pub service: Option<Distribution>,
    /// e2e: from the due time to the acknowledgement.
    pub publish_response: Option<Distribution>,
    /// e2e: from writing to the acknowledgement.
    pub publish_service: Option<Distribution>,
    /// tx: from the answer to a half message to the answer to its end.
    pub decision: Option<Distribution>,
    /// mixed: whole transactions, from the due time of the half message to the answer to its end.
    pub transaction: Option<Distribution>,
    /// Delayed messages: from the time a delivery was due to the delivery.
    pub lateness: Option<Distribution>,
    /// mixed: pulls of scanning consumers, from writing to the answer.
    pub scan: Option<Distribution>,
    /// How late the generator was.
    pub lag: Option<Distribution>,
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Of the broker, seconds.
    pub broker_seconds: Option<f64>,
    /// The same per message, microseconds.
    pub broker_us_per_message: Option<f64>,
    /// The same per request.
    pub broker_us_per_request: Option<f64>,
    /// Of the generator, seconds.
    pub generator_seconds: f64,
    /// The same per message, microseconds; says little while it polls. None without a message.
    pub generator_us_per_message: Option<f64>,
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
#[serde(default)]
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

impl Summary {
    /// The latency that counts: response, or service in a closed loop; of delayed messages how late they came.
    #[must_use]
    pub fn headline(&self) -> Option<&Distribution> {
        if let ("delay", Some(lateness)) = (self.kind.as_str(), &self.latency.lateness) {
            return Some(lateness);
        }
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

/// What a closed loop has to say about itself (rule 4).
pub const COORDINATED: &str = "service time only: coordinated omission";
