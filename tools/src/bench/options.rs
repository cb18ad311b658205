//! The command line of `ringmq bench`, as types. What they mean together is decided in [`super::plan`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::Reach;

use super::act::Delays;
use super::payload::{self, Payload, Size};
use super::units::{self, Arrivals, Rate};

/// `ringmq bench`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Send
    Produce(Box<Load>),
    /// Read what is stored, again and again
    Consume(Box<Load>),
    /// Send and receive: from the time a message was due to its delivery
    E2e(Box<Load>),
    /// Send batches
    Batch(Box<Load>),
    /// Pop what is stored and acknowledge each message, until nothing is left
    Pop(Box<Load>),
    /// Send transactions: half messages and their ends
    Tx(Box<Load>),
    /// Send delayed messages and receive them: how late they are delivered
    Delay(Box<Load>),
    /// Send plain, transactional and delayed messages, receive them, and read what is stored, all at once
    Mixed(Box<Load>),
    /// Find the highest rate that holds a bound on the latency
    FindMax(Box<FindMax>),
    /// Compare results of earlier runs: directories written with --out
    Compare(Compare),
    /// Run a workload file of the OpenMessaging Benchmark
    Replay(Box<Replay>),
    /// RocketMQ's benchmark/producer.sh, with its flags
    #[command(disable_help_flag = true)]
    RmqProducer(Alias),
    /// RocketMQ's benchmark/batchproducer.sh, with its flags
    #[command(disable_help_flag = true)]
    RmqBatch(Alias),
    /// RocketMQ's benchmark/consumer.sh, with its flags
    #[command(disable_help_flag = true)]
    RmqConsumer(Alias),
    /// RocketMQ's benchmark/tproducer.sh, with its flags
    #[command(disable_help_flag = true)]
    RmqTx(Alias),
    /// RocketMQ's benchmark TimerProducer, with its flags
    #[command(disable_help_flag = true)]
    RmqTimerProducer(Alias),
    /// RocketMQ's benchmark TimerConsumer, with its flags
    #[command(disable_help_flag = true)]
    RmqTimerConsumer(Alias),
}

/// Arguments that another parser reads.
#[derive(Clone, Debug, Args)]
pub struct Alias {
    /// As RocketMQ's tool takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// Options of every kind of load.
#[derive(Clone, Debug, Args)]
pub struct Load {
    /// The cluster
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Call these brokers instead of asking name servers
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT", conflicts_with = "namesrv")]
    pub broker: Vec<String>,
    /// Only brokers of this cluster
    #[arg(long, conflicts_with = "broker")]
    pub cluster: Option<String>,
    /// Topic [default: one of its own, removed at the end]
    #[arg(long)]
    pub topic: Option<String>,
    /// Number of topics, NAME-0 and so on
    #[arg(long, default_value_t = 1)]
    pub topics: u32,
    /// Queues per topic and broker, of topics that are made
    #[arg(long, default_value_t = 4)]
    pub queues: u32,
    /// Use a topic that is there, and leave it there
    #[arg(long)]
    pub topic_exists: bool,
    /// Use a topic whether it is there or not, and leave it there: a broker that may makes it at the first send
    #[arg(long, requires = "topic", conflicts_with_all = ["topic_exists", "broker"])]
    pub topic_on_demand: bool,

