//! [`HugePages`]: a thread that moves a window onto huge pages while its shard works.
//!
//! A direct write pins the pages it reads from. In pages of 4 KiB that, and the TLB misses of the copy into the window,
//! take a twentieth of a busy shard's time; on pages of 2 MiB hardly any. The kernel gives them on request only
//! (`MADV_COLLAPSE`), by copying for about a millisecond, in which whoever touches the memory waits. So it is done range
//! by range on a thread of its own, and only where the cursor is not due soon and was not lately ([`Range::is_due`]).
//! What the cursor was too near to in its first lap follows in a later one; when nothing is left the thread ends.
//!
//! The range with the header and what does not fill a huge page at the end stay on small pages.
//!
//! It changes where bytes lie and never which, so it matters to nobody how far it got; each failure is silent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::allocation::{Allocation, PIECE_BYTES};
use super::mapping::{HUGE_PAGE, Mapping};
use crate::BLOCK;
use crate::real::cpus;

/// The window's end of it.
pub(super) enum HugePages {
    /// Not asked for, not possible, or over.
    Unwanted,
    /// Started by the first [`HugePages::look`].
    Wanted(Shared),
    /// There is a thread.
    Running(Mover),
}

impl HugePages {
    /// For windows of some pieces on small pages.
    pub(super) fn wanted(mapping: &Arc<Mapping>, allocation: &Allocation) -> Self {
        let shared = Shared {
            mapping: mapping.clone(),
            allocated: allocation.shared(),
            capacity: allocation.capacity(),
            is_over: AtomicBool::new(false),
        };
        let is_worth_it = shared.capacity >= WINDOW_BYTES_MIN && mapping.header_bytes() == BLOCK;
        if is_worth_it { Self::Wanted(shared) } else { Self::Unwanted }
    }

    /// Wakes the thread if the cursor, now at `end`, entered another piece, or memory came or went.
    #[inline]
    pub(super) fn look(&mut self, end: u64, revision: u32) {
        let now = (end / PIECE_BYTES, revision);
        match self {
            Self::Unwanted => {}
            Self::Running(mover) if mover.told == now => {}
            _ => self.wake(now),
        }
    }

    #[cold]
    fn wake(&mut self, now: (u64, u32)) {
        *self = match std::mem::replace(self, Self::Unwanted) {
            Self::Wanted(shared) => Mover::start(shared, now).map_or(Self::Unwanted, Self::Running),
            Self::Running(mut mover) if !mover.is_finished() => {
                mover.tell(now);
                Self::Running(mover)
            }
            _ => Self::Unwanted,
        };
    }
}

/// The thread. Dropping this ends it, after the range it is at.
pub(super) struct Mover {
    shared: Arc<Shared>,
    /// Until it is joined.
    thread: Option<JoinHandle<()>>,
    /// What it was last woken for: the piece of the cursor and the revision of the allocation.
    told: (u64, u32),
}

impl Mover {
    fn start(shared: Shared, told: (u64, u32)) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let its = shared.clone();
        let thread = thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || its.run())?;
        Ok(Self { shared, thread: Some(thread), told })
    }

    fn tell(&mut self, now: (u64, u32)) {
        self.told = now;
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of it was printed; the window does not need it.
            let _its_panic = thread.join();
        }
    }
}

/// What the thread looks at.
pub(super) struct Shared {
    mapping: Arc<Mapping>,
    /// By piece.
    allocated: Arc<[AtomicBool]>,
    capacity: u64,
    is_over: AtomicBool,
}

impl Shared {
    /// The thread: all ranges, each when it is due.
    fn run(&self) {
        leave_shards_alone();
        let mut ranges = self.ranges();
        while !ranges.is_empty() && !self.is_over.load(Ordering::Relaxed) {
            let cursor = self.cursor();
            let Some(index) = ranges.iter().position(|range| range.is_due(&cursor, &self.allocated)) else {
                // A wake between the look and here makes it return at once.
                thread::park();
                continue;
            };
            let range = &mut ranges[index];
            match self.mapping.collapse(range.at + BLOCK as u64) {
                Ok(()) => drop(ranges.swap_remove(index)),
                Err(error) if is_final(&error) => return,
                Err(_) if range.tries_left == 0 => drop(ranges.swap_remove(index)),
                Err(_) => {
                    range.tries_left -= 1;
                    range.not_before = cursor.end + PIECE_BYTES;
                }
            }
            thread::park_timeout(REST);
        }
    }

    /// All ranges of the window but the one with the header.
    fn ranges(&self) -> Vec<Range> {
        let file_bytes = BLOCK as u64 + self.capacity;
        (1..file_bytes / HUGE_BYTES)
            .map(|number| Range {
                at: number * HUGE_BYTES - BLOCK as u64,
                not_before: 0,
                tries_left: TRIES - 1,
            })
            .collect()
    }

    fn cursor(&self) -> Cursor {
        let cursors = self.mapping.header();
        Cursor {
            capacity: self.capacity,
            // `end` first: a later `released` belongs to a cursor that is at least as far.
            end: cursors.end.load(Ordering::Acquire),
            released: cursors.released.load(Ordering::Acquire),
        }
    }
}

/// Where the cursor of the window is.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    capacity: u64,
    end: u64,
    released: u64,
}

/// One huge page of the file that still is made of small ones.
#[derive(Debug)]
struct Range {
    /// Position of its first byte in the data.
    at: u64,
    /// It failed: not before the cursor is here.
    not_before: u64,
    tries_left: u8,
}

impl Range {
    /// Whether it is allocated and out of use: in the half of the window that lies before the cursor, far enough for the
    /// cursor not to arrive meanwhile, and without bytes that are still to be written from there.
    fn is_due(&self, cursor: &Cursor, allocated: &[AtomicBool]) -> bool {
        let &Cursor { capacity, end, released } = cursor;
        // Its first block belongs to the piece before, which a whole page fills up if need be.
        let piece = (self.at + BLOCK as u64) / PIECE_BYTES;
        let is_allocated = allocated[usize::try_from(piece).expect("mapped")].load(Ordering::Acquire);
        let distance = (self.at + capacity - end % capacity) % capacity;
        is_allocated
            && end >= self.not_before
            && (MARGIN_BYTES..=capacity / 2).contains(&distance)
            && end + distance + HUGE_BYTES <= released + capacity
    }
}

/// Off the core of the shard that started this thread, and never in the way of one that wakes up.
///
/// `SCHED_BATCH` takes the core from nobody who wakes, yet keeps a fair share of it: with less (`SCHED_IDLE`, nice 19) a
/// busy core would leave the thread waiting amid a range whose pages are locked, and so whoever touches them.
fn leave_shards_alone() {
    // Refusals cost others a millisecond here and there.
    let _refused = cpus::leave_inherited();
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: changes how this thread is scheduled; the parameters outlive the call.
    let _refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
}

/// The kernel does not know it, or has it switched off.
fn is_final(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM))
}

/// Name of the thread, as the kernel shows it. On a host of two cores it is pinned, and yet no shard.
pub const THREAD_NAME: &str = "window-huge";
/// Smaller windows are not worth a thread.
const WINDOW_BYTES_MIN: u64 = 4 * PIECE_BYTES;
const HUGE_BYTES: u64 = HUGE_PAGE as u64;
/// The cursor is at least this far from a range when work on it begins: 4 ms of a shard that takes in 2 GiB/s.
const MARGIN_BYTES: u64 = 8 << 20;
/// For one range, a piece apart: huge pages may be found later, and pages that somebody held be let go.
const TRIES: u8 = 4;
/// Between two ranges, so that no neighbour on the core waits for long.
const REST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
