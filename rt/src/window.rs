//! [`Window`]: the one place where the newest part of the log lies in memory.
//!
//! It is staging buffer, disk buffer and cache of the hot tail at once (performance.md 3, "Log window"). A record is
//! encoded straight into it at the cursor; a disk write and a pull are ranges of the same memory. A log offset lies
//! at *offset mod capacity*, and the memory is mapped twice back to back, so that no range ever wraps.
//!
//! A named window is a file on tmpfs or hugetlbfs that outlives its process: what it holds up to the end cursor can
//! be read back with [`Window::leftover`] after a `kill -9`.
//!
//! `create.rs` has how a window comes to be, `room.rs` what may be overwritten and when, `pins.rs` what somebody still uses.
//!
//! Invariants:
//! 1. `start <= released` rounded down to a block, and `released <= end`.
//! 2. `end`, rounded up to a block, is at most one capacity above `start`, rounded down to a block.
//! 3. No pinned byte lies below `start`; `start` is raised in the shared header before anything above is overwritten.
//! 4. The end cursor of the header is stored after the bytes below it.
//! 5. The cursor never enters memory that is not allocated: a full tmpfs refuses appends and never raises SIGBUS.

use std::cell::{Cell, RefCell};
use std::rc::Weak;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::{BLOCK, Pinned, SharedSlice};

mod allocation;
mod create;
mod header;
mod huge;
mod leftover;
mod mapping;
mod pins;
mod room;
#[cfg(test)]
mod tests;

pub use allocation::AllocationJob;
pub use create::{Backing, WindowIdentity};
pub use huge::THREAD_NAME as HUGE_THREAD_NAME;
pub use leftover::{Leftover, LeftoverDamage};
pub use room::Full;

use allocation::Allocation;
use huge::HugePages;
pub(crate) use mapping::Mapping;
use pins::Pins;

/// The newest bytes of a log. See the module.
pub struct Window {
    this: Weak<Window>,
    mapping: Arc<Mapping>,
    capacity: u64,
    /// Oldest offset held.
    start: Cell<u64>,
    /// The cursor.
    end: Cell<u64>,
    released: Cell<u64>,
    /// `end` may go up to here without asking anything else. A whole number of blocks.
    limit: Cell<u64>,
    /// Behind the cursor, bytes up to here are known to be zero.
    zeroed_to: Cell<u64>,
    /// A `fill` is running: a nested append would lend the same memory twice.
    filling: Cell<bool>,
    pins: Pins,
    /// For offset mod capacity without a division, if the capacity is a power of two.
    position_mask: Option<u64>,
    allocation: RefCell<Allocation>,
    huge: RefCell<HugePages>,
}

