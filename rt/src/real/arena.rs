//! [`Arena`]: receive memory that one busy connection has to itself.
//!
//! A connection with many requests in flight fills shared receive buffers to the end, and each end cuts a frame in two
//! that then must be copied together. In memory of its own, mapped twice back to back, what a reader leaves is followed
//! by what comes next, wherever that lies: a frame is in one piece and nothing is copied. What is read to its end
//! starts over at the front, so that a busy connection stays in the cache.

use std::io;

use crate::window::Mapping;

/// Bytes that lie ready, in a ring of memory.
pub(crate) struct Arena {
    mapping: Mapping,
    /// Where the bytes not yet consumed start; below [`BYTES`].
    start: usize,
    /// How many there are.
    held: usize,
}

/// Size of an arena.
const BYTES: usize = 256 << 10;
/// Most bytes of one receive: what several connections bring in a turn should fit the second-level cache.
const RECEIVE_BYTES_MAX: usize = 128 << 10;
/// Most bytes a reader may leave: there is always room for a receive.
pub(crate) const LEFT_BYTES_MAX: usize = BYTES - RECEIVE_BYTES_MAX;

impl Arena {
    /// Maps the memory; it is allocated as it is touched.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { mapping: Mapping::private(BYTES)?, start: 0, held: 0 })
    }

    /// Where the next receive goes, and how much it may bring.
    pub(crate) fn room(&mut self) -> (*mut u8, u32) {
        let len = (BYTES - self.held).min(RECEIVE_BYTES_MAX);
        // SAFETY: at most one arena behind an address in the first of the two mappings.
        let at = unsafe { self.mapping.data().add(self.start + self.held) };
        (at, u32::try_from(len).expect("at most an arena"))
    }

    /// A receive brought `len` bytes.
    pub(crate) fn received(&mut self, len: usize) {
        self.held += len;
        assert!(self.held <= BYTES, "a receive brings no more than it was given room for");
    }

    /// What lies ready.
    ///
    /// # Safety
    /// The bytes are read only while no receive is in flight and before [`Arena::keep_last`].
    pub(crate) unsafe fn bytes<'a>(&self) -> &'a [u8] {
        // SAFETY: in the two mappings, filled by receives, and left alone as the caller promises.
        unsafe { std::slice::from_raw_parts(self.mapping.data().add(self.start), self.held) }
    }

    /// All but the last `left` bytes are consumed.
    pub(crate) fn keep_last(&mut self, left: usize) {
        assert!(left <= self.held.min(LEFT_BYTES_MAX), "{left} bytes left of {}", self.held);
        self.start = if left == 0 { 0 } else { (self.start + self.held - left) % BYTES };
        self.held = left;
    }

    /// Nothing lies ready.
    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").field("start", &self.start).field("held", &self.held).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(arena: &mut Arena, bytes: &[u8]) {
        let (at, room) = arena.room();
        assert!(bytes.len() <= room as usize);
        // SAFETY: within the room just given.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
        arena.received(bytes.len());
    }

    proptest! {
        #[test]
        fn what_is_left_is_followed_by_what_comes(
            steps in prop::collection::vec((0..RECEIVE_BYTES_MAX, 0..=LEFT_BYTES_MAX), 1..40),
        ) {
            let mut arena = Arena::new().expect("memory");
            let (mut next, mut ready) = (0_u8, Vec::new());
            for (len, left) in steps {
                let bytes: Vec<u8> = (0..len).map(|_| { next = next.wrapping_mul(5).wrapping_add(3); next }).collect();
                fill(&mut arena, &bytes);
                ready.extend_from_slice(&bytes);
                // SAFETY: read at once.
                prop_assert_eq!(unsafe { arena.bytes() }, &ready[..]);
                let left = left.min(ready.len());
                ready.drain(..ready.len() - left);
                arena.keep_last(left);
                prop_assert_eq!(arena.is_empty(), left == 0);
            }
        }
    }
}
