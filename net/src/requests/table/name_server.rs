//! Rows of the name server: routes and settings for clients and tools, registration for brokers.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! name_server {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    // From clients and tools.
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
    // From brokers.
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

    } };
}

pub(super) use name_server;
