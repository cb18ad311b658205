//! Topics as administrators see them: requests 17, 18, 215, 5002, 21, 351, 202, 305. behaviour.md 4.4.

use std::collections::BTreeMap;

use net::body::{
    self, MessageQueue, TopicConfigList, TopicConfigSerializeWrapper, TopicFilterType, TopicList,
    TopicOffset, TopicStatsTable,
};
use net::json::{self, Style};
use net::names;
use net::requests::{
    DeleteTopicInBroker, GetAllTopicConfig, GetAllTopicConfigReply, GetTopicConfig, GetTopicStatsInfo,
    UpdateAndCreateTopic,
};
use net::{ResponseCode, reply};
use rt::{Class, Env};

use super::offsets::{signed, store_time};
use super::pages::{Asked, page};
use crate::attributes;
use crate::call::{Call, Done, Outcome, Refused};
use crate::shard::Shard;
use crate::topics::TopicConfig;

/// Every bit of a permission, for answers to tools.
const UNMASKED: u8 = 0xff;

impl<E: Env> Shard<E> {
    pub(crate) fn update_topic(&mut self, call: &Call<'_>, request: &UpdateAndCreateTopic<'_>) -> Outcome {
        let known = self.topics.config(request.topic).map(|config| config.attributes.clone());
        let attributes = attributes::apply(known, request.attributes.unwrap_or_default(), &attributes::TOPIC)
            .map_err(Refused::invalid)?;
        let wire = body::TopicConfig {
            attributes,
            order: request.order,
            perm: request.perm,
            read_queues: request.read_queues,
            filter_type: request
                .topic_filter_type
                .map_or_else(TopicFilterType::default, TopicFilterType::from_name),
            name: request.topic.to_owned(),
            sys_flag: request.topic_sys_flag.unwrap_or(0),
            write_queues: request.write_queues,
        };
        let config = self.checked_topic(wire)?;
        self.put_topic(config, call.now);
        self.answer_when_durable_and_announced(call)
    }

    pub(crate) fn update_topics(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let list: TopicConfigList = read(body, "a list of topics")?;
        // All are checked before the first is made: a refusal leaves nothing half done.
        let configs: Vec<TopicConfig> =
            list.topics.into_iter().map(|wire| self.checked_topic(wire)).collect::<Result<_, _>>()?;
        for config in configs {
            self.put_topic(config, call.now);
        }
        self.answer_when_durable_and_announced(call)
    }

    pub(crate) fn delete_topic(&mut self, call: &Call<'_>, request: &DeleteTopicInBroker<'_>) -> Outcome {
        self.deletable(request.topic)?;
        self.remove_topic(request.topic, call.now);
        self.answer_when_durable_and_announced(call)
    }

    pub(crate) fn delete_topics(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let mut list: TopicList = read(body, "a list of topics")?;
        list.topics.sort_unstable();
        list.topics.dedup();
        if list.topics.is_empty() {
            return Err(Refused::invalid("The topic list is empty."));
        }
        list.topics.iter().try_for_each(|topic| self.deletable(topic))?;
        for topic in &list.topics {
            self.remove_topic(topic, call.now);
        }
        self.answer_when_durable_and_announced(call)
    }

    /// All topics, or a page of them for a caller that asks for pages and needs them.
    pub(crate) fn all_topics(&mut self, call: &Call<'_>, request: &GetAllTopicConfig<'_>) -> Outcome {
        let all = self.topics.sorted();
        let body_of = |configs: &[&TopicConfig]| {
            let topics = configs.iter().map(|one| (one.name.clone(), one.to_wire(UNMASKED)));
            let wrapper = TopicConfigSerializeWrapper {
                data_version: self.topics.version().wire().clone(),
                topics: topics.collect(),
                ..TopicConfigSerializeWrapper::default()
            };
            json::to_vec(&wrapper, Style::Raw)
        };
        let mut body = body_of(&all);
        let asked =
            Asked { seq: request.topic_seq, max: request.max_topic_num, version: request.data_version };
        let mut total_topic_num = None;
        if let Some(range) = page(asked, all.len(), body.len(), self.topics.version().wire()) {
            total_topic_num = i32::try_from(all.len()).ok();
            body = body_of(&all[range]);
        }
        let header = GetAllTopicConfigReply { total_topic_num };
        if let (Some(to), Some(out)) = (call.reply, self.connections.reply(call.conn)) {
            reply::with_body(out, to, ResponseCode::SUCCESS, None, &header, &body);
        }
        Ok(Done::Answered)
    }

