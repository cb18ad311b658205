//! What consumers do with popped messages: 200051, 200151 and 200053.

use net::ResponseCode;
use net::body::{BatchAck, BatchAckBody};
use net::json;
use net::pop::{Kind, ORDER_REVIVE_QUEUE, Receipt};
use net::requests::{AckMessage, ChangeInvisibleReply, ChangeMessageInvisibletime};
use rt::{Env, Now};
use smallvec::SmallVec;
use store::OffsetRange;

use crate::call::{Call, Done, Outcome, Refused};
use crate::pop::{Acked, Checkpoint, CheckpointId, MESSAGES_MAX, Messages, PopQueueId};
use crate::shard::Shard;

/// Acknowledgements of one batch request: what one pop of each of many queues can need.
const ACKS_MAX: usize = 4_096;
/// Longest bit set of one of them, in bytes: the scan of a filtered pop is shorter.
const BITS_MAX: usize = 8_192;
/// Longest time a message can be made invisible.
const INVISIBLE_MS_MAX: i64 = 7 * 86_400_000;

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
        let ack = Ack {
            group: request.consumer_group,
            topic: request.topic,
            queue_id,
            offset,
            start: receipt.start,
            pop_ms: receipt.pop_ms,
        };
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

    pub(crate) fn change_invisible_time(
        &mut self,
        call: &Call<'_>,
        request: &ChangeMessageInvisibletime<'_>,
    ) -> Outcome {
        let (queue_id, range) = self.check_handled(call, request.topic, request.queue_id)?;
        let offset = u64::try_from(request.offset)
            .ok()
            .filter(|offset| (range.min.get()..range.max.get()).contains(offset))
            .ok_or_else(|| Refused::new(ResponseCode::NO_MESSAGE, "no such message in the queue"))?;
        let receipt =
            Receipt::parse(request.extra_info).map_err(|error| Refused::system(error.to_string()))?;
        let ack = Ack {
            group: request.consumer_group,
            topic: request.topic,
            queue_id,
            offset: request.offset,
            start: receipt.start,
            pop_ms: receipt.pop_ms,
        };
        let invisible_ms = request.invisible_time_ms.clamp(0, INVISIBLE_MS_MAX);
        if receipt.revive_queue == ORDER_REVIVE_QUEUE {
            let header = self.change_in_order(&ack, offset, invisible_ms, call.now);
            return match header {
                Some(header) => self.answer_header(call.conn, call.reply, &header),
                None => Ok(Done::Success),
            };
        }
        let pop_time = match self.pops.checkpoints.find(ack.group, ack.topic, queue_id) {
            Some(queue) => self.change(queue, &ack, offset, invisible_ms, request.suspend, call.now)?,
            None => call.now.unix_ms,
        };
        let header =
            ChangeInvisibleReply { pop_time, invisible_time: invisible_ms, revive_qid: receipt.revive_queue };
        self.answer_header(call.conn, call.reply, &header)
    }

    /// Gives a message that is out a checkpoint of its own and takes it out of its old one: that receipt is void. Returns
    /// the pop time of the new one. One that is not out any more stays where it is, among the acknowledged or in
    /// the retry topic.
    fn change(
        &mut self,
        queue: PopQueueId,
        ack: &Ack<'_>,
        offset: u64,
        invisible_ms: i64,
        suspend: bool,
        now: Now,
    ) -> Result<i64, Refused> {
        let start = u64::try_from(ack.start).unwrap_or(u64::MAX);
        let is_out = |id: &CheckpointId| {
            let checkpoint = self.pops.checkpoints.get(*id);
            checkpoint.is_some_and(|one| one.bit(offset).is_some_and(|bit| one.open & bit != 0))
        };
        let Some(id) = self.pops.checkpoints.find_open(queue, start, ack.pop_ms).filter(is_out) else {
            return Ok(now.unix_ms);
        };
        // The new receipt differs from all others of its queue, also from those of this very millisecond.
        let mut pop_ms = now.unix_ms;
        while self.pops.checkpoints.find_open(queue, offset, pop_ms).is_some() {
            pop_ms += 1;
        }
        if self.pops.checkpoints.is_full(queue, offset, pop_ms) {
            let remark = "too many messages of this queue are out; the old receipt stays valid, try again";
            return Err(Refused::new(ResponseCode::SYSTEM_ERROR, remark));
        }
        let due_ms = pop_ms.saturating_add(invisible_ms);
        let messages = Messages::new(offset, &[offset]);
        let fresh =
            Checkpoint { uncounted: suspend, ..Checkpoint::new(queue, (offset, messages), (pop_ms, due_ms)) };
        self.open_checkpoint(fresh, now);
        self.ack_popped(id, offset);
        Ok(pop_ms)
    }

    /// The receipt of an ordered message keeps its pop time; `None` if it is acknowledged already.
    fn change_in_order(
        &mut self,
        ack: &Ack<'_>,
        offset: u64,
        invisible_ms: i64,
        now: Now,
    ) -> Option<ChangeInvisibleReply> {
        let stands = self.offsets.get(ack.group, ack.topic, ack.queue_id).unwrap_or(-1);
        if ack.offset < stands {
            return None;
        }
        let visible_ms = now.unix_ms.saturating_add(invisible_ms);
        if let Some(id) = self.pops.checkpoints.find(ack.group, ack.topic, ack.queue_id) {
            let order = self.pops.checkpoints.queue_mut(id).and_then(|queue| queue.order.as_mut());
            if order.is_some_and(|info| info.change(offset, ack.pop_ms, visible_ms)) {
                self.pop_order_changed(id);
                self.watch_order(id, now);
            }
        }
        Some(ChangeInvisibleReply {
            pop_time: ack.pop_ms,
            invisible_time: visible_ms.saturating_sub(ack.pop_ms),
            revive_qid: ORDER_REVIVE_QUEUE,
        })
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

/// A `BitSet` of Java, as it comes in Base64.
pub(crate) struct Bits(Vec<u8>);

impl Bits {
    /// Reads the text; `None` if it is none or too long.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('=');
        if text.len() > BITS_MAX / 3 * 4 {
            return None;
        }
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
        let (mut buffer, mut have) = (0u32, 0u32);
        for byte in text.bytes() {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            buffer = ((buffer << 6) | u32::from(value)) & 0xffff;
            have += 6;
            if have >= 8 {
                have -= 8;
                bytes.push(((buffer >> have) & 0xff) as u8);
            }
        }
        Some(Self(bytes))
    }

    /// Whether bit `number` is set.
    pub(crate) fn is_set(&self, number: i64) -> bool {
        let Ok(number) = usize::try_from(number) else { return false };
        self.0.get(number / 8).is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> Option<Vec<i64>> {
        let bits = Bits::parse(text)?;
        Some((-1..100).filter(|number| bits.is_set(*number)).collect())
    }

    #[test]
    fn bit_sets_are_read_as_java_writes_them() {
        // Base64 of BitSet.toByteArray: {0}, {0, 2, 8}, {}, and two bytes without padding.
        assert_eq!(bits("AQ=="), Some(vec![0]));
        assert_eq!(bits("BQE="), Some(vec![0, 2, 8]));
        assert_eq!(bits(""), Some(vec![]));
        assert_eq!(bits("BQE"), Some(vec![0, 2, 8]));
        assert_eq!(bits("/w=="), Some((0..8).collect()));
        assert_eq!(bits("A*"), None);
        assert_eq!(bits(&"A".repeat(100_000)), None);
    }
}
