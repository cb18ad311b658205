//! Rows of administration that changes or shows settings: topics, groups, configuration, offsets.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! settings {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    /// Creates or changes a topic.
    17 UPDATE_AND_CREATE_TOPIC UpdateAndCreateTopic<'a> AdminWrite "A>B,C>B" {
        topic: Text<'a> = "topic",
        default_topic: Option<Text<'a>> = "defaultTopic",
        read_queues: i32 = "readQueueNums",
        write_queues: i32 = "writeQueueNums",
        perm: i32 = "perm",
        topic_filter_type: Option<Text<'a>> = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        order: bool = "order" or false,
        attributes: Option<Text<'a>> = "attributes",
        force: bool = "force" or false,
    } => NoHeader;
    /// Creates or changes topics; body TopicConfigList.
    18 UPDATE_AND_CREATE_TOPIC_LIST UpdateAndCreateTopicList AdminWrite "A>B" {} => NoHeader;
    /// Deletes a topic.
    215 DELETE_TOPIC_IN_BROKER DeleteTopicInBroker<'a> AdminWrite "A>B" {
        topic: Text<'a> = "topic",
    } => NoHeader;
    /// Deletes topics; body TopicList.
    5002 DELETE_TOPIC_IN_BROKER_LIST DeleteTopicInBrokerList AdminWrite "A>B" {} => NoHeader;
    /// All topics, by page if asked so; body TopicConfigSerializeWrapper.
    21 GET_ALL_TOPIC_CONFIG GetAllTopicConfig<'a> AdminRead "A>B,B>B" {
        topic_seq: Option<i32> = "topicSeq",
        data_version: Option<Text<'a>> = "dataVersion",
        max_topic_num: Option<i32> = "maxTopicNum",
    } => GetAllTopicConfigReply;
    /// One topic; body TopicConfig.
    351 GET_TOPIC_CONFIG GetTopicConfig<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
        logical: Option<bool> = "lo",
    } => NoHeader;
    /// Creates or changes a group; body SubscriptionGroupConfig.
    200 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP UpdateAndCreateSubscriptiongroup AdminWrite "A>B" {} => NoHeader;
    /// Creates or changes groups; body SubscriptionGroupList.
    225 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST UpdateAndCreateSubscriptiongroupList AdminWrite "A>B" {} => NoHeader;
    /// All groups, by page if asked so; body SubscriptionGroupWrapper.
    201 GET_ALL_SUBSCRIPTIONGROUP_CONFIG GetAllSubscriptiongroupConfig<'a> AdminRead "A>B,B>B" {
        group_seq: Option<i32> = "groupSeq",
        data_version: Option<Text<'a>> = "dataVersion",
        max_group_num: Option<i32> = "maxGroupNum",
    } => GetAllSubscriptionGroupReply;
    /// One group; body SubscriptionGroupConfig.
    352 GET_SUBSCRIPTIONGROUP_CONFIG GetSubscriptiongroupConfig<'a> AdminRead "A>B" {
        group: Text<'a> = "group",
    } => NoHeader;
    /// Deletes a group.
    207 DELETE_SUBSCRIPTIONGROUP DeleteSubscriptiongroup<'a> AdminWrite "A>B" {
        group_name: Text<'a> = "groupName",
        clean_offset: bool = "cleanOffset" or false,
    } => NoHeader;
    /// Deletes groups; body GroupNameList.
    5003 DELETE_SUBSCRIPTION_GROUP_LIST DeleteSubscriptionGroupList AdminWrite "A>B" {} => NoHeader;
    /// Changes settings; body properties text.
    25 UPDATE_BROKER_CONFIG UpdateBrokerConfig AdminWrite "A>B" {} => NoHeader;
    /// Settings; body properties text.
    26 GET_BROKER_CONFIG GetBrokerConfig AdminRead "A>B" {} => GetBrokerConfigReply;
    /// Moves a group's offsets to a time or place; body of the answer ResetOffsetBody.
    222 INVOKE_BROKER_TO_RESET_OFFSET InvokeBrokerToResetOffset<'a> AdminWrite "A>B" {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce" or false,
        queue_id: i32 = "queueId" or -1,
        offset: Option<i64> = "offset",
    } => NoHeader;
    /// Asks the consumers of a group for their offsets.
    223 INVOKE_BROKER_TO_GET_CONSUMER_STATUS InvokeBrokerToGetConsumerStatus<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
        client_addr: Option<Text<'a>> = "clientAddr",
    } => NoHeader;
    /// Copies offsets to another group.
    314 CLONE_GROUP_OFFSET CloneGroupOffset<'a> AdminWrite "A>B" {
        src_group: Text<'a> = "srcGroup",
        dest_group: Text<'a> = "destGroup",
        topic: Option<Text<'a>> = "topic",
        offline: bool = "offline" or false,
    } => NoHeader;
    /// Forbids a group to read a topic, or asks whether it may.
    353 UPDATE_AND_GET_GROUP_FORBIDDEN UpdateAndGetGroupForbidden<'a> AdminWrite "A>B" {
        group: Text<'a> = "group",
        topic: Text<'a> = "topic",
        readable: Option<bool> = "readable",
    } => NoHeader;
    /// Drops consume queues of deleted data.
    306 CLEAN_EXPIRED_CONSUMEQUEUE CleanExpiredConsumequeue AdminWrite "A>B" {} => NoHeader;
    /// Drops data of unknown topics.
    316 CLEAN_UNUSED_TOPIC CleanUnusedTopic AdminWrite "A>B" {} => NoHeader;
    /// Deletes expired segments now.
    329 DELETE_EXPIRED_COMMITLOG DeleteExpiredCommitlog AdminWrite "A>B" {} => NoHeader;
    /// Restores a half message that was given up.
    323 RESUME_CHECK_HALF_MESSAGE ResumeCheckHalfMessage<'a> AdminWrite "A>B" {
        topic: Option<Text<'a>> = "topic",
        msg_id: Option<Text<'a>> = "msgId",
    } => NoHeader;
    /// Creates a static topic; body TopicQueueMappingDetail.
    513 UPDATE_AND_CREATE_STATIC_TOPIC UpdateAndCreateStaticTopic<'a> AdminWrite "A>B" {
        topic: Text<'a> = "topic",
        default_topic: Option<Text<'a>> = "defaultTopic",
        read_queues: i32 = "readQueueNums",
        write_queues: i32 = "writeQueueNums",
        perm: i32 = "perm",
        topic_filter_type: Option<Text<'a>> = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        order: bool = "order" or false,
        attributes: Option<Text<'a>> = "attributes",
        force: bool = "force" or false,
    } => NoHeader;
    /// Cold read limits; body properties text.
    2001 UPDATE_COLD_DATA_FLOW_CTR_CONFIG UpdateColdDataFlowCtrConfig AdminWrite "A>B" {} => NoHeader;
    /// Removes a cold read limit; body the group.
    2002 REMOVE_COLD_DATA_FLOW_CTR_CONFIG RemoveColdDataFlowCtrConfig AdminWrite "A>B" {} => NoHeader;
    /// Cold read limits.
    2003 GET_COLD_DATA_FLOW_CTR_INFO GetColdDataFlowCtrInfo AdminRead "A>B" {} => NoHeader;
    /// madvise of the Java store.
    2004 SET_COMMITLOG_READ_MODE SetCommitlogReadMode<'a> AdminWrite "A>B" {
        read_ahead_mode: Option<Text<'a>> = "READ_AHEAD_MODE",
    } => NoHeader;
    /// RocksDB only.
    354 CHECK_ROCKSDB_CQ_WRITE_PROGRESS CheckRocksdbCqWriteProgress<'a> AdminRead "A>B" {
        topic: Option<Text<'a>> = "topic",
        check_store_time: Option<i64> = "checkStoreTime",
    } => NoHeader;
    /// RocksDB only.
    355 EXPORT_ROCKSDB_CONFIG_TO_JSON ExportRocksdbConfigToJson<'a> AdminRead "A>B" {
        config_type: Text<'a> = "configType",
    } => NoHeader;
    /// Timer engine of the Java store.
    5001 SWITCH_TIMER_ENGINE SwitchTimerEngine<'a> AdminWrite "A>B" {
        engine: Option<Text<'a>> = "E_T",
    } => NoHeader;

    } };
}

pub(super) use settings;
