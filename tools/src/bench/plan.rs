//! [`Plan`]: options that make sense together, decided and drawn before the first byte is sent.
//!
//! `checks` refuses single options, `idle` those that would do nothing, `together` what does not go together; `pace`, `bodies` and `shares` decide what is left
//! open. Invariant: whatever is random follows from [`Plan::seed`] and [`Plan::run`].

use std::path::PathBuf;
use std::time::Duration;

use net::Codec;
use rt::real::Spin;

use crate::failure::Failure;

use super::act::{Acts, Class, Delays, Shares};
use super::keys;
use super::options::{Format, Load, Spelling};
use super::template::Shape;
use super::threshold::{self, Threshold};
use super::units::Arrivals;

mod bodies;
mod checks;
mod idle;
mod kind;
mod pace;
mod shares;
mod together;

pub use kind::Kind;

use checks::{
    accountable, broker_pid, counts, pairs, percentiles, properties, refuse_later, times, topic, usage,
    within,
};

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind.
    pub kind: Kind,
    /// Messages per second; `None` is a closed loop.
    pub rate: Option<f64>,
    /// When they are due.
    pub arrivals: Arrivals,
    /// Topics: how many, and the name if it is given.
    pub topic: Option<String>,
    /// See `--topics`.
    pub topics: u32,
    /// Queues per topic and broker.
    pub queues: u32,
    /// Somebody else's topic.
    pub topic_exists: bool,
    /// It need not be there before the first send.
    pub topic_on_demand: bool,
    /// Producing connections to each broker.
    pub connections: u32,
    /// Consumers asked for.
    pub consumers: Option<u32>,
    /// Groups that each receive everything.
    pub subscriptions: u32,
    /// Consume what comes.
    pub follow: bool,
    /// Consumer group.
    pub group: String,
    /// Tags that are read.
    pub filter: String,
    /// Messages per pull.
    pub pull: u32,
    /// Messages stored per queue before a consume run.
    pub backlog: u64,
    /// Requests in flight per connection.
    pub inflight: usize,
    /// Cores of the generator.
    pub cpus: Vec<Option<usize>>,
    /// How its threads wait.
    pub spin: Spin,
    /// What all messages have in common.
    pub shape: Shape,
    /// Tags, taken in turn.
    pub tags: Vec<String>,
    /// Keys, taken in turn.
    pub keys: Vec<u32>,
    /// Zipf's exponent of the spread over queues; `None`: in turn.
    pub spread: Option<f64>,
    /// Bodies as sent, taken in turn.
    pub bodies: Vec<Vec<u8>>,
    /// Measured time, unless messages are counted.
    pub duration: Option<Duration>,
    /// Measured messages.
    pub messages: Option<u64>,
    /// Load before.
    pub warmup: Duration,
    /// Length of an interval.
    pub interval: Duration,
    /// For an answer.
    pub timeout: Duration,
    /// For a connection that was lost to come back; zero: none does.
    pub reconnect: Duration,
    /// Account for every message.
    pub verify: bool,
    /// What ends with exit code 3.
    pub thresholds: Vec<Threshold>,
    /// Percentiles the result claims.
    pub percentiles: Vec<f64>,
    /// Where files go.
    pub out: Option<PathBuf>,
    /// Form of the result.
    pub format: Format,
    /// RocketMQ's lines.
    pub rmq_format: bool,
    /// `--tag`.
    pub notes: Vec<(String, String)>,
    /// Everything random follows from it.
    pub seed: u64,
    /// Which run this is.
    pub run: u32,
    /// The broker's process.
    pub broker_pid: Option<u32>,
    /// `--server-metrics`.
    pub server_metrics: Option<String>,
    /// Shares of transactions and delayed messages, and of their ends.
    pub shares: Shares,
    /// Of delayed messages. With a level, what the brokers say of it once they are asked.
    pub delays: Option<Delays>,
    /// mixed: consumers that read what is stored, each all of it.
    pub scanners: u32,
    /// `filter` is an expression of SQL92.
    pub sql: bool,
}

