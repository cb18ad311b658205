//! What consumers do with popped messages: they acknowledge them, one (200051) or many (200151), or change the time they
//! have for them ([`invisible`], 200053).
//!
//! A receipt is the client's word only: what it names counts if the broker holds the same as out, and is without effect
//! otherwise.

use net::ResponseCode;
use net::body::{BatchAck, BatchAckBody};
use net::json;
use net::pop::{Kind, ORDER_REVIVE_QUEUE, Receipt};
use net::requests::AckMessage;
use rt::Env;
use smallvec::SmallVec;
use store::OffsetRange;

use crate::call::{Call, Done, Outcome, Refused};
use crate::pop::{Acked, Checkpoint, MESSAGES_MAX};
use crate::shard::Shard;

mod bits;
mod invisible;

pub(crate) use bits::Bits;

/// Acknowledgements of one batch request: what one pop of each of many queues can need.
const ACKS_MAX: usize = 4_096;

/// One acknowledged message.
#[derive(Clone, Copy)]
struct Ack<'a> {
    group: &'a str,
    /// The topic that holds it.
    topic: &'a str,
    queue_id: u32,
    offset: i64,
    start: i64,
    pop_ms: i64,
}

impl<'a> Ack<'a> {
    /// The message at a topic, queue and offset, by the receipt that the group has for it.
    fn by(receipt: &Receipt<'_>, group: &'a str, (topic, queue_id, offset): (&'a str, u32, i64)) -> Self {
        Self { group, topic, queue_id, offset, start: receipt.start, pop_ms: receipt.pop_ms }
    }
}

impl<E: Env> Shard<E> {
    pub(crate) fn ack_message(&mut self, call: &Call<'_>, request: &AckMessage<'_>) -> Outcome {
        let (queue_id, range) = self.check_handled(call, request.topic, request.queue_id)?;
        let (min, max) = (signed(range.min.get()), signed(range.max.get()));
        let offset = request.offset;
        if offset < min || offset > max {
            let remark = format!(
                "offset is illegal, key:{}@{queue_id}, commit:{offset}, store:{min}~{max}",
                request.topic
            );
            return Err(Refused::new(ResponseCode::NO_MESSAGE, remark));
        }
        let receipt =
            Receipt::parse(request.extra_info).map_err(|error| Refused::system(error.to_string()))?;
        let ack = Ack::by(&receipt, request.consumer_group, (request.topic, queue_id, offset));
        if receipt.revive_queue == ORDER_REVIVE_QUEUE {
            self.ack_in_order(call, &ack)?;
        } else {
            self.ack(&ack);
        }
        Ok(Done::Success)
    }

    pub(crate) fn batch_ack(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let nothing = || Refused::new(ResponseCode::NO_MESSAGE, "the body holds no acknowledgements");
        if body.is_empty() {
            return Err(nothing());
        }
        let body: BatchAckBody = json::from_slice(body)
            .map_err(|error| Refused::system(format!("the body is no batch of acknowledgements: {error}")))?;
        if body.acks.is_empty() {
            return Err(nothing());
        }
        if body.acks.len() > ACKS_MAX {
            return Err(Refused::invalid(format!("more than {ACKS_MAX} acknowledgements in one request")));
        }
        let mut outcome = Ok(Done::Success);
        for one in &body.acks {
            if let Err(refused) = self.ack_bits(call, one) {
                outcome = Err(refused);
            }
        }
        outcome
    }

    /// One entry of a batch: messages of one receipt, by bits. What is not out is skipped, as by RocketMQ.
    fn ack_bits(&mut self, call: &Call<'_>, one: &BatchAck) -> Result<(), Refused> {
        let kind = Kind::parse(&one.retry)
            .ok_or_else(|| Refused::system("the retry kind of an acknowledgement is not 0, 1 or 2"))?;
        let bits = Bits::parse(&one.bits)
            .ok_or_else(|| Refused::system("the bits of an acknowledgement are not Base64"))?;
        let topic = kind.topic_of(&one.group, &one.topic);
        let Ok(queue_id) = u32::try_from(one.queue_id) else { return Ok(()) };
        if self.topics.config(&topic).is_none_or(|config| queue_id >= config.queues()) {
            return Ok(());
        }
        let (start, pop_ms) = (one.start_offset, one.pop_time_ms);
        let ack = |offset| Ack { group: &one.group, topic: &topic, queue_id, offset, start, pop_ms };
        let out = self.offsets_out(&ack(start), one.revive_queue_id == ORDER_REVIVE_QUEUE);
        let chosen = |offset: &u64| bits.is_set(signed(*offset).saturating_sub(start));
        for offset in out.into_iter().filter(chosen) {
            if one.revive_queue_id == ORDER_REVIVE_QUEUE {
                self.ack_in_order(call, &ack(signed(offset)))?;
            } else {
                self.ack(&ack(signed(offset)));
            }
        }
        Ok(())
    }

