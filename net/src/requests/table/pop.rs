//! Rows of pop: taking messages for a time, acknowledging them, lite queues, and which queues a client should take.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! pop {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

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

    } };
}

pub(super) use pop;
