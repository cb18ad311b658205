//! Where groups stand and where queues begin and end: requests 14, 15, 29, 30, 31, 32 and 43.

use std::collections::BTreeMap;

use net::ResponseCode;
use net::body::ConsumerOffsets;
use net::json::{self, Style};
use net::requests::{
    GetEarliestMsgStoretime, GetMaxOffset, GetMinOffset, OffsetReply, QueryConsumerOffset,
    SearchOffsetByTimestamp, TimestampReply, UpdateConsumerOffset,
};
use rt::{Class, Env};
use store::record::{Parsed, parse};
use store::{Boundary, OffsetRange, QueueOffset, ReadBatch, ReadLimits, ReadStatus};

use crate::call::{Call, Done, Outcome, Refused};
use crate::refusals;
use crate::shard::Shard;

/// One message, whatever its size.
const FIRST: ReadLimits = ReadLimits { count: 1, bytes: 1, scan: 1 };

impl<E: Env> Shard<E> {
    pub(crate) fn query_consumer_offset(
        &mut self,
        call: &Call<'_>,
        request: &QueryConsumerOffset<'_>,
    ) -> Outcome {
        let queue_id = self.queue_id(request.topic, request.queue_id)?;
        if let Some(offset) = self.offsets.get(request.consumer_group, request.topic, queue_id) {
            return self.answer_header(call.conn, call.reply, &OffsetReply { offset });
        }
        let range = self.range(request.topic, queue_id);
        let may_default = request.set_zero_if_not_found != Some(false);
        if may_default
            && range.min.get() == 0
            && range.max > range.min
            && self.first_is_hot(request.topic, queue_id)
        {
            return self.answer_header(call.conn, call.reply, &OffsetReply { offset: 0 });
        }
        Err(Refused::new(
            ResponseCode::QUERY_NOT_FOUND,
            "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first",
        ))
    }

    pub(crate) fn update_consumer_offset(&mut self, request: &UpdateConsumerOffset<'_>) -> Outcome {
        if self.groups.get(request.consumer_group).is_none() {
            return Err(Refused::no_group(request.consumer_group));
        }
        let queue_id = self.queue_id(request.topic, request.queue_id)?;
        if request.commit_offset < 0 {
            return Err(Refused::invalid(format!("commitOffset {} is negative", request.commit_offset)));
        }
        self.offsets.commit(request.consumer_group, request.topic, queue_id, request.commit_offset);
        Ok(Done::Success)
    }

    pub(crate) fn max_offset(&mut self, call: &Call<'_>, request: &GetMaxOffset<'_>) -> Outcome {
        let queue_id = self.queue_id(request.topic, request.queue_id)?;
        let offset = signed(self.range(request.topic, queue_id).max);
        self.answer_header(call.conn, call.reply, &OffsetReply { offset })
    }

    pub(crate) fn min_offset(&mut self, call: &Call<'_>, request: &GetMinOffset<'_>) -> Outcome {
        let queue_id = self.queue_id(request.topic, request.queue_id)?;
        let offset = signed(self.range(request.topic, queue_id).min);
        self.answer_header(call.conn, call.reply, &OffsetReply { offset })
    }

    pub(crate) fn search_offset(
        &mut self,
        call: &Call<'_>,
        request: &SearchOffsetByTimestamp<'_>,
    ) -> Outcome {
        let queue_id = self.queue_id(request.topic, request.queue_id)?;
        let boundary = match request.boundary_type {
            Some(kind) if kind.eq_ignore_ascii_case("UPPER") => Boundary::Upper,
            _ => Boundary::Lower,
        };
        let Some(queue) = self.store.find_queue(request.topic, queue_id) else {
            return self.answer_header(call.conn, call.reply, &OffsetReply { offset: 0 });
        };
        let work = self.store.offset_by_time(queue, request.timestamp, boundary);
        self.answer_later(call, Class::ColdRead, work, |shard, conn, reply, found, _| match found {
            Ok(offset) => shard.answer_header(conn, reply, &OffsetReply { offset: signed(offset) }),
            Err(error) => Err(refusals::of_read(&error, &shard.identity)),
        })
    }

