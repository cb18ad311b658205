//! The scenarios of performance.md 7 and of the features' ratios: what runs, what counts, and the targets.
//!
//! Most are [`Plan::Paired`]: a rival and ours in turns under the same load. The rest ([`Plan::Own`]) need more than one
//! load (a crash, a full store, ten thousand connections) and are told in modules of their own.

use std::time::Duration;

use super::rivals::Rival;
use super::server::{Flush, Setup};

mod load;
mod measures;

pub(crate) use load::{Run, Turn, load};
pub(crate) use measures::{Measure, Target};

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Pipelined sends: 4 connections x 64, ASYNC_FLUSH.
    B1,
    /// Batches of 32: 4 connections x 8, ASYNC_FLUSH.
    B2,
    /// One send in flight, a client that never sleeps.
    B3,
    /// Synchronous clients: 64 connections x 1.
    B4,
    /// Synchronous clients: 1,000 connections x 1.
    #[value(name = "b4-1000")]
    B4Many,
    /// Open loop at 20,000/s.
    B5,
    /// Open loop: ours at 50,000/s, theirs at 20,000/s.
    #[value(name = "b5-50k")]
    B5At50k,
    /// Open loop: ours at 200,000/s, theirs at 20,000/s.
    #[value(name = "b5-200k")]
    B5At200k,
    /// Durable sends, one in flight.
    #[value(name = "b6-1")]
    B6One,
    /// The same with a broker that never sleeps and writes with RWF_DSYNC.
    #[value(name = "b6-1-spins")]
    B6OneSpins,
    /// Durable sends, 64 in flight.
    #[value(name = "b6-64")]
    B6Few,
    /// Pipelined sends: 4 connections x 64, SYNC_FLUSH.
    B6,
    /// Durable sends, 1,024 in flight.
    #[value(name = "b6-1024")]
    B6Many,
    /// Hot pulls of 32: 1 consumer.
    #[value(name = "b7-1")]
    B7One,
    /// Hot pulls of 32: 4 consumers.
    B7,
    /// Hot pulls of 32: 16 consumers of the same messages.
    #[value(name = "b7-16")]
    B7Many,
    /// Cold scans beside an open loop.
    B8,
    /// End to end at 1,000/s, long-polling consumer; our broker never sleeps, nor does the generator.
    B9,
    /// The same with a broker that sleeps while nothing comes.
    #[value(name = "b9-parked")]
    B9Parked,
    /// End to end, ours at 200,000/s.
    #[value(name = "b9-200k")]
    B9At200k,
    /// 64 to 100,000 queues.
    B10,
    /// 10,000 parked connections beside an open loop.
    B11,
    /// Recovery after kill -9, and the latency of a roll.
    B12,
    /// The matrix of knobs.
    B13,
    /// Two shards on two cores.
    B14,
    /// Transactions: half and end, pipelined.
    Tx,
    /// Delayed sends, pipelined.
    Delay,
    /// How late delayed messages are delivered: ours at 50,000/s due, theirs at 5,000/s.
    Lateness,
    /// Pops of 32, each message acknowledged.
    Pop,
    /// Pulls through a filter of SQL92 that one message in a hundred passes; all of them in memory, on both sides.
    Filter,
    /// The same with a window that holds half of them: the rest comes from the disk, and RocketMQ's from the page cache.
    FilterCold,
    /// A million and ten million pending timers.
    Timers,
    /// Start, restart, idleness, memory of connections and parked pulls.
    Footprint,
}

/// A closed loop of sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) inflight: usize,
    /// The client never sleeps.
    pub(crate) spin: bool,
}

/// What a scenario consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The same load for both, in turns.
    Paired,
    /// Only ours, as often.
    Alone,
    /// More than one load.
    Own,
}

