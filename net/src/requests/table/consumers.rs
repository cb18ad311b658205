//! Rows of consumers: pulls, membership of a group, offsets, queue locks, messages given back.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! consumers {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    /// Reads a queue, and waits for messages if allowed to. Java misspells `proxyFrowardClientId` (PullMessageRequestHeader).
    11 PULL_MESSAGE PullMessage<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        max_msg_nums: i32 = "maxMsgNums",
        sys_flag: i32 = "sysFlag",
        commit_offset: i64 = "commitOffset" or 0,
        suspend_timeout_ms: i64 = "suspendTimeoutMillis" or 0,
        subscription: Option<Text<'a>> = "subscription",
        sub_version: i64 = "subVersion" or 0,
        expression_type: Option<Text<'a>> = "expressionType",
        max_msg_bytes: Option<i32> = "maxMsgBytes",
        request_source: Option<i32> = "requestSource",
        forward_client_id: Option<Text<'a>> = "proxyFrowardClientId",
        lite_topic: Option<Text<'a>> = "liteTopic",
    } => PullReply;
    /// The pull of Java's lite pull consumer; header of 11.
    361 LITE_PULL_MESSAGE LitePullMessage<'a> Sub "C>B" { as PullMessage<'a> } => PullReply;
    /// Who the client is, what it produces and consumes; body HeartbeatData.
    34 HEART_BEAT HeartBeat Open "C>B" {} => HeartBeatReply;
    /// Leaves a producer and a consumer group.
    35 UNREGISTER_CLIENT UnregisterClient<'a> Open "C>B" {
        client_id: Text<'a> = "clientID",
        producer_group: Option<Text<'a>> = "producerGroup",
        consumer_group: Option<Text<'a>> = "consumerGroup",
    } => NoHeader;
    /// The client ids of a group, for rebalancing.
    38 GET_CONSUMER_LIST_BY_GROUP GetConsumerListByGroup<'a> Group "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
    } => NoHeader;
    /// Would this subscription work? Body CheckClientConfig.
    46 CHECK_CLIENT_CONFIG CheckClientConfig Group "C>B" {} => NoHeader;
    /// Where a group stands in a queue; 22 means never consumed.
    14 QUERY_CONSUMER_OFFSET QueryConsumerOffset<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        set_zero_if_not_found: Option<bool> = "setZeroIfNotFound",
    } => OffsetReply;
    /// Stores where a group stands in a queue.
    15 UPDATE_CONSUMER_OFFSET UpdateConsumerOffset<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        commit_offset: i64 = "commitOffset",
    } => NoHeader;
    /// The offset of the first message stored at or after a time, ms.
    29 SEARCH_OFFSET_BY_TIMESTAMP SearchOffsetByTimestamp<'a> Sub "C>B" {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        timestamp: i64 = "timestamp",
        boundary_type: Option<Text<'a>> = "boundaryType",
        lite_topic: Option<Text<'a>> = "liteTopic",
    } => OffsetReply;
    /// The offset the next message will get.
    30 GET_MAX_OFFSET GetMaxOffset<'a> Sub "C>B" {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        committed: bool = "committed" or true,
    } => OffsetReply;
    /// The oldest offset still there.
    31 GET_MIN_OFFSET GetMinOffset<'a> Sub "C>B" {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
    } => OffsetReply;
    /// When the oldest message was stored, ms; -1 if there is none.
    32 GET_EARLIEST_MSG_STORETIME GetEarliestMsgStoretime<'a> Sub "C>B" {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
    } => TimestampReply;
    /// Gives a message back for a later retry, or for the dead letter queue.
    36 CONSUMER_SEND_MSG_BACK ConsumerSendMsgBack<'a> Group "C>B" {
        offset: i64 = "offset",
        group: Text<'a> = "group",
        delay_level: i32 = "delayLevel",
        origin_msg_id: Option<Text<'a>> = "originMsgId",
        origin_topic: Option<Text<'a>> = "originTopic",
        unit_mode: bool = "unitMode" or false,
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    } => NoHeader;
    /// Locks queues for one client of an orderly group; body LockBatch.
    41 LOCK_BATCH_MQ LockBatchMq Group "C>B,B>B" {} => NoHeader;
    /// Gives queue locks back; body LockBatch.
    42 UNLOCK_BATCH_MQ UnlockBatchMq Group "C>B,B>B" {} => NoHeader;

    } };
}

pub(super) use consumers;
