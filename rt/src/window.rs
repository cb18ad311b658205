//! [`Window`]: the one place where the newest part of the log lies in memory.
//!
//! It is staging buffer, disk buffer and cache of the hot tail at once (performance.md 3, "Log window"). A record is
//! encoded straight into it at the cursor; a disk write and a pull are ranges of the same memory. A log offset lies
//! at *offset mod capacity*, and the memory is mapped twice back to back, so that no range ever wraps.
//!
//! A named window is a file on tmpfs or hugetlbfs that outlives its process: what it holds up to the end cursor can
//! be read back with [`Window::leftover`] after a `kill -9`.
//!
//! Invariants:
//! 1. `start <= released` rounded down to a block, and `released <= end`.
//! 2. `end`, rounded up to a block, is at most one capacity above `start`, rounded down to a block.
//! 3. No pinned byte lies below `start`; `start` is raised in the shared header before anything above is overwritten.
//! 4. The end cursor of the header is stored after the bytes below it.
//! 5. The cursor never enters memory that is not allocated: a full tmpfs refuses appends and never raises SIGBUS.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::{BLOCK, Pinned, SharedSlice};

mod allocation;
mod header;
mod huge;
mod leftover;
mod mapping;

pub use allocation::AllocationJob;
pub use huge::THREAD_NAME as HUGE_THREAD_NAME;
pub use leftover::{Leftover, LeftoverDamage};

use allocation::{Allocation, PIECE_BYTES};
use huge::HugePages;
pub(crate) use mapping::Mapping;

/// Whose window it is; part of the file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowIdentity {
    /// The store, as in its superblock.
    pub store_id: [u8; 16],
    /// The shard of that store.
    pub shard: u16,
}

/// Where the memory of a window comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// A file on tmpfs or hugetlbfs, mode 0600, that survives the process.
    Named(PathBuf),
    /// Memory of this process only. Nothing may be acknowledged because it lies here.
    Private,
}

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
    /// Slices alive, by the grain in which they start: entry `grain mod len`.
    pins: Box<[Cell<u32>]>,
    /// A grain is two to this many bytes; the number of counters is a power of two as well.
    grain_bits: u32,
    /// For offset mod capacity without a division, if the capacity is a power of two.
    position_mask: Option<u64>,
    allocation: RefCell<Allocation>,
    huge: RefCell<HugePages>,
}

impl Window {
    /// Makes a window of `bytes` bytes (a multiple of [`BLOCK`], on hugetlbfs of the huge page) whose cursor stands at
    /// log offset `base`.
    ///
    /// A named window replaces the file at its path in one step, so take the [`Leftover`] first; if this fails or the
    /// process dies on the way, the old file is still there.
    ///
    /// # Errors
    /// Whatever the kernel says; `InvalidInput` for a size that is not a positive multiple; ENOSPC if not even the
    /// first piece of memory can be had.
    pub fn create(
        backing: Backing,
        bytes: usize,
        identity: WindowIdentity,
        base: u64,
    ) -> io::Result<Rc<Self>> {
        Self::create_in_pieces(backing, bytes, identity, base, PIECE_BYTES)
    }

    /// What a killed process left at `path`; `None` if there is no file.
    ///
    /// # Errors
    /// [`LeftoverDamage`] inside an `InvalidData` error if the file is foreign, cut or damaged; other errors as the
    /// kernel gives them (a symbolic link is refused).
    pub fn leftover(path: &Path) -> io::Result<Option<Leftover>> {
        Leftover::open(path)
    }

    fn create_in_pieces(
        backing: Backing,
        bytes: usize,
        identity: WindowIdentity,
        base: u64,
        piece_bytes: u64,
    ) -> io::Result<Rc<Self>> {
        let static_part = header::StaticPart { identity, capacity: bytes as u64, base };
        let mapping = Arc::new(Mapping::create(&backing, bytes, |header_bytes| {
            header::encode(&static_part, header_bytes)
        })?);
        let capacity = bytes as u64;
        let mut allocation = Allocation::new(capacity, piece_bytes);
        allocation.allocate_now(&mapping, base)?;
        let file = mapping.header();
        file.start.store(base, Ordering::Release);
        file.released.store(base, Ordering::Release);
        file.end.store(base, Ordering::Release);
        mapping.publish(&backing)?;

        let grain = (capacity / PIN_GRAINS).next_power_of_two().max(BLOCK as u64);
        // At least one more than fit, so that the partial grains at both ends of a full window do not share one.
        let grains = usize::try_from(capacity.div_ceil(grain) + 2).expect("at most some thousand");
        let window = Rc::new_cyclic(|this| Self {
            this: this.clone(),
            mapping,
            capacity,
            start: Cell::new(base),
            end: Cell::new(base),
            released: Cell::new(base),
            limit: Cell::new(0),
            zeroed_to: Cell::new(base),
            filling: Cell::new(false),
            pins: (0..grains.next_power_of_two()).map(|_| Cell::new(0)).collect(),
            grain_bits: grain.trailing_zeros(),
            position_mask: capacity.is_power_of_two().then(|| capacity - 1),
            allocation: RefCell::new(allocation),
            huge: RefCell::new(HugePages::Unwanted),
        });
        window.refresh_limit();
        Ok(window)
    }