    pub(crate) fn earliest_store_time(
        &mut self,
        call: &Call<'_>,
        request: &GetEarliestMsgStoretime<'_>,
    ) -> Outcome {
        let queue_id = self.queue_id(request.topic, request.queue_id)?;
        let Some(queue) = self.store.find_queue(request.topic, queue_id) else {
            return self.answer_header(call.conn, call.reply, &TimestampReply { timestamp: -1 });
        };
        let work = self.store.read_cold(queue, self.store.offsets(queue).min, FIRST, |_| true);
        self.answer_later(call, Class::ColdRead, work, |shard, conn, reply, read, _| match read {
            Ok((_, batch)) => shard.answer_header(
                conn,
                reply,
                &TimestampReply { timestamp: store_time(&batch).unwrap_or(-1) },
            ),
            Err(error) => Err(refusals::of_read(&error, &shard.identity)),
        })
    }

    pub(crate) fn all_consumer_offsets(&mut self, call: &Call<'_>) -> Outcome {
        let mut table: BTreeMap<String, BTreeMap<i32, i64>> = BTreeMap::new();
        for (group, topic) in self.offsets.pairs() {
            let queues = self.offsets.of_topic(group, topic);
            let queues = queues.map(|(queue_id, offset)| (i32::try_from(queue_id).expect("bounded"), offset));
            table.insert(format!("{topic}@{group}"), queues.collect());
        }
        let body = json::to_vec(&ConsumerOffsets { data_version: None, offsets: table }, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    /// A queue id of a topic that exists here.
    pub(crate) fn queue_id(&mut self, topic: &str, asked: i32) -> Result<u32, Refused> {
        if self.config.light_queues {
            self.make_light(topic)?;
        }
        let config = self.topics.config(topic).ok_or_else(|| Refused::no_topic(topic))?;
        match u32::try_from(asked) {
            Ok(queue_id) if queue_id < config.queues() => Ok(queue_id),
            _ => Err(Refused::invalid(format!(
                "queueId {asked} is out of range: topic {topic} has queues 0 to {}",
                config.queues().saturating_sub(1)
            ))),
        }
    }

    /// The readable range of a queue; empty at 0 if nothing was ever written to it.
    pub(crate) fn range(&self, topic: &str, queue_id: u32) -> OffsetRange {
        self.store
            .find_queue(topic, queue_id)
            .map_or_else(OffsetRange::default, |queue| self.store.offsets(queue))
    }

    /// Whether the first message of a queue is still in the window: RocketMQ's "in memory", which decides where a new
    /// group on a young topic starts (behaviour.md 9.2).
    fn first_is_hot(&self, topic: &str, queue_id: u32) -> bool {
        let Some(queue) = self.store.find_queue(topic, queue_id) else { return false };
        let mut batch = ReadBatch::default();
        let status = self.store.read_hot(queue, QueueOffset::new(0), FIRST, |_| true, &mut batch);
        status == ReadStatus::Found
    }
}

/// Queue offsets on the wire are signed.
pub(crate) fn signed(offset: QueueOffset) -> i64 {
    i64::try_from(offset.get()).expect("fewer than 2^63 messages")
}

/// Store time of the first record of a read.
pub(crate) fn store_time(batch: &ReadBatch) -> Option<i64> {
    stored_at(batch.slices.first()?)
}

/// Store time of a record, Unix milliseconds; `None` if it cannot be read.
pub(crate) fn stored_at(record: &[u8]) -> Option<i64> {
    match parse(record) {
        Ok(Parsed::Record(record)) => Some(record.stored_at_ms()),
        Ok(Parsed::Blank { .. }) | Err(_) => None,
    }
}