    pub(crate) fn topic_config(&mut self, call: &Call<'_>, request: &GetTopicConfig<'_>) -> Outcome {
        let config = self.topics.config(request.topic).ok_or_else(|| Refused::no_topic(request.topic))?;
        let body = json::to_vec(&config.to_wire(UNMASKED), Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn topic_stats(&mut self, call: &Call<'_>, request: &GetTopicStatsInfo<'_>) -> Outcome {
        let config = self.topics.config(request.topic).ok_or_else(|| Refused::no_topic(request.topic))?;
        let mut places = Vec::new();
        for queue_id in 0..config.queues() {
            let range = self.range(request.topic, queue_id);
            let offset = TopicOffset {
                updated_at_ms: 0,
                max_offset: signed(range.max),
                min_offset: signed(range.min),
            };
            let last = self.last_consumed(request.topic, queue_id, offset.max_offset);
            places.push((self.message_queue(request.topic, queue_id), offset, last));
        }
        let work = async move {
            let mut queues = BTreeMap::new();
            for (queue, mut offset, last) in places {
                if let Some(read) = last
                    && let Ok((_, batch)) = read.await
                {
                    offset.updated_at_ms = store_time(&batch).unwrap_or(0);
                }
                queues.insert(queue, offset);
            }
            queues
        };
        self.answer_later(call, Class::Admin, work, |shard, conn, reply, queues, _| {
            let body = json::to_vec(&TopicStatsTable { queues, put_tps: 0.0 }, Style::Raw);
            shard.answer_body(conn, reply, &body)
        })
    }

    pub(crate) fn system_topics(&mut self, call: &Call<'_>) -> Outcome {
        let all = self.topics.sorted();
        let topics =
            all.iter().map(|one| one.name.clone()).filter(|name| self.is_system_topic(name)).collect();
        let list = TopicList { broker_addr: Some(self.identity.address.to_string()), topics };
        let body = json::to_vec(&list, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    /// A queue of this shard, as keys of bodies name it.
    pub(crate) fn message_queue(&self, topic: &str, queue_id: u32) -> MessageQueue {
        MessageQueue {
            broker_name: self.identity.name.to_string(),
            queue_id: i32::try_from(queue_id).expect("queue counts are bounded"),
            topic: topic.to_owned(),
        }
    }

    fn checked_topic(&self, wire: body::TopicConfig) -> Result<TopicConfig, Refused> {
        names::check_topic(&wire.name).map_err(|error| Refused::invalid(error.to_string()))?;
        if self.is_system_topic(&wire.name) {
            return Err(system_topic(&wire.name));
        }
        TopicConfig::from_wire(wire).map_err(Refused::invalid)
    }

    fn deletable(&self, topic: &str) -> Result<(), Refused> {
        if topic.trim().is_empty() {
            return Err(Refused::invalid("The specified topic is blank."));
        }
        if self.is_system_topic(topic) {
            return Err(system_topic(topic));
        }
        Ok(())
    }
}

fn system_topic(topic: &str) -> Refused {
    Refused::invalid(format!("The topic[{topic}] is conflict with system topic."))
}

/// A JSON body, or INVALID_PARAMETER with what is wrong in it.
pub(super) fn read<T: serde::de::DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Refused> {
    json::from_slice(body).map_err(|error| Refused::invalid(format!("the body is not {what}: {error}")))
}
