//! Requests with what most tests want in them; change the fields that matter.

use net::batch::{self, Item};
use net::body::{ConsumerData, HeartbeatData, ProducerData, SubscriptionData, SubscriptionGroupConfig};
use net::json::{self, Style};
use net::requests::{
    PullMessage, QueryConsumerOffset, SendMessage, SendMessageV2, UpdateAndCreateTopic, UpdateConsumerOffset,
};

pub fn message(topic: &str, queue_id: i32) -> SendMessageV2<'_> {
    SendMessageV2 {
        producer_group: "producers",
        topic,
        default_topic: "TBW102",
        default_queues: 4,
        queue_id,
        sys_flag: 0,
        born_at_ms: 1_700_000_000_000,
        flag: 0,
        properties: None,
        reconsume_times: Some(0),
        unit_mode: Some(false),
        max_reconsume_times: None,
        batch: Some(false),
        broker_name: None,
    }
}

/// The same in the spelling of request 10.
pub fn long_form<'a>(short: &SendMessageV2<'a>) -> SendMessage<'a> {
    SendMessage {
        producer_group: short.producer_group,
        topic: short.topic,
        default_topic: short.default_topic,
        default_queues: short.default_queues,
        queue_id: short.queue_id,
        sys_flag: short.sys_flag,
        born_at_ms: short.born_at_ms,
        flag: short.flag,
        properties: short.properties,
        reconsume_times: short.reconsume_times,
        unit_mode: short.unit_mode,
        max_reconsume_times: short.max_reconsume_times,
        batch: short.batch,
        broker_name: short.broker_name,
    }
}

/// A batch body of these messages, each with its properties.
pub fn batch_of(items: &[(&[u8], &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (body, properties) in items {
        batch::append(&mut out, &Item { flag: 0, body, properties: properties.as_bytes() });
    }
    out
}

/// One property in wire form.
pub fn property(name: &str, value: &str) -> String {
    format!("{name}\u{1}{value}\u{2}")
}

/// A pull that is answered at once and brings `*` with it.
pub fn pull<'a>(group: &'a str, topic: &'a str, queue_id: i32, offset: i64) -> PullMessage<'a> {
    PullMessage::everything(group, topic, queue_id, offset)
}

/// `request` held for `hold_ms` if there is nothing, with the subscription attached.
pub fn attached(request: PullMessage<'_>, hold_ms: i64) -> PullMessage<'_> {
    PullMessage { sys_flag: request.sys_flag | PullMessage::SUSPEND, suspend_timeout_ms: hold_ms, ..request }
}

pub fn create_topic(topic: &str, queues: i32) -> UpdateAndCreateTopic<'_> {
    UpdateAndCreateTopic::plain(topic, queues)
}

/// The body of request 200.
pub fn group_config(name: &str, change: impl FnOnce(&mut SubscriptionGroupConfig)) -> Vec<u8> {
    let mut config =
        SubscriptionGroupConfig { group_name: name.to_owned(), ..SubscriptionGroupConfig::default() };
    change(&mut config);
    json::to_vec(&config, Style::Raw)
}

pub fn subscription(topic: &str, expression: &str, version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: topic.to_owned(),
        expression: expression.to_owned(),
        version,
        ..SubscriptionData::default()
    }
}

/// The body of a heartbeat: one client in one consumer group and one producer group.
pub fn heartbeat(client_id: &str, group: &str, subscriptions: &[SubscriptionData]) -> Vec<u8> {
    let consumer = ConsumerData {
        group_name: group.to_owned(),
        subscriptions: subscriptions.to_vec(),
        ..ConsumerData::default()
    };
    let beat = HeartbeatData {
        client_id: client_id.to_owned(),
        consumers: vec![consumer],
        producers: vec![ProducerData { group_name: "producers".to_owned() }],
        ..HeartbeatData::default()
    };
    json::to_vec(&beat, Style::Raw)
}

pub fn offset_query<'a>(group: &'a str, topic: &'a str, queue_id: i32) -> QueryConsumerOffset<'a> {
    QueryConsumerOffset { consumer_group: group, topic, queue_id, set_zero_if_not_found: None }
}

pub fn commit<'a>(group: &'a str, topic: &'a str, queue_id: i32, offset: i64) -> UpdateConsumerOffset<'a> {
    UpdateConsumerOffset { consumer_group: group, topic, queue_id, commit_offset: offset }
}
