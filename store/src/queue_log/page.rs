//! One page of the queue log, and the 8-byte reference to it.

use std::ops::Range;

use rt::crc32;

use crate::consume_queue::Entry;

/// Entries of a page: what fits a block behind the header.
pub(crate) const PAGE_ENTRIES: usize = 204;

const QUEUE: Range<usize> = 0..4;
const FIRST: Range<usize> = 4..12;
const CRC: Range<usize> = 12..16;
pub(crate) const ENTRIES: Range<usize> = 16..rt::BLOCK;
const _: () = assert!(QUEUE.end == FIRST.start && FIRST.end == CRC.start && CRC.end == ENTRIES.start);
const _: () = assert!(ENTRIES.end - ENTRIES.start == PAGE_ENTRIES * Entry::LEN);

/// The header of a page, big-endian. FORMAT.md, "Queue log".
///
/// |  bytes | field       | meaning                                                                    |
/// |-------:|-------------|----------------------------------------------------------------------------|
/// |   0..4 | queue       | number of the queue                                                        |
/// |  4..12 | first       | queue offset of the first entry; a multiple of 204                         |
/// | 12..16 | crc         | CRC-32 of the page's location (8 bytes), of bytes 0..12 and of 16..4096    |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub(crate) queue: u32,
    pub(crate) first: u64,
}

impl PageHeader {
    /// Writes the header; [`seal`] completes it when the entries are in place.
    pub(crate) fn encode(self, page: &mut [u8]) {
        page[QUEUE].copy_from_slice(&self.queue.to_be_bytes());
        page[FIRST].copy_from_slice(&self.first.to_be_bytes());
    }

    /// The number of the queue of a page in memory.
    pub(crate) fn queue_of(page: &[u8]) -> u32 {
        u32::from_be_bytes(page[QUEUE].try_into().expect("4 bytes"))
    }

    /// The header of `page` if its checksum says that it was written for `location`.
    pub(crate) fn verified(page: &[u8], location: u64) -> Option<Self> {
        assert_eq!(page.len(), rt::BLOCK);
        let stored = u32::from_be_bytes(page[CRC].try_into().expect("4 bytes"));
        (stored == checksum(page, location)).then(|| Self {
            queue: Self::queue_of(page),
            first: u64::from_be_bytes(page[FIRST].try_into().expect("8 bytes")),
        })
    }
}

/// Stores the checksum of a page that will be written at `location`.
pub(crate) fn seal(page: &mut [u8], location: u64) {
    let crc = checksum(page, location);
    page[CRC].copy_from_slice(&crc.to_be_bytes());
}

fn checksum(page: &[u8], location: u64) -> u32 {
    let covered = [&location.to_be_bytes()[..], &page[..CRC.start], &page[ENTRIES]];
    covered.into_iter().fold(0, crc32::append)
}

/// One page in a queue's page list: 40 bits of location and 24 bits that say, in units of a commitlog segment, where
/// the records of the page begin. The latter lets retention drop pages without reading them.
///
/// Both fields are taken modulo their width; the live range of a log is far below half of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRef(u64);

impl PageRef {
    /// A page of offsets that were never given to a message (behaviour after a loss: reliability.md 1).
    pub(crate) const HOLE: Self = Self(u64::MAX);

    pub(crate) fn new(location: u64, era: u64) -> Self {
        debug_assert!(location < LOCATION_MASK);
        Self((era << LOCATION_BITS) | (location & LOCATION_MASK))
    }

    /// The page's location; `None` for a hole.
    pub(crate) fn location(self) -> Option<u64> {
        (self != Self::HOLE).then_some(self.0 & LOCATION_MASK)
    }

    /// Whether the page begins in a segment before number `era`. Holes do.
    pub(crate) fn begins_before(self, era: u64) -> bool {
        if self == Self::HOLE {
            return true;
        }
        let distance = (era.wrapping_sub(self.0 >> LOCATION_BITS)) & ERA_MASK;
        distance != 0 && distance < ERA_MASK / 2
    }

    /// The same page, now at `location`.
    pub(crate) fn moved(self, location: u64) -> Self {
        Self((self.0 & !LOCATION_MASK) | (location & LOCATION_MASK))
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

const LOCATION_BITS: u32 = 40;
const LOCATION_MASK: u64 = (1 << LOCATION_BITS) - 1;
const ERA_MASK: u64 = (1 << (64 - LOCATION_BITS)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_accepted_at_its_own_location_only() {
        let mut page = vec![7; rt::BLOCK];
        PageHeader { queue: 3, first: 408 }.encode(&mut page);
        seal(&mut page, 12);
        assert_eq!(PageHeader::verified(&page, 12), Some(PageHeader { queue: 3, first: 408 }));
        assert_eq!(PageHeader::verified(&page, 13), None);
    }

    #[test]
    fn every_torn_sector_is_noticed() {
        let mut page: Vec<u8> = (0..rt::BLOCK).map(|at| (at % 251) as u8 + 1).collect();
        PageHeader { queue: 3, first: 408 }.encode(&mut page);
        seal(&mut page, 12);
        for sector in 0..rt::BLOCK / 512 {
            let mut torn = page.clone();
            torn[sector * 512..][..512].fill(0);
            assert_eq!(PageHeader::verified(&torn, 12), None, "sector {sector}");
        }
    }

    #[test]
    fn eras_compare_across_their_wrap() {
        let late = PageRef::new(5, ERA_MASK);
        assert!(late.begins_before(ERA_MASK + 1));
        assert!(!late.begins_before(ERA_MASK));
        assert_eq!(late.moved(9).location(), Some(9));
        assert!(late.moved(9).begins_before(ERA_MASK + 2));
        assert!(PageRef::HOLE.begins_before(0));
        assert_eq!(PageRef::HOLE.location(), None);
    }
}
