//! A consumer wants more time, or less: 200053. A message that is out gets a new deadline, and with it a new receipt.

use net::ResponseCode;
use net::pop::{ORDER_REVIVE_QUEUE, Receipt};
use net::requests::{ChangeInvisibleReply, ChangeMessageInvisibletime};
use rt::{Env, Now};

use super::Ack;
use crate::call::{Call, Done, Outcome, Refused};
use crate::pop::{Checkpoint, CheckpointId, Messages, PopQueueId};
use crate::shard::Shard;

/// Longest time a message can be made invisible.
const INVISIBLE_MS_MAX: i64 = 7 * 86_400_000;

impl<E: Env> Shard<E> {
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
        let ack = Ack::by(&receipt, request.consumer_group, (request.topic, queue_id, request.offset));
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
}
