//! The command line of `ringmq admin`, as types. Single messages and dead letters keep theirs beside their code.

use clap::{Args, Subcommand};

use crate::output::Format;

use super::Reach;

/// `ringmq admin`
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Clusters and their brokers
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Consumer groups
    #[command(subcommand)]
    Group(GroupCommand),
    /// Single messages
    #[command(subcommand)]
    Message(crate::admin::MessageCommand),
    /// Dead letters
    #[command(subcommand)]
    Dlq(crate::admin::DlqCommand),
    /// Brokers
    #[command(subcommand)]
    Broker(AdminBroker),
}

/// What every admin command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct AdminCommon {
    /// The cluster
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// `ringmq admin cluster`
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Brokers with version, traffic and disk
    List(AdminCommon),
}

/// Which brokers a change goes to.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// Only the broker (shard) at this address
    #[arg(short = 'b', long = "broker", value_name = "HOST:PORT", conflicts_with = "cluster")]
    pub(crate) broker: Option<String>,
    /// All brokers of this cluster [default: the only cluster]
    #[arg(long)]
    pub(crate) cluster: Option<String>,
}

/// `ringmq admin group`
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// How far a group is behind, queue by queue, in messages and in time
    Lag {
        /// Name
        group: String,
        /// Only this topic
        #[arg(long)]
        topic: Option<String>,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Which groups have members that subscribe differently, and so miss messages. Exits with 3 if there are some
    Conflicts {
        /// Only this group [default: all]
        group: Option<String>,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Have a group go on elsewhere in a topic
    Reset {
        /// Name
        group: String,
        /// The topic
        #[arg(long)]
        topic: String,
        /// Where: earliest, latest, a time (2026-11-21T14:00:00Z, milliseconds since 1970) or an age (15m, 2h)
        #[arg(long, value_name = "WHERE")]
        to: String,
        /// Only back, never forward
        #[arg(long)]
        only_back: bool,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Have a group skip everything that is there now
    Skip {
        /// Name
        group: String,
        /// The topic
        #[arg(long)]
        topic: String,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Give a group the offsets of another
    Clone {
        /// The group to copy from
        from: String,
        /// The group to copy to
        to: String,
        /// The topic
        #[arg(long)]
        topic: String,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
}

/// `ringmq admin topic`
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create or change a topic on every broker of a cluster
    Create {
        /// Name
        topic: String,
        /// Queues per broker
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_535))]
        queues: u32,
        /// What clients may do: 6 all, 4 read, 2 write
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=7))]
        perm: u32,
        /// Attributes, `+message.type=NORMAL,-other`
        #[arg(long)]
        attributes: Option<String>,
        /// Which brokers
        #[command(flatten)]
        target: Target,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// List topics
    List(AdminCommon),
    /// Delete a topic from every broker of a cluster and from the name servers
    Delete {
        /// Name
        topic: String,
        /// Which brokers
        #[command(flatten)]
        target: Target,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Show which brokers have a topic
    Route {
        /// Name
        topic: String,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Show the offsets of a topic's queues
    Status {
        /// Name
        topic: String,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
}

/// `ringmq admin broker`
#[derive(Debug, Subcommand)]
pub(crate) enum AdminBroker {
    /// Show the configuration of a broker
    Config {
        /// Which brokers
        #[command(flatten)]
        target: Target,
        /// Only keys that contain this
        #[arg(long)]
        key: Option<String>,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
}
