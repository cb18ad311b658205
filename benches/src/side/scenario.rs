//! The scenarios of performance.md 7 that are compared, each with the figures that count and their targets.

use std::io;
use std::time::Duration;

use ringmq::bench::plan::Kind;

use crate::figures::{Figures, measure};

use super::rivals::Rival;
use super::server::{Flush, Server};

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Pipelined sends: 4 connections x 64, ASYNC_FLUSH.
    B1,
    /// Batches of 32: 4 connections x 8, ASYNC_FLUSH.
    B2,
    /// One send in flight, a client that never sleeps.
    B3,
    /// Synchronous clients: 64 connections x 1.
    B4,
    /// Open loop at 20,000/s.
    B5,
    /// Pipelined sends: 4 connections x 64, SYNC_FLUSH.
    B6,
    /// Hot pulls of 32: 4 consumers.
    B7,
    /// End to end at 1,000/s, long-polling consumer.
    B9,
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Core of the generator.
    pub(crate) cpu: usize,
    /// Time before the measured window.
    pub(crate) warmup: Duration,
    /// The measured window.
    pub(crate) duration: Duration,
    /// MiB of bodies after which a run of sends ends early.
    pub(crate) max_mib: u64,
}

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

/// What a figure has to be (the table "What it must reach").
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// So many times better than Java.
    Times(f64),
    /// At most this.
    AtMost(f64),
    /// Reported only.
    None,
}

/// A closed loop of sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) inflight: usize,
    /// The client never sleeps.
    pub(crate) spin: bool,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: [Self; 8] =
        [Self::B1, Self::B2, Self::B3, Self::B4, Self::B5, Self::B7, Self::B9, Self::B6];

    /// For tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::B1 => "B1 send, 4 x 64, 1 KiB, ASYNC_FLUSH",
            Self::B2 => "B2 batches of 32, 4 x 8, 1 KiB, ASYNC_FLUSH",
            Self::B3 => "B3 one send in flight, client spins, ASYNC_FLUSH",
            Self::B4 => "B4 send, 64 x 1, 1 KiB, ASYNC_FLUSH",
            Self::B5 => "B5 open loop, 20,000/s, 1 KiB, ASYNC_FLUSH",
            Self::B6 => "B6 send, 4 x 64, 1 KiB, SYNC_FLUSH",
            Self::B7 => "B7 hot pull of 32 x 1 KiB, 4 consumers",
            Self::B9 => "B9 end to end, 1,000/s, long polling",
        }
    }

    /// The mode the broker runs in.
    pub(crate) fn flush(self) -> Flush {
        if self == Self::B6 { Flush::Sync } else { Flush::Async }
    }

    /// What it is to a server that only takes messages; `None` if it needs more than that.
    pub(crate) fn closed_loop(self) -> Option<Shape> {
        match self {
            Self::B1 | Self::B6 => Some(Shape { connections: 4, inflight: 64, spin: false }),
            Self::B3 => Some(Shape { connections: 1, inflight: 1, spin: true }),
            Self::B4 => Some(Shape { connections: 64, inflight: 1, spin: false }),
            Self::B2 | Self::B5 | Self::B7 | Self::B9 => None,
        }
    }

    /// What is compared, with the targets of performance.md 8. Those are against RocketMQ, and for peers in B1.
    pub(crate) fn measures(self, rival: Rival) -> Vec<Measure> {
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
        let p99 = at("p99 us", |figures| figures.percentiles_us[1], Target::None);
        let p999 = |target| at("p99.9 us", |figures: &Figures| figures.percentiles_us[2], target);
        match self {
            Self::B1 => {
                let peer = match rival {
                    Rival::Java => Target::Times(20.0),
                    Rival::Nats => Target::Times(4.0),
                    Rival::Redis => Target::Times(3.0),
                    Rival::RocketmqRust => Target::None,
                };
                // Where the generator is the limit, the CPU per message decides.
                vec![rate(times(20.0)), cpu(peer), p99]
            }
            Self::B2 => vec![rate(times(20.0)), cpu(times(20.0)), p99],
            Self::B3 => vec![p50(times(8.0)), p99, p999(times(10.0))],
            Self::B4 => vec![rate(times(5.0)), cpu(times(5.0)), p99],
            Self::B5 => vec![p50(Target::None), p99, p999(times(50.0))],
            Self::B6 => vec![rate(times(14.0)), cpu(times(20.0)), p99],
            Self::B7 => vec![
                Measure { name: "MiB/s", of: Figures::mib_per_second, more: true, target: times(4.0) },
                at(
                    "broker CPU us/pull",
                    |figures| figures.cpu_per_request_us().unwrap_or(f64::NAN),
                    times(5.0),
                ),
            ],
            Self::B9 => vec![p50(times(10.0)), p99, p999(times(20.0))],
        }
    }

    /// Runs it against `server`, on a topic of its own.
    ///
    /// # Errors
    /// When the broker fails.
    pub(crate) fn run(self, server: &Server, run: Run) -> io::Result<Figures> {
        let (kind, own): (Kind, &[&str]) = match self {
            Self::B1 | Self::B6 => (Kind::Produce, &["--connections=4", "--inflight=64"]),
            Self::B3 => (Kind::Produce, &["--connections=1", "--inflight=1", "--spin=on"]),
            Self::B4 => (Kind::Produce, &["--connections=64", "--inflight=1"]),
            Self::B5 => (Kind::Produce, &["--connections=4", "--inflight=1024", "--rate=20000/s"]),
            Self::B2 => (Kind::Batch, &["--connections=4", "--inflight=8", "--batch=32"]),
            Self::B7 => (Kind::Consume, &["--consumers=4", "--pull=32", "--backlog=4096"]),
            // A generator that sleeps would add its own wake-ups to a latency; both sides get the same.
            Self::B9 => {
                (Kind::E2e, &["--connections=1", "--consumers=1", "--rate=1000/s", "--spin=on", "--verify"])
            }
        };
        let ours = [
            format!("--broker={}", server.at),
            format!("--broker-pid={}", server.pid()),
            format!("--cpus={}", run.cpu),
            format!("--warmup={}s", run.warmup.as_secs_f64()),
            format!("--duration={}s", run.duration.as_secs_f64()),
            // Bodies of 1 KiB: so many messages are so many KiB.
            format!("--messages={}", run.max_mib << 10),
            "--queues=4".to_owned(),
            "--size=1k".to_owned(),
            "--timeout=10000".to_owned(),
        ];
        let all: Vec<&str> = ours.iter().map(String::as_str).chain(own.iter().copied()).collect();
        // Pulls read the same messages again and again: no disk fills.
        let all: Vec<&str> =
            all.into_iter().filter(|text| kind != Kind::Consume || !text.starts_with("--messages")).collect();
        measure(kind, &all)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times} x"),
            Self::AtMost(value) => write!(f, "at most {value}"),
            Self::None => f.write_str(""),
        }
    }
}
