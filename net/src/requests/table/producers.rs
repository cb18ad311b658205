//! Rows of producers: a send in all its spellings, the end of a transaction, the recall of a timer message.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! producers {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    /// Appends one message; long keys (Go, and Java with `sendSmartMsg=false`).
    10 SEND_MESSAGE SendMessage<'a> Pub "C>B" {
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
        unit_mode: Option<bool> = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
        batch: Option<bool> = "batch",
        broker_name: Option<Text<'a>> = "bname",
    } => SendMessageReply;
    /// Appends one message, or a batch if `m` says so; the compact spelling with one-letter keys (Java, C++).
    310 SEND_MESSAGE_V2 SendMessageV2<'a> Pub "C>B" {
        producer_group: Text<'a> = "a",
        topic: Text<'a> = "b",
        default_topic: Text<'a> = "c",
        default_queues: i32 = "d",
        queue_id: i32 = "e",
        sys_flag: i32 = "f",
        born_at_ms: i64 = "g",
        flag: i32 = "h",
        properties: Option<Text<'a>> = "i",
        reconsume_times: Option<i32> = "j",
        unit_mode: Option<bool> = "k",
        max_reconsume_times: Option<i32> = "l",
        batch: Option<bool> = "m",
        broker_name: Option<Text<'a>> = "n",
    } => SendMessageReply;
    /// Appends a batch; keys of 310.
    320 SEND_BATCH_MESSAGE SendBatchMessage<'a> Pub "C>B" { as SendMessageV2<'a> } => SendMessageReply;
    /// The answer of request-reply, to be pushed to the requester; keys of 10.
    324 SEND_REPLY_MESSAGE SendReplyMessage<'a> Pub "C>B" { as SendMessage<'a> } => SendMessageReply;
    /// As 324 with the keys of 310.
    325 SEND_REPLY_MESSAGE_V2 SendReplyMessageV2<'a> Pub "C>B" { as SendMessageV2<'a> } => SendMessageReply;
    /// Commits (8) or rolls back (12) a half message; 0 changes nothing.
    37 END_TRANSACTION EndTransaction<'a> Pub "C>B" {
        topic: Option<Text<'a>> = "topic",
        producer_group: Text<'a> = "producerGroup",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        commit_or_rollback: i32 = "commitOrRollback",
        from_transaction_check: bool = "fromTransactionCheck" or false,
        msg_id: Option<Text<'a>> = "msgId",
        transaction_id: Option<Text<'a>> = "transactionId",
    } => NoHeader;
    /// Takes a timer message back before it fires.
    370 RECALL_MESSAGE RecallMessage<'a> Pub "C>B" {
        producer_group: Option<Text<'a>> = "producerGroup",
        topic: Text<'a> = "topic",
        recall_handle: Text<'a> = "recallHandle",
    } => RecallMessageReply;

    } };
}

pub(super) use producers;
