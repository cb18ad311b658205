//! Rows of administration that looks: figures, connections, progress, single messages.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! inspection {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

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

    } };
}

pub(super) use inspection;
