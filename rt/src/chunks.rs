//! [`Chunks`]: a list that grows without moving.
//!
//! A `Vec` that doubles copies itself into a new block and leaves the old one with the allocator, which seldom gives it
//! back: a table that a burst filled then costs several times its size. Here memory comes in pieces of the same size,
//! so a table of n entries costs n entries and a piece at most. Used for what is promised in bytes a piece: parked
//! pulls, timers.

use std::ops::{Index, IndexMut};

/// A list of `T` in pieces of [`CHUNK`] entries. An entry stays at its address until the list is emptied.
#[derive(Debug)]
pub struct Chunks<T> {
    /// All but the last are full; none grows beyond the capacity it was made with.
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Chunks<T> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * CHUNK + last.len())
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.first().is_none_or(Vec::is_empty)
    }

    /// Entries there is memory for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pieces.len() * CHUNK
    }

    /// Appends `entry`; its index is what [`Chunks::len`] was.
    pub fn push(&mut self, entry: T) {
        if self.pieces.last().is_none_or(|last| last.len() == CHUNK) {
            self.pieces.push(Vec::with_capacity(CHUNK));
        }
        self.pieces.last_mut().expect("a piece with room was just seen to").push(entry);
    }

    /// The entry at `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The entry at `index`, if there is one.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pieces.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Drops all entries and gives their memory back, but for that of one piece.
    pub fn clear(&mut self) {
        if self.pieces.len() > 1 {
            self.pieces.truncate(1);
            self.pieces.shrink_to_fit();
        }
        if let Some(first) = self.pieces.first_mut() {
            first.clear();
        }
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.pieces[index / CHUNK][index % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.pieces[index / CHUNK][index % CHUNK]
    }
}

/// Entries of a piece: some tens of kilobytes, which every allocator has a place for.
pub const CHUNK: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_list_at_any_length(counts in prop::collection::vec(0..3 * CHUNK, 1..4)) {
            let mut chunks = Chunks::default();
            for count in counts {
                let list: Vec<usize> = (0..count).collect();
                list.iter().for_each(|one| chunks.push(*one));
                prop_assert_eq!(chunks.len(), count);
                prop_assert_eq!(chunks.is_empty(), count == 0);
                prop_assert!(chunks.iter().eq(&list));
                prop_assert!((0..count).all(|at| chunks[at] == at && chunks.get(at) == Some(&at)));
                prop_assert_eq!(chunks.get(count), None);
                prop_assert_eq!(chunks.get_mut(count + CHUNK), None);
                // No more than a piece beyond what is there, or the piece that was kept.
                prop_assert!(chunks.capacity() < (count + CHUNK).max(CHUNK + 1));
                chunks.clear();
                prop_assert!(chunks.is_empty() && chunks.capacity() <= CHUNK);
            }
        }
    }

    #[test]
    fn an_entry_stays_where_it_is_while_the_list_grows() {
        let mut chunks = Chunks::default();
        chunks.push(0);
        let first = std::ptr::from_ref(&chunks[0]);
        (1..10 * CHUNK).for_each(|one| chunks.push(one));
        assert_eq!(std::ptr::from_ref(&chunks[0]), first);
    }
}
