//! [`SharedSlice`]: bytes at a fixed address, kept alive and unchanged by their owner while the kernel uses them.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// An owner of memory that lends slices of it.
///
/// # Safety
/// While a [`SharedSlice`] made by the owner lives, the bytes it covers must stay mapped at their address and must
/// not be written.
pub unsafe trait Pinned {
    /// The slice with this `token` (the owner's own number, from [`SharedSlice::new`]) is dropped; called once per clone.
    fn unpin(&self, token: u64);
    /// A slice with this `token` was cloned.
    fn pin(&self, token: u64);
}

/// A range of somebody's memory. Cloning pins it once more; dropping unpins. Never allocates.
pub struct SharedSlice {
    owner: Rc<dyn Pinned>,
    token: u64,
    start: *const u8,
    len: usize,
}

impl SharedSlice {
    /// A slice of `owner`'s memory, already pinned once under `token`.
    ///
    /// # Safety
    /// `start..start + len` is memory of `owner`, initialised, and covered by the promise of [`Pinned`] from now on.
    #[must_use]
    pub unsafe fn new(owner: Rc<dyn Pinned>, token: u64, start: *const u8, len: usize) -> Self {
        Self { owner, token, start, len }
    }

    /// Copies `bytes` into an owner of its own, aligned to [`crate::BLOCK`]. For slow paths.
    #[must_use]
    pub fn copied(bytes: &[u8]) -> Self {
        aligned(bytes.len(), |memory| memory.copy_from_slice(bytes))
    }

    /// The part `from..to` of this slice, pinned on its own.
    ///
    /// # Panics
    /// If the range is not inside.
    #[must_use]
    pub fn range(&self, from: usize, to: usize) -> Self {
        assert!(from <= to && to <= self.len, "range {from}..{to} of a slice of {} bytes", self.len);
        self.owner.pin(self.token);
        // SAFETY: inside `self`, which is valid; pinned once more just above.
        unsafe { Self::new(self.owner.clone(), self.token, self.start.add(from), to - from) }
    }
}

impl Deref for SharedSlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `new` vouched for the range, and the owner keeps it while we are pinned.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl AsRef<[u8]> for SharedSlice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for SharedSlice {
    fn clone(&self) -> Self {
        self.range(0, self.len)
    }
}

impl Drop for SharedSlice {
    fn drop(&mut self) {
        self.owner.unpin(self.token);
    }
}

impl fmt::Debug for SharedSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSlice({} bytes at {:p})", self.len, self.start)
    }
}

/// Memory of its own, aligned to [`crate::BLOCK`], filled by `fill` (it starts as zeros).
#[must_use]
pub fn aligned(len: usize, fill: impl FnOnce(&mut [u8])) -> SharedSlice {
    let mut memory = AlignedMemory::zeroed(len);
    fill(memory.as_mut());
    memory.into_slice(len)
}

/// Memory that is written, lent, and written again when everything lent was dropped. Allocates once.
pub struct Reused {
    memory: Rc<AlignedMemory>,
}

impl Reused {
    /// Memory that begins as a copy of `bytes`.
    #[must_use]
    pub fn copied(bytes: &[u8]) -> Self {
        let mut memory = AlignedMemory::zeroed(bytes.len());
        memory.as_mut().copy_from_slice(bytes);
        Self { memory: Rc::new(memory) }
    }

    /// The bytes, to be changed; `None` while any of them is lent.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        Rc::get_mut(&mut self.memory).map(AlignedMemory::as_mut)
    }

    /// All the bytes as they are now.
    #[must_use]
    pub fn lend(&self) -> SharedSlice {
        // SAFETY: the slice holds the memory; `bytes_mut` gives it out for writing only when no slice does.
        unsafe { SharedSlice::new(self.memory.clone(), 0, self.memory.start, self.memory.len) }
    }
}

impl fmt::Debug for Reused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reused({} bytes)", self.memory.len)
    }
}

/// Memory aligned to [`crate::BLOCK`], writable until it becomes a [`SharedSlice`].
pub(crate) struct AlignedMemory {
    start: *mut u8,
    len: usize,
    /// All of it is initialised.
    zeroed: bool,
}

impl AlignedMemory {
    fn layout(len: usize) -> std::alloc::Layout {
        std::alloc::Layout::from_size_align(len.max(1), crate::BLOCK).expect("a length below isize::MAX")
    }

    pub(crate) fn zeroed(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the size is at least 1.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        if start.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        Self { start, len, zeroed: true }
    }

    /// Memory for the kernel to write to: as it comes, because zeros that are overwritten at once cost a read of 128 KiB a
    /// twentieth of its time.
    pub(crate) fn unwritten(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the size is at least 1.
        let start = unsafe { std::alloc::alloc(layout) };
        if start.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        Self { start, len, zeroed: false }
    }

    /// Where byte `at` lies, for the kernel.
    pub(crate) fn address(&mut self, at: usize) -> *mut u8 {
        assert!(at <= self.len);
        // SAFETY: inside the allocation.
        unsafe { self.start.add(at) }
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        assert!(self.zeroed, "what was never written is no bytes");
        // SAFETY: allocated with this length, initialised, and borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// The first `len` bytes, from now on read-only and shared.
    pub(crate) fn into_slice(self, len: usize) -> SharedSlice {
        assert!(self.zeroed, "what was never written is no bytes");
        // SAFETY: all of it is initialised.
        unsafe { self.into_written(len) }
    }

    /// As [`AlignedMemory::into_slice`], of memory that the kernel has written to.
    ///
    /// # Safety
    /// The first `len` bytes are initialised.
    pub(crate) unsafe fn into_written(self, len: usize) -> SharedSlice {
        assert!(len <= self.len);
        let start = self.start;
        // SAFETY: the memory belongs to the owner just made and nobody can write to it any more.
        unsafe { SharedSlice::new(Rc::new(self), 0, start, len) }
    }
}

impl Drop for AlignedMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { std::alloc::dealloc(self.start, Self::layout(self.len)) }
    }
}

// SAFETY: the memory is written only while no slice exists (before the first, or by `Reused`), and lives as long as the `Rc` each slice holds.
unsafe impl Pinned for AlignedMemory {
    fn unpin(&self, _token: u64) {}
    fn pin(&self, _token: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_written_again_only_when_nothing_of_it_is_lent() {
        let mut memory = Reused::copied(b"abcdef");
        let whole = memory.lend();
        let part = whole.range(2, 4);
        assert_eq!((&*whole, &*part), (&b"abcdef"[..], &b"cd"[..]));
        assert!(memory.bytes_mut().is_none());
        drop(whole);
        assert!(memory.bytes_mut().is_none(), "a part is lent");
        drop(part);
        memory.bytes_mut().unwrap()[0] = b'X';
        assert_eq!(&*memory.lend(), b"Xbcdef");
    }
}
