//! Figures for tools.

use std::collections::BTreeMap;

use super::{MessageQueue, SubscriptionData, bodies};

bodies! {
    /// Offsets of a topic's queues (202).
    TopicStatsTable {
        queues: BTreeMap<MessageQueue, TopicOffset> = "offsetTable",
        put_tps: f64 = "topicPutTps",
    }

    /// Bounds of one queue.
    TopicOffset {
        /// ms; 0 if nothing is known.
        updated_at_ms: i64 = "lastUpdateTimestamp",
        max_offset: i64 = "maxOffset",
        min_offset: i64 = "minOffset",
    }

    /// Progress of a group (208).
    ConsumeStats {
        tps: f64 = "consumeTps",
        queues: BTreeMap<MessageQueue, OffsetWrapper> = "offsetTable",
    }

    /// Progress in one queue.
    OffsetWrapper {
        broker_offset: i64 = "brokerOffset",
        consumer_offset: i64 = "consumerOffset",
        /// Store time of the last consumed message, ms.
        last_timestamp: i64 = "lastTimestamp",
        pull_offset: i64 = "pullOffset",
    }

    /// Progress of all groups (317).
    ConsumeStatsList {
        broker_addr: Option<String> = "brokerAddr",
        stats: Vec<BTreeMap<String, Vec<ConsumeStats>>> = "consumeStatsList",
        total_diff: i64 = "totalDiff",
        total_inflight_diff: i64 = "totalInflightDiff",
    }

    /// One statistic (315).
    BrokerStatsData {
        day: BrokerStatsItem = "statsDay",
        hour: BrokerStatsItem = "statsHour",
        minute: BrokerStatsItem = "statsMinute",
    }

    /// One span of a statistic.
    BrokerStatsItem {
        average: f64 = "avgpt",
        sum: i64 = "sum",
        tps: f64 = "tps",
    }

    /// Ages by queue (303).
    ConsumeTimeSpans {
        spans: Vec<ConsumeTimeSpan> = "consumeTimeSpanSet",
    }

    /// Ages in one queue, Unix ms.
    ConsumeTimeSpan {
        consume_timestamp: i64 = "consumeTimeStamp",
        delay_ms: i64 = "delayTime",
        max_timestamp: i64 = "maxTimeStamp",
        queue: MessageQueue = "messageQueue",
        min_timestamp: i64 = "minTimeStamp",
    }

    /// Entries of a consume queue (321).
    ConsumeQueueEntries {
        filter_data: Option<String> = "filterData",
        max_index: i64 = "maxQueueIndex",
        min_index: i64 = "minQueueIndex",
        entries: Vec<ConsumeQueueEntry> = "queueData",
        subscription: Option<SubscriptionData> = "subscriptionData",
    }

    /// One entry.
    ConsumeQueueEntry {
        bit_map: Option<String> = "bitMap",
        matches: bool = "eval",
        extend: Option<String> = "extendDataJson",
        message: Option<String> = "msg",
        phys_offset: i64 = "physicOffset",
        size: i32 = "physicSize",
        tags_code: i64 = "tagsCode",
    }

    /// Replication (907).
    HaRuntimeInfo {
        client: HaClientInfo = "haClientRuntimeInfo",
        connections: Vec<HaConnectionInfo> = "haConnectionInfo",
        in_sync: i32 = "inSyncSlaveNums",
        master: bool = "master",
        max_offset: i64 = "masterCommitLogMaxOffset",
    }

    /// The slave's side of replication.
    HaClientInfo {
        activated: bool = "isActivated",
        last_read_timestamp: i64 = "lastReadTimestamp",
        last_write_timestamp: i64 = "lastWriteTimestamp",
        master_addr: Option<String> = "masterAddr",
        master_flush_offset: i64 = "masterFlushOffset",
        max_offset: i64 = "maxOffset",
        bytes_per_second: i64 = "transferredByteInSecond",
    }

    /// The master's side of one replica.
    HaConnectionInfo {
        addr: Option<String> = "addr",
        diff: i64 = "diff",
        in_sync: bool = "inSync",
        ack_offset: i64 = "slaveAckOffset",
        transfer_from: i64 = "transferFromWhere",
        bytes_per_second: i64 = "transferredByteInSecond",
    }
}