    /// At start: places bytes of the log that are already on disk right below the cursor, so that the tail block can
    /// be rewritten. They count as released.
    ///
    /// # Panics
    /// If something was appended before, if `bytes` do not end at the cursor or if they do not fit.
    pub fn seed(&self, at: u64, bytes: &[u8]) {
        let end = self.end.get();
        assert_eq!(at + bytes.len() as u64, end, "a seed ends at the cursor");
        assert_eq!(self.start.get(), end, "a seed comes first");
        assert!(block_up(end) - block_down(at) <= self.capacity, "a seed fits");
        assert!(self.allocation.borrow().covers(at, end), "a seed lies in allocated memory");
        // SAFETY: inside the mapping, allocated, and below the cursor where nobody has a slice yet (`start == end`).
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.address(at), bytes.len()) };
        self.raise_or_set_start(at);
        self.refresh_limit();
    }

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

    /// Address and length of one mapping of the data, to be registered with the ring. The mirror behind it stays
    /// unregistered; a write over the seam is two writes.
    #[must_use]
    pub fn region(&self) -> (*const u8, usize) {
        (self.mapping.data().cast_const(), usize::try_from(self.capacity).expect("mapped, so it fits"))
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
        let grain = at >> self.grain_bits;
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

    /// Raises `start` and `limit` so that the cursor may go to `to`, or says why not.
    #[cold]
    fn make_room(&self, to: u64) -> Option<Full> {
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
        let generous = needed.next_multiple_of(1 << self.grain_bits).min(releasable);
        if self.pinned_between(self.start.get(), generous) {
            return Some(Full::Pinned);
        }
        self.raise_or_set_start(generous);
        None
    }

    /// Whether a slice starts in the grains of `from..to`.
    fn pinned_between(&self, from: u64, to: u64) -> bool {
        let bits = self.grain_bits;
        from < to && (from >> bits..=(to - 1) >> bits).any(|grain| self.pin_cell(grain).get() > 0)
    }

    fn raise_or_set_start(&self, start: u64) {
        self.start.set(start);
        self.mapping.header().start.store(start, Ordering::Release);
        // What follows overwrites bytes below `start`: a reader of the file must see the new value first. The bytes
        // are read after the death of this process only, so program order is all it takes.
        compiler_fence(Ordering::SeqCst);
    }

    fn refresh_limit(&self) {
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
            && !self.pinned_between(start, to);
        free.then(|| {
            self.raise_or_set_start(to);
            piece
        })
    }

    fn pin_cell(&self, grain: u64) -> &Cell<u32> {
        // The truncation is harmless: only the lowest bits count.
        &self.pins[grain as usize & (self.pins.len() - 1)]
    }
}

// SAFETY: bytes are written by `append`, `seed` and `zero_tail` only, and `start` never passes the grain in which a
// live slice starts, so the cursor cannot reach it one lap later. (The bytes of `blocks` behind the cursor may change;
// they are meant for the kernel, and its documentation says so.) The mapping lives as long as the `Rc`.
unsafe impl Pinned for Window {
    fn unpin(&self, token: u64) {
        let cell = self.pin_cell(token);
        cell.set(cell.get().checked_sub(1).expect("unpinned as often as pinned"));
    }

    fn pin(&self, token: u64) {
        let cell = self.pin_cell(token);
        cell.set(cell.get() + 1);
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

/// Pins are counted per grain of about 1/4096 of the window, at least a block: at most 32 KiB of counters.
const PIN_GRAINS: u64 = 4096;

#[cfg(test)]
mod tests;
