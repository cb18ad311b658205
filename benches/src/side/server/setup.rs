//! [`Kind`] and [`Setup`]: which server, set up how, and the configuration files that say so.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Who runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Apache RocketMQ.
    Java,
    /// rocketmq-rust.
    Rust,
    /// This tree.
    Ours,
}

/// When a message is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// When it is in memory.
    Async,
    /// When it is on the device.
    Sync,
}

/// How a server is set up for a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// When a message is acknowledged.
    pub(crate) flush: Flush,
    /// Shards of ours, on the cores from the brokers' on.
    pub(crate) shards: usize,
    /// Settings of ours beside the usual ones, `key=value`.
    pub(crate) ours: Vec<String>,
    /// The same of RocketMQ.
    pub(crate) java: Vec<String>,
}

impl Setup {
    /// The usual one: a shard, and filters by SQL92 allowed.
    pub(crate) fn new(flush: Flush) -> Self {
        let text = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Self {
            flush,
            shards: 1,
            ours: text(&["filters.sql92=true"]),
            java: text(&["enablePropertyFilter=true"]),
        }
    }
}

impl Kind {
    /// Short and fit for a path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Java => "java",
            Kind::Rust => "rocketmq-rust",
            Kind::Ours => "ringmq",
        }
    }

    /// How often to look whether it is ready: as fine as its start is quick, and no burden to it.
    pub(super) fn look_every(self) -> Duration {
        Duration::from_millis(if self == Kind::Ours { 1 } else { 50 })
    }

    pub(super) fn broker_file(self) -> &'static str {
        match self {
            Kind::Java | Kind::Rust => "broker.conf",
            Kind::Ours => "broker.toml",
        }
    }

    pub(super) fn namesrv_configuration(self, dir: &Path, names: SocketAddr) -> String {
        let own = match self {
            Kind::Java | Kind::Rust => String::new(),
            Kind::Ours => format!("kvConfigPath={}\n", dir.join("kvConfig.json").display()),
        };
        format!("bindAddress=127.0.0.1\nlistenPort={}\n{own}", names.port())
    }

    pub(super) fn broker_configuration(
        self,
        dir: &Path,
        at: SocketAddr,
        names: SocketAddr,
        setup: &Setup,
        cpu: usize,
    ) -> String {
        let flush = setup.flush;
        let (port, store) = (at.port(), dir.join("store"));
        let store = store.display();
        match self {
            Kind::Java => format!(
                "brokerName=java\nbrokerIP1=127.0.0.1\nlistenPort={port}\nnamesrvAddr={names}\nstorePathRootDir={store}\n\
                 storePathCommitLog={store}/commitlog\nflushDiskType={}\nautoCreateTopicEnable=true\n{}",
                if flush == Flush::Sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" },
                setup.java.iter().map(|pair| format!("{pair}\n")).collect::<String>(),
            ),
            Kind::Rust => format!(
                "brokerName=rocketmq-rust\nbrokerIP1=127.0.0.1\nlistenPort={port}\nstorePathRootDir={store}\n\
                 flushDiskType={}\n",
                if flush == Flush::Sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" },
            ),
            Kind::Ours => format!(
                "# {}\nname = \"ringmq\"\nshards = {}\ncpus = \"{}\"\n\n[listen]\naddress = \"127.0.0.1\"\nport = {port}\n\n\
                 [store]\ndir = \"{store}\"\n\n[flush]\nmode = \"{}\"\n",
                setup.ours.iter().map(|pair| format!("--set {pair}")).collect::<Vec<_>>().join(" "),
                setup.shards,
                cores_from(cpu, setup.shards),
                if flush == Flush::Sync { "sync" } else { "async" },
            ),
        }
    }
}

/// `count` cores from `first` on, as `taskset` takes them.
pub(super) fn cores_from(first: usize, count: usize) -> String {
    (first..first + count).map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",")
}
