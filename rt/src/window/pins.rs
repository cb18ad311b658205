//! [`Pins`]: which parts of a window somebody still sends, writes or reads.
//!
//! Counted per grain, not per slice: raising the start of the window asks a few counters instead of a list. A slice counts
//! in the grain in which it starts; the bytes behind it are held because the start of the window passes no pinned grain.

use std::cell::Cell;

use crate::BLOCK;

/// Slices alive, by the grain in which they start.
pub(super) struct Pins {
    /// Entry `grain mod len`; their number is a power of two.
    counts: Box<[Cell<u32>]>,
    /// A grain is two to this many bytes.
    grain_bits: u32,
}

impl Pins {
    /// No pins in a window of `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        let grain = (capacity / PIN_GRAINS).next_power_of_two().max(BLOCK as u64);
        // At least one more than fit, so that the partial grains at both ends of a full window do not share one.
        let grains = usize::try_from(capacity.div_ceil(grain) + 2).expect("at most some thousand");
        Self {
            counts: (0..grains.next_power_of_two()).map(|_| Cell::new(0)).collect(),
            grain_bits: grain.trailing_zeros(),
        }
    }

    /// Bytes of a grain.
    pub(super) fn grain_bytes(&self) -> u64 {
        1 << self.grain_bits
    }

    /// The grain in which a slice at `at` counts.
    #[inline]
    pub(super) fn grain_of(&self, at: u64) -> u64 {
        at >> self.grain_bits
    }

    /// One slice more starts in `grain`.
    #[inline]
    pub(super) fn add(&self, grain: u64) {
        let cell = self.cell(grain);
        cell.set(cell.get() + 1);
    }

    /// One slice less starts in `grain`.
    #[inline]
    pub(super) fn remove(&self, grain: u64) {
        let cell = self.cell(grain);
        cell.set(cell.get().checked_sub(1).expect("unpinned as often as pinned"));
    }

    /// Whether a slice starts in the grains of `from..to`.
    pub(super) fn any_between(&self, from: u64, to: u64) -> bool {
        from < to && (self.grain_of(from)..=self.grain_of(to - 1)).any(|grain| self.cell(grain).get() > 0)
    }

    #[inline]
    fn cell(&self, grain: u64) -> &Cell<u32> {
        // The truncation is harmless: only the lowest bits count.
        &self.counts[grain as usize & (self.counts.len() - 1)]
    }
}

/// Pins are counted per grain of about 1/4096 of the window, at least a block: at most 32 KiB of counters.
const PIN_GRAINS: u64 = 4096;
