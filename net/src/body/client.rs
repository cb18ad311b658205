//! What clients say about themselves, and what tools see of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ConsumeFromWhere, ConsumeType, MessageModel, MessageQueue, MessageRequestMode, bodies};
use crate::Language;

bodies! {
    /// A client's heartbeat (34).
    HeartbeatData {
        client_id: String = "clientID",
        consumers: Vec<ConsumerData> = "consumerDataSet",
        /// Not 0: heartbeat version 2.
        fingerprint: i32 = "heartbeatFingerprint",
        producers: Vec<ProducerData> = "producerDataSet",
        /// Version 2: the subscriptions are those of the last heartbeat.
        without_subscriptions: bool = "withoutSub",
    }

    /// A consumer group in a client.
    ConsumerData {
        consume_from_where: ConsumeFromWhere = "consumeFromWhere",
        consume_type: ConsumeType = "consumeType",
        group_name: String = "groupName",
        message_model: MessageModel = "messageModel",
        subscriptions: Vec<SubscriptionData> = "subscriptionDataSet",
        unit_mode: bool = "unitMode",
    }

    /// A producer group in a client.
    ProducerData {
        group_name: String = "groupName",
    }

    /// What a group wants of a topic.
    SubscriptionData {
        class_filter_mode: bool = "classFilterMode",
        /// Java hash codes of the tags.
        codes: Vec<i32> = "codeSet",
        /// `TAG` or `SQL92`.
        expression_type: Option<String> = "expressionType" or Some("TAG".to_owned()),
        expression: String = "subString",
        /// ms; the newer one wins.
        version: i64 = "subVersion",
        tags: Vec<String> = "tagsSet",
        topic: String = "topic",
    }

    /// Body of 46.
    CheckClientConfigBody {
        client_id: String = "clientId",
        group: String = "group",
        namespace: Option<String> = "namespace",
        subscription: SubscriptionData = "subscriptionData",
    }

    /// Answer of 38.
    ConsumerList {
        client_ids: Vec<String> = "consumerIdList",
    }

    /// Body of 41 and 42.
    LockBatch {
        client_id: String = "clientId",
        consumer_group: String = "consumerGroup",
        queues: Vec<MessageQueue> = "mqSet",
        only_this_broker: bool = "onlyThisBroker",
    }

    /// Answer of 41: the queues that are locked now.
    LockBatchReply {
        locked: Vec<MessageQueue> = "lockOKMQSet",
    }

    /// One connection of a client.
    Connection {
        /// `host:port`.
        client_addr: String = "clientAddr",
        client_id: String = "clientId",
        language: Language = "language",
        version: i32 = "version",
    }

    /// Answer of 203.
    ConsumerConnection {
        connections: Vec<Connection> = "connectionSet",
        consume_from_where: ConsumeFromWhere = "consumeFromWhere",
        consume_type: ConsumeType = "consumeType",
        message_model: MessageModel = "messageModel",
        /// Ours, absent without conflicts: how members subscribe differently, in sentences.
        conflicts: Option<Vec<String>> = "subscriptionConflicts",
        /// Ours, absent if there is none: queues that members have locked, because they consume in order.
        locked_queues: Option<u32> = "lockedQueues",
        subscriptions: BTreeMap<String, SubscriptionData> = "subscriptionTable",
    }

    /// Answer of 204.
    ProducerConnection {
        connections: Vec<Connection> = "connectionSet",
    }

    /// Answer of 328: producers by group.
    ProducerTable {
        groups: BTreeMap<String, Vec<ProducerInfo>> = "data",
    }

    /// One connected producer.
    ProducerInfo {
        client_id: String = "clientId",
        language: Language = "language",
        /// ms.
        updated_at_ms: i64 = "lastUpdateTimestamp",
        remote_ip: String = "remoteIP",
        version: i32 = "version",
    }

    /// Body of 400.
    QueryAssignmentBody {
        client_id: String = "clientId",
        consumer_group: String = "consumerGroup",
        message_model: MessageModel = "messageModel",
        strategy_name: String = "strategyName",
        topic: String = "topic",
    }

    /// Answer of 400.
    QueryAssignmentReply {
        assignments: Vec<MessageQueueAssignment> = "messageQueueAssignments",
    }

    /// A queue for a client.
    MessageQueueAssignment {
        attachments: BTreeMap<String, String> = "attachments",
        queue: MessageQueue = "messageQueue",
        mode: MessageRequestMode = "mode",
    }

    /// Body of 401.
    SetMessageRequestModeBody {
        consumer_group: String = "consumerGroup",
        mode: MessageRequestMode = "mode",
        pop_share_queues: i32 = "popShareQueueNum",
        topic: String = "topic",
    }

    /// Answer of 402: by topic, then by group.
    MessageRequestModes {
        modes: BTreeMap<String, BTreeMap<String, SetMessageRequestModeBody>> = "messageRequestModeMap",
    }

    /// Body of 200151.
    BatchAckBody {
        acks: Vec<BatchAck> = "acks",
        broker_name: String = "brokerName",
    }

    /// Acknowledgements of one receipt, Java's one-letter keys.
    BatchAck {
        /// Base64 of the bit set: bit n acknowledges `start_offset + n`.
        bits: String = "b",
        group: String = "c",
        invisible_time_ms: i64 = "it",
        pop_time_ms: i64 = "pt",
        queue_id: i32 = "q",
        retry: String = "r",
        revive_queue_id: i32 = "rq",
        start_offset: i64 = "so",
        topic: String = "t",
    }

    /// Answer of 345.
    QuerySubscriptionReply {
        group: String = "group",
        subscription: Option<SubscriptionData> = "subscriptionData",
        topic: String = "topic",
    }

    /// Answer of 307, from the client; brokers relay its bytes.
    ConsumerRunningInfo {
        jstack: Option<String> = "jstack",
        pop_queues: BTreeMap<MessageQueue, Value> = "mqPopTable",
        queues: BTreeMap<MessageQueue, Value> = "mqTable",
        properties: BTreeMap<String, String> = "properties",
        status: BTreeMap<String, Value> = "statusTable",
        subscriptions: Vec<SubscriptionData> = "subscriptionSet",
        user_consumer_info: BTreeMap<String, String> = "userConsumerInfo",
    }

    /// Answer of 309, from the client.
    ConsumeMessageDirectlyReply {
        auto_commit: bool = "autoCommit",
        /// `CR_SUCCESS`, `CR_LATER`, ...
        result: Option<String> = "consumeResult",
        order: bool = "order",
        remark: Option<String> = "remark",
        spent_ms: i64 = "spentTimeMills",
    }
}
