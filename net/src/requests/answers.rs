//! The ext fields of answers. Keys as in Java's response headers (RocketMQ 5.5.1).

use super::{Decode, Ext, Field, FieldError, FieldSink, Fields, Key, fields, header_struct, replies};
use crate::fields::Text;

#[rustfmt::skip]
replies! {
    /// An answer without ext fields.
    NoHeader {}
    /// Where a message landed. Must be there for 0, 10, 11 and 12: clients read it unchecked.
    SendMessageReply<'a> {
        queue_id: i32 = "queueId",
        msg_id: Text<'a> = "msgId",
        queue_offset: i64 = "queueOffset",
        transaction_id: Option<Text<'a>> = "transactionId",
        batch_uniq_id: Option<Text<'a>> = "batchUniqId",
        recall_handle: Option<Text<'a>> = "recallHandle",
        region: Option<Text<'a>> = "MSG_REGION",
        trace_on: Option<bool> = "TRACE_ON",
    }
    /// Answers a pull, with messages or without (0, 19, 20, 21).
    PullReply {
        suggest_broker_id: i64 = "suggestWhichBrokerId",
        next_begin_offset: i64 = "nextBeginOffset",
        max_offset: i64 = "maxOffset",
        min_offset: i64 = "minOffset",
        offset_delta: Option<i64> = "offsetDelta",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
        forbidden_type: Option<i32> = "forbiddenType",
    }
    /// One queue offset.
    OffsetReply {
        offset: i64 = "offset",
    }
    /// One time, ms.
    TimestampReply {
        timestamp: i64 = "timestamp",
    }
    /// What the broker can do. The first is a promise (remoting.md 8, item 25).
    HeartBeatReply {
        supports_v2: Option<bool> = "IS_SUPPORT_HEART_BEAT_V2",
        subscription_changed: Option<bool> = "IS_SUB_CHANGE",
    }
    /// The message taken back.
    RecallMessageReply<'a> {
        msg_id: Text<'a> = "msgId",
    }
    /// Answers a pop.
    PopReply<'a> {
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        revive_qid: i32 = "reviveQid",
        rest_num: Option<i64> = "restNum",
        start_offset_info: Option<Text<'a>> = "startOffsetInfo",
        msg_offset_info: Option<Text<'a>> = "msgOffsetInfo",
        order_count_info: Option<Text<'a>> = "orderCountInfo",
    }
    /// The new receipt.
    ChangeInvisibleReply {
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        revive_qid: i32 = "reviveQid",
    }
    /// Is there something to pop?
    NotificationReply {
        has_msg: bool = "hasMsg",
        polling_full: bool = "pollingFull" or false,
    }
    /// How many wait.
    PollingInfoReply {
        polling_num: i32 = "pollingNum",
    }
    /// One value.
    GetKvConfigReply<'a> {
        value: Option<Text<'a>> = "value",
    }
    /// How many topics were touched.
    WipeWritePermReply {
        wipe_topic_count: i32 = "wipeTopicCount",
    }
    /// How many topics were touched.
    AddWritePermReply {
        add_topic_count: i32 = "addTopicCount",
    }
    /// Where the master of a slave is.
    RegisterBrokerReply<'a> {
        ha_server_addr: Option<Text<'a>> = "haServerAddr",
        master_addr: Option<Text<'a>> = "masterAddr",
    }
    /// Register again?
    QueryDataVersionReply {
        changed: bool = "changed",
    }
    /// How many topics there are on all pages.
    GetAllTopicConfigReply {
        total_topic_num: Option<i32> = "totalTopicNum",
    }
    /// How many groups there are on all pages.
    GetAllSubscriptionGroupReply {
        total_group_num: Option<i32> = "totalGroupNum",
    }
    /// The DataVersion of the settings, as JSON.
    GetBrokerConfigReply<'a> {
        version: Option<Text<'a>> = "version",
    }
    /// How far the index is.
    QueryMessageReply {
        index_updated_at_ms: i64 = "indexLastUpdateTimestamp",
        index_phys_offset: i64 = "indexLastUpdatePhyoffset",
    }
    /// Replication addresses.
    ExchangeBrokerHaInfoReply<'a> {
        master_ha_address: Option<Text<'a>> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<Text<'a>> = "masterAddress",
    }
}
