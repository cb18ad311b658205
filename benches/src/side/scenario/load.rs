//! The loads of paired scenarios, and how a load is run against a server.

use std::io;
use std::time::Duration;

use ringmq::bench::plan::Kind;

use crate::figures::{Figures, measure};
use crate::side::server::Server;

use super::Scenario;

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

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A rival's.
    Theirs,
    /// Ours.
    Ours,
}

impl Scenario {
    /// The load of a paired scenario: kind, and the options of `ringmq bench KIND`.
    pub(crate) fn load(self, turn: Turn) -> (Kind, &'static [&'static str]) {
        let ours = turn == Turn::Ours;
        match self {
            Self::B1 | Self::B6 => (Kind::Produce, &["--connections=4", "--inflight=64"]),
            Self::B3 => (Kind::Produce, &["--connections=1", "--inflight=1", "--spin=on"]),
            Self::B4 => (Kind::Produce, &["--connections=64", "--inflight=1"]),
            Self::B4Many => (Kind::Produce, &["--connections=1000", "--inflight=1"]),
            Self::B5At50k if ours => {
                (Kind::Produce, &["--connections=4", "--inflight=1024", "--rate=50000/s"])
            }
            Self::B5At200k if ours => {
                (Kind::Produce, &["--connections=4", "--inflight=1024", "--rate=200000/s"])
            }
            Self::B5 | Self::B5At50k | Self::B5At200k => {
                (Kind::Produce, &["--connections=4", "--inflight=1024", "--rate=20000/s"])
            }
            Self::B6One | Self::B6OneSpins => (Kind::Produce, &["--connections=1", "--inflight=1"]),
            Self::B6Few => (Kind::Produce, &["--connections=4", "--inflight=16"]),
            Self::B6Many => (Kind::Produce, &["--connections=4", "--inflight=256"]),
            Self::B2 => (Kind::Batch, &["--connections=4", "--inflight=8", "--batch=32"]),
            Self::B7One => (Kind::Consume, &["--consumers=1", "--pull=32", "--backlog=4096"]),
            Self::B7 => (Kind::Consume, &["--consumers=4", "--pull=32", "--backlog=4096"]),
            Self::B7Many => (Kind::Consume, &["--consumers=16", "--pull=32", "--backlog=4096"]),
            // A generator that sleeps would add its own wake-ups to a latency; both sides get the same.
            Self::B9 | Self::B9Parked => {
                (Kind::E2e, &["--connections=1", "--consumers=1", "--rate=1000/s", "--spin=on", "--verify"])
            }
            Self::B9At200k => {
                (Kind::E2e, &["--connections=4", "--consumers=4", "--rate=200000/s", "--pull=64", "--verify"])
            }
            Self::Tx => (Kind::Tx, &["--connections=4", "--inflight=64"]),
            Self::Delay => (
                Kind::Delay,
                &["--connections=4", "--inflight=64", "--rate=max", "--consumers=0", "--delay=1h"],
            ),
            Self::Lateness if ours => (
                Kind::Delay,
                &[
                    "--connections=4",
                    "--consumers=4",
                    "--rate=50000/s",
                    "--delay=5s",
                    "--pull=64",
                    "--verify",
                ],
            ),
            Self::Lateness => (
                Kind::Delay,
                &["--connections=4", "--consumers=4", "--rate=5000/s", "--delay=5s", "--pull=64", "--verify"],
            ),
            Self::Pop if ours => {
                (Kind::Pop, &["--consumers=4", "--pull=32", "--size=128", "--backlog=1000000", "--warmup=1s"])
            }
            Self::Pop => {
                (Kind::Pop, &["--consumers=4", "--pull=32", "--size=128", "--backlog=200000", "--warmup=1s"])
            }
            // Requests of 32 messages are filled, whose keys count up from the request's own: only from the 32nd of the
            // 101 on is each key met as often as the others.
            Self::Filter | Self::FilterCold => (
                Kind::Consume,
                &[
                    "--consumers=4",
                    "--pull=32",
                    "--backlog=25000",
                    "--keys=rr:101",
                    "--sql",
                    "--filter=KEYS = 'k00000040'",
                ],
            ),
            Self::B8
            | Self::B10
            | Self::B11
            | Self::B12
            | Self::B13
            | Self::B14
            | Self::Timers
            | Self::Footprint => unreachable!("it is no pair of loads"),
        }
    }

    /// Runs it against `server`, on a topic of its own.
    ///
    /// # Errors
    /// When the broker fails.
    pub(crate) fn run(self, server: &Server, turn: Turn, run: Run) -> io::Result<Figures> {
        let (kind, own) = self.load(turn);
        load(kind, server, run, own)
    }
}

/// Loads `server` with what `ringmq bench KIND` does, with the options of `run` and `own`; those of `own` win.
///
/// # Errors
/// When the broker fails.
pub(crate) fn load(kind: Kind, server: &Server, run: Run, own: &[&str]) -> io::Result<Figures> {
    let named = |option: &str| own.iter().any(|text| text.split('=').next() == option.split('=').next());
    let ours = [
        format!("--broker={}", server.brokers()),
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
    // Pulls read the same messages again and again: no disk fills.
    let reads = matches!(kind, Kind::Consume | Kind::Pop);
    let wanted = |text: &&str| !reads || !text.starts_with("--messages");
    let ours = ours.iter().map(String::as_str).filter(wanted).filter(|text| !named(text));
    let all: Vec<&str> = ours.chain(own.iter().copied()).collect();
    measure(kind, &all)
}
