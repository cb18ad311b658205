//! What tools ask about clients and progress: requests 203, 204, 328, 208, 300, 343, 345. remoting.md 2.8.

use std::collections::{BTreeMap, BTreeSet};

use net::ResponseCode;
use net::body::{
    Connection, ConsumeStats, ConsumerConnection, GroupList, OffsetWrapper, ProducerConnection, ProducerInfo,
    ProducerTable, QuerySubscriptionReply, TopicList,
};
use net::json::{self, Style};
use net::names::RETRY_PREFIX;
use net::requests::{
    GetConsumeStats, GetConsumerConnectionList, GetProducerConnectionList, QuerySubscriptionByConsumer,
    QueryTopicConsumeByWho, QueryTopicsByConsumer,
};
use rt::{Class, Env};
use store::{QueueOffset, ReadLimits};

use super::offsets::{signed, store_time};
use crate::call::{Call, Outcome, Refused};
use crate::clients::Member;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    pub(crate) fn consumer_connections(
        &mut self,
        call: &Call<'_>,
        request: &GetConsumerConnectionList<'_>,
    ) -> Outcome {
        let group = request.consumer_group;
        let live = self.clients.consumer_group(group).ok_or_else(|| {
            Refused::new(ResponseCode::CONSUMER_NOT_ONLINE, format!("the consumer group[{group}] not online"))
        })?;
        let answer = ConsumerConnection {
            connections: live.members.values().map(connection).collect(),
            consume_from_where: live.mode.from_where,
            consume_type: live.mode.consume_type,
            message_model: live.mode.message_model,
            conflicts: Some(live.conflicts()).filter(|all| !all.is_empty()),
            locked_queues: Some(self.locks.held(group, call.now.mono)).filter(|count| *count > 0),
            subscriptions: live
                .subscriptions
                .iter()
                .map(|(topic, subscription)| (topic.to_string(), subscription.data.clone()))
                .collect(),
        };
        let body = json::to_vec(&answer, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn producer_connections(
        &mut self,
        call: &Call<'_>,
        request: &GetProducerConnectionList<'_>,
    ) -> Outcome {
        let group = request.producer_group;
        let members = self
            .clients
            .producer_group(group)
            .ok_or_else(|| Refused::system(format!("the producer group[{group}] not exist")))?;
        let answer = ProducerConnection { connections: members.values().map(connection).collect() };
        let body = json::to_vec(&answer, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn all_producers(&mut self, call: &Call<'_>) -> Outcome {
        let info = |member: &Member| ProducerInfo {
            client_id: member.client_id.to_string(),
            language: member.language,
            updated_at_ms: member.updated_at_ms,
            remote_ip: member.peer.ip().to_string(),
            version: member.version,
        };
        let groups = self.clients.producer_groups().into_iter();
        let groups =
            groups.map(|(name, members)| (name.to_owned(), members.values().map(info).collect())).collect();
        let body = json::to_vec(&ProducerTable { groups }, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn groups_of_topic(
        &mut self,
        call: &Call<'_>,
        request: &QueryTopicConsumeByWho<'_>,
    ) -> Outcome {
        let online = self.clients.groups_of_topic(request.topic);
        let stored = self.offsets.groups_of(request.topic);
        let groups: BTreeSet<&str> = online.into_iter().chain(stored).collect();
        let list = GroupList { groups: groups.into_iter().map(str::to_owned).collect() };
        let body = json::to_vec(&list, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn topics_of_group(
        &mut self,
        call: &Call<'_>,
        request: &QueryTopicsByConsumer<'_>,
    ) -> Outcome {
        let topics = self.offsets.topics_of(request.group).into_iter().map(str::to_owned).collect();
        let list = TopicList { broker_addr: Some(self.identity.address.to_string()), topics };
        let body = json::to_vec(&list, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn subscription_of_group(
        &mut self,
        call: &Call<'_>,
        request: &QuerySubscriptionByConsumer<'_>,
    ) -> Outcome {
        let topic = request.topic.unwrap_or_default();
        let live = self.clients.consumer_group(request.group);
        let answer = QuerySubscriptionReply {
            group: request.group.to_owned(),
            subscription: live.and_then(|group| group.subscriptions.get(topic)).map(|one| one.data.clone()),
            topic: topic.to_owned(),
        };
        let body = json::to_vec(&answer, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    /// Progress of a group. The store time of the last consumed message may need the disk, so it is a task.
    pub(crate) fn consume_stats(&mut self, call: &Call<'_>, request: &GetConsumeStats<'_>) -> Outcome {
        let mut places = Vec::new();
        for topic in self.topics_for_stats(request) {
            let queues = self.topics.config(&topic).map_or(0, |config| config.read_queues);
            for queue_id in 0..queues {
                let range = self.range(&topic, queue_id);
                let consumed = self.offsets.get(request.consumer_group, &topic, queue_id).unwrap_or(0);
                let wrapper = OffsetWrapper {
                    broker_offset: signed(range.max),
                    consumer_offset: consumed,
                    last_timestamp: 0,
                    pull_offset: consumed,
                };
                let read = self.last_consumed(&topic, queue_id, consumed);
                places.push((self.message_queue(&topic, queue_id), wrapper, read));
            }
        }
        let work = async move {
            let mut queues = BTreeMap::new();
            for (queue, mut wrapper, read) in places {
                if let Some(read) = read
                    && let Ok((_, batch)) = read.await
                {
                    wrapper.last_timestamp = store_time(&batch).unwrap_or(0);
                }
                queues.insert(queue, wrapper);
            }
            queues
        };
        self.answer_later(call, Class::Admin, work, |shard, conn, reply, queues, _| {
            let body = json::to_vec(&ConsumeStats { tps: 0.0, queues }, Style::Raw);
            shard.answer_body(conn, reply, &body)
        })
    }

    /// Reads the message before `consumed`, if it is still there.
    pub(super) fn last_consumed(
        &self,
        topic: &str,
        queue_id: u32,
        consumed: i64,
    ) -> Option<impl Future<Output = ReadResult> + 'static> {
        const ONE: ReadLimits = ReadLimits { count: 1, bytes: 1, scan: 1 };
        let queue = self.store.find_queue(topic, queue_id)?;
        let range = self.store.offsets(queue);
        let last = QueueOffset::new(u64::try_from(consumed).ok()?.checked_sub(1)?);
        (last >= range.min && last < range.max).then(|| self.store.read_cold(queue, last, ONE, |_| true))
    }

    /// The topics a progress report covers: those asked for, else everything the group reads or has read.
    fn topics_for_stats(&self, request: &GetConsumeStats<'_>) -> BTreeSet<String> {
        let group = request.consumer_group;
        if let Some(list) = request.topic_list.filter(|list| !list.is_empty()) {
            return list.split(';').filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
        }
        if let Some(topic) = request.topic.filter(|topic| !topic.is_empty()) {
            return BTreeSet::from([topic.to_owned()]);
        }
        let stored = self.offsets.topics_of(group).into_iter().map(str::to_owned);
        let live = self.clients.consumer_group(group);
        let subscribed =
            live.into_iter().flat_map(|group| group.subscriptions.keys()).map(ToString::to_string);
        let retry = format!("{RETRY_PREFIX}{group}");
        let retry = self.topics.slot(&retry).map(|_| retry);
        stored.chain(subscribed).chain(retry).filter(|topic| self.topics.slot(topic).is_some()).collect()
    }
}

type ReadResult = Result<(store::ReadStatus, store::ReadBatch), store::StoreError>;

fn connection(member: &Member) -> Connection {
    Connection {
        client_addr: member.peer.to_string(),
        client_id: member.client_id.to_string(),
        language: member.language,
        version: member.version,
    }
}