impl Scenario {
    /// All of them, in the order of tables.
    pub(crate) fn all() -> &'static [Self] {
        <Self as clap::ValueEnum>::value_variants()
    }

    /// Its name on the command line and in results.
    pub(crate) fn word(self) -> String {
        let value = <Self as clap::ValueEnum>::to_possible_value(&self).expect("none is hidden");
        value.get_name().to_owned()
    }

    /// For tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::B1 => "B1 send, 4 x 64, 1 KiB, ASYNC_FLUSH",
            Self::B2 => "B2 batches of 32, 4 x 8, 1 KiB, ASYNC_FLUSH",
            Self::B3 => "B3 one send in flight, client spins, ASYNC_FLUSH",
            Self::B4 => "B4 send, 64 x 1, 1 KiB, ASYNC_FLUSH",
            Self::B4Many => "B4 send, 1,000 x 1, 1 KiB, ASYNC_FLUSH",
            Self::B5 => "B5 open loop, 20,000/s, 1 KiB, ASYNC_FLUSH",
            Self::B5At50k => "B5 open loop, ours 50,000/s, theirs 20,000/s",
            Self::B5At200k => "B5 open loop, ours 200,000/s, theirs 20,000/s",
            Self::B6One => "B6 send, 1 x 1, 1 KiB, SYNC_FLUSH",
            Self::B6OneSpins => "B6 send, 1 x 1, 1 KiB, SYNC_FLUSH, ours spins and writes with RWF_DSYNC",
            Self::B6Few => "B6 send, 4 x 16, 1 KiB, SYNC_FLUSH",
            Self::B6 => "B6 send, 4 x 64, 1 KiB, SYNC_FLUSH",
            Self::B6Many => "B6 send, 4 x 256, 1 KiB, SYNC_FLUSH",
            Self::B7One => "B7 hot pull of 32 x 1 KiB, 1 consumer",
            Self::B7 => "B7 hot pull of 32 x 1 KiB, 4 consumers",
            Self::B7Many => "B7 hot pull of 32 x 1 KiB, 16 consumers, each queue read by 4",
            Self::B8 => "B8 four cold scans beside an open loop of 20,000/s",
            Self::B9 => "B9 end to end, 1,000/s, long polling, ours spins",
            Self::B9Parked => "B9 end to end, 1,000/s, long polling, ours parks when idle",
            Self::B9At200k => "B9 end to end, 200,000/s, long polling",
            Self::B10 => "B10 queue scale, send 4 x 64, 1 KiB",
            Self::B11 => "B11 10,000 parked connections beside an open loop",
            Self::B12 => "B12 recovery after kill -9, roll",
            Self::B13 => "B13 knobs",
            Self::B14 => "B14 two shards on two cores, generator on both",
            Self::Tx => "transactions, half and end, 4 x 64, 1 KiB",
            Self::Delay => "delayed sends (due in an hour), 4 x 64, 1 KiB",
            Self::Lateness => "delayed delivery, due in 5 s, ours 50,000/s, theirs 5,000/s",
            Self::Pop => "pop of 32 and an acknowledgement for each, 4 consumers, 128 B",
            Self::Filter => "SQL92 filter, 1 of 101 of 100,000 messages passes, all in memory",
            Self::FilterCold => "SQL92 filter, 1 of 101 of 100,000 messages passes, ours half from the disk",
            Self::Timers => "pending timers over a week",
            Self::Footprint => "footprint",
        }
    }

    /// What it consists of.
    pub(crate) fn plan(self) -> Plan {
        match self {
            Self::B9At200k => Plan::Alone,
            Self::B8
            | Self::B10
            | Self::B11
            | Self::B12
            | Self::B13
            | Self::B14
            | Self::Timers
            | Self::Footprint => Plan::Own,
            _ => Plan::Paired,
        }
    }

    /// How its servers are set up.
    pub(crate) fn setup(self) -> Setup {
        let flush = match self {
            Self::B6One | Self::B6OneSpins | Self::B6Few | Self::B6 | Self::B6Many => Flush::Sync,
            _ => Flush::Async,
        };
        let mut setup = Setup::new(flush);
        if matches!(self, Self::Filter | Self::B1 | Self::B2) {
            // 120 MB of records; and the disk of a virtual machine that stands still for 0.2 s and more, which the
            // rivals' page cache does not notice.
            setup.ours.push("store.window_mib=256".to_owned());
        }
        if matches!(self, Self::B6OneSpins | Self::B9) {
            setup.ours.push("spin_us=-1".to_owned());
        }
        if self == Self::B6OneSpins {
            // One flush on its own costs least this way, as long as nothing spins where the disk's interrupts arrive.
            setup.ours.push("flush.method=dsync".to_owned());
        }
        setup
    }

    /// What it is to a server that only takes messages; `None` if it needs more than that.
    pub(crate) fn closed_loop(self) -> Option<Shape> {
        let shape = |connections, inflight| Some(Shape { connections, inflight, spin: false });
        match self {
            Self::B1 | Self::B6 => shape(4, 64),
            Self::B3 => Some(Shape { connections: 1, inflight: 1, spin: true }),
            Self::B4 => shape(64, 1),
            Self::B4Many => shape(1000, 1),
            Self::B6One | Self::B6OneSpins => shape(1, 1),
            Self::B6Few => shape(4, 16),
            Self::B6Many => shape(4, 256),
            _ => None,
        }
    }

    /// Shorter runs do not support its percentiles.
    pub(crate) fn least(self) -> Duration {
        Duration::from_secs(match self {
            // Ten values beyond p99.9 take 10,000 messages, with room for those that are cut off.
            Self::B9 | Self::B9Parked => 15,
            Self::B6One | Self::B6OneSpins => 12,
            _ => 0,
        })
    }

    /// What is compared, with the targets of performance.md 8.
    pub(crate) fn measures(self, rival: Rival) -> Vec<Measure> {
        measures::of(self, rival)
    }
}
