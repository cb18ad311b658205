//! [`Leftover`]: the window file of a process that is gone.
//!
//! It is read, never mapped: a file that is cut meanwhile is an error and not a SIGBUS.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::header::{self, CURSORS_AT, CURSORS_BYTES, STATIC_BYTES, StaticPart, u64_at};
use super::{WindowIdentity, block_down, block_up};
use crate::BLOCK;

/// What a killed process left behind. The header was checked; the bytes are the caller's to verify, record by record.
#[derive(Debug)]
pub struct Leftover {
    file: File,
    header_bytes: u64,
    part: StaticPart,
    start: u64,
    released: u64,
    end: u64,
}

/// Why a file is no window that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverDamage {
    /// No regular file, or one that others may write.
    Foreign,
    /// Shorter than a header.
    Short {
        /// Bytes found.
        bytes: u64,
    },
    /// Another kind of file.
    NotAWindow,
    /// Made by another version.
    Version {
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The header does not fit its checksum.
    Checksum {
        /// As in the file.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// The file is not as long as its header says.
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes the header speaks of.
        expected: u64,
    },
    /// The cursors contradict each other.
    Cursors {
        /// Log offset where the window began.
        base: u64,
        /// Oldest offset held.
        start: u64,
        /// Everything below is on disk.
        released: u64,
        /// End cursor.
        end: u64,
        /// Bytes of the window.
        capacity: u64,
    },
}

impl Leftover {
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let status = rustix::fs::fstat(&file)?;
        let mine = status.st_uid == rustix::process::geteuid().as_raw();
        let closed = Mode::from_raw_mode(status.st_mode) & (Mode::WGRP | Mode::WOTH) == Mode::empty();
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile || !mine || !closed {
            return Err(LeftoverDamage::Foreign.into());
        }
        let bytes = u64::try_from(status.st_size).expect("a file has no negative size");
        Ok(Some(Self::parse(File::from(file), bytes)?))
    }

    fn parse(file: File, bytes: u64) -> io::Result<Self> {
        if bytes < BLOCK as u64 {
            return Err(LeftoverDamage::Short { bytes }.into());
        }
        let mut fixed = [0; STATIC_BYTES];
        file.read_exact_at(&mut fixed, 0)?;
        let (part, header_bytes) = header::decode(&fixed)?;
        let header_bytes = u64::from(header_bytes);
        let expected = header_bytes.saturating_add(part.capacity);
        if bytes != expected || header_bytes < BLOCK as u64 || part.capacity == 0 {
            return Err(LeftoverDamage::Size { found: bytes, expected }.into());
        }
        let mut cursors = [0; CURSORS_BYTES];
        file.read_exact_at(&mut cursors, CURSORS_AT as u64)?;
        let [end, start, released] = [0, 8, 16].map(|at| u64_at(&cursors, at));
        let leftover = Self { file, header_bytes, part, start, released, end };
        if !leftover.is_plausible() {
            let StaticPart { base, capacity, .. } = part;
            return Err(LeftoverDamage::Cursors { base, start, released, end, capacity }.into());
        }
        Ok(leftover)
    }

    fn is_plausible(&self) -> bool {
        // Far from overflow, so that the sums below and those of the caller are safe.
        self.end < 1 << 62
            && self.part.base <= self.end
            && self.start <= self.released
            && self.released <= self.end
            && self.part.base <= self.released
            // `start` lies below `base` only by a seed, which fits.
            && self.start + self.part.capacity >= self.part.base
            && block_up(self.end) - block_down(self.start) <= self.part.capacity
    }

    /// Whose it is. The caller compares.
    #[must_use]
    pub fn identity(&self) -> WindowIdentity {
        self.part.identity
    }

    /// The oldest offset held.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The process had declared everything below to be safe on disk.
    #[must_use]
    pub fn released(&self) -> u64 {
        self.released
    }

    /// The end cursor: every byte below, from `start` on, is whole.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// A copy of `at..at + len`; `None` if not held, or if the file cannot be read any more.
    #[must_use]
    pub fn bytes(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        if at < self.start || at.checked_add(len as u64)? > self.end {
            return None;
        }
        let mut bytes = vec![0; len];
        let position = at % self.part.capacity;
        let before_seam = usize::try_from(self.part.capacity - position).map_or(len, |room| room.min(len));
        let (first, second) = bytes.split_at_mut(before_seam);
        self.file.read_exact_at(first, self.header_bytes + position).ok()?;
        self.file.read_exact_at(second, self.header_bytes).ok()?;
        Some(bytes)
    }
}

impl fmt::Display for LeftoverDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => write!(f, "window file is no regular file of ours, or others may write it"),
            Self::Short { bytes } => write!(f, "window file has {bytes} bytes, less than its header"),
            Self::NotAWindow => write!(f, "not a window file (wrong magic)"),
            Self::Version { found, known } => {
                write!(f, "window file of version {found}; this build knows {known}")
            }
            Self::Checksum { stored, computed } => {
                write!(f, "window header is damaged: checksum {stored:#010x}, computed {computed:#010x}")
            }
            Self::Size { found, expected } => {
                write!(f, "window file has {found} bytes where its header says {expected}")
            }
            Self::Cursors { base, start, released, end, capacity } => write!(
                f,
                "window cursors contradict each other: base {base}, start {start}, released {released}, end {end}, \
                 capacity {capacity}"
            ),
        }
    }
}

impl std::error::Error for LeftoverDamage {}

impl From<LeftoverDamage> for io::Error {
    fn from(damage: LeftoverDamage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}