    /// Messages or bytes per second, or `max` for a closed loop [default: 1000/s with deliveries, max otherwise]
    #[arg(long, value_parser = units::rate, value_name = "200k/s|500MiB/s|max")]
    pub rate: Option<Rate>,
    /// When messages are due
    #[arg(long, value_parser = units::arrivals, default_value = "uniform", value_name = "uniform|poisson|burst:N")]
    pub arrivals: Arrivals,
    /// Producing connections to each broker
    #[arg(long, default_value_t = 4)]
    pub connections: u32,
    /// Cores of the generator, one pinned thread each [default: the last one that is no broker's]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,
    /// How a generator thread waits: `off` sleeps, `on` polls, or polls for microseconds [default: on in an open loop]
    #[arg(long, value_parser = spin, value_name = "on|off|US")]
    pub spin: Option<u32>,
    /// Requests in flight per connection [default: 64 in a closed loop, 1024 in an open one]
    #[arg(long)]
    pub inflight: Option<u32>,
    /// Producers, each with connections of its own
    #[arg(long, default_value_t = 1)]
    pub producers: u32,
    /// Consumers, each with a connection to each broker; queues are dealt to them [default: 4, at most one per queue]
    #[arg(long)]
    pub consumers: Option<u32>,
    /// e2e: groups of consumers, each of which receives everything
    #[arg(long, default_value_t = 1)]
    pub subscriptions: u32,
    /// consume: wait for what others send; latency since born and since stored, on the hosts' wall clocks
    #[arg(long)]
    pub follow: bool,
    /// tx, mixed: share of transactions that are rolled back at once
    #[arg(long, value_parser = units::share, default_value = "0", value_name = "10%|0.1")]
    pub rollback: f64,
    /// tx, mixed: share of transactions whose end is not known when they are sent
    #[arg(long, value_parser = units::share, default_value = "0", value_name = "10%|0.1")]
    pub unknown: f64,
    /// tx, mixed: share of the broker's checks that are answered with a roll-back
    #[arg(long, value_parser = units::share, default_value = "0", value_name = "10%|0.1")]
    pub check_rollback: f64,
    /// tx, mixed: share of the broker's checks that are answered with "not known yet"
    #[arg(long, value_parser = units::share, default_value = "0", value_name = "10%|0.1")]
    pub check_unknown: f64,
    /// delay, mixed: from sending to delivery, exact to the millisecond [default: 5s]
    #[arg(long, value_parser = units::delays, value_name = "5s|1s..10s[:STEP]", conflicts_with = "level")]
    pub delay: Option<Delays>,
    /// delay, mixed: a delay level of the broker instead of exact times
    #[arg(long)]
    pub level: Option<u32>,
    /// delay, mixed: messages say when they are due under this name too; consume --follow: lateness is reckoned from it
    #[arg(long, value_name = "NAME", hide = true)]
    pub due_property: Option<String>,
    /// mixed: share of messages that are transactions
    #[arg(long, value_parser = units::share, default_value = "0", value_name = "10%|0.1")]
    pub tx_share: f64,
    /// mixed: share of messages that are delayed
    #[arg(long, value_parser = units::share, default_value = "0", value_name = "10%|0.1")]
    pub delay_share: f64,
    /// mixed: consumers that read the --backlog (with --topic-exists: what is there) again and again, each all of it, from
    /// places far apart
    #[arg(long, default_value_t = 0)]
    pub scan: u32,
    /// Consumer group named in pulls [default: ringmq_bench]
    #[arg(long)]
    pub group: Option<String>,
    /// consume: only messages with one of these tags, `TagA || TagB`, or for which an expression holds
    #[arg(long, default_value = "*", value_name = "TAGS|EXPRESSION")]
    pub filter: String,
    /// consume: --filter is an expression of SQL92
    #[arg(long)]
    pub sql: bool,
    /// Messages per pull at most [default: 32]
    #[arg(long)]
    pub pull: Option<u32>,
    /// consume: messages stored first in each queue, then read again and again; pop: popped once [default: 4096]
    #[arg(long)]
    pub backlog: Option<u64>,

    /// Bytes of a body: a size, a range, or a file of sizes
    #[arg(long, value_parser = payload::size, default_value = "1k", value_name = "1k|200..500|FILE")]
    pub size: Size,
    /// What bodies are made of
    #[arg(long, value_parser = payload::payload, default_value = "random", value_name = "zero|random|ratio:0.5|FILE")]
    pub payload: Payload,
    /// Keys of messages: none, N in turn, or N with Zipf's exponent S
    #[arg(long, default_value = "none", value_name = "none|rr[:N]|zipf:S[:N]")]
    pub keys: String,
    /// How messages spread over queues: in turn, or by Zipf's law with exponent S
    #[arg(long, default_value = "even", value_name = "even|zipf:S")]
    pub spread: String,
    /// Tags, taken in turn
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    /// A property of every message, `name=value`; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub props: Vec<String>,
    /// Leave out the properties that a Java producer adds (UNIQ_KEY, WAIT)
    #[arg(long)]
    pub bare: bool,
    /// Messages per request [default: 1; 32 for `bench batch`]
    #[arg(long)]
    pub batch: Option<u32>,
    /// Compress bodies (zlib), as Java's producer does above 4 KiB
    #[arg(long)]
    pub compress: bool,
    /// One request in flight per connection
    #[arg(long, conflicts_with_all = ["async", "oneway", "inflight"])]
    pub sync: bool,
    /// Many requests in flight per connection (the default)
    #[arg(long, conflicts_with = "oneway")]
    pub r#async: bool,
    /// Want no answers
    #[arg(long)]
    pub oneway: bool,
    /// How headers are spelled
    #[arg(long, value_enum, default_value_t = Spelling::Json)]
    pub header: Spelling,

