//! Pop consumption: any member of a group takes messages from any queue, and the broker knows which are out.
//!
//! A pop reads each queue from the group's offset on, moves the offset behind what it took, and leaves a checkpoint
//! ([`checkpoints`]) with the messages and the time until which they are invisible. What is not acknowledged by then is
//! stored again under the group's retry topic ([`revive`]), and only then the checkpoint ends. Ordered pops leave no
//! checkpoints: they block the queue ([`order`]). PROTOCOL.md "Pop".
//!
//! Nothing of this is a log of its own. Memory is the truth; a few times a second what is still open goes into the
//! store's tables together with the offsets that cover it ([`saved`]), so that no crash skips a message: those popped or
//! acknowledged in the last moments come twice.

use std::collections::VecDeque;
use std::rc::Rc;

use net::pop::origin_topic;
use rt::{Env, Now};
use store::PhysicalOffset;
use store::tables::TablesError;

use crate::shard::Shard;
use crate::timers::Timer;

mod answer;
mod checkpoints;
mod modes;
mod order;
mod recode;
mod revive;
mod saved;
mod serve;
mod taking;
mod waits;
mod wish;

pub(crate) use checkpoints::{Checkpoint, CheckpointId, MESSAGES_MAX, Messages, PopQueueId};
pub(crate) use modes::RequestModes;
pub(crate) use order::{Acked, OrderInfo};
pub(crate) use saved::rows_of;
pub(crate) use waits::PopWaits;
pub(crate) use wish::{Want, Wish};

use checkpoints::Checkpoints;

/// Revive queues that receipts name; here a number without a queue behind it. RocketMQ's `reviveQueueNum`.
const REVIVE_QUEUES: u32 = 8;

/// The pops of one shard.
#[derive(Debug, Default)]
pub(crate) struct Pops {
    pub(crate) checkpoints: Checkpoints,
    pub(crate) waits: PopWaits,
    pub(crate) modes: RequestModes,
    /// Checkpoints to write to the tables.
    changed: Vec<CheckpointId>,
    /// Rows of acknowledged checkpoints.
    spent: Vec<Vec<u8>>,
    /// Rows of revived checkpoints, which may go when the log is flushed up to the position.
    revived: VecDeque<(PhysicalOffset, Vec<u8>)>,
    /// Queues whose order changed.
    orders: Vec<PopQueueId>,
    /// Rows of orders that are no more.
    spent_orders: Vec<Vec<u8>>,
    /// Checkpoints whose time is over.
    due: VecDeque<CheckpointId>,
    /// A timer is armed for [`Pops::due`].
    is_reviving: bool,
    /// Counts pops, for the revive queue of each.
    count: u32,
    /// The tables refused rows, and the log says so.
    is_refused: bool,
}

impl Pops {
    fn next_revive_queue(&mut self) -> i32 {
        self.count = self.count.wrapping_add(1);
        (self.count % REVIVE_QUEUES).cast_signed()
    }

    /// Logs that the tables refuse rows, once until they take them again.
    pub(crate) fn say_once(&mut self, error: &TablesError) {
        if !std::mem::replace(&mut self.is_refused, true) {
            tracing::error!(%error, "popped messages are not stored, and so no consumer offsets are");
        }
    }

    /// Has a checkpoint written to the tables.
    fn list(&mut self, id: CheckpointId) {
        if let Some(checkpoint) = self.checkpoints.get_mut(id)
            && !std::mem::replace(&mut checkpoint.listed, true)
        {
            self.changed.push(id);
        }
    }

    fn list_order(&mut self, id: PopQueueId) {
        if let Some(queue) = self.checkpoints.queue_mut(id)
            && !std::mem::replace(&mut queue.order_changed, true)
        {
            self.orders.push(id);
        }
    }
}

impl<E: Env> Shard<E> {
    /// Opens a checkpoint, whose messages become visible again at its `due_ms`.
    pub(crate) fn open_checkpoint(&mut self, checkpoint: Checkpoint, now: Now) -> CheckpointId {
        let due_ms = checkpoint.due_ms;
        let id = self.pops.checkpoints.add(checkpoint);
        let timer = self.wheel.arm(mono_ms(due_ms, now), Timer::PopDue(id));
        self.pops.checkpoints.get_mut(id).expect("just added").timer = Some(timer);
        self.pops.list(id);
        id
    }

    /// Acknowledges the message at `offset` of a checkpoint; true if it was open.
    pub(crate) fn ack_popped(&mut self, id: CheckpointId, offset: u64) -> bool {
        let Some(checkpoint) = self.pops.checkpoints.get_mut(id) else { return false };
        let Some(bit) = checkpoint.bit(offset).filter(|bit| checkpoint.open & bit != 0) else { return false };
        checkpoint.open &= !bit;
        checkpoint.unacked &= !bit;
        if checkpoint.open == 0 {
            self.end_checkpoint(id, None);
        } else {
            self.pops.list(id);
        }
        true
    }

