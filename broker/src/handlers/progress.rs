//! Progress in time, of all groups, and entry by entry: requests 303, 317 and 321. remoting.md 2.8.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use net::body::{
    ConsumeQueueEntries, ConsumeQueueEntry, ConsumeStats, ConsumeStatsList, ConsumeTimeSpan,
    ConsumeTimeSpans, OffsetWrapper,
};
use net::json::{self, Style};
use net::requests::{GetBrokerConsumeStats, QueryConsumeQueue, QueryConsumeTimeSpan};
use rt::{Class, Env};
use store::{QueueOffset, ReadLimits};

use super::offsets::{signed, store_time};
use crate::call::{Call, Outcome, Refused};
use crate::refusals;
use crate::shard::Shard;

/// Entries that one 321 shows at most.
const ENTRIES_MAX: u32 = 1_000;

impl<E: Env> Shard<E> {
    /// When the oldest, the newest and the last consumed message of each queue were stored (303).
    pub(crate) fn consume_time_span(
        &mut self,
        call: &Call<'_>,
        request: &QueryConsumeTimeSpan<'_>,
    ) -> Outcome {
        let (topic, group) = (request.topic, request.group);
        let config = self.topics.config(topic).ok_or_else(|| Refused::no_topic(topic))?;
        let mut places = Vec::new();
        for queue_id in 0..config.write_queues {
            let range = self.range(topic, queue_id);
            let consumed = self.offsets.get(group, topic, queue_id).unwrap_or(0);
            let (min, max) = (signed(range.min), signed(range.max));
            let reads = [
                self.last_consumed(topic, queue_id, min + 1),
                self.last_consumed(topic, queue_id, max),
                self.last_consumed(topic, queue_id, consumed),
                self.last_consumed(topic, queue_id, consumed + 1).filter(|_| consumed < max),
            ];
            places.push((self.message_queue(topic, queue_id), consumed, reads));
        }
        let now_ms = call.now.unix_ms;
        let work = async move {
            let mut spans = Vec::new();
            for (queue, consumed, reads) in places {
                let mut times = [None; 4];
                for (time, read) in times.iter_mut().zip(reads) {
                    if let Some(read) = read
                        && let Ok((_, batch)) = read.await
                    {
                        *time = store_time(&batch);
                    }
                }
                let [oldest, newest, last, next] = times;
                spans.push(ConsumeTimeSpan {
                    consume_timestamp: if consumed > 0 { last.unwrap_or(-1) } else { oldest.unwrap_or(-1) },
                    delay_ms: next.map_or(0, |next| (now_ms - next).max(0)),
                    max_timestamp: newest.unwrap_or(-1),
                    queue,
                    min_timestamp: oldest.unwrap_or(-1),
                });
            }
            ConsumeTimeSpans { spans }
        };
        self.answer_later(call, Class::Admin, work, |shard, conn, to, spans, _| {
            shard.answer_body(conn, to, &json::to_vec(&spans, Style::Raw))
        })
    }

