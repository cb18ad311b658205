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
/// Buffers; a power of two.
const COUNT: u16 = 512;
/// Bytes of one buffer.
pub(crate) const BYTES: usize = 16 * 1024;

/// The buffers of one ring. Must outlive it.
pub(crate) struct ReceiveBuffers {
    /// `COUNT` ring entries, then `COUNT * BYTES` of memory.
    map: *mut u8,
    tail: u16,
}

const RING_BYTES: usize = COUNT as usize * 16;
const MAP_BYTES: usize = RING_BYTES + COUNT as usize * BYTES;
const _: () = assert!(COUNT.is_power_of_two());
const _: () = assert!(RING_BYTES.is_multiple_of(4096));

impl ReceiveBuffers {
    /// Maps the memory (touched only when used), registers it and posts every buffer.
    pub(crate) fn new(ring: &Ring) -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                MAP_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut this = Self { map: map.cast(), tail: 0 };
        // SAFETY: the entries live in the mapping, which the owner keeps until after the ring is gone.
        unsafe { ring.uring().submitter().register_buf_ring_with_flags(map as u64, COUNT, GROUP, 0) }?;
        for id in 0..COUNT {
            this.recycle(id);
        }
        Ok(this)
    }

    /// Where buffer `id` starts.
    pub(crate) fn start(&self, id: u16) -> *const u8 {
        assert!(id < COUNT);
        // SAFETY: inside the mapping.
        unsafe { self.map.add(RING_BYTES + usize::from(id) * BYTES) }
    }

    /// Posts a buffer; nobody may read it from now on.
    pub(crate) fn recycle(&mut self, id: u16) {
        let start = self.start(id);
        let entries: *mut BufRingEntry = self.map.cast();
        // SAFETY: the slot at the tail is ours until the tail moves; at most COUNT buffers are ever posted.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail & (COUNT - 1)));
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
        unsafe { libc::munmap(self.map.cast(), MAP_BYTES) };
    }
}
