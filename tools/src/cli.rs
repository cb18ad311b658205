//! The command line of `ringmq`, as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::output::Format;

mod admin;

pub(crate) use admin::{Admin, AdminBroker, AdminCommon, ClusterCommand, GroupCommand, Target, TopicCommand};

/// RocketMQ-compatible broker and name server for Linux, with their tools.
#[derive(Debug, Parser)]
#[command(name = "ringmq", version = env!("BUILT_VERSION"), about, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a name server and a broker in this process, on loopback, with a temporary store
    Dev(Dev),
    /// Run a name server
    Namesrv(NamesrvCommand),
    /// Run a broker
    Broker(BrokerCommand),
    /// Show and explain the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The two quickstart programs of RocketMQ
    #[command(subcommand)]
    Quickstart(Quickstart),
    /// Send the lines of stdin to a topic, one message each
    Produce(Produce),
    /// Print the messages of a topic
    Consume(Consume),
    /// Look at and change a running cluster
    #[command(subcommand)]
    Admin(Admin),
    /// Measure what the disk under a directory does, and which settings follow
    IoProbe(crate::io_probe::Options),
    /// Compare this host with what RingMQ wants of one
    #[command(subcommand)]
    Tune(crate::tune::TuneCommand),
    /// Measure: send, receive, both; find the highest rate; compare results
    #[command(subcommand)]
    Bench(crate::bench::BenchCommand),
    /// RocketMQ's mqbroker, with its flags
    #[command(disable_help_flag = true, hide = true)]
    Mqbroker(Foreign),
    /// RocketMQ's mqnamesrv, with its flags
    #[command(disable_help_flag = true, hide = true)]
    Mqnamesrv(Foreign),
    /// RocketMQ's mqshutdown, with its arguments
    #[command(disable_help_flag = true, hide = true)]
    Mqshutdown(Foreign),
}