    /// The messages that one receipt can be about: bits beyond them cost nothing, however many were sent.
    fn offsets_out(&self, ack: &Ack<'_>, in_order: bool) -> SmallVec<[u64; MESSAGES_MAX]> {
        let checkpoints = &self.pops.checkpoints;
        let Some(queue) = checkpoints.find(ack.group, ack.topic, ack.queue_id) else {
            return SmallVec::new();
        };
        if in_order {
            let order = checkpoints.queue(queue).and_then(|queue| queue.order.as_ref());
            return order
                .map(|info| info.messages.iter().map(|one| one.offset).collect())
                .unwrap_or_default();
        }
        let start = u64::try_from(ack.start).unwrap_or(u64::MAX);
        let open = checkpoints.find_open(queue, start, ack.pop_ms).and_then(|id| checkpoints.get(id));
        open.map(Checkpoint::open_offsets).unwrap_or_default()
    }

    /// A message that is no longer out, or never was, is acknowledged without effect.
    fn ack(&mut self, ack: &Ack<'_>) -> bool {
        let Some((start, offset)) = u64::try_from(ack.start).ok().zip(u64::try_from(ack.offset).ok()) else {
            return false;
        };
        let found = self
            .pops
            .checkpoints
            .find(ack.group, ack.topic, ack.queue_id)
            .and_then(|queue| self.pops.checkpoints.find_open(queue, start, ack.pop_ms));
        found.is_some_and(|id| self.ack_popped(id, offset))
    }

    fn ack_in_order(&mut self, call: &Call<'_>, ack: &Ack<'_>) -> Result<(), Refused> {
        let (group, topic, queue_id) = (ack.group, ack.topic, ack.queue_id);
        let stands = self.offsets.get(group, topic, queue_id).unwrap_or(-1);
        if ack.offset < stands {
            return Ok(());
        }
        let acked = self.ack_batch(ack);
        let Acked::Next(next) = acked else {
            if acked == Acked::Stale {
                return Ok(());
            }
            let remark = format!(
                "offset is illegal, key:{topic}@{group}@{queue_id}, old:{stands}, commit:{}, next:-1, {}",
                ack.offset, call.peer
            );
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        };
        // While an administrator's offset waits for the next pop, this does nothing.
        self.offsets.commit(group, topic, queue_id, signed(next));
        if let Some(id) = self.pops.checkpoints.find(group, topic, queue_id) {
            self.watch_order(id, call.now);
            let order = self.pops.checkpoints.queue(id).and_then(|queue| queue.order.as_ref());
            if order.is_none_or(|info| info.blocked_until(None, call.now.unix_ms).is_none()) {
                self.wake_pop_queue(id);
            }
        }
        Ok(())
    }

    fn ack_batch(&mut self, ack: &Ack<'_>) -> Acked {
        // Without a batch RocketMQ moves the offset all the same, and whatever lies before it is lost to a forged receipt.
        let Some(id) = self.pops.checkpoints.find(ack.group, ack.topic, ack.queue_id) else {
            return Acked::Stale;
        };
        let Some(queue) = self.pops.checkpoints.queue_mut(id) else { return Acked::Stale };
        let Some(info) = queue.order.as_mut() else { return Acked::Stale };
        let acked = info.ack(u64::try_from(ack.offset).unwrap_or(u64::MAX), ack.pop_ms);
        self.pop_order_changed(id);
        acked
    }

    /// Topic and queue of a receipt, as RocketMQ checks them.
    fn check_handled(
        &mut self,
        call: &Call<'_>,
        topic: &str,
        queue_id: i32,
    ) -> Result<(u32, OffsetRange), Refused> {
        let Some(config) = self.topics.config(topic) else { return Err(Refused::no_topic(topic)) };
        let queues = config.read_queues;
        let Some(known) = u32::try_from(queue_id).ok().filter(|queue_id| *queue_id < queues) else {
            let remark = format!(
                "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{queues}] consumer:[{}]",
                call.peer
            );
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        };
        let queue = self.queue_of(topic, known);
        Ok((known, self.store.offsets(queue)))
    }
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