impl Window {
    /// The oldest offset held.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start.get()
    }

    /// The cursor: where the next append goes.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end.get()
    }

    /// Everything below is safe elsewhere, as last told to [`Window::release`].
    #[must_use]
    pub fn released(&self) -> u64 {
        self.released.get()
    }

    /// Size in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Address and length of one mapping of the data, to be registered with the ring. The mirror behind it stays
    /// unregistered; a write over the seam is two writes.
    #[must_use]
    pub fn region(&self) -> (*const u8, usize) {
        (self.mapping.data().cast_const(), usize::try_from(self.capacity).expect("mapped, so it fits"))
    }

    /// Lends `len` bytes at the cursor to `fill` and moves the cursor behind them; returns where they lie. `fill` must
    /// write all of them: they hold whatever an earlier lap left.
    ///
    /// On return the bytes are *kept*: for a named window no death of the process loses them.
    /// `None` if there is no room now, for the reason that [`Window::full`] tells.
    ///
    /// # Panics
    /// If called from within `fill`.
    #[inline]
    pub fn append<R>(&self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Option<(u64, R)> {
        let at = self.end.get();
        let to = at + len as u64;
        if to > self.limit.get() && self.make_room(to).is_some() {
            return None;
        }
        assert!(!self.filling.replace(true), "appended from within `fill`");
        // SAFETY: `make_room` or an earlier limit made sure that at..to is allocated and not held by anybody
        // (invariants 2, 3, 5); the mirror mapping makes it contiguous; `filling` keeps the loan unique.
        let memory = unsafe { std::slice::from_raw_parts_mut(self.address(at), len) };
        let result = fill(memory);
        self.filling.set(false);
        self.end.set(to);
        self.mapping.header().end.store(to, Ordering::Release);
        Some((at, result))
    }

    /// The bytes `at..at + len`, pinned: the cursor waits for them. `None` if they are not held (any more, or yet).
    #[must_use]
    #[inline]
    pub fn slice(&self, at: u64, len: usize) -> Option<SharedSlice> {
        self.holds(at, len).then(|| self.pinned(at, len))
    }

    /// The bytes `at..at + len` for a look. `None` if they are not held.
    ///
    /// For use before the next [`Window::append`] only: nothing pins them. Take a [`Window::slice`] to keep them.
    #[must_use]
    #[inline]
    pub fn peek(&self, at: u64, len: usize) -> Option<&[u8]> {
        if !self.holds(at, len) {
            return None;
        }
        // SAFETY: held bytes are allocated and initialised; only a later append can overwrite them, see above.
        Some(unsafe { std::slice::from_raw_parts(self.address(at), len) })
    }

    /// Whole blocks for a disk write: from `from` (a multiple of [`BLOCK`]) to `to` rounded up, with zeros behind the
    /// cursor. Pinned.
    ///
    /// Appends go on while it lives, so its bytes behind the present cursor may change under the write. That is
    /// harmless: whoever appends writes that block again.
    ///
    /// # Panics
    /// If the range is empty or not held.
    #[must_use]
    pub fn blocks(&self, from: u64, to: u64) -> SharedSlice {
        let end = self.end.get();
        assert!(from.is_multiple_of(BLOCK as u64), "blocks from {from}");
        assert!(from < to && to <= end, "blocks {from}..{to}, cursor at {end}");
        assert!(from >= block_down(self.start.get()), "blocks from {from}, start at {}", self.start.get());
        let whole = block_up(to);
        if whole > end {
            self.zero_tail(end, whole);
        }
        self.pinned(from, usize::try_from(whole - from).expect("within the window"))
    }

    fn holds(&self, at: u64, len: usize) -> bool {
        at >= self.start.get() && at.checked_add(len as u64).is_some_and(|to| to <= self.end.get())
    }

    fn address(&self, at: u64) -> *mut u8 {
        let position = match self.position_mask {
            Some(mask) => at & mask,
            None => at % self.capacity,
        };
        let position = usize::try_from(position).expect("mapped, so it fits");
        // SAFETY: below the capacity, inside the first of the two mappings.
        unsafe { self.mapping.data().add(position) }
    }

    fn pinned(&self, at: u64, len: usize) -> SharedSlice {
        let owner = self.this.upgrade().expect("called through the Rc");
        let grain = self.pins.grain_of(at);
        self.pin(grain);
        // SAFETY: at most one capacity from an address in the first mapping, so within both; held, hence initialised
        // (the tail behind the cursor was zeroed); pinned once under this token just above.
        unsafe { SharedSlice::new(owner, grain, self.address(at), len) }
    }

    fn zero_tail(&self, end: u64, to: u64) {
        let from = end.max(self.zeroed_to.get());
        if from < to {
            let len = usize::try_from(to - from).expect("less than a block");
            // SAFETY: behind the cursor and within its last block, which invariant 2 keeps free.
            unsafe { std::ptr::write_bytes(self.address(from), 0, len) };
            self.zeroed_to.set(to);
        }
    }
}

// SAFETY: bytes are written by `append`, `seed` and `zero_tail` only, and `start` never passes the grain in which a
// live slice starts, so the cursor cannot reach it one lap later. (The bytes of `blocks` behind the cursor may change;
// they are meant for the kernel, and its documentation says so.) The mapping lives as long as the `Rc`.
unsafe impl Pinned for Window {
    fn unpin(&self, token: u64) {
        self.pins.remove(token);
    }

    fn pin(&self, token: u64) {
        self.pins.add(token);
    }
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window")
            .field("capacity", &self.capacity)
            .field("start", &self.start)
            .field("released", &self.released)
            .field("end", &self.end)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

fn block_down(offset: u64) -> u64 {
    offset - offset % BLOCK as u64
}

fn block_up(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK as u64)
}
