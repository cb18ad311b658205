//! [`Entry`]: what a queue says of one message.

use std::ops::Range;

use crate::offset::PhysicalOffset;

/// One consume queue entry, 20 bytes, big-endian. FORMAT.md, "Consume queue".
///
/// |  bytes | field           | meaning                                                   |
/// |-------:|-----------------|-----------------------------------------------------------|
/// |   0..8 | physical offset | where the record starts                                   |
/// |  8..12 | size            | bytes of the whole record; 0: no message has this offset  |
/// | 12..20 | tags code       | `hashCode` of the tag; the deliver-at time if delayed, ms |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the record starts.
    pub at: PhysicalOffset,
    /// Bytes of the whole record.
    pub size: u32,
    /// What filters compare before they read the record.
    pub tags_code: i64,
}

const AT: Range<usize> = 0..8;
const SIZE: Range<usize> = 8..12;
const TAGS_CODE: Range<usize> = 12..20;
const _: () = assert!(AT.end == SIZE.start && SIZE.end == TAGS_CODE.start);
const _: () = assert!(TAGS_CODE.end == Entry::LEN);

impl Entry {
    /// Bytes of an encoded entry.
    pub const LEN: usize = 20;
    /// What fills a page before its first entry.
    pub(crate) const HOLE: Self = Self { at: PhysicalOffset::new(0), size: 0, tags_code: 0 };

    /// The bytes on disk.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[AT].copy_from_slice(&self.at.get().to_be_bytes());
        bytes[SIZE].copy_from_slice(&self.size.to_be_bytes());
        bytes[TAGS_CODE].copy_from_slice(&self.tags_code.to_be_bytes());
        bytes
    }

    /// Inverts [`Self::encode`]; every 20 bytes are an entry.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::LEN]) -> Self {
        Self {
            at: PhysicalOffset::new(u64::from_be_bytes(bytes[AT].try_into().expect("8 bytes"))),
            size: u32::from_be_bytes(bytes[SIZE].try_into().expect("4 bytes")),
            tags_code: i64::from_be_bytes(bytes[TAGS_CODE].try_into().expect("8 bytes")),
        }
    }

    pub(crate) fn is_hole(&self) -> bool {
        self.size == 0
    }

    pub(crate) fn end(&self) -> u64 {
        self.at.get() + u64::from(self.size)
    }
}
