//! Which pieces of a window's memory are allocated.
//!
//! A window has address space for all of it from the start and memory for little: pieces of 16 MiB are allocated
//! ahead of the cursor, in steps between the turns of the shard, so that start is fast and a quiet broker stays small.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::mapping::Mapping;

pub(super) struct Allocation {
    capacity: u64,
    piece_bytes: u64,
    /// By piece. The thread of `huge` reads it too; only the window writes.
    allocated: Arc<[AtomicBool]>,
    /// Changes with `allocated`.
    revision: u32,
    /// The piece that a job works on, and its answer.
    running: Option<(usize, Arc<AtomicU8>)>,
    last_failed: bool,
}

/// Allocates one piece of a window's memory. Dropping it unrun counts as a failure; the next one tries again.
#[must_use]
pub struct AllocationJob {
    mapping: Arc<Mapping>,
    /// Position and length of the memory wanted.
    wanted: (u64, u64),
    /// Position and length of memory that is given back first, because the last try failed.
    give_back: Option<(u64, u64)>,
    state: Arc<AtomicU8>,
}

impl AllocationJob {
    /// Does a tenth of a millisecond's part of it; true when all is done. For the thread of the shard, which lets its
    /// turns run between the steps. The window finds out by itself.
    ///
    /// # Errors
    /// ENOSPC if the filesystem is full, for whoever logs it. The window refuses appends at its edge meanwhile.
    pub fn step(&mut self) -> io::Result<bool> {
        if let Some((position, len)) = self.give_back.take() {
            self.mapping.give_back(position, len)?;
        }
        let (position, len) = self.wanted;
        let part = len.min(STEP_BYTES);
        self.mapping.allocate(position, part)?;
        self.wanted = (position + part, len - part);
        let is_done = part == len;
        if is_done {
            self.state.store(DONE, Ordering::Release);
        }
        Ok(is_done)
    }
}

impl Drop for AllocationJob {
    fn drop(&mut self) {
        // Fails if it is done: then there is nothing to say.
        let _already_done =
            self.state.compare_exchange(RUNNING, FAILED, Ordering::Release, Ordering::Relaxed);
    }
}

impl Allocation {
    pub(super) fn new(capacity: u64, piece_bytes: u64) -> Self {
        let pieces = usize::try_from(capacity.div_ceil(piece_bytes)).expect("mapped, so it fits");
        let allocated = (0..pieces).map(|_| AtomicBool::new(false)).collect();
        Self { capacity, piece_bytes, allocated, revision: 0, running: None, last_failed: false }
    }

    /// Allocates, at once, the piece of `offset`; the one before it too, if a seed may reach into it.
    pub(super) fn allocate_now(&mut self, mapping: &Mapping, offset: u64) -> io::Result<()> {
        let (piece, _) = self.piece_of(offset);
        let (before, _) = self.piece_of(super::block_down(offset));
        for piece in [before, piece] {
            if !self.is_allocated(piece) {
                let (position, len) = self.place(piece);
                mapping.allocate(position, len)?;
                self.set_allocated(piece, true);
            }
        }
        Ok(())
    }

    /// Takes in the answer of a finished job.
    pub(super) fn settle(&mut self) {
        let Some((piece, state)) = &self.running else { return };
        let piece = *piece;
        match state.load(Ordering::Acquire) {
            RUNNING => return,
            DONE => {
                self.set_allocated(piece, true);
                self.last_failed = false;
            }
            _ => self.last_failed = true,
        }
        self.running = None;
    }

    pub(super) fn failed(&self) -> bool {
        self.last_failed
    }

    /// The first piece within reach of the cursor `end` that needs memory, unless a job is running.
    pub(super) fn next_wanted(&mut self, end: u64) -> Option<usize> {
        self.settle();
        if self.running.is_some() {
            return None;
        }
        let mut at = end;
        for _ in 0..=PIECES_AHEAD {
            let (piece, to) = self.piece_of(at);
            if !self.is_allocated(piece) {
                return Some(piece);
            }
            at = to;
        }
        None
    }

    pub(super) fn job(
        &mut self,
        mapping: &Arc<Mapping>,
        wanted: usize,
        give_back: Option<usize>,
    ) -> AllocationJob {
        let state = Arc::new(AtomicU8::new(RUNNING));
        self.running = Some((wanted, state.clone()));
        let give_back = give_back.map(|piece| self.place(piece));
        AllocationJob { mapping: mapping.clone(), wanted: self.place(wanted), give_back, state }
    }

    /// The piece's memory is about to be given back.
    pub(super) fn forget(&mut self, piece: usize) {
        self.set_allocated(piece, false);
    }

    /// Bytes of the window.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Which pieces are allocated, for another thread to look at.
    pub(super) fn shared(&self) -> Arc<[AtomicBool]> {
        self.allocated.clone()
    }

    /// Another number after each change of what is allocated.
    pub(super) fn revision(&self) -> u32 {
        self.revision
    }

    fn is_allocated(&self, piece: usize) -> bool {
        self.allocated[piece].load(Ordering::Relaxed)
    }

    fn set_allocated(&mut self, piece: usize, is_allocated: bool) {
        self.allocated[piece].store(is_allocated, Ordering::Release);
        self.revision = self.revision.wrapping_add(1);
    }

    /// How far the cursor could go from `end`, at most to `room`, over allocated memory only.
    pub(super) fn allocated_to(&self, end: u64, room: u64) -> u64 {
        let mut at = end;
        while at < room {
            let (piece, to) = self.piece_of(at);
            if !self.is_allocated(piece) {
                // A cursor at the very edge of its piece: `at` is a border of pieces, hence of blocks.
                return super::block_down(at);
            }
            at = to;
        }
        room
    }

    /// Whether all of `from..to` is allocated.
    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        self.allocated_to(from, to) >= to
    }

    /// The piece where log offset `at` lies, and the log offset at which that piece ends.
    pub(super) fn piece_of(&self, at: u64) -> (usize, u64) {
        let position = at % self.capacity;
        let piece = position / self.piece_bytes;
        let piece_end = ((piece + 1) * self.piece_bytes).min(self.capacity);
        (usize::try_from(piece).expect("below a length"), at + (piece_end - position))
    }

    pub(super) fn is_piece_of(&self, piece: usize, at: u64) -> bool {
        self.piece_of(at).0 == piece
    }

    fn place(&self, piece: usize) -> (u64, u64) {
        let position = piece as u64 * self.piece_bytes;
        (position, self.piece_bytes.min(self.capacity - position))
    }
}

/// At 2 GiB/s a piece lasts 8 ms, about as long as allocating one takes.
const PIECES_AHEAD: usize = 2;
/// Allocated in one step.
const STEP_BYTES: u64 = 128 << 10;
pub(super) const PIECE_BYTES: u64 = 16 << 20;

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const FAILED: u8 = 2;