/// Arguments that another parser reads.
#[derive(Debug, Args)]
pub(crate) struct Foreign {
    /// As RocketMQ's command takes them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// `ringmq dev`
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Port of the name server
    #[arg(long, default_value_t = 9876)]
    pub(crate) namesrv_port: u16,
    /// Port of the first shard; the others follow in steps of 10
    #[arg(long, default_value_t = 10911)]
    pub(crate) port: u16,
    /// Number of shards [default: cores less one, at least 1]
    #[arg(long)]
    pub(crate) shards: Option<u16>,
    /// Keep the store in this directory instead of a temporary one
    #[arg(long)]
    pub(crate) store: Option<PathBuf>,
    /// Set a key of the broker, `key=value`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// `ringmq namesrv`
#[derive(Debug, Args)]
pub(crate) struct NamesrvCommand {
    /// Configuration file: TOML if it ends in .toml, Java properties otherwise
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set a key, `key=value`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Check configuration and host, start nothing; exit code 3 if something is wrong
    #[arg(long)]
    pub(crate) check: bool,
    /// Form of what --check prints
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// `ringmq broker`
#[derive(Debug, Args)]
pub(crate) struct BrokerCommand {
    /// Configuration file: TOML if it ends in .toml, Java properties otherwise
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Name servers, host:port separated by ';' (beats the file)
    #[arg(short = 'n', long = "namesrv", value_name = "ADDRS")]
    pub(crate) namesrv: Option<String>,
    /// Set a key, `key=value`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Check configuration and host, start nothing; exit code 3 if something is wrong
    #[arg(long)]
    pub(crate) check: bool,
    /// Form of what --check prints
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Which server's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    /// The broker's.
    #[default]
    Broker,
    /// The name server's.
    Namesrv,
}

/// `ringmq config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its value
    Show {
        /// Configuration file
        #[arg(short = 'c', long = "config", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Set a key, `key=value`
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Also say where each value comes from
        #[arg(long)]
        origin: bool,
        /// Whose configuration
        #[arg(long, value_enum, default_value_t)]
        server: Server,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Explain a key by its native or its RocketMQ name; without one, list all
    Explain {
        /// The key
        key: Option<String>,
        /// Whose configuration
        #[arg(long, value_enum, default_value_t)]
        server: Server,
        /// Form of the list
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
}

/// How to reach a cluster.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reach {
    /// Name servers, host:port separated by ';' [default: NAMESRV_ADDR, else 127.0.0.1:9876]
    #[arg(short = 'n', long = "namesrv", value_name = "ADDRS")]
    pub(crate) namesrv: Option<String>,
    /// Longest wait for one answer, in milliseconds
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) timeout: u64,
}

/// `ringmq quickstart`
#[derive(Debug, Subcommand)]
pub(crate) enum Quickstart {
    /// Send 1000 messages to TopicTest
    Producer {
        /// The cluster
        #[command(flatten)]
        reach: Reach,
        /// Number of messages
        #[arg(long, default_value_t = 1000)]
        count: u32,
    },
    /// Print what comes to TopicTest, until interrupted
    Consumer {
        /// The cluster
        #[command(flatten)]
        reach: Reach,
        /// Stop after this many messages
        #[arg(long)]
        count: Option<u64>,
    },
}

/// `ringmq produce`
#[derive(Debug, Args)]
pub(crate) struct Produce {
    /// Topic to send to
    pub(crate) topic: String,
    /// The cluster
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Keys to find the messages by; repeatable
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Tag to filter by
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// A property, `name=value`; repeatable
    #[arg(long = "prop", value_name = "NAME=VALUE")]
    pub(crate) properties: Vec<String>,
    /// Deliver after this time: 500ms, 5s, 10m, 2h, 7d
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    pub(crate) delay: Option<String>,
    /// Deliver at this time: 2026-11-21T14:00:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Send half messages and decide each at once: commit, rollback; or unknown: the broker asks the producers of the
    /// group later
    #[arg(long, value_enum, value_name = "DECISION", conflicts_with_all = ["delay", "at"])]
    pub(crate) tx: Option<crate::produce::Decision>,
    /// Queue to send to: ID, or BROKER:ID if several brokers have the topic
    #[arg(long, value_name = "[BROKER:]ID")]
    pub(crate) queue: Option<String>,
    /// Producer group
    #[arg(long, default_value = "ringmq_produce")]
    pub(crate) group: String,
    /// Print a line per message sent
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
}

/// `ringmq consume`
#[derive(Debug, Args)]
pub(crate) struct Consume {
    /// Topic to read
    pub(crate) topic: String,
    /// The cluster
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Where to start: earliest, latest, a time (2026-11-21T14:00:00Z, milliseconds since 1970) or an age (15m, 2h)
    #[arg(long, default_value = "latest", value_name = "WHERE")]
    pub(crate) from: String,
    /// Form of a message: %b body, %k keys, %g tag, %t topic, %r broker, %q queue, %o offset, %T store time, %m id,
    /// %p properties, %s size, %% %, \n \t
    #[arg(short = 'f', long = "format", default_value = "%b\\n")]
    pub(crate) format: String,
    /// Consume as a member of this group: queues are shared, offsets are committed. Without, everything is read
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Tags to read, `TagA || TagB`
    #[arg(long, default_value = "*")]
    pub(crate) tags: String,
    /// A condition on properties (SQL92), such as "a > 5 AND region = 'EU'"; brokers take it with enablePropertyFilter
    #[arg(long, value_name = "CONDITION", conflicts_with = "tags")]
    pub(crate) filter: Option<String>,
    /// Stop after this many messages
    #[arg(long)]
    pub(crate) count: Option<u64>,
    /// Stop at what is the end now, instead of waiting for more
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Pop: every member of the group takes from every queue, each message is acknowledged by itself
    #[arg(long, requires = "group")]
    pub(crate) pop: bool,
    /// How long, in seconds, nobody else gets a popped message that is not acknowledged
    #[arg(long, default_value = "60", value_name = "SECONDS", requires = "pop")]
    pub(crate) invisible: u64,
}
