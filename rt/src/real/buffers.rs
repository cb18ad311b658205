//! [`ReceiveBuffers`]: the memory that receives fill, handed to the kernel through a provided-buffer ring.
//!
//! Invariant: a buffer is either posted (the kernel may write to it) or taken (one completion named it and
//! [`ReceiveBuffers::recycle`] was not called yet). Idle connections hold none.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::ring::Ring;

/// The buffer group that all receives of a ring use.
pub(crate) const GROUP: u16 = 0;
/// Bytes of one buffer.
pub(crate) const BYTES: usize = 16 * 1024;

/// The buffers of one ring. Must outlive it.
pub(crate) struct ReceiveBuffers {
    /// The ring's entries at the start, the buffers from `RING_BYTES` on.
    map: *mut u8,
    count: u16,
    tail: u16,
}

/// Room for the entries of the largest ring, as whole pages.
const RING_BYTES: usize = COUNT_MAX as usize * size_of::<BufRingEntry>();
/// Buffers of a ring at most.
const COUNT_MAX: u16 = 1 << 12;
const _: () = assert!(RING_BYTES.is_multiple_of(4096));

impl ReceiveBuffers {
    /// Maps `count` buffers (touched only when used; rounded up to a power of two), registers and posts them.
    pub(crate) fn new(ring: &Ring, count: u16) -> io::Result<Self> {
        let count = count.clamp(1, COUNT_MAX).next_power_of_two();
        // SAFETY: a fresh anonymous mapping.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                map_bytes(count),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut this = Self { map: map.cast(), count, tail: 0 };
        // SAFETY: the entries live in the mapping, which the owner keeps until after the ring is gone.
        unsafe { ring.uring().submitter().register_buf_ring_with_flags(map as u64, count, GROUP, 0) }?;
        for id in 0..count {
            this.recycle(id);
        }
        Ok(this)
    }

    /// Where buffer `id` starts.
    pub(crate) fn start(&self, id: u16) -> *const u8 {
        assert!(id < self.count);
        // SAFETY: inside the mapping.
        unsafe { self.map.add(RING_BYTES + usize::from(id) * BYTES) }
    }

    /// Posts a buffer; nobody may read it from now on.
    pub(crate) fn recycle(&mut self, id: u16) {
        let start = self.start(id);
        let entries: *mut BufRingEntry = self.map.cast();
        // SAFETY: the slot at the tail is ours until the tail moves; no more buffers are posted than there are entries.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail & (self.count - 1)));
            entry.set_addr(start as u64);
            entry.set_len(BYTES as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lives in the first entry of the mapping and is aligned; the kernel reads it only.
        let shared = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()) };
        shared.store(self.tail, Ordering::Release);
    }
}

impl Drop for ReceiveBuffers {
    fn drop(&mut self) {
        // SAFETY: our mapping; the owner dropped the ring, and drained it before.
        unsafe { libc::munmap(self.map.cast(), map_bytes(self.count)) };
    }
}

fn map_bytes(count: u16) -> usize {
    RING_BYTES + usize::from(count) * BYTES
}