    /// The progress of every group in every topic it consumes (317). mqadmin shows only queues of which it hears when
    /// their last consumed message was stored, so each is read.
    pub(crate) fn all_consume_stats(&mut self, call: &Call<'_>, request: &GetBrokerConsumeStats) -> Outcome {
        let groups: Vec<String> =
            self.groups.sorted().into_iter().map(|config| config.group_name.clone()).collect();
        let mut list =
            ConsumeStatsList { broker_addr: Some(self.identity.address.to_string()), ..Default::default() };
        let mut reads = Vec::new();
        for (at, group) in groups.into_iter().enumerate() {
            let mut all = Vec::new();
            for topic in self.offsets.topics_of(&group) {
                let Some(config) = self.topics.config(topic) else { continue };
                if request.is_order && !config.order {
                    continue;
                }
                let mut queues = BTreeMap::new();
                for queue_id in 0..config.read_queues {
                    let end = signed(self.range(topic, queue_id).max);
                    let consumed = self.offsets.get(&group, topic, queue_id).unwrap_or(0);
                    list.total_diff += (end - consumed).max(0);
                    let wrapper = OffsetWrapper {
                        broker_offset: end,
                        consumer_offset: consumed,
                        last_timestamp: 0,
                        pull_offset: consumed,
                    };
                    let queue = self.message_queue(topic, queue_id);
                    if let Some(read) = self.last_consumed(topic, queue_id, consumed) {
                        reads.push(((at, group.clone(), all.len(), queue.clone()), read));
                    }
                    queues.insert(queue, wrapper);
                }
                all.push(ConsumeStats { tps: 0.0, queues });
            }
            list.stats.push(BTreeMap::from([(group, all)]));
        }
        let work = async move {
            for ((at, group, topic, queue), read) in reads {
                let Ok((_, batch)) = read.await else { continue };
                let stats = list.stats[at].get_mut(&group).and_then(|all| all.get_mut(topic));
                if let Some(wrapper) = stats.and_then(|stats| stats.queues.get_mut(&queue)) {
                    wrapper.last_timestamp = store_time(&batch).unwrap_or(0);
                }
            }
            list
        };
        self.answer_later(call, Class::Admin, work, |shard, conn, to, list, _| {
            shard.answer_body(conn, to, &json::to_vec(&list, Style::Raw))
        })
    }

    /// Entries of a queue, and which of them a group's filter lets through (321).
    pub(crate) fn queue_entries(&mut self, call: &Call<'_>, request: &QueryConsumeQueue<'_>) -> Outcome {
        let topic = request.topic;
        let queue_id = self.queue_id(topic, request.queue_id)?;
        let queue = self.queue_of(topic, queue_id);
        let range = self.store.offsets(queue);
        let index = u64::try_from(request.index).map(QueueOffset::new).ok();
        let Some(from) = index.filter(|at| (range.min..range.max).contains(at)) else {
            return Err(Refused::system(format!(
                "Index {} of {queue_id}@{topic} is not exist! It has {} to {}",
                request.index,
                range.min.get(),
                range.max.get()
            )));
        };
        let group = request.consumer_group.filter(|group| !group.is_empty());
        let live = group.and_then(|group| self.clients.consumer_group(group));
        let subscription = live.and_then(|live| live.subscriptions.get(topic)).cloned();
        let mut answer = ConsumeQueueEntries {
            filter_data: match (group, &subscription) {
                (Some(group), None) => Some(format!("{group}@{topic} is not online!")),
                (_, subscription) => subscription.as_ref().map(|one| one.data.expression.clone()),
            },
            max_index: signed(range.max),
            min_index: signed(range.min),
            entries: Vec::new(),
            subscription: subscription.as_ref().map(|one| one.data.clone()),
        };
        let filter = subscription.and_then(|one| one.filter);
        let seen: Rc<RefCell<Vec<ConsumeQueueEntry>>> = Rc::default();
        let collected = seen.clone();
        let count = u32::try_from(request.count).unwrap_or(1).clamp(1, ENTRIES_MAX);
        let limits = ReadLimits { count, bytes: u32::MAX, scan: count };
        let work = self.store.read_cold(queue, from, limits, move |entry| {
            collected.borrow_mut().push(ConsumeQueueEntry {
                bit_map: None,
                matches: filter.as_ref().is_none_or(|filter| filter.accepts(entry)),
                extend: None,
                message: None,
                phys_offset: i64::try_from(entry.at.get()).unwrap_or(i64::MAX),
                size: i32::try_from(entry.bytes).unwrap_or(i32::MAX),
                tags_code: entry.tags_code,
            });
            false
        });
        self.answer_later(call, Class::ColdRead, work, move |shard, conn, to, read, _| {
            read.map_err(|error| refusals::of_read(&error, &shard.identity))?;
            answer.entries = seen.take();
            shard.answer_body(conn, to, &json::to_vec(&answer, Style::Raw))
        })
    }
}
