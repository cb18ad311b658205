//! [`Figures`]: what a comparison looks at of a run of `ringmq bench`.

use std::fmt;
use std::io;

use ringmq::bench::in_process;
use ringmq::bench::plan::Kind;
use ringmq::bench::summary::{Distribution, Failed, Summary};

/// Runs a load in this process and takes its figures. `arguments` are those of `ringmq bench KIND`.
///
/// # Errors
/// A broker that cannot be reached or fails.
pub(crate) fn measure(kind: Kind, arguments: &[&str]) -> io::Result<Figures> {
    in_process(kind, arguments).map(|summary| Figures::of(kind, &summary)).map_err(io::Error::other)
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
    /// Bytes of message bodies per second.
    pub(crate) bytes_per_second: f64,
    /// Seconds of CPU the broker used, if its process is known.
    pub(crate) broker_cpu: Option<f64>,
    /// Seconds of CPU the generator used.
    pub(crate) own_cpu: f64,
    /// Percent of a core that anything else used.
    pub(crate) others_percent: f64,
    /// p50, p99, p99.9 and the maximum.
    pub(crate) percentiles_us: [f64; 4],
    /// MiB of bodies per second that scanning consumers read.
    pub(crate) scan_mib_per_second: f64,
    /// Messages delivered before they were due by more than the clock's millisecond.
    pub(crate) early: u64,
    /// Answers by code, without successes.
    pub(crate) refused: Vec<Failed>,
    /// How late an open-loop generator was at most.
    pub(crate) lag_max_us: Option<f64>,
    /// It could not keep up with an open loop: it refused messages, or was too late for them.
    pub(crate) overloaded: bool,
    /// What makes the run worthless: lost messages, wrong bytes, a generator that measured itself.
    pub(crate) faults: Vec<String>,
}

/// Reasons of a summary that speak of the host and not of the run; a comparison counts these runs as disturbed.
const DISTURBANCES: [&str; 4] = ["others-cpu", "steal", "throttled", "few-samples"];

/// Reasons that speak of a broker that cannot keep up: a result, if it is the rival's.
const OVERLOADS: [&str; 2] = ["rate-missed", "errors"];

/// Percent of a core that others may use during a run (performance.md 9).
pub(crate) const OTHERS_MAX: f64 = 5.0;

impl Figures {
    /// Those of `summary`.
    pub(crate) fn of(kind: Kind, summary: &Summary) -> Self {
        let latency = summary.headline();
        // Only from what is well supported; a comparison's runs are long enough.
        let us = |of: &dyn Fn(&Distribution) -> Option<f64>| latency.and_then(of).unwrap_or(f64::NAN) * 1e3;
        let at = |percentile: &'static str| us(&move |latency| latency.at(percentile));
        let rates = &summary.rates;
        let of = |codes: &'static [&'static str]| {
            summary.reasons.iter().filter(|reason| codes.contains(&reason.code.as_str()))
        };
        let overloaded = of(&OVERLOADS).next().is_some();
        let faults = summary.reasons.iter().filter(|reason| {
            !DISTURBANCES.contains(&reason.code.as_str()) && !OVERLOADS.contains(&reason.code.as_str())
        });
        let mut faults: Vec<String> = faults.map(|reason| reason.text.clone()).collect();
        // With one connection, order is promised too.
        if let Some(found) =
            summary.verify.filter(|found| !found.is_safe() || found.duplicates + found.reordered > 0)
        {
            faults.push(format!("{found:?}"));
        }
        Self {
            seconds: summary.seconds,
            messages: (rates.messages_per_second * summary.seconds).round() as u64,
            requests: if kind == Kind::Consume { rates.pulls } else { rates.requests - rates.pulls },
            bytes_per_second: rates.bytes_per_second,
            broker_cpu: summary.cpu.broker_seconds,
            own_cpu: summary.cpu.generator_seconds,
            others_percent: summary.cpu.others_percent.unwrap_or(0.0),
            percentiles_us: [at("p50"), at("p99"), at("p99.9"), us(&|latency| Some(latency.max))],
            scan_mib_per_second: rates.scanned_bytes_per_second / f64::from(1 << 20),
            early: summary.verify.map_or(0, |found| found.early),
            overloaded,
            refused: summary.errors.clone(),
            lag_max_us: summary.latency.lag.as_ref().map(|lag| lag.max * 1e3),
            faults,
        }
    }

    /// Others used too much of the machine (performance.md 9).
    pub(crate) fn is_disturbed(&self) -> bool {
        self.others_percent > OTHERS_MAX
    }

    /// Messages per second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// MiB of bodies per second.
    pub(crate) fn mib_per_second(&self) -> f64 {
        self.bytes_per_second / f64::from(1 << 20)
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
        write!(f, "  others {:.0} %", self.others_percent)?;
        if let Some(lag) = self.lag_max_us {
            write!(f, "  lag max {lag:.0} us")?;
        }
        for Failed { code, count, remark, .. } in &self.refused {
            write!(f, "  code {code}: {count} ({remark})")?;
        }
        if self.overloaded {
            f.write_str("  OVERLOADED")?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, "  INVALID: {fault}"))
    }
}
