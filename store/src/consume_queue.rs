//! Consume queues: which record is message *n* of a queue. Derived from the commitlog, written in the turn of the
//! append, and saved behind the commitlog by the queue log and its checkpoints.
//!
//! Invariants: entries of a queue are in commitlog order; an offset is given to one message for ever; what a
//! checkpoint says is on the medium before the checkpoint is.

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use rt::Env;

use crate::offset::{PhysicalOffset, QueueOffset, QueueRef};
pub(crate) use crate::queue_log::PAGE_ENTRIES;
use crate::queue_log::files::LogFiles;
use crate::worker::Worker;

mod cold_read;
#[cfg(test)]
mod crash_tests;
mod entry;
mod error;
mod expiry;
mod hot_read;
mod keeper;
mod names;
mod opening;
mod removal;
mod restore;
mod saved;
mod state;
mod tails;
#[cfg(test)]
mod tests;
mod time_search;
mod turn;

pub use cold_read::{Entries, EntryReader};
pub use entry::Entry;
pub use error::QueueError;
pub use hot_read::{Ahead, Reach, Stop};
pub use opening::{QueueConfig, QueueRecovery, Replayed};
pub use turn::LogPositions;

use cold_read::PageCache;
use keeper::Keeper;
use state::State;

/// Bytes of memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueMemory {
    /// Queues with their tails, page lists and names.
    pub queues: usize,
    /// Full pages kept for hot pulls and for writing.
    pub pages: usize,
}

/// Entries of a page, where offsets are counted.
const PAGE: u64 = PAGE_ENTRIES as u64;

/// The consume queues of a shard.
pub struct ConsumeQueues<E: Env> {
    shared: Rc<Shared<E>>,
}

struct Shared<E: Env> {
    env: E,
    config: QueueConfig,
    state: RefCell<State>,
    keeper: RefCell<Keeper<E>>,
    files: LogFiles<E>,
    cache: RefCell<PageCache>,
    expiry: RefCell<expiry::Expiry>,
    /// Writes and saves; set once the rest is there.
    saver: OnceCell<Worker>,
    /// Sleeps until the checkpoint interval is over.
    alarm: OnceCell<Worker>,
}

impl<E: Env> ConsumeQueues<E> {
    /// A second handle, for the task that decides about segments.
    pub(crate) fn share(&self) -> Self {
        Self { shared: self.shared.clone() }
    }

    /// The queue, made if need be. `log_end` is the end of the commitlog: records below belong to an earlier queue
    /// of this name, if there was one.
    pub fn queue(&mut self, topic: &str, queue_id: u32, log_end: PhysicalOffset) -> QueueRef {
        QueueRef(self.shared.state.borrow_mut().find_or_new(topic, queue_id, log_end.get()))
    }

    /// The queue, if it exists.
    #[must_use]
    pub fn find_queue(&self, topic: &str, queue_id: u32) -> Option<QueueRef> {
        self.shared.state.borrow().find(topic, queue_id).map(QueueRef)
    }

    /// Adds the next entry and returns its offset. Allocates nothing once queues of this size have been seen: page lists
    /// are given room in the background.
    pub fn push(&mut self, queue: QueueRef, entry: Entry) -> QueueOffset {
        debug_assert!(entry.size > 0);
        QueueOffset::new(self.shared.state.borrow_mut().push(queue.0, entry))
    }

    /// The offset that [`Self::push`] would return.
    #[must_use]
    pub fn next_offset(&self, queue: QueueRef) -> QueueOffset {
        QueueOffset::new(self.shared.state.borrow().queues[queue.index()].next)
    }

    /// Lets the next message of the queue have at least offset `to`. After a loss that cannot be bounded otherwise;
    /// readers of the offsets between are led to the next message (reliability.md 1, "never used twice").
    pub fn skip_to(&mut self, queue: QueueRef, to: QueueOffset) {
        let mut state = self.shared.state.borrow_mut();
        if to.get() > state.queues[queue.index()].next {
            state.skip_to(queue.0, to.get());
        }
    }

    /// First readable offset and the offset of the next message, visible or not.
    #[must_use]
    pub fn offsets(&self, queue: QueueRef) -> Range<QueueOffset> {
        let state = self.shared.state.borrow();
        let queue = &state.queues[queue.index()];
        QueueOffset::new(queue.min)..QueueOffset::new(queue.next)
    }

    /// Deletes the queues of `topic` and returns how many there were. Their handles stay valid and read as empty. A
    /// topic that comes back gets new queues that start at 0: records below `log_end`, the present end of the
    /// commitlog, are no longer its own.
    ///
    /// The caller makes the pair durable before it answers, and buries it again after a restart, until the commitlog
    /// begins at or above `log_end`.
    pub fn bury(&mut self, topic: &str, log_end: PhysicalOffset) -> usize {
        self.shared.state.borrow_mut().bury(topic, log_end.get())
    }

    /// The queues that exist: topic, queue id, handle. In order of creation within a topic.
    pub fn for_each(&self, mut visit: impl FnMut(&str, u32, QueueRef)) {
        let state = self.shared.state.borrow();
        for (handle, queue) in state.queues.iter().enumerate() {
            if !queue.deleted {
                visit(state.names.topic_name(queue.name.topic), queue.name.queue_id, QueueRef(handle as u32));
            }
        }
    }

    /// The queues of one topic: queue id and handle.
    pub fn for_each_of(&self, topic: &str, mut visit: impl FnMut(u32, QueueRef)) {
        let state = self.shared.state.borrow();
        if let Some(topic) = state.names.topic(topic) {
            for &handle in state.names.queues_of(topic) {
                visit(state.queues[handle as usize].name.queue_id, QueueRef(handle));
            }
        }
    }

    /// Bytes of memory in use.
    #[must_use]
    pub fn memory(&self) -> QueueMemory {
        let (queues, pages) = self.shared.state.borrow().memory();
        QueueMemory { queues, pages }
    }
}
