//! Positions: no naked `u64` crosses a module border.

use std::fmt;

/// Byte position in the commitlog of this shard, counted from the first byte ever appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysicalOffset(u64);

/// Position of a message in its queue, counted from 0 and never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueOffset(u64);

/// Handle of one (topic, queue id) of this shard: dense from 0 and valid until the store closes. It is not stored:
/// another start of the same store may number the queues differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueRef(pub u32);

impl PhysicalOffset {
    /// The position `at` bytes into the log.
    #[must_use]
    pub const fn new(at: u64) -> Self {
        Self(at)
    }

    /// Bytes from the start of the log.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `bytes` further on.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }

    /// Bytes from `earlier` to here; 0 if `earlier` lies behind.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl QueueOffset {
    /// The offset `at`.
    #[must_use]
    pub const fn new(at: u64) -> Self {
        Self(at)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset `count` further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl QueueRef {
    /// For indexing tables of queues.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PhysicalOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for QueueOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