impl Plan {
    /// Decides what `load` means for `kind`.
    ///
    /// # Errors
    /// [`Failure::Usage`]: options that contradict each other, or that no broker could serve.
    pub(crate) fn new(kind: Kind, load: &Load) -> Result<Self, Failure> {
        refuse_later(load)?;
        let batch = load.batch.unwrap_or(if kind == Kind::Batch { BATCH } else { 1 });
        within("--batch", u64::from(batch), 1, BATCH_MAX)?;
        let connections = counts(kind, load)?;
        times(load)?;
        topic(load)?;
        broker_pid(load)?;
        idle::refuse(kind, load)?;
        let seed = load.seed.unwrap_or_else(super::host::draw);
        let bodies::Sent { bodies, sys_flag } = bodies::sent(load, batch, seed)?;
        let rate = pace::rate(kind, load, bodies::mean(&bodies))?;
        accountable(kind, load)?;
        let run = super::host::draw() as u32;
        let keys = keys::keys(&load.keys, seed)
            .map_err(|what| usage(what, "write none, rr, rr:1000, zipf:1.1 or zipf:1.1:100000"))?;
        let shares = shares::shares(kind, load)?;
        let delays = shares::delays(kind, load, &shares)?;
        let shape = shape(kind, load, (batch, sys_flag, run), (&shares, !keys.is_empty()))?;
        let plan = Self {
            kind,
            rate,
            arrivals: load.arrivals,
            topic: load.topic.clone(),
            topics: load.topics,
            queues: load.queues,
            topic_exists: load.topic_exists || load.topic_on_demand,
            topic_on_demand: load.topic_on_demand,
            connections,
            consumers: load.consumers,
            subscriptions: load.subscriptions,
            follow: load.follow,
            group: load.group.clone().unwrap_or_else(|| GROUP.to_owned()),
            filter: load.filter.clone(),
            pull: load.pull.unwrap_or(PULL),
            backlog: load.backlog.unwrap_or(BACKLOG),
            inflight: pace::inflight(kind, load, rate),
            cpus: pace::cores(load)?,
            spin: pace::spin(load, rate),
            shape,
            tags: load.tags.clone(),
            keys,
            spread: keys::spread(&load.spread)
                .map_err(|what| usage(format!("--spread: {what}"), "write even, or for example zipf:1.1"))?,
            bodies,
            duration: load.duration.or(load.messages.is_none().then_some(DURATION)),
            messages: load.messages,
            warmup: load.warmup.unwrap_or_else(|| shares::warmup(kind, delays)),
            interval: load.interval,
            timeout: Duration::from_millis(load.reach.timeout),
            reconnect: load.reconnect,
            verify: load.verify,
            thresholds: threshold::parse(load.fail_if.as_deref().unwrap_or_default())
                .map_err(|what| usage(what, "write for example --fail-if 'p99>2ms,err>0,rate<100k'"))?,
            percentiles: percentiles(load)?,
            out: load.out.clone(),
            format: load.format,
            rmq_format: load.rmq_format,
            notes: pairs("--tag", &load.notes)?,
            seed,
            run,
            broker_pid: load.broker_pid,
            server_metrics: load.server_metrics.clone(),
            shares,
            delays,
            scanners: load.scan,
            sql: load.sql,
        };
        plan.check_together(load)?;
        Ok(plan)
    }

    /// Whether messages are due at times, not when answers come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.rate.is_some()
    }

    /// What becomes of each message.
    #[must_use]
    pub fn acts(&self) -> Acts {
        if self.shares.half + self.shares.later == 0.0 {
            return Acts::plain();
        }
        Acts::new(&self.shares, self.delays, self.seed)
    }

    /// How long the last delivery may take after its message was sent, beside the time of an answer.
    #[must_use]
    pub fn longest_delay(&self) -> Duration {
        self.delays.map_or(Duration::ZERO, |delays| Duration::from_millis(delays.most_ms))
    }

    /// Whether deliveries are awaited.
    #[must_use]
    pub fn has_consumers(&self) -> bool {
        match self.kind {
            Kind::E2e => true,
            Kind::Delay | Kind::Mixed => self.consumers != Some(0),
            Kind::Produce | Kind::Batch | Kind::Consume | Kind::Tx | Kind::Pop => false,
        }
    }

    /// Mean bytes of a body.
    #[must_use]
    pub fn mean_body(&self) -> f64 {
        bodies::mean(&self.bodies)
    }
}

