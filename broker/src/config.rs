//! The configuration of a broker node: one table of keys.
//!
//! Place: read by `ringmq broker` and by the handlers of GET_BROKER_CONFIG and UPDATE_BROKER_CONFIG; a [`BrokerConfig`]
//! that came from [`load`] is complete (nothing is `auto` any more but what the shards decide by themselves) and
//! consistent. A new key is one row here, and a `-` in the list of RocketMQ's names if it has one.

use std::net::IpAddr;
use std::path::PathBuf;

use settings::{ANY, Addresses, Cpus, Entry, Problem, Resolved, one_of, within};

mod host;
mod java;
mod settle;
mod words;

pub use host::Host;
pub use java::{java_keys, java_properties};
pub use settle::PORT_STRIDE;
pub use words::{DelayLevels, FlushMethod, FlushMode, Hours, IoMode, LogFormat, Span};

settings::settings! {
    /// Everything a broker node can be told. Field order is the order of `config show`.
    pub struct BrokerConfig {
        /// Cluster that the node's shards register in.
        cluster: String = "DefaultCluster", "cluster", "brokerClusterName", "", Restart, ANY;
        /// Name of shard 0; shard k is NAME-k. Auto takes the host's name: two nodes of one name would be taken for
        /// master and slave of each other.
        name: String = "auto", "name", "brokerName", "", Restart, ANY;
        /// Name servers to register at, all of them.
        namesrv: Addresses = "", "namesrv", "namesrvAddr", "", Restart, ANY;
        /// Region written into the property MSG_REGION of each message.
        region: String = "DefaultRegion", "region", "regionId", "", Restart, ANY;
        /// Shards of this node, each a broker of its own on a core of its own. Auto is the cores less one, at least 1,
        /// at most 16. Recorded in the store: growing means new broker names.
        shards: Option<u16> = "auto", "shards", "", "", Format, within(1, 64);
        /// CPUs for the shards, one each in this order. Auto leaves CPU 0 to interrupts if there are others.
        cpus: Option<Cpus> = "auto", "cpus", "", "", Restart, ANY;
        /// How long an idle shard polls before it sleeps: less latency for more CPU; 0 sleeps at once, -1 never does. Auto
        /// adapts to the traffic.
        spin_us: Option<i32> = "auto", "spin_us", "", "us", Restart, within(-1, 1_000_000);
        /// What clients may do here: 6 all, 4 read, 2 write, 0 nothing. Masks every topic's own permission.
        permission: u32 = "6", "permission", "brokerPermission", "", Hot, one_of(&[0, 2, 4, 6]);

        /// Address to listen on.
        listen_address: IpAddr = "0.0.0.0", "listen.address", "bindAddress", "", Restart, ANY;
        /// Port of shard 0; shard k listens 10 k higher, as RocketMQ uses the ports around each.
        listen_port: u16 = "10911", "listen.port", "listenPort", "", Restart, within(3, 65535);
        /// Address that clients are told, and that message ids carry. Auto takes the listen address, or the only
        /// address of the host: with several it has to be written, since a wrong guess strands every client.
        advertise: Option<String> = "auto", "listen.advertise", "brokerIP1", "", Restart, ANY;
        /// Also listen two ports lower, where old clients send ("VIP channel").
        listen_vip: bool = "true", "listen.vip", "", "", Restart, ANY;
        /// A connection that is silent this long is closed. Clients send heartbeats every 30 s.
        idle_seconds: u32 = "120", "listen.idle_seconds", "serverChannelMaxIdleTimeSeconds", "s", Restart, within(1, 86_400);

        /// How often the node registers at the name servers. They forget a silent broker after 120 s.
        register_period_ms: u32 = "30000", "register.period_ms", "registerNameServerPeriod", "ms", Restart, within(10_000, 60_000);
        /// How long a name server may take to answer a registration.
        register_timeout_ms: u32 = "24000", "register.timeout_ms", "registerBrokerTimeoutMills", "ms", Restart, within(100, 120_000);

        /// Make a topic when the first message for it comes.
        auto_create_topic: bool = "true", "topics.auto_create", "autoCreateTopicEnable", "", Hot, ANY;
        /// Queues per shard of the template topic TBW102: the most that a topic made on the fly gets.
        default_queues: u32 = "8", "topics.default_queues", "defaultTopicQueueNums", "", Restart, within(1, 1024);
        /// Have a topic named like the cluster, for probes.
        cluster_topic: bool = "true", "topics.cluster_topic", "clusterTopicEnable", "", Restart, ANY;
        /// Have a topic named like the broker, for probes.
        broker_topic: bool = "true", "topics.broker_topic", "brokerTopicEnable", "", Restart, ANY;
        /// When a topic is deleted, delete with it the retry topics that pop consumers of it made.
        clear_retries: bool = "true", "topics.clear_retries", "clearRetryTopicWhenDeleteTopic", "", Hot, ANY;
        /// Have light queues: queues without a topic, named %LMQ%NAME, that messages lie in besides their own.
        light_queues: bool = "false", "topics.light_queues", "enableLmq", "", Restart, ANY;
        /// Put messages into the light queues that they name (INNER_MULTI_DISPATCH).
        multi_dispatch: bool = "false", "topics.multi_dispatch", "enableMultiDispatch", "", Restart, ANY;
        /// Light queues per shard at most.
        light_queues_max: u32 = "20000", "topics.light_queues_max", "maxLmqConsumeQueueNum", "", Restart, within(1, 10_000_000);
        /// Have the topic that clients write message traces to.
        trace_topic: bool = "false", "topics.trace_topic", "traceTopicEnable", "", Restart, ANY;
        /// Name of that topic.
        trace_topic_name: String = "RMQ_SYS_TRACE_TOPIC", "topics.trace_topic_name", "msgTraceTopicName", "", Restart, ANY;
        /// Tell clients to write traces (TRACE_ON of every answer).
        trace_on: bool = "true", "topics.trace_on", "traceOn", "", Restart, ANY;
        /// Make a consumer group when its first member comes.
        auto_create_group: bool = "true", "groups.auto_create", "autoCreateSubscriptionGroup", "", Hot, ANY;
        /// Tell the members of a group when one comes or leaves, so that they share the queues anew at once.
        notify_members: bool = "true", "groups.notify_members", "notifyConsumerIdsChangedEnable", "", Hot, ANY;
        /// A client whose heartbeats stop is dropped after this time.
        client_expiry_ms: u32 = "120000", "groups.client_expiry_ms", "channelExpiredTimeout", "ms", Restart, within(1_000, 86_400_000);
        /// Refuse consumers that pull by themselves (request 361).
        reject_pull_consumers: bool = "false", "groups.reject_pull", "rejectPullConsumerEnable", "", Hot, ANY;

        /// Directory of the store. Nothing outside it is ever written but the log window in shared memory.
        store_dir: PathBuf = "/var/lib/ringmq", "store.dir", "storePathRootDir", "", Restart, ANY;
        /// RocketMQ's separate commitlog directory. It has to be DIR/commitlog here; the logs of the shards lie under
        /// the store directory.
        commitlog_dir: Option<PathBuf> = "auto", "store.commitlog_dir", "storePathCommitLog", "", Restart, ANY;
        /// How the log reaches the disk: direct (O_DIRECT) or buffered (page cache; HDD, network disks, filesystems
        /// without O_DIRECT). Auto takes direct where the directory can.
        io_mode: IoMode = "auto", "store.io_mode", "", "", Restart, ANY;
        /// Log window per shard: staging buffer, DMA buffer and cache of the hot tail at once. On a dedicated host a
        /// quarter of the memory over all shards keeps a long tail hot.
        window_mib: u32 = "64", "store.window_mib", "", "MiB", Restart, within(16, 1_048_576);
        /// Where the windows lie: a directory on tmpfs or hugetlbfs. Auto takes `/run/ringmq` or `/dev/shm`.
        window_dir: Option<PathBuf> = "auto", "store.window_dir", "", "", Restart, ANY;
        /// Bytes of one commitlog segment. Prepared (zeroed) ahead and recycled.
        segment_bytes: u64 = "1073741824", "store.segment_bytes", "mappedFileSizeCommitLog", "bytes", Restart, within(1_048_576, 1_099_511_627_776);
        /// Largest message body, and largest batch.
        message_bytes_max: u32 = "4194304", "store.message_bytes_max", "maxMessageSize", "bytes", Restart, within(1_024, 16_777_216);
        /// Cache for reads of what left the window, per shard.
        cold_cache_mib: u32 = "32", "store.cold_cache_mib", "", "MiB", Restart, within(1, 1_048_576);

        /// sync: an acknowledged message is flushed on the device. async: it survives kill -9, a power cut loses at
        /// most flush.interval_ms.
        flush_mode: FlushMode = "async", "flush.mode", "flushDiskType", "", Restart, ANY;
        /// How a write is made durable: plain (write-through device), dsync (FUA), fdatasync. Auto asks the device.
        flush_method: FlushMethod = "auto", "flush.method", "", "", Restart, ANY;
        /// Pending bytes that are written at once in async mode, without waiting for more. Auto: what `ringmq io-probe
        /// --record` found best in the store's directory, else 256.
        flush_chunk_kib: Option<u32> = "auto", "flush.chunk_kib", "", "KiB", Restart, within(4, 1_024);
        /// Greatest age of data that is not flushed, in async mode.
        flush_interval_ms: u32 = "200", "flush.interval_ms", "flushIntervalCommitLog", "ms", Restart, within(1, 60_000);
        /// A sync send that is not flushed after this time is answered FLUSH_DISK_TIMEOUT.
        flush_timeout_ms: u32 = "5000", "flush.timeout_ms", "syncFlushTimeout", "ms", Restart, within(100, 60_000);
        /// How often consumer offsets are made durable. An upper bound: the node does it at least every second.
        flush_offsets_ms: u32 = "1000", "flush.offsets_ms", "flushConsumerOffsetInterval", "ms", Restart, within(10, 3_600_000);

        /// Messages are kept this long.
        retention_hours: u32 = "72", "retention.hours", "fileReservedTime", "h", Hot, within(1, 876_000);
        /// Hours of the day (local time) in which expired segments go, such as 04. None: as soon as they expire.
        retention_window: Hours = "", "retention.window", "", "", Hot, ANY;
        /// Above this use of the disk the oldest segments go, expired or not.
        disk_percent_max: u32 = "75", "retention.disk_percent", "diskMaxUsedSpaceRatio", "percent", Hot, within(10, 95);
        /// Above this they go without regard for reads in flight.
        disk_percent_force: u32 = "85", "retention.force_percent", "diskSpaceCleanForciblyRatio", "percent", Hot, within(30, 98);
        /// Above this sends are refused.
        disk_percent_refuse: u32 = "90", "retention.refuse_percent", "diskSpaceWarningLevelRatio", "percent", Hot, within(35, 99);
        /// Delete before expiry at all. Off: a full disk refuses sends instead.
        retention_forced: bool = "true", "retention.forced", "cleanFileForciblyEnable", "", Hot, ANY;
        /// How often expiry and disk use are looked at.
        retention_interval_ms: u32 = "10000", "retention.interval_ms", "cleanResourceInterval", "ms", Restart, within(100, 3_600_000);

        /// Bytes one pull may return from the window.
        pull_bytes_hot: u32 = "262144", "read.hot_bytes", "maxTransferBytesOnMessageInMemory", "bytes", Hot, within(1, 16_777_216);
        /// Messages one pull may return from the window.
        pull_count_hot: u32 = "32", "read.hot_count", "maxTransferCountOnMessageInMemory", "", Hot, within(1, 4_096);
        /// Bytes one pull may return from the disk.
        pull_bytes_cold: u32 = "65536", "read.cold_bytes", "maxTransferBytesOnMessageInDisk", "bytes", Hot, within(1, 16_777_216);
        /// Messages one pull may return from the disk.
        pull_count_cold: u32 = "8", "read.cold_count", "maxTransferCountOnMessageInDisk", "", Hot, within(1, 4_096);
        /// Bytes of queue entries (20 each) that one filtered pull looks at.
        filter_scan_bytes: u32 = "16000", "read.filter_scan_bytes", "maxFilterMessageSize", "bytes", Hot, within(20, 16_777_216);
        /// Messages that one query by key may ask for.
        query_count_max: u32 = "64", "read.query_count_max", "maxMsgsNumBatch", "", Hot, within(1, 4_096);
        /// Messages that a query by unique key looks at.
        query_count: u32 = "32", "read.query_count", "defaultQueryMaxNum", "", Hot, within(1, 4_096);
        /// Hold a pull that finds nothing until a message comes. Off: only for read.short_poll_ms.
        long_polling: bool = "true", "read.long_polling", "longPollingEnable", "", Hot, ANY;
        /// How long a pull is held when long polling is off.
        short_poll_ms: u32 = "1000", "read.short_poll_ms", "shortPollingTimeMills", "ms", Hot, within(0, 30_000);

        /// Let consumers filter by properties (SQL92): every message in question is then read by the broker.
        sql_filters: bool = "false", "filters.sql92", "enablePropertyFilter", "", Hot, ANY;
        /// Percent of pops that look into the group's retry topic first; the others look there last.
        pop_retry_percent: u32 = "20", "pop.retry_percent", "popFromRetryProbability", "percent", Hot, within(0, 100);
        /// The same for topics whose messages have priorities.
        pop_retry_percent_priority: u32 = "0", "pop.retry_percent_priority", "popFromRetryProbabilityForPriority", "percent", Hot, within(0, 100);
        /// Name the retry topics of pops %RETRY%group+topic instead of %RETRY%group_topic. Both are read.
        pop_retry_topic_v2: bool = "false", "pop.retry_topic_v2", "enableRetryTopicV2", "", Hot, ANY;
        /// Among messages with priorities, higher numbers come first.
        priority_highest_first: bool = "true", "pop.highest_first", "priorityOrderAsc", "", Hot, ANY;
        /// Waiting times of the delay levels, level 1 first. A message waits in the queue of its level; a change also
        /// moves the times of those that wait.
        delay_levels: DelayLevels = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h", "delay.levels", "messageDelayLevel", "", Restart, ANY;

        /// Take messages for a time of their own (TIMER_DELIVER_MS and its kin).
        timers: bool = "true", "delay.timers", "timerWheelEnable", "", Restart, ANY;
        /// Let producers take such a message back before it is due. RocketMQ's default is no.
        recall: bool = "true", "delay.recall", "recallMessageEnable", "", Hot, ANY;

        /// Store the answers of request-reply, besides handing them to the client that waits.
        store_replies: bool = "true", "topics.store_replies", "storeReplyMessageEnable", "", Hot, ANY;
        /// How long a message's unique key is remembered: a retry of the same topic and key on the same shard is then
        /// answered with the first result and stored once. Such as 10m; off: every send is stored. A producer that
        /// sends one message object several times on purpose sends one key several times.
        dedup_window: Span = "off", "dedup.window", "", "", Restart, ANY;
        /// Keys remembered per shard at most, 72 bytes each; the oldest make room.
        dedup_count: u32 = "1000000", "dedup.count", "", "", Restart, within(1, 50_000_000);

        /// Refuse half messages.
        reject_transactions: bool = "false", "transactions.reject", "rejectTransactionMessage", "", Hot, ANY;
        /// A half message younger than this is not asked about, unless it names a time of its own.
        transaction_timeout_ms: u32 = "6000", "transactions.timeout_ms", "transactionTimeOut", "ms", Hot, within(0, 86_400_000);
        /// How often producers are asked about half messages that nobody decided.
        transaction_check_ms: u32 = "30000", "transactions.check_ms", "transactionCheckInterval", "ms", Hot, within(100, 86_400_000);
        /// After so many questions a half message is given up: it is never delivered.
        transaction_check_max: u32 = "15", "transactions.check_max", "transactionCheckMax", "", Hot, within(1, 1_000_000);

        /// Sends before this time are refused: lets a migration warm up. 0: at once.
        accept_sends_from_ms: i64 = "0", "overload.accept_sends_from_ms", "startAcceptSendRequestTimeStamp", "ms since 1970", Hot, within(0, i64::MAX);

        /// Take configuration changes over the network (UPDATE_BROKER_CONFIG), for hot keys.
        remote_config: bool = "false", "admin.remote_config", "", "", Restart, ANY;
        /// Networks (CIDR, separated by ;) whose admin writes are taken. This host's always are.
        admin_allow: String = "", "admin.allow", "", "", Hot, ANY;
        /// What is logged: a level, or `target=level` pairs separated by commas.
        log_filter: String = "info", "log.filter", "", "", Hot, ANY;
        /// How a log line looks.
        log_format: LogFormat = "pretty", "log.format", "", "", Restart, ANY;
    }
}

