//! Topics and groups as configuration, and the versions of their tables.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{SubscriptionData, TopicFilterType, bodies};

bodies! {
    /// Version of a table. Two are the same if all three members are.
    DataVersion {
        counter: i64 = "counter",
        state_version: i64 = "stateVersion",
        /// ms.
        timestamp: i64 = "timestamp",
    }

    /// A topic on one broker.
    TopicConfig {
        attributes: BTreeMap<String, String> = "attributes",
        order: bool = "order",
        /// Bits: 4 read, 2 write, 1 inherit.
        perm: i32 = "perm" or 6,
        read_queues: i32 = "readQueueNums" or 16,
        filter_type: TopicFilterType = "topicFilterType",
        name: String = "topicName",
        sys_flag: i32 = "topicSysFlag",
        write_queues: i32 = "writeQueueNums" or 16,
    }

    /// Body of 18.
    TopicConfigList {
        topics: Vec<TopicConfig> = "topicConfigList",
    }

    /// All topics of a broker (21, 103).
    TopicConfigSerializeWrapper {
        data_version: DataVersion = "dataVersion",
        mapping_data_version: DataVersion = "mappingDataVersion",
        topics: BTreeMap<String, TopicConfig> = "topicConfigTable",
        mapping_details: BTreeMap<String, Value> = "topicQueueMappingDetailMap",
        mapping_infos: BTreeMap<String, Value> = "topicQueueMappingInfoMap",
    }

    /// A consumer group (200, 352).
    SubscriptionGroupConfig {
        attributes: BTreeMap<String, String> = "attributes",
        broker_id: i64 = "brokerId",
        consume_broadcast_enable: bool = "consumeBroadcastEnable" or true,
        consume_enable: bool = "consumeEnable" or true,
        consume_from_min_enable: bool = "consumeFromMinEnable" or true,
        consume_message_orderly: bool = "consumeMessageOrderly",
        consume_timeout_minutes: i32 = "consumeTimeoutMinute" or 15,
        group_name: String = "groupName",
        retry_policy: GroupRetryPolicy = "groupRetryPolicy",
        group_sys_flag: i32 = "groupSysFlag",
        notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable" or true,
        retry_max_times: i32 = "retryMaxTimes" or 16,
        retry_queues: i32 = "retryQueueNums" or 1,
        subscriptions: Option<Vec<SimpleSubscription>> = "subscriptionDataSet",
        /// Broker id to read from when far behind.
        which_broker_when_slow: i64 = "whichBrokerWhenConsumeSlowly" or 1,
    }

    /// When a failed message is tried again.
    GroupRetryPolicy {
        customized: Option<Value> = "customizedRetryPolicy",
        exponential: Option<Value> = "exponentialRetryPolicy",
        /// `CUSTOMIZED` or `EXPONENTIAL`.
        kind: String = "type" or "CUSTOMIZED".to_owned(),
    }

    /// A subscription that a group is configured with.
    SimpleSubscription {
        expression: String = "expression",
        expression_type: String = "expressionType",
        topic: String = "topic",
        version: i64 = "version",
    }

    /// All groups of a broker (201).
    SubscriptionGroupWrapper {
        data_version: DataVersion = "dataVersion",
        /// By group, then by topic.
        forbidden: BTreeMap<String, BTreeMap<String, i32>> = "forbiddenTable",
        groups: BTreeMap<String, SubscriptionGroupConfig> = "subscriptionGroupTable",
    }

    /// Body of 225.
    SubscriptionGroupList {
        groups: Vec<SubscriptionGroupConfig> = "groupConfigList",
    }

    /// Body of 5003.
    GroupNameList {
        clean_offset: bool = "cleanOffset",
        groups: Vec<String> = "groupNameList",
    }

    /// Answer of 353.
    GroupForbidden {
        group: String = "group",
        readable: bool = "readable",
        topic: String = "topic",
    }
}

impl SubscriptionData {
    /// Everything of a topic.
    #[must_use]
    pub fn all(topic: &str, version: i64) -> Self {
        Self { topic: topic.to_owned(), expression: "*".to_owned(), version, ..Self::default() }
    }
}

impl SubscriptionGroupConfig {
    /// A group as it is made on first use.
    #[must_use]
    pub fn named(group: &str) -> Self {
        Self { group_name: group.to_owned(), ..Self::default() }
    }
}
