//! Making a [`Window`]: its memory, its file, and the bytes that lie below the cursor from the start.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[cfg(doc)]
use super::LeftoverDamage;
use super::allocation::{Allocation, PIECE_BYTES};
use super::huge::HugePages;
use super::leftover::Leftover;
use super::mapping::Mapping;
use super::pins::Pins;
use super::{Window, block_down, block_up, header};
#[cfg(doc)]
use crate::BLOCK;

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

    pub(super) fn create_in_pieces(
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
            pins: Pins::new(capacity),
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
}
