//! Reading entries that lie in memory.

use std::ops::ControlFlow;

use rt::Env;

use super::state::State;
use super::{ConsumeQueues, Entry, PAGE};
use crate::offset::{PhysicalOffset, QueueOffset, QueueRef};

/// The entries behind the one that is visited, as far as they lie on its page: what a reader may prepare for.
#[derive(Clone, Copy)]
pub struct Ahead<'p>(&'p [[u8; Entry::LEN]]);

impl Ahead<'_> {
    /// The entry `steps` behind the next one; `None` if it is not on the page, or nothing is there.
    #[must_use]
    pub fn entry(&self, steps: usize) -> Option<Entry> {
        self.0.get(steps).map(Entry::decode).filter(|entry| !entry.is_hole())
    }
}

/// Where [`ConsumeQueues::read`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The offset to go on with: everything from the start of the read up to here was visited or does not exist.
    pub next: QueueOffset,
    /// Why it stopped.
    pub stop: Stop,
}

/// Why a read of entries stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The visitor broke off; `next` is the entry it broke off at.
    Visitor,
    /// `next` is the offset of the next message to come.
    End,
    /// `next` is not in memory; [`ConsumeQueues::read_cold`] has it.
    Cold,
}

impl Reach {
    pub(super) fn new(next: u64, stop: Stop) -> Self {
        Self { next: QueueOffset::new(next), stop }
    }
}

impl<E: Env> ConsumeQueues<E> {
    /// Hands the entries at and behind `from` to `visit` until it breaks, as far as they are in memory. A `from`
    /// outside the queue is moved to its nearer end.
    pub fn read(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        mut visit: impl FnMut(QueueOffset, Entry, Ahead<'_>) -> ControlFlow<()>,
    ) -> Reach {
        let state = self.shared.state.borrow();
        state.read(queue.0, from.get(), |offset, entry, ahead| visit(QueueOffset::new(offset), entry, ahead))
    }

    /// The first offset of the queue whose record does not end at or below `limit`: the max offset for readers that
    /// may see the log up to there. `limit` is not below what is flushed.
    #[must_use]
    pub fn end_below(&self, queue: QueueRef, limit: PhysicalOffset) -> QueueOffset {
        QueueOffset::new(self.shared.state.borrow().end_below(queue.0, limit.get()))
    }
}

impl State {
    /// Hands the entries at and behind `from` to `visit`, as far as they are in memory.
    pub(super) fn read(
        &self,
        handle: u32,
        from: u64,
        mut visit: impl FnMut(u64, Entry, Ahead<'_>) -> ControlFlow<()>,
    ) -> Reach {
        let queue = &self.queues[handle as usize];
        let mut at = from.max(queue.min);
        loop {
            if at >= queue.next {
                return Reach::new(at.min(queue.next).max(queue.min), Stop::End);
            }
            let page = at / PAGE;
            let (first, bytes) = if page == queue.next / PAGE {
                at = at.max(queue.tail_first());
                (queue.tail_first(), &self.tails.bytes(queue.slot)[..usize::from(queue.tail) * Entry::LEN])
            } else {
                debug_assert!(page >= queue.first_page(), "the first readable offset lies in a known page");
                match queue.pages[(page - queue.first_page()) as usize].location() {
                    None => {
                        at = (page + 1) * PAGE;
                        continue;
                    }
                    Some(location) => match self.recent.entries(location) {
                        Some(bytes) => (page * PAGE, bytes),
                        None => return Reach::new(at, Stop::Cold),
                    },
                }
            };
            let (entries, _) = bytes.as_chunks::<{ Entry::LEN }>();
            let mut rest = entries[(at - first) as usize..].iter();
            while let Some(entry) = rest.next() {
                let entry = Entry::decode(entry);
                if !entry.is_hole() && visit(at, entry, Ahead(rest.as_slice())).is_break() {
                    return Reach::new(at, Stop::Visitor);
                }
                at += 1;
            }
        }
    }

    /// The first offset whose record does not end at or below `limit`; entries behind the flushed log are in memory.
    /// A hole that was pushed counts as the end of the record before it, so that ends never decrease.
    pub(super) fn end_below(&self, handle: u32, limit: u64) -> u64 {
        let queue = &self.queues[handle as usize];
        if queue.end_at <= limit {
            return queue.next;
        }
        let within = |bytes: &[u8]| {
            let (entries, _) = bytes.as_chunks::<{ Entry::LEN }>();
            entries.partition_point(|entry| Entry::decode(entry).end() <= limit) as u64
        };
        let tail = within(&self.tails.bytes(queue.slot)[..usize::from(queue.tail) * Entry::LEN]);
        if tail > 0 || queue.pages.is_empty() {
            return (queue.tail_first() + tail).max(queue.min);
        }
        for (index, page) in queue.pages.iter().enumerate().rev() {
            let first = (queue.first_page() + index as u64) * PAGE;
            let Some(location) = page.location() else { continue };
            let Some(bytes) = self.recent.entries(location) else { return (first + PAGE).max(queue.min) };
            let (entries, _) = bytes.as_chunks::<{ Entry::LEN }>();
            let leading = entries.partition_point(|entry| Entry::decode(entry) == Entry::HOLE) as u64;
            let count = within(bytes);
            if count > leading {
                return (first + count).max(queue.min);
            }
        }
        queue.min
    }
}