/// What all messages of a run have in common.
fn shape(
    kind: Kind,
    load: &Load,
    (batch, sys_flag, run): (u32, i32, u32),
    (shares, keyed): (&Shares, bool),
) -> Result<Shape, Failure> {
    Ok(Shape {
        codec: if load.header == Spelling::Json { Codec::Json } else { Codec::Binary },
        // A group of its own: it answers for no transaction of an earlier run.
        group: if shares.half > 0.0 { format!("ringmq_bench_{run:08x}") } else { GROUP.to_owned() },
        batch: batch as usize,
        oneway: load.oneway,
        java_properties: !load.bare,
        stamped: load.verify || matches!(kind, Kind::E2e | Kind::Delay | Kind::Mixed),
        keyed,
        tag: None,
        properties: properties(load)?,
        sys_flag,
        run,
        class: Class::Plain,
        level: load.level,
        due_property: load.due_property.clone(),
    })
}

/// Producer and consumer group unless told.
const GROUP: &str = "ringmq_bench";
const BATCH: u32 = 32;
/// What a Java consumer asks for.
const PULL: u32 = 32;
const BACKLOG: u64 = 4096;
const BATCH_MAX: u64 = 4096;
const WARMUP: Duration = Duration::from_secs(10);
const DURATION: Duration = Duration::from_secs(20);
#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;
    use crate::bench::Line;

    /// The plan of a command line.
    pub(crate) fn plan(kind: Kind, arguments: &[&str]) -> Plan {
        try_plan(kind, arguments).unwrap()
    }

    fn try_plan(kind: Kind, arguments: &[&str]) -> Result<Plan, Failure> {
        let line = Line::try_parse_from(std::iter::once(&"ringmq").chain(arguments)).unwrap();
        Plan::new(kind, &line.load)
    }

    #[test]
    fn a_rate_in_bytes_is_one_in_messages() {
        let plan = plan(Kind::Produce, &["--rate=10MiB/s", "--size=1k"]);
        assert_eq!(plan.rate, Some(10_240.0));
    }

    #[test]
    fn what_is_not_said_depends_on_the_kind_of_loop() {
        let closed = plan(Kind::Produce, &[]);
        assert_eq!((closed.rate, closed.inflight, closed.spin), (None, 64, Spin::Off));
        let open = plan(Kind::Produce, &["--rate=1k"]);
        assert_eq!((open.rate, open.inflight), (Some(1_000.0), 1024));
        assert_eq!(plan(Kind::E2e, &[]).rate, Some(1_000.0));
        assert_eq!(plan(Kind::Batch, &[]).shape.batch, 32);
        assert_eq!(plan(Kind::Pop, &[]).warmup, Duration::ZERO, "what is popped there is gone");
        assert_eq!(plan(Kind::Produce, &["--sync"]).inflight, 1);
        let both = plan(Kind::Produce, &["--messages=10", "--duration=3s"]);
        assert_eq!((both.messages, both.duration), (Some(10), Some(Duration::from_secs(3))));
        assert_eq!(plan(Kind::Produce, &["--messages=10"]).duration, None);
    }

    #[test]
    fn the_largest_body_fits_and_one_byte_more_is_refused() {
        let size = |bytes: usize| format!("--size={bytes}");
        assert!(try_plan(Kind::Produce, &[&size(4 << 20)]).is_ok());
        assert!(try_plan(Kind::Produce, &[&size((4 << 20) + 1)]).is_err());
        assert!(try_plan(Kind::Batch, &["--batch=4", &size(1 << 20)]).is_ok());
        assert!(try_plan(Kind::Batch, &["--batch=4", &size((1 << 20) + 1)]).is_err());
    }
}