/// Understands `entries` (lowest precedence first), completes what is `auto` from `host`, and checks what keys mean
/// together.
///
/// # Errors
/// Every [`Problem`] there is.
pub fn load(entries: &[Entry], host: &Host) -> Result<Resolved<BrokerConfig>, Vec<Problem>> {
    let mut resolved = settings::resolve::<BrokerConfig>(java_keys(), entries)?;
    settle::settle(&mut resolved, host)?;
    Ok(resolved)
}

impl BrokerConfig {
    /// Name of shard `index`: shard 0 keeps the configured one.
    #[must_use]
    pub fn shard_name(&self, index: u16) -> String {
        if index == 0 { self.name.clone() } else { format!("{}-{index}", self.name) }
    }

    /// Port of shard `index`.
    ///
    /// # Panics
    /// If the ports of the shards do not fit, which [`load`] excludes.
    #[must_use]
    pub fn shard_port(&self, index: u16) -> u16 {
        let port = u32::from(self.listen_port) + u32::from(PORT_STRIDE) * u32::from(index);
        u16::try_from(port).expect("load checked that the ports of all shards fit")
    }

    /// Number of shards.
    ///
    /// # Panics
    /// If this configuration did not come from [`load`].
    #[must_use]
    pub fn shard_count(&self) -> u16 {
        self.shards.expect("load decides the number of shards")
    }

    /// The address that clients are told, without port.
    ///
    /// # Panics
    /// If this configuration did not come from [`load`].
    #[must_use]
    pub fn advertised(&self) -> &str {
        self.advertise.as_deref().expect("load decides the advertised address")
    }
}