    /// Ends a checkpoint: all its messages are acknowledged, or stored again in records that end at `revived`.
    pub(crate) fn end_checkpoint(&mut self, id: CheckpointId, revived: Option<PhysicalOffset>) {
        let checkpoint = self.pops.checkpoints.remove(id);
        let queue = checkpoint.queue;
        self.forget_row(checkpoint, revived);
        if self.pops.checkpoints.was_full(queue) {
            self.wake_pop_queue(queue);
        }
    }

    fn forget_row(&mut self, checkpoint: Checkpoint, revived: Option<PhysicalOffset>) {
        if let Some(timer) = checkpoint.timer {
            self.wheel.cancel(timer);
        }
        if !checkpoint.stored {
            return;
        }
        let Some(queue) = self.pops.checkpoints.queue(checkpoint.queue) else { return };
        let key = saved::checkpoint_key(queue, checkpoint.start, checkpoint.pop_ms);
        match revived {
            Some(end) => self.pops.revived.push_back((end, key)),
            None => self.pops.spent.push(key),
        }
    }

    /// Blocks a queue with a new batch, changes the batch, or frees the queue.
    pub(crate) fn set_pop_order(&mut self, id: PopQueueId, info: Option<OrderInfo>, now: Now) {
        let Some(queue) = self.pops.checkpoints.queue_mut(id) else { return };
        queue.order = info;
        self.pops.list_order(id);
        self.watch_order(id, now);
    }

    /// Wakes the waiters of a queue when its batch becomes visible again.
    pub(crate) fn watch_order(&mut self, id: PopQueueId, now: Now) {
        let Some(queue) = self.pops.checkpoints.queue_mut(id) else { return };
        if let Some(timer) = queue.order_timer.take() {
            self.wheel.cancel(timer);
        }
        let until = queue.order.as_ref().and_then(|info| info.blocked_until(None, now.unix_ms));
        if let Some(until) = until {
            queue.order_timer = Some(self.wheel.arm(mono_ms(until, now), Timer::PopOrder(id)));
        }
    }

    /// The batch of an ordered queue changed: it has to be written to the tables.
    pub(crate) fn pop_order_changed(&mut self, id: PopQueueId) {
        self.pops.list_order(id);
    }

    /// The batch of an ordered pop is visible again.
    pub(crate) fn pop_order_over(&mut self, id: PopQueueId) {
        if let Some(queue) = self.pops.checkpoints.queue_mut(id) {
            queue.order_timer = None;
        }
        self.wake_pop_queue(id);
        self.env.kick();
    }

    /// A topic is about to go: its checkpoints and those of its retry topics go with it.
    pub(crate) fn remove_pops_of_topic(&mut self, name: &str, now: Now) {
        // First, since those who wait get what there is.
        self.release_pops_of_topic(name, now);
        self.remove_pops(|group, topic| topic == name || origin_topic(topic, group) == Some(name));
        self.pops.modes.remove_topic(name);
    }

    /// A group goes: what it popped is nobody's.
    pub(crate) fn remove_pops_of_group(&mut self, name: &str) {
        self.remove_pops(|group, _| group == name);
        self.pops.modes.remove_group(name);
    }

    fn remove_pops(&mut self, is_gone: impl Fn(&str, &str) -> bool) {
        for (queue, checkpoints) in self.pops.checkpoints.remove_queues(is_gone) {
            for checkpoint in checkpoints {
                if let Some(timer) = checkpoint.timer {
                    self.wheel.cancel(timer);
                }
                if checkpoint.stored {
                    self.pops.spent.push(saved::checkpoint_key(&queue, checkpoint.start, checkpoint.pop_ms));
                }
            }
            if let Some(timer) = queue.order_timer {
                self.wheel.cancel(timer);
            }
            self.pops.spent_orders.push(saved::queue_key(&queue));
        }
    }

    /// Where a group's next pop of a queue begins: its offset, or `None` if it has none.
    pub(crate) fn pop_offset(&self, group: &str, topic: &str, queue_id: u32) -> Option<u64> {
        u64::try_from(self.offsets.get(group, topic, queue_id)?).ok()
    }
}

/// A name shared by everything that waits or is out.
pub(crate) fn shared(name: &str) -> Rc<str> {
    Rc::from(name)
}

/// A time of the wall clock as one of the wheel.
fn mono_ms(unix_ms: i64, now: Now) -> u64 {
    let wait = u64::try_from(unix_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
    now.mono.as_ms().saturating_add(wait)
}
