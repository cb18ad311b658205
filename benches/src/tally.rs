//! [`Tally`]: answers counted by code, latencies, and the figures of a finished run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use net::Header;

use crate::usage::Usage;

/// What came back.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Requests with an answer, errors included, in the measured window.
    pub(crate) requests: u64,
    /// Messages of successful answers in the measured window.
    pub(crate) messages: u64,
    /// Messages of successful answers since the start.
    pub(crate) messages_ever: u64,
    /// Bytes of bodies in the measured window.
    pub(crate) body_bytes: u64,
    /// From request to answer (or delivery), errors included, ns.
    latencies: Histogram<u64>,
    /// Answers other than success: how many, and the first remark.
    refused: BTreeMap<i32, (u64, String)>,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            requests: 0,
            messages: 0,
            messages_ever: 0,
            body_bytes: 0,
            latencies: Histogram::new_with_bounds(100, 100_000_000_000, 3).expect("valid bounds"),
            refused: BTreeMap::new(),
        }
    }

    /// Counts a latency in the measured window.
    pub(crate) fn latency(&mut self, ns: u64) {
        self.latencies.saturating_record(ns);
    }

    /// Counts an answer that was no success.
    pub(crate) fn refusal(&mut self, header: &Header<'_>) {
        let remark = || header.remark.unwrap_or_default().chars().take(120).collect();
        self.refused.entry(header.code).or_insert_with(|| (0, remark())).0 += 1;
    }

    /// Answers that were no success, since the start.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().map(|(count, _)| count).sum()
    }

    /// The figures, given the measured window.
    pub(crate) fn figures(&self, (window, used): (Duration, Usage)) -> Figures {
        let at = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        Figures {
            seconds: window.as_secs_f64(),
            messages: self.messages,
            requests: self.requests,
            body_bytes: self.body_bytes,
            broker_cpu: used.broker.map(|time| time.as_secs_f64()),
            own_cpu: used.own.as_secs_f64(),
            others_cpu: used.others().as_secs_f64(),
            percentiles_us: [at(0.5), at(0.99), at(0.999), self.latencies.max() as f64 / 1e3],
            refused: self.refused.clone(),
            lag_p999_us: None,
            faults: Vec::new(),
        }
    }
}

/// The figures of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Length of the measured window.
    pub(crate) seconds: f64,
    /// Messages.
    pub(crate) messages: u64,
    /// Requests answered.
    pub(crate) requests: u64,
    /// Bytes of message bodies.
    pub(crate) body_bytes: u64,
    /// Seconds of CPU the broker used, if its process is known.
    pub(crate) broker_cpu: Option<f64>,
    /// Seconds of CPU the generator used.
    pub(crate) own_cpu: f64,
    /// Seconds of CPU that anything else used.
    pub(crate) others_cpu: f64,
    /// p50, p99, p99.9 and the maximum.
    pub(crate) percentiles_us: [f64; 4],
    /// Answers by code, without successes.
    pub(crate) refused: BTreeMap<i32, (u64, String)>,
    /// How late an open-loop generator was, at p99.9.
    pub(crate) lag_p999_us: Option<f64>,
    /// What makes the run worthless: lost messages, wrong bytes.
    pub(crate) faults: Vec<String>,
}

impl Figures {
    /// Messages per second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// MiB of bodies per second.
    pub(crate) fn mib_per_second(&self) -> f64 {
        self.body_bytes as f64 / self.seconds / f64::from(1 << 20)
    }

    /// Microseconds of broker CPU per message.
    pub(crate) fn cpu_per_message_us(&self) -> Option<f64> {
        self.broker_cpu.map(|cpu| cpu * 1e6 / self.messages.max(1) as f64)
    }

    /// Microseconds of broker CPU per request.
    pub(crate) fn cpu_per_request_us(&self) -> Option<f64> {
        self.broker_cpu.map(|cpu| cpu * 1e6 / self.requests.max(1) as f64)
    }

    /// Share of its core that the broker used, percent.
    pub(crate) fn broker_busy_percent(&self) -> Option<f64> {
        self.broker_cpu.map(|cpu| cpu * 100.0 / self.seconds)
    }

    /// Share of a core that others used, percent; above 5 the run is disturbed.
    pub(crate) fn others_percent(&self) -> f64 {
        self.others_cpu * 100.0 / self.seconds
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999, max] = self.percentiles_us;
        write!(
            f,
            "{:.2} s  {:.0} msg/s  {:.0} req/s  {:.1} MiB/s  p50 {p50:.0} us  p99 {p99:.0} us  p99.9 {p999:.0} us  \
             max {max:.0} us",
            self.seconds,
            self.rate(),
            self.requests as f64 / self.seconds,
            self.mib_per_second(),
        )?;
        if let (Some(message), Some(request), Some(busy)) =
            (self.cpu_per_message_us(), self.cpu_per_request_us(), self.broker_busy_percent())
        {
            write!(f, "  broker {message:.2} us/msg {request:.2} us/req {busy:.0} %")?;
        }
        write!(f, "  generator {:.0} %", self.own_cpu * 100.0 / self.seconds)?;
        write!(f, "  others {:.0} %", self.others_percent())?;
        if let Some(lag) = self.lag_p999_us {
            write!(f, "  lag {lag:.0} us")?;
        }
        for (code, (count, remark)) in &self.refused {
            write!(f, "  code {code}: {count} ({remark})")?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, "  INVALID: {fault}"))
    }
}
