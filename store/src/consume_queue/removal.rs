//! What goes: whole queues of deleted topics, and the entries of records that the commitlog has lost.

use super::PAGE;
use super::state::State;
use super::tails::Slot;
use crate::queue_log::PageRef;
use crate::queue_log::files::SEGMENT_PAGES;

impl State {
    /// Deletes the queues of `topic` that were born before `below`; records before it are no longer its own.
    pub(super) fn bury(&mut self, topic: &str, below: u64) -> usize {
        let topic = self.names.topic_or_new(topic);
        let grave = self.graves.entry(topic).or_default();
        *grave = below.max(*grave);
        let born_before = |&handle: &u32| self.queues[handle as usize].born_at < below;
        let handles: Vec<u32> = self.names.queues_of(topic).iter().copied().filter(born_before).collect();
        for &handle in &handles {
            self.remove(handle);
        }
        handles.len()
    }

    /// Deletes one queue. Its handle reads as empty from now on.
    pub(super) fn remove(&mut self, handle: u32) {
        let queues = &self.queues;
        self.names.remove(queues[handle as usize].name, handle, |handle| queues[handle as usize].name);
        let queue = &mut self.queues[handle as usize];
        queue.min = queue.next;
        queue.deleted = true;
        self.tails.free(queue.slot);
        queue.slot = Slot::EMPTY;
        queue.tail = 0;
        if queue.recorded {
            self.removed.push(queue.number);
        }
        for page in std::mem::take(&mut queue.pages) {
            self.release(page);
        }
    }

    /// Makes `min` the first readable offset, if it is behind the present one, and drops what only lay before it.
    pub(super) fn raise_min(&mut self, handle: u32, min: u64) {
        let queue = &mut self.queues[handle as usize];
        assert!(min <= queue.next);
        if min <= queue.min {
            return;
        }
        queue.min = min;
        if min == queue.next && queue.tail > 0 {
            self.tails.free(queue.slot);
            queue.slot = Slot::EMPTY;
            queue.tail = 0;
        }
        loop {
            let queue = &mut self.queues[handle as usize];
            if queue.first_page() >= min / PAGE {
                break;
            }
            let Some(page) = queue.pages.pop_front() else { break };
            self.release(page);
        }
        self.mark(handle);
    }

    /// A page is no longer in use.
    pub(super) fn release(&mut self, page: PageRef) {
        if let Some(location) = page.location()
            && let Some(live) = self.live.get_mut(&(location / SEGMENT_PAGES))
        {
            *live -= 1;
        }
    }
}
