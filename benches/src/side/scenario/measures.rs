//! What counts in a paired scenario: figures, and what ours has to be.

use crate::figures::Figures;

use super::super::rivals::Rival;
use super::Scenario;

/// A figure that counts.
pub(crate) struct Measure {
    /// Its name and unit.
    pub(crate) name: &'static str,
    /// Reads it.
    pub(crate) of: fn(&Figures) -> f64,
    /// More is better; otherwise less is.
    pub(crate) more: bool,
    /// What our figure has to be.
    pub(crate) target: Target,
}

/// What a figure has to be (performance.md 8, and the issues' own numbers).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// So many times better than theirs.
    Times(f64),
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Reported only.
    None,
}

/// The figures of `scenario` beside `rival`. Targets are against RocketMQ, and for peers in B1.
pub(super) fn of(scenario: Scenario, rival: Rival) -> Vec<Measure> {
    let times = |times| if rival == Rival::Java { Target::Times(times) } else { Target::None };
    let rate = |target| Measure { name: "messages/s", of: Figures::rate, more: true, target };
    let cpu = |target| Measure {
        name: "broker CPU us/message",
        of: |figures| figures.cpu_per_message_us().unwrap_or(f64::NAN),
        more: false,
        target,
    };
    let at = |name, of, target| Measure { name, of, more: false, target };
    let p50 = |target| at("p50 us", |figures: &Figures| figures.percentiles_us[0], target);
    let p99 = |target| at("p99 us", |figures: &Figures| figures.percentiles_us[1], target);
    let p999 = |target| at("p99.9 us", |figures: &Figures| figures.percentiles_us[2], target);
    let pulls = |mib, each| {
        let mib = Measure { name: "MiB/s", of: Figures::mib_per_second, more: true, target: mib };
        let of = |figures: &Figures| figures.cpu_per_request_us().unwrap_or(f64::NAN);
        vec![mib, at("broker CPU us/pull", of, each)]
    };
    match scenario {
        Scenario::B1 => {
            let peer = match rival {
                Rival::Java => Target::Times(20.0),
                Rival::Nats => Target::Times(4.0),
                Rival::Redis => Target::Times(3.0),
                Rival::RocketmqRust => Target::None,
            };
            // Where the generator is the limit, the CPU per message decides.
            vec![rate(times(20.0)), cpu(peer), p99(Target::None)]
        }
        Scenario::B2 => vec![rate(times(20.0)), cpu(times(20.0)), p99(Target::None)],
        Scenario::B3 => vec![p50(times(8.0)), p99(Target::None), p999(times(10.0))],
        Scenario::B4 => vec![rate(times(5.0)), cpu(times(5.0)), p999(Target::None)],
        Scenario::B4Many => vec![rate(times(5.0)), cpu(times(5.0)), p999(Target::None)],
        Scenario::B5 => vec![p50(Target::None), p99(Target::None), p999(times(50.0))],
        Scenario::B5At50k => vec![p50(Target::None), p99(Target::None), p999(Target::None)],
        Scenario::B5At200k => vec![p50(Target::None), p99(Target::None), p999(times(1.0))],
        Scenario::B6One | Scenario::B6OneSpins => {
            vec![p50(times(4.0)), cpu(Target::None), p999(Target::None)]
        }
        Scenario::B6Few => vec![rate(Target::None), cpu(Target::None), p999(Target::None)],
        Scenario::B6 => vec![rate(times(14.0)), cpu(times(20.0)), p99(Target::None), p999(Target::None)],
        Scenario::B6Many => vec![rate(times(20.0)), cpu(times(20.0)), p999(Target::None)],
        Scenario::B7One | Scenario::B7 => pulls(times(4.0), times(5.0)),
        Scenario::B7Many => pulls(Target::None, Target::None),
        Scenario::B9 => vec![p50(times(10.0)), p99(Target::None), p999(times(20.0))],
        Scenario::B9Parked => vec![p50(Target::None), p99(Target::None), p999(Target::None)],
        Scenario::B9At200k => vec![
            Measure { name: "messages/s", of: Figures::rate, more: true, target: Target::AtLeast(198_000.0) },
            p50(Target::None),
            p999(Target::None),
        ],
        Scenario::Tx => vec![rate(times(8.0)), cpu(times(8.0)), p99(Target::None)],
        Scenario::Delay => vec![rate(times(8.0)), cpu(times(8.0)), p99(Target::None)],
        Scenario::Lateness => vec![
            p99(Target::AtMost(20_000.0)),
            p50(Target::None),
            p999(Target::None),
            at("delivered early", |figures| figures.early as f64, Target::None),
        ],
        Scenario::Pop => vec![rate(times(8.0)), cpu(times(8.0)), p99(Target::None)],
        Scenario::Filter | Scenario::FilterCold => vec![
            Measure { name: "messages passed/s", of: Figures::rate, more: true, target: times(5.0) },
            cpu(times(5.0)),
        ],
        Scenario::B8
        | Scenario::B10
        | Scenario::B11
        | Scenario::B12
        | Scenario::B13
        | Scenario::B14
        | Scenario::Timers
        | Scenario::Footprint => Vec::new(),
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times} x"),
            Self::AtMost(value) => write!(f, "at most {value}"),
            Self::AtLeast(value) => write!(f, "at least {value}"),
            Self::None => f.write_str(""),
        }
    }
}
