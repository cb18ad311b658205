//! Rows that a broker sends to clients, of its own accord or for a tool.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! clients {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    /// Asks a producer what became of a transaction; body the half message. Oneway.
    39 CHECK_TRANSACTION_STATE CheckTransactionState<'a> Unsupported "B>C" {
        topic: Option<Text<'a>> = "topic",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        msg_id: Option<Text<'a>> = "msgId",
        transaction_id: Option<Text<'a>> = "transactionId",
        offset_msg_id: Option<Text<'a>> = "offsetMsgId",
        broker_name: Option<Text<'a>> = "bname",
    } => NoHeader;
    /// A group changed: rebalance now. Oneway.
    40 NOTIFY_CONSUMER_IDS_CHANGED NotifyConsumerIdsChanged<'a> Unsupported "B>C" {
        consumer_group: Text<'a> = "consumerGroup",
    } => NoHeader;
    /// Moves the offsets of a consumer; body ResetOffsetBody. Oneway.
    220 RESET_CONSUMER_CLIENT_OFFSET ResetConsumerClientOffset<'a> Unsupported "B>C" {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
        timestamp: i64 = "timestamp",
        queue_id: i32 = "queueId" or -1,
        is_force: bool = "isForce" or false,
    } => NoHeader;
    /// The offsets a consumer holds.
    221 GET_CONSUMER_STATUS_FROM_CLIENT GetConsumerStatusFromClient<'a> Unsupported "B>C" {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
    } => NoHeader;
    /// Inside of a consumer; relayed to it.
    307 GET_CONSUMER_RUNNING_INFO GetConsumerRunningInfo<'a> AdminRead "A>B>C" {
        consumer_group: Text<'a> = "consumerGroup",
        client_id: Text<'a> = "clientId",
        jstack_enable: bool = "jstackEnable" or false,
    } => NoHeader;
    /// Makes one consumer consume one message; relayed to it.
    309 CONSUME_MESSAGE_DIRECTLY ConsumeMessageDirectly<'a> AdminWrite "A>B>C" {
        consumer_group: Text<'a> = "consumerGroup",
        client_id: Option<Text<'a>> = "clientId",
        msg_id: Option<Text<'a>> = "msgId",
        topic: Option<Text<'a>> = "topic",
        broker_name: Option<Text<'a>> = "brokerName",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
    } => NoHeader;
    /// The answer of request-reply, for the requester.
    326 PUSH_REPLY_MESSAGE_TO_CLIENT PushReplyMessageToClient<'a> Unsupported "B>C" {
        producer_group: Text<'a> = "producerGroup",
        topic: Text<'a> = "topic",
        default_topic: Text<'a> = "defaultTopic",
        default_queues: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_at_ms: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: Option<Text<'a>> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: bool = "unitMode" or false,
        born_host: Text<'a> = "bornHost",
        store_host: Text<'a> = "storeHost",
        stored_at_ms: i64 = "storeTimestamp",
    } => NoHeader;

    } };
}

pub(super) use clients;