    /// Measured time [default: 20s]
    #[arg(long, value_parser = units::duration)]
    pub duration: Option<Duration>,
    /// Measured messages, in whole batches; with --duration too, what ends first
    #[arg(long)]
    pub messages: Option<u64>,
    /// Load before the measured time [default: 10s; 2s for a step of find-max, none for pop]
    #[arg(long, value_parser = units::duration)]
    pub warmup: Option<Duration>,
    /// Length of an interval
    #[arg(long, value_parser = units::duration, default_value = "1s")]
    pub interval: Duration,
    /// How long a lost connection may be away before the run ends early; what is due meanwhile waits. 0s: not at all
    #[arg(long, value_parser = units::duration, default_value = "30s")]
    pub reconnect: Duration,
    /// Account for every message: lost, duplicate, out of order, damaged
    #[arg(long)]
    pub verify: bool,
    /// Exit with 3 if one of these holds: p50 p90 p99 p99.9 p99.99 max mean err rate lag lost, with < > <= >=
    #[arg(long, value_name = "p99>2ms,err>0")]
    pub fail_if: Option<String>,
    /// Percentiles that the result claims: with fewer than ten samples beyond one the run is INVALID
    #[arg(long, value_delimiter = ',', default_values_t = [50.0, 90.0, 99.0, 99.9])]
    pub percentiles: Vec<f64>,
    /// Write summary.json, intervals.csv, histograms, report.html ... into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Form of the result on stdout
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Print progress and result as RocketMQ's own benchmark does, percentiles after them
    #[arg(long, conflicts_with = "format")]
    pub rmq_format: bool,
    /// A note for the summary, `key=value`; repeatable
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub notes: Vec<String>,
    /// Everything random follows from it [default: drawn]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Process of the broker, for its CPU time [default: found, if it runs on this host]
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// Keep what this URL answers before and after the run, beside the result
    #[arg(long, value_name = "URL")]
    pub server_metrics: Option<String>,
    /// Not yet: comes with TLS
    #[arg(long, hide = true)]
    pub tls: bool,
    /// Not yet: comes with access control
    #[arg(long, hide = true)]
    pub acl: bool,
}

/// `ringmq bench find-max`
#[derive(Clone, Debug, Args)]
pub struct FindMax {
    /// The load; --duration is that of a step [default: 5s]
    #[command(flatten)]
    pub load: Load,
    /// The bound
    #[arg(long, value_parser = units::duration, default_value = "10ms")]
    pub p99: Duration,
    /// First rate tried
    #[arg(long, value_parser = units::rate, default_value = "1000/s")]
    pub from: Rate,
    /// Stop when the highest good rate and the lowest bad one are this close, percent
    #[arg(long, default_value_t = 5.0)]
    pub precision: f64,
    /// Searches; the spread of what they find is the spread of the answer
    #[arg(long, default_value_t = 3)]
    pub times: u32,
    /// Load of an end-to-end run instead of sends only
    #[arg(long)]
    pub e2e: bool,
}

/// `ringmq bench compare`
#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// Results: directories written with --out, or directories of such (several runs of one thing)
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    pub results: Vec<PathBuf>,
    /// Write report.html with all of them laid over each other into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `ringmq bench replay`
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// Workload in OMB's YAML
    pub workload: PathBuf,
    /// What the file does not say; what it says wins
    #[command(flatten)]
    pub load: Load,
}

/// Header codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spelling {
    /// A JSON object, the default of every client.
    Json,
    /// The binary form.
    Rocketmq,
}

/// Form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Line,
    /// summary.json
    Json,
    /// A row per interval
    Csv,
}

fn spin(text: &str) -> Result<u32, String> {
    match text {
        "off" => Ok(0),
        "on" => Ok(u32::MAX),
        micros => micros.parse().map_err(|_| format!("{text:?} is none of on, off, or microseconds")),
    }
}
