//! Offsets as administrators set them: requests 222, 308 and 314. behaviour.md 9.7.

use std::collections::BTreeMap;

use net::body::{CorrectionOffsets, MessageQueue, ResetOffsetBody};
use net::json::{self, Style};
use net::requests::{CloneGroupOffset, InvokeBrokerToResetOffset, QueryCorrectionOffset};
use rt::{Class, Env};
use store::{Boundary, OffsetRange};

use crate::call::{Call, Outcome, Refused};
use crate::refusals;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// Sets the offsets of a group, on line or off: the next pull of each queue is answered with the new one.
    pub(crate) fn reset_offset(
        &mut self,
        call: &Call<'_>,
        request: &InvokeBrokerToResetOffset<'_>,
    ) -> Outcome {
        let (topic, group) = (request.topic, request.group);
        let Some(config) = self.topics.config(topic) else { return Err(Refused::no_topic(topic)) };
        if self.groups.get(group).is_none() {
            return Err(Refused::no_group(group));
        }
        let chosen: Vec<u32> = match u32::try_from(request.queue_id) {
            Ok(queue_id) if queue_id < config.queues() => vec![queue_id],
            Ok(queue_id) => {
                return Err(Refused::system(format!("the topic {topic} has no queue {queue_id}")));
            }
            Err(_) => (0..config.queues()).collect(),
        };
        let mut known = BTreeMap::new();
        let mut wanted = Vec::new();
        for queue_id in chosen {
            let queue = self.queue_of(topic, queue_id);
            let range = self.store.offsets(queue);
            match request.offset.filter(|_| request.queue_id >= 0) {
                Some(offset) if offset < 0 || !is_inside(offset, range) => {
                    let remark = format!(
                        "Target offset {offset} not in consume queue range [{}-{}]",
                        range.min.get(),
                        range.max.get()
                    );
                    return Err(Refused::system(remark));
                }
                Some(offset) => drop(known.insert(queue_id, offset)),
                None if request.timestamp < 0 => drop(known.insert(queue_id, signed(range.max.get()))),
                None => wanted
                    .push((queue_id, self.store.offset_by_time(queue, request.timestamp, Boundary::Lower))),
            }
        }
        let (topic, group, force) = (topic.to_owned(), group.to_owned(), request.is_force);
        let work = async move {
            for (queue_id, search) in wanted {
                known.insert(queue_id, signed(search.await?.get()));
            }
            Ok(known)
        };
        self.answer_later(
            call,
            Class::Admin,
            work,
            move |shard, conn, to, found: Result<_, store::StoreError>, now| {
                let found = found.map_err(|error| refusals::of_read(&error, &shard.identity))?;
                let mut body = ResetOffsetBody::default();
                for (queue_id, offset) in found {
                    // Not forced, a group goes back and never forward.
                    let before = shard.offsets.get(&group, &topic, queue_id);
                    let offset =
                        if force { offset } else { before.map_or(offset, |before| before.min(offset)) };
                    shard.offsets.reset(&group, &topic, queue_id, offset);
                    // Whoever waits at the end of the queue pulls again, and hears of it.
                    if let Some(queue) = shard.store.find_queue(&topic, queue_id) {
                        while let Some(id) = shard.polls.first_of_queue(queue) {
                            shard.release(id, now);
                        }
                    }
                    let broker_name = shard.identity.name.to_string();
                    let queue =
                        MessageQueue { broker_name, topic: topic.clone(), queue_id: queue_id.cast_signed() };
                    body.offsets.insert(queue, offset);
                }
                shard.wake_pops(&group, &topic);
                tracing::info!(shard = shard.identity.index, group, topic, "offsets reset");
                shard.store_offsets();
                shard.answer_body(conn, to, &json::to_vec(&body, Style::Raw))
            },
        )
    }

    pub(crate) fn clone_offsets(&mut self, call: &Call<'_>, request: &CloneGroupOffset<'_>) -> Outcome {
        let (from, to) = (request.src_group, request.dest_group);
        if self.groups.get(to).is_none() {
            return Err(Refused::no_group(to));
        }
        let topics: Vec<String> = match request.topic.filter(|topic| !topic.is_empty()) {
            Some(topic) if self.topics.slot(topic).is_none() => return Err(Refused::no_topic(topic)),
            Some(topic) => vec![topic.to_owned()],
            None => self.offsets.topics_of(from).into_iter().map(str::to_owned).collect(),
        };
        for topic in topics {
            let offsets: Vec<(u32, i64)> = self.offsets.of_topic(from, &topic).collect();
            for (queue_id, offset) in offsets {
                self.offsets.commit(to, &topic, queue_id, offset);
            }
        }
        self.store_offsets();
        self.answer_when_durable(call)
    }

    pub(crate) fn correction_offsets(
        &mut self,
        call: &Call<'_>,
        request: &QueryCorrectionOffset<'_>,
    ) -> Outcome {
        let left_out: Vec<&str> = request.filter_groups.unwrap_or_default().split(',').collect();
        let groups = self.offsets.groups_of(request.topic);
        let mut least: BTreeMap<i32, i64> = BTreeMap::new();
        for group in
            groups.into_iter().filter(|group| !left_out.contains(group) && *group != request.compare_group)
        {
            for (queue_id, offset) in self.offsets.of_topic(group, request.topic) {
                let lowest = least.entry(queue_id.cast_signed()).or_insert(offset);
                *lowest = offset.min(*lowest);
            }
        }
        for (queue_id, offset) in self.offsets.of_topic(request.compare_group, request.topic) {
            least
                .entry(queue_id.cast_signed())
                .and_modify(|lowest| *lowest = offset.min(*lowest))
                .or_insert(offset);
        }
        let body = json::to_vec(&CorrectionOffsets { offsets: least }, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }
}

fn is_inside(offset: i64, range: OffsetRange) -> bool {
    (signed(range.min.get())..=signed(range.max.get())).contains(&offset)
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
