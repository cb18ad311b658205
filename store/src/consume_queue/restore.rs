//! Queues as checkpoints told of them: statements are taken in one by one, in the order in which they were made.

use super::state::State;
use super::tails::Slot;
use super::{Entry, PAGE};
use crate::queue_log::PageRef;
use crate::queue_log::files::SEGMENT_PAGES;

impl State {
    /// Takes in page references from a checkpoint; what the tail held is in them.
    pub(super) fn restore_pages(
        &mut self,
        handle: u32,
        first_page: u64,
        references: &[[u8; 8]],
    ) -> Option<()> {
        if first_page > self.queues[handle as usize].next / PAGE {
            self.restart_at(handle, first_page * PAGE);
        }
        let queue = &mut self.queues[handle as usize];
        if queue.next / PAGE != first_page {
            return None;
        }
        self.tails.free(queue.slot);
        queue.slot = Slot::EMPTY;
        queue.tail = 0;
        queue.pages.extend(references.iter().map(|bytes| PageRef::from_bytes(*bytes)));
        queue.next = (first_page + references.len() as u64) * PAGE;
        Some(())
    }

    /// Takes in entries of the open page from a checkpoint.
    pub(super) fn restore_tail(
        &mut self,
        handle: u32,
        first: u64,
        entries: &[[u8; Entry::LEN]],
    ) -> Option<()> {
        if first / PAGE > self.queues[handle as usize].next / PAGE {
            self.restart_at(handle, first);
        }
        if first < self.queues[handle as usize].next || first % PAGE + entries.len() as u64 >= PAGE {
            return None;
        }
        self.skip_to(handle, first);
        for entry in entries {
            self.push(handle, Entry::decode(entry));
        }
        Some(())
    }

    /// Forgets what lies before `next`: the pages between have come and gone since the checkpoint before.
    fn restart_at(&mut self, handle: u32, next: u64) {
        let queue = &mut self.queues[handle as usize];
        self.tails.free(queue.slot);
        queue.slot = Slot::EMPTY;
        queue.tail = 0;
        queue.pages.clear();
        queue.min = next;
        queue.next = next;
    }

    /// Takes in a new place of a page from a checkpoint.
    pub(super) fn restore_moved(&mut self, handle: u32, page: u64, reference: PageRef) {
        let queue = &mut self.queues[handle as usize];
        if let Some(index) = page.checked_sub(queue.first_page())
            && let Some(known) = queue.pages.get_mut(index as usize)
        {
            *known = reference;
        }
    }

    /// Everything there is came from checkpoints, the last of which knew of queue numbers below `next_number`.
    pub(super) fn restored(&mut self, next_number: u32) {
        self.next_number = self.next_number.max(next_number);
        self.dirty.clear();
        self.removed.clear();
        self.dirty_bytes = 0;
        self.live.clear();
        for queue in &mut self.queues {
            queue.dirty = false;
            queue.saved = queue.next;
            for location in queue.pages.iter().filter_map(|page| page.location()) {
                *self.live.entry(location / SEGMENT_PAGES).or_default() += 1;
            }
        }
    }
}
