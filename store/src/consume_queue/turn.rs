//! What the end of a turn tells the queues, and what they tell of their saving.

use std::rc::Rc;

use rt::Env;

use super::{ConsumeQueues, QueueError, expiry, keeper};
use crate::offset::PhysicalOffset;

/// Positions of the commitlog, told at the end of every turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPositions {
    /// Everything below is appended and has its entries.
    pub end: PhysicalOffset,
    /// Everything below is on the device.
    pub flushed: PhysicalOffset,
    /// Oldest byte kept: the start of a segment.
    pub min: PhysicalOffset,
}

impl<E: Env> ConsumeQueues<E> {
    /// What the end of a turn must tell: starts background writes and checkpoints, moves the first readable offsets
    /// when the log lost its oldest segments.
    pub fn end_of_turn(&mut self, log: LogPositions) {
        let (work, dirty) = {
            let mut state = self.shared.state.borrow_mut();
            state.recent.trim(log.flushed.get());
            let mut keeper = self.shared.keeper.borrow_mut();
            keeper.log_end = log.end.get();
            if keeper.log_flushed != log.flushed.get() {
                keeper.log_flushed = log.flushed.get();
                keeper.wake_all();
            }
            keeper.due |= state.dirty_bytes >= self.shared.config.checkpoint_bytes;
            (keeper.due || state.recent.has_full_chunk(), !state.dirty.is_empty())
        };
        if work {
            keeper::start(&self.shared);
        }
        if dirty {
            keeper::arm(&self.shared);
        }
        expiry::advance(&self.shared, log.min.get());
    }

    /// Whether pages can be kept until the disk takes them. If not, nothing may be pushed for now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.state.borrow().recent.unwritten_bytes() < UNWRITTEN_BYTES_MAX
    }

    /// Why queues can no longer be saved. Sends must be refused then: a restart would have to replay ever more.
    #[must_use]
    pub fn failure(&self) -> Option<Rc<str>> {
        self.shared.keeper.borrow().failure.clone()
    }

    /// Records below have their entries in a durable checkpoint. Commitlog segments that reach beyond must not be
    /// deleted: the numbering of a queue whose records are all gone is known from its checkpoint only.
    #[must_use]
    pub fn saved_to(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.shared.keeper.borrow().saved_to)
    }

    /// Makes a checkpoint of everything. `log` is flushed to its end; for an orderly stop.
    ///
    /// # Errors
    /// [`QueueError::Damaged`] if saving has failed, now or before.
    pub async fn close(mut self, log: LogPositions) -> Result<(), QueueError> {
        assert_eq!(log.end, log.flushed, "the log is flushed first");
        self.end_of_turn(log);
        let mut journal = keeper::idle(&self.shared).await?;
        keeper::checkpoint(&self.shared, &mut journal).await.map_err(|trouble| match trouble {
            keeper::Trouble::Full(what) | keeper::Trouble::Failed(what) => {
                QueueError::Damaged { what: what.to_string() }
            }
        })
    }
}

/// Bytes of pages that may wait for the disk.
const UNWRITTEN_BYTES_MAX: u64 = 64 << 20;
