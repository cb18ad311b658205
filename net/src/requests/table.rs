//! The rows. Keys as in Java's request headers (RocketMQ 5.5.1), which are case-sensitive and sometimes misspelt.

use super::{
    Class, Decode, Ext, Field, FieldError, FieldSink, Fields, Header, Key, RequestCode, RequestError,
    RequestHeader, Row, fields, header_struct, replies, requests, row_header,
};
use crate::fields::Text;

#[rustfmt::skip]
requests! {
    // Producers.
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
    // Consumers.
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
    // Pop and assignment.
    /// Takes messages out of any queue for a time.
    200050 POP_MESSAGE PopMessage<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        max_msg_nums: i32 = "maxMsgNums",
        invisible_time_ms: i64 = "invisibleTime",
        poll_time_ms: i64 = "pollTime",
        born_at_ms: i64 = "bornTime" or 0,
        init_mode: i32 = "initMode",
        exp_type: Option<Text<'a>> = "expType",
        exp: Option<Text<'a>> = "exp",
        order: bool = "order" or false,
        attempt_id: Option<Text<'a>> = "attemptId",
    } => PopReply;
    /// Acknowledges one popped message.
    200051 ACK_MESSAGE AckMessage<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        extra_info: Text<'a> = "extraInfo",
        offset: i64 = "offset",
        lite_topic: Option<Text<'a>> = "liteTopic",
    } => NoHeader;
    /// Acknowledges popped messages; body BatchAck.
    200151 BATCH_ACK_MESSAGE BatchAckMessage Sub "C>B" {} => NoHeader;
    /// Looks at what a pop would give.
    200052 PEEK_MESSAGE PeekMessage<'a> Sub "C>B" {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        max_msg_nums: i32 = "maxMsgNums",
        consumer_group: Text<'a> = "consumerGroup",
    } => PopReply;
    /// Makes a popped message visible later.
    200053 CHANGE_MESSAGE_INVISIBLETIME ChangeMessageInvisibletime<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        extra_info: Text<'a> = "extraInfo",
        offset: i64 = "offset",
        invisible_time_ms: i64 = "invisibleTime",
        lite_topic: Option<Text<'a>> = "liteTopic",
        suspend: bool = "suspend" or false,
    } => ChangeInvisibleReply;
    /// Waits until there is something to pop.
    200054 NOTIFICATION Notification<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        poll_time_ms: i64 = "pollTime",
        born_at_ms: i64 = "bornTime" or 0,
        order: bool = "order" or false,
        attempt_id: Option<Text<'a>> = "attemptId",
        exp_type: Option<Text<'a>> = "expType",
        exp: Option<Text<'a>> = "exp",
        is_lite_consumer: bool = "isLiteConsumer" or false,
        client_id: Option<Text<'a>> = "clientId",
    } => NotificationReply;
    /// How many pops wait.
    200055 POLLING_INFO PollingInfo<'a> Sub "C>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
    } => PollingInfoReply;
    /// Moves pop state back to the file store.
    200056 POP_ROLLBACK PopRollback AdminWrite "A>B" {} => NoHeader;
    /// Pops from lite queues.
    200070 POP_LITE_MESSAGE PopLiteMessage<'a> Sub "C>B" {
        client_id: Text<'a> = "clientId",
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        max_msg_num: i32 = "maxMsgNum",
        invisible_time_ms: i64 = "invisibleTime",
        poll_time_ms: i64 = "pollTime",
        born_at_ms: i64 = "bornTime",
        attempt_id: Option<Text<'a>> = "attemptId",
    } => PopReply;
    /// Adds and removes lite subscriptions; body LiteSubscriptionCtl.
    200071 LITE_SUBSCRIPTION_CTL LiteSubscriptionCtl Sub "C>B" {} => NoHeader;
    /// Declared by 5.5, handled by nobody.
    200072 ACK_LITE_MESSAGE AckLiteMessage Unsupported "-" {} => NoHeader;
    /// Tells a client that its lite subscription was taken over.
    200073 NOTIFY_UNSUBSCRIBE_LITE NotifyUnsubscribeLite<'a> Unsupported "B>C" {
        lite_topic: Text<'a> = "liteTopic",
        consumer_group: Text<'a> = "consumerGroup",
        client_id: Text<'a> = "clientId",
    } => NoHeader;
    /// Figures of lite topics.
    200074 GET_BROKER_LITE_INFO GetBrokerLiteInfo AdminRead "A>B" {} => NoHeader;
    /// A parent of lite topics.
    200075 GET_PARENT_TOPIC_INFO GetParentTopicInfo<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
    } => NoHeader;
    /// One lite topic.
    200076 GET_LITE_TOPIC_INFO GetLiteTopicInfo<'a> AdminRead "A>B" {
        parent_topic: Text<'a> = "parentTopic",
        lite_topic: Option<Text<'a>> = "liteTopic",
    } => NoHeader;
    /// A client's lite subscriptions.
    200077 GET_LITE_CLIENT_INFO GetLiteClientInfo<'a> AdminRead "A>B" {
        parent_topic: Text<'a> = "parentTopic",
        group: Text<'a> = "group",
        client_id: Option<Text<'a>> = "clientId",
        max_count: i32 = "maxCount" or 1000,
    } => NoHeader;
    /// Lag of a lite group.
    200078 GET_LITE_GROUP_INFO GetLiteGroupInfo<'a> AdminRead "A>B" {
        group: Text<'a> = "group",
        lite_topic: Option<Text<'a>> = "liteTopic",
        top_k: i32 = "topK",
    } => NoHeader;
    /// Dispatches a lite group again.
    200079 TRIGGER_LITE_DISPATCH TriggerLiteDispatch<'a> AdminWrite "A>B" {
        group: Text<'a> = "group",
        client_id: Option<Text<'a>> = "clientId",
    } => NoHeader;
    /// Which queues a client should take; body QueryAssignment.
    400 QUERY_ASSIGNMENT QueryAssignment Group "C>B" {} => NoHeader;
    /// Pull or pop for a group and topic; body SetMessageRequestMode.
    401 SET_MESSAGE_REQUEST_MODE SetMessageRequestMode AdminWrite "A>B" {} => NoHeader;
    /// All request modes.
    402 GET_ALL_MESSAGE_REQUEST_MODE GetAllMessageRequestMode Cluster "B>B" {} => NoHeader;
    // Broker to client.
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
    // Name server, from clients and tools.
    /// Where a topic lives; body TopicRouteData.
    105 GET_ROUTEINFO_BY_TOPIC GetRouteinfoByTopic<'a> Open "C>N,A>N,B>N" {
        topic: Text<'a> = "topic",
        accept_standard_json_only: Option<bool> = "acceptStandardJsonOnly",
        zone_name: Option<Text<'a>> = "__ZONE_NAME",
        zone_mode: Option<Text<'a>> = "__ZONE_MODE",
    } => NoHeader;
    /// All brokers by cluster; body ClusterInfo.
    106 GET_BROKER_CLUSTER_INFO GetBrokerClusterInfo AdminRead "A>N,B>N" {} => NoHeader;
    /// All topics; body TopicList.
    206 GET_ALL_TOPIC_LIST_FROM_NAMESERVER GetAllTopicListFromNameserver AdminRead "A>N" {} => NoHeader;
    /// The topics of a cluster; body TopicList.
    224 GET_TOPICS_BY_CLUSTER GetTopicsByCluster<'a> AdminRead "A>N" {
        cluster: Text<'a> = "cluster",
    } => NoHeader;
    /// Cluster and broker names, which are topics too; body TopicList.
    304 GET_SYSTEM_TOPIC_LIST_FROM_NS GetSystemTopicListFromNs AdminRead "A>N" {} => NoHeader;
    /// Topics with the unit bit; body TopicList.
    311 GET_UNIT_TOPIC_LIST GetUnitTopicList AdminRead "A>N" {} => NoHeader;
    /// Topics with the unit-sub bit; body TopicList.
    312 GET_HAS_UNIT_SUB_TOPIC_LIST GetHasUnitSubTopicList AdminRead "A>N" {} => NoHeader;
    /// Topics with the unit-sub bit alone; body TopicList.
    313 GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST GetHasUnitSubUnunitTopicList AdminRead "A>N" {} => NoHeader;
    /// Sets a value.
    100 PUT_KV_CONFIG PutKvConfig<'a> AdminWrite "A>N" {
        namespace: Text<'a> = "namespace",
        key: Text<'a> = "key",
        value: Text<'a> = "value",
    } => NoHeader;
    /// Gets a value.
    101 GET_KV_CONFIG GetKvConfig<'a> AdminRead "A>N" {
        namespace: Text<'a> = "namespace",
        key: Text<'a> = "key",
    } => GetKvConfigReply;
    /// Deletes a value.
    102 DELETE_KV_CONFIG DeleteKvConfig<'a> AdminWrite "A>N" {
        namespace: Text<'a> = "namespace",
        key: Text<'a> = "key",
    } => NoHeader;
    /// All values of a namespace; body KVTable.
    219 GET_KVLIST_BY_NAMESPACE GetKvlistByNamespace<'a> AdminRead "A>N" {
        namespace: Text<'a> = "namespace",
    } => NoHeader;
    /// Takes a broker out of the producers' routes.
    205 WIPE_WRITE_PERM_OF_BROKER WipeWritePermOfBroker<'a> AdminWrite "A>N" {
        broker_name: Text<'a> = "brokerName",
    } => WipeWritePermReply;
    /// Puts it back.
    327 ADD_WRITE_PERM_OF_BROKER AddWritePermOfBroker<'a> AdminWrite "A>N" {
        broker_name: Text<'a> = "brokerName",
    } => AddWritePermReply;
    /// Forgets a topic's routes.
    216 DELETE_TOPIC_IN_NAMESRV DeleteTopicInNamesrv<'a> AdminWrite "A>N" {
        topic: Text<'a> = "topic",
        cluster_name: Option<Text<'a>> = "clusterName",
    } => NoHeader;
    /// Registers one topic; body TopicRouteData.
    217 REGISTER_TOPIC_IN_NAMESRV RegisterTopicInNamesrv<'a> Cluster "B>N" {
        topic: Text<'a> = "topic",
    } => NoHeader;
    /// Changes settings; body properties text.
    318 UPDATE_NAMESRV_CONFIG UpdateNamesrvConfig AdminWrite "A>N" {} => NoHeader;
    /// Settings; body properties text.
    319 GET_NAMESRV_CONFIG GetNamesrvConfig AdminRead "A>N" {} => NoHeader;
    /// The addresses of one broker name; body BrokerMemberGroupReply.
    901 GET_BROKER_MEMBER_GROUP GetBrokerMemberGroup<'a> AdminRead "A>N,B>N" {
        cluster_name: Text<'a> = "clusterName",
        broker_name: Text<'a> = "brokerName",
    } => NoHeader;
    // Name server, from brokers.
    /// A broker, its address and its topics; body RegisterBrokerBody.
    103 REGISTER_BROKER RegisterBroker<'a> Cluster "B>N" {
        broker_name: Text<'a> = "brokerName",
        broker_addr: Text<'a> = "brokerAddr",
        cluster_name: Text<'a> = "clusterName",
        ha_server_addr: Option<Text<'a>> = "haServerAddr",
        broker_id: i64 = "brokerId",
        heartbeat_timeout_ms: Option<i64> = "heartbeatTimeoutMillis",
        enable_acting_master: Option<bool> = "enableActingMaster",
        compressed: bool = "compressed" or false,
        body_crc32: i32 = "bodyCrc32" or 0,
    } => RegisterBrokerReply;
    /// A broker leaves.
    104 UNREGISTER_BROKER UnregisterBroker<'a> Cluster "B>N" {
        broker_name: Text<'a> = "brokerName",
        broker_addr: Text<'a> = "brokerAddr",
        cluster_name: Text<'a> = "clusterName",
        broker_id: i64 = "brokerId",
    } => NoHeader;
    /// Is the registration current? Body DataVersion.
    322 QUERY_DATA_VERSION QueryDataVersion<'a> Cluster "B>N" {
        broker_name: Text<'a> = "brokerName",
        broker_addr: Text<'a> = "brokerAddr",
        cluster_name: Text<'a> = "clusterName",
        broker_id: i64 = "brokerId",
    } => QueryDataVersionReply;
    /// A broker lives. Java spells this one `heartbeatTimeoutMills`.
    904 BROKER_HEARTBEAT BrokerHeartbeat<'a> Cluster "B>N,B>K" {
        cluster_name: Text<'a> = "clusterName",
        broker_addr: Text<'a> = "brokerAddr",
        broker_name: Text<'a> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        epoch: Option<i32> = "epoch",
        max_offset: Option<i64> = "maxOffset",
        confirm_offset: Option<i64> = "confirmOffset",
        heartbeat_timeout_ms: Option<i64> = "heartbeatTimeoutMills",
        election_priority: Option<i32> = "electionPriority",
    } => NoHeader;
    /// The lowest live broker id changed. Oneway.
    905 NOTIFY_MIN_BROKER_ID_CHANGE NotifyMinBrokerIdChange<'a> Cluster "N>B" {
        min_broker_id: Option<i64> = "minBrokerId",
        broker_name: Option<Text<'a>> = "brokerName",
        min_broker_addr: Option<Text<'a>> = "minBrokerAddr",
        offline_broker_addr: Option<Text<'a>> = "offlineBrokerAddr",
        ha_broker_addr: Option<Text<'a>> = "haBrokerAddr",
    } => NoHeader;
    // Administration: topics, groups, configuration, offsets.
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
    // Administration: inspection.
    /// Figures of the broker; body KVTable.
    28 GET_BROKER_RUNTIME_INFO GetBrokerRuntimeInfo AdminRead "A>B" {} => NoHeader;
    /// Offsets of a topic's queues; body TopicStatsTable.
    202 GET_TOPIC_STATS_INFO GetTopicStatsInfo<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
    } => NoHeader;
    /// Who consumes; body ConsumerConnection.
    203 GET_CONSUMER_CONNECTION_LIST GetConsumerConnectionList<'a> AdminRead "A>B,C>B" {
        consumer_group: Text<'a> = "consumerGroup",
    } => NoHeader;
    /// Who produces; body ProducerConnection.
    204 GET_PRODUCER_CONNECTION_LIST GetProducerConnectionList<'a> AdminRead "A>B" {
        producer_group: Text<'a> = "producerGroup",
    } => NoHeader;
    /// Progress of a group; body ConsumeStats.
    208 GET_CONSUME_STATS GetConsumeStats<'a> AdminRead "A>B" {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Option<Text<'a>> = "topic",
        topic_list: Option<Text<'a>> = "topicList",
    } => NoHeader;
    /// Groups of a topic; body GroupList.
    300 QUERY_TOPIC_CONSUME_BY_WHO QueryTopicConsumeByWho<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
    } => NoHeader;
    /// Topics of a group; body TopicList.
    343 QUERY_TOPICS_BY_CONSUMER QueryTopicsByConsumer<'a> AdminRead "A>B" {
        group: Text<'a> = "group",
    } => NoHeader;
    /// Subscription of a group; body QuerySubscriptionReply.
    345 QUERY_SUBSCRIPTION_BY_CONSUMER QuerySubscriptionByConsumer<'a> AdminRead "A>B" {
        group: Text<'a> = "group",
        topic: Option<Text<'a>> = "topic",
    } => NoHeader;
    /// Ages of what a group has and has not consumed.
    303 QUERY_CONSUME_TIME_SPAN QueryConsumeTimeSpan<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
    } => NoHeader;
    /// System topics; body TopicList.
    305 GET_SYSTEM_TOPIC_LIST_FROM_BROKER GetSystemTopicListFromBroker AdminRead "A>B" {} => NoHeader;
    /// Offsets of another group, for comparison.
    308 QUERY_CORRECTION_OFFSET QueryCorrectionOffset<'a> AdminRead "A>B" {
        filter_groups: Option<Text<'a>> = "filterGroups",
        compare_group: Text<'a> = "compareGroup",
        topic: Text<'a> = "topic",
    } => NoHeader;
    /// One statistic over minute, hour, day; body BrokerStatsData.
    315 VIEW_BROKER_STATS_DATA ViewBrokerStatsData<'a> AdminRead "A>B" {
        stats_name: Text<'a> = "statsName",
        stats_key: Text<'a> = "statsKey",
    } => NoHeader;
    /// Progress of all groups.
    317 GET_BROKER_CONSUME_STATS GetBrokerConsumeStats AdminRead "A>B" {
        is_order: bool = "isOrder" or false,
    } => NoHeader;
    /// Entries of a consume queue.
    321 QUERY_CONSUME_QUEUE QueryConsumeQueue<'a> AdminRead "A>B" {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        index: i64 = "index",
        count: i32 = "count",
        consumer_group: Option<Text<'a>> = "consumerGroup",
    } => NoHeader;
    /// All connected producers.
    328 GET_ALL_PRODUCER_INFO GetAllProducerInfo AdminRead "A>B" {} => NoHeader;
    /// Messages by key; body stored messages.
    12 QUERY_MESSAGE QueryMessage<'a> Sub "C>B,A>B" {
        topic: Text<'a> = "topic",
        key: Text<'a> = "key",
        max_num: i32 = "maxNum",
        begin_timestamp: i64 = "beginTimestamp",
        end_timestamp: i64 = "endTimestamp",
        unique_key_query: Option<bool> = "_UNIQUE_KEY_QUERY",
        index_type: Option<Text<'a>> = "indexType",
        last_key: Option<Text<'a>> = "lastKey",
    } => QueryMessageReply;
    /// One message by its commitlog offset; body the stored message.
    33 VIEW_MESSAGE_BY_ID ViewMessageById<'a> Sub "C>B,A>B" {
        topic: Option<Text<'a>> = "topic",
        offset: i64 = "offset",
    } => NoHeader;
    /// Replication of the broker.
    907 GET_BROKER_HA_STATUS GetBrokerHaStatus AdminRead "A>B" {} => NoHeader;
    // Between brokers.
    /// All offsets; body ConsumerOffsets.
    43 GET_ALL_CONSUMER_OFFSET GetAllConsumerOffset AdminRead "B>B,A>B" {} => NoHeader;
    /// Delay progress; body DelayOffsets.
    45 GET_ALL_DELAY_OFFSET GetAllDelayOffset Cluster "B>B" {} => NoHeader;
    /// Timer progress, binary.
    60 GET_TIMER_CHECK_POINT GetTimerCheckPoint Cluster "B>B" {} => NoHeader;
    /// Timer counts.
    61 GET_TIMER_METRICS GetTimerMetrics Cluster "B>B" {} => NoHeader;
    /// Broker container only.
    902 ADD_BROKER AddBroker<'a> AdminWrite "A>B" {
        config_path: Option<Text<'a>> = "configPath",
    } => NoHeader;
    /// Broker container only.
    903 REMOVE_BROKER RemoveBroker<'a> AdminWrite "A>B" {
        broker_name: Text<'a> = "brokerName",
        broker_cluster_name: Text<'a> = "brokerClusterName",
        broker_id: i64 = "brokerId",
    } => NoHeader;
    /// Replication addresses.
    906 EXCHANGE_BROKER_HA_INFO ExchangeBrokerHaInfo<'a> Cluster "B>B" {
        master_ha_address: Option<Text<'a>> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<Text<'a>> = "masterAddress",
    } => ExchangeBrokerHaInfoReply;
    /// Replication.
    908 RESET_MASTER_FLUSH_OFFSET ResetMasterFlushOffset Cluster "B>B" {
        master_flush_offset: i64 = "masterFlushOffset",
    } => NoHeader;
    // Controller mode: not spoken by us, known by name.
    /// Controller.
    1001 CONTROLLER_ALTER_SYNC_STATE_SET ControllerAlterSyncStateSet<'a> Unsupported "B>K" {
        broker_name: Option<Text<'a>> = "brokerName",
        master_broker_id: Option<i64> = "masterBrokerId",
        master_epoch: Option<i32> = "masterEpoch",
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1002 CONTROLLER_ELECT_MASTER ControllerElectMaster<'a> Unsupported "B>K,A>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        broker_id: i64 = "brokerId" or -1,
        designate_elect: bool = "designateElect" or false,
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1003 CONTROLLER_REGISTER_BROKER ControllerRegisterBroker<'a> Unsupported "B>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        broker_address: Option<Text<'a>> = "brokerAddress",
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1004 CONTROLLER_GET_REPLICA_INFO ControllerGetReplicaInfo<'a> Unsupported "B>K" {
        broker_name: Option<Text<'a>> = "brokerName",
    } => NoHeader;
    /// Controller.
    1005 CONTROLLER_GET_METADATA_INFO ControllerGetMetadataInfo Unsupported "B>K,A>K" {} => NoHeader;
    /// Controller.
    1006 CONTROLLER_GET_SYNC_STATE_DATA ControllerGetSyncStateData Unsupported "A>K" {} => NoHeader;
    /// Epochs of controller mode.
    1007 GET_BROKER_EPOCH_CACHE GetBrokerEpochCache AdminRead "A>B" {} => NoHeader;
    /// Controller mode.
    1008 NOTIFY_BROKER_ROLE_CHANGED NotifyBrokerRoleChanged<'a> Cluster "K>B" {
        master_address: Option<Text<'a>> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
        master_broker_id: Option<i64> = "masterBrokerId",
    } => NoHeader;
    /// Controller.
    1009 UPDATE_CONTROLLER_CONFIG UpdateControllerConfig Unsupported "A>K" {} => NoHeader;
    /// Controller.
    1010 GET_CONTROLLER_CONFIG GetControllerConfig Unsupported "A>K" {} => NoHeader;
    /// Controller.
    1011 CLEAN_BROKER_DATA CleanBrokerData<'a> Unsupported "A>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        broker_controller_ids_to_clean: Option<Text<'a>> = "brokerControllerIdsToClean",
        is_clean_living_broker: bool = "isCleanLivingBroker" or false,
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1012 CONTROLLER_GET_NEXT_BROKER_ID ControllerGetNextBrokerId<'a> Unsupported "B>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
    } => NoHeader;
    /// Controller.
    1013 CONTROLLER_APPLY_BROKER_ID ControllerApplyBrokerId<'a> Unsupported "B>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        applied_broker_id: Option<i64> = "appliedBrokerId",
        register_check_code: Option<Text<'a>> = "registerCheckCode",
    } => NoHeader;
    /// Inside controllers.
    1014 BROKER_CLOSE_CHANNEL_REQUEST BrokerCloseChannelRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1015 CHECK_NOT_ACTIVE_BROKER_REQUEST CheckNotActiveBrokerRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1016 GET_BROKER_LIVE_INFO_REQUEST GetBrokerLiveInfoRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1017 GET_SYNC_STATE_DATA_REQUEST GetSyncStateDataRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1018 RAFT_BROKER_HEART_BEAT_EVENT_REQUEST RaftBrokerHeartBeatEventRequest Unsupported "K>K" {} => NoHeader;
    // Users and access control.
    /// Creates a user; body UserInfo.
    3001 AUTH_CREATE_USER AuthCreateUser<'a> AdminWrite "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// Changes a user; body UserInfo.
    3002 AUTH_UPDATE_USER AuthUpdateUser<'a> AdminWrite "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// Deletes a user.
    3003 AUTH_DELETE_USER AuthDeleteUser<'a> AdminWrite "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// One user; body UserInfo.
    3004 AUTH_GET_USER AuthGetUser<'a> AdminRead "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// Users.
    3005 AUTH_LIST_USER AuthListUser<'a> AdminRead "A>B" {
        filter: Option<Text<'a>> = "filter",
    } => NoHeader;
    /// Creates policies; body AclInfo.
    3006 AUTH_CREATE_ACL AuthCreateAcl<'a> AdminWrite "A>B" {
        subject: Option<Text<'a>> = "subject",
    } => NoHeader;
    /// Changes policies; body AclInfo.
    3007 AUTH_UPDATE_ACL AuthUpdateAcl<'a> AdminWrite "A>B" {
        subject: Option<Text<'a>> = "subject",
    } => NoHeader;
    /// Deletes policies.
    3008 AUTH_DELETE_ACL AuthDeleteAcl<'a> AdminWrite "A>B" {
        subject: Option<Text<'a>> = "subject",
        policy_type: Option<Text<'a>> = "policyType",
        resource: Option<Text<'a>> = "resource",
    } => NoHeader;
    /// Policies of one subject; body AclInfo.
    3009 AUTH_GET_ACL AuthGetAcl<'a> AdminRead "A>B" {
        subject: Option<Text<'a>> = "subject",
    } => NoHeader;
    /// Policies.
    3010 AUTH_LIST_ACL AuthListAcl<'a> AdminRead "A>B" {
        subject_filter: Option<Text<'a>> = "subjectFilter",
        resource_filter: Option<Text<'a>> = "resourceFilter",
    } => NoHeader;
    // Defined by Java, handled by nobody.
    /// No handler in Java.
    13 QUERY_BROKER_OFFSET QueryBrokerOffset Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    22 GET_TOPIC_CONFIG_LIST GetTopicConfigList Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    23 GET_TOPIC_NAME_LIST GetTopicNameList Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    27 TRIGGER_DELETE_FILES TriggerDeleteFiles Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    47 GET_CLIENT_CONFIG GetClientConfig Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    209 SUSPEND_CONSUMER SuspendConsumer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    210 RESUME_CONSUMER ResumeConsumer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    211 RESET_CONSUMER_OFFSET_IN_CONSUMER ResetConsumerOffsetInConsumer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    212 RESET_CONSUMER_OFFSET_IN_BROKER ResetConsumerOffsetInBroker Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    213 ADJUST_CONSUMER_THREAD_POOL AdjustConsumerThreadPool Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    214 WHO_CONSUME_THE_MESSAGE WhoConsumeTheMessage Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    301 REGISTER_FILTER_SERVER RegisterFilterServer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    302 REGISTER_MESSAGE_FILTER_CLASS RegisterMessageFilterClass Unsupported "-" {} => NoHeader;
}

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
