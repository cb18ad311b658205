//! Room ahead of a [`Window`]'s cursor: which old bytes may go, which memory is there, and why there is none.

use std::sync::atomic::{Ordering, compiler_fence};

use super::allocation::{Allocation, AllocationJob};
use super::huge::HugePages;
use super::{Window, block_down, block_up};
use crate::BLOCK;

/// Why the cursor cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The oldest bytes are not yet released: the disk is behind.
    Unreleased,
    /// The oldest bytes are released but somebody still sends or writes them.
    Pinned,
    /// The next piece of memory is not allocated yet; see [`Window::ensure_ahead`].
    Unallocated,
    /// The record alone is larger than the window.
    TooLarge,
}

impl Window {
    /// Whether `len` bytes would be refused now, and why. May give up old bytes to make room.
    #[must_use]
    pub fn full(&self, len: usize) -> Option<Full> {
        let to = self.end.get() + len as u64;
        if to <= self.limit.get() { None } else { self.make_room(to) }
    }

    /// Bytes below `below` are safe elsewhere and may be overwritten once unpinned. They stay readable until then, and
    /// the block that holds `below` stays in any case: it will be written again. Lower than before changes nothing.
    ///
    /// # Panics
    /// If `below` is above the cursor.
    pub fn release(&self, below: u64) {
        assert!(below <= self.end.get(), "released {below}, beyond the cursor {}", self.end.get());
        if below > self.released.get() {
            self.released.set(below);
            self.mapping.header().released.store(below, Ordering::Release);
        }
    }

    /// Memory to be allocated ahead of the cursor, if any; at most one job exists at a time.
    ///
    /// Call it at the end of a turn and run the steps of the job between turns; a window of at most one piece (16 MiB) never
    /// has any.
    #[must_use]
    pub fn ensure_ahead(&self) -> Option<AllocationJob> {
        let mut allocation = self.allocation.borrow_mut();
        let wanted = allocation.next_wanted(self.end.get());
        self.huge.borrow_mut().look(self.end.get(), allocation.revision());
        let wanted = wanted?;
        let give_back = if allocation.failed() { self.oldest_piece_to_give_back(&allocation) } else { None };
        if let Some(piece) = give_back {
            allocation.forget(piece);
        }
        Some(allocation.job(&self.mapping, wanted, give_back))
    }

    /// From now on a thread of the window's own moves it onto huge pages, those parts that the cursor is far from and
    /// as far as the kernel has any. For real shards: nothing that is simulated may depend on a thread. A window below
    /// 64 MiB, or on hugetlbfs, stays as it is.
    pub fn move_to_huge_pages(&self) {
        self.huge.replace(HugePages::wanted(&self.mapping, &self.allocation.borrow()));
    }

    /// Raises `start` and `limit` so that the cursor may go to `to`, or says why not.
    #[cold]
    pub(super) fn make_room(&self, to: u64) -> Option<Full> {
        if block_up(to) - block_down(self.end.get()) > self.capacity {
            return Some(Full::TooLarge);
        }
        self.allocation.borrow_mut().settle();
        self.refresh_limit();
        if to <= self.limit.get() {
            return None;
        }
        let needed = block_up(to).saturating_sub(self.capacity);
        if needed > block_down(self.start.get()) {
            if let Some(full) = self.give_up(needed) {
                return Some(full);
            }
            self.refresh_limit();
        }
        (to > self.limit.get()).then_some(Full::Unallocated)
    }

    /// Raises `start` to at least `needed`, and to the end of its grain if that is free too.
    fn give_up(&self, needed: u64) -> Option<Full> {
        let releasable = block_down(self.released.get());
        if needed > releasable {
            return Some(Full::Unreleased);
        }
        let generous = needed.next_multiple_of(self.pins.grain_bytes()).min(releasable);
        if self.pins.any_between(self.start.get(), generous) {
            return Some(Full::Pinned);
        }
        self.raise_or_set_start(generous);
        None
    }

    pub(super) fn raise_or_set_start(&self, start: u64) {
        self.start.set(start);
        self.mapping.header().start.store(start, Ordering::Release);
        // What follows overwrites bytes below `start`: a reader of the file must see the new value first. The bytes
        // are read after the death of this process only, so program order is all it takes.
        compiler_fence(Ordering::SeqCst);
    }

    pub(super) fn refresh_limit(&self) {
        let room = block_down(self.start.get()) + self.capacity;
        let limit = self.allocation.borrow().allocated_to(self.end.get(), room);
        assert!(limit.is_multiple_of(BLOCK as u64));
        self.limit.set(limit);
    }

    /// Memory is short: the piece with the oldest bytes, if all of them are released and unpinned. Gives them up.
    fn oldest_piece_to_give_back(&self, allocation: &Allocation) -> Option<usize> {
        let start = self.start.get();
        let (piece, to) = allocation.piece_of(start);
        let free = to <= block_down(self.released.get())
            && to <= block_down(self.end.get())
            && !allocation.is_piece_of(piece, self.end.get())
            && !self.pins.any_between(start, to);
        free.then(|| {
            self.raise_or_set_start(to);
            piece
        })
    }
}
