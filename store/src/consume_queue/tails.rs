//! [`Tails`]: the entries of each queue that fill no page yet, in slots of three sizes.
//!
//! A quiet queue holds a slot of 16 entries, a busy one grows to a page and starts over. Slots come from chunks that
//! are never given back but reused, so that a warm shard appends without allocating. Slots are addressed by number,
//! chunks never move, and growing the arena copies nothing.

use super::Entry;

/// Where the tail of one queue lies. `Slot::EMPTY` holds no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    size: Size,
    number: u32,
}

impl Slot {
    pub(super) const EMPTY: Self = Self { size: Size::None, number: 0 };

    /// Entries this slot can hold.
    pub(super) const fn capacity(self) -> usize {
        self.size.entries()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Size {
    None,
    Small,
    Medium,
    Page,
}

impl Size {
    const fn entries(self) -> usize {
        match self {
            Self::None => 0,
            Self::Small => 16,
            Self::Medium => 64,
            Self::Page => super::PAGE_ENTRIES,
        }
    }

    const fn larger(self) -> Self {
        match self {
            Self::None => Self::Small,
            Self::Small => Self::Medium,
            Self::Medium | Self::Page => Self::Page,
        }
    }
}

/// The slots of all queues of a shard.
#[derive(Debug)]
pub(super) struct Tails {
    arenas: [Arena; 3],
}

impl Tails {
    pub(super) fn new() -> Self {
        Self { arenas: [Size::Small, Size::Medium, Size::Page].map(Arena::new) }
    }

    /// The bytes of `slot`; entry `i` lies at `i * Entry::LEN`.
    pub(super) fn bytes(&self, slot: Slot) -> &[u8] {
        match slot.size {
            Size::None => &[],
            size => self.arenas[size as usize - 1].slot(slot.number),
        }
    }

    /// As [`Self::bytes`], for writing.
    pub(super) fn bytes_mut(&mut self, slot: Slot) -> &mut [u8] {
        match slot.size {
            Size::None => &mut [],
            size => self.arenas[size as usize - 1].slot_mut(slot.number),
        }
    }

    /// The next larger slot with the first `entries` entries of `slot` in it; `slot` is free again.
    pub(super) fn grow(&mut self, slot: Slot, entries: usize) -> Slot {
        let size = slot.size.larger();
        assert!(size != slot.size, "a tail never exceeds a page");
        let grown = Slot { size, number: self.arenas[size as usize - 1].take() };
        if slot.size != Size::None {
            let (below, above) = self.arenas.split_at_mut(size as usize - 1);
            let from = below[slot.size as usize - 1].slot(slot.number);
            above[0].slot_mut(grown.number)[..entries * Entry::LEN]
                .copy_from_slice(&from[..entries * Entry::LEN]);
            self.free(slot);
        }
        grown
    }

    /// Takes the slot back.
    pub(super) fn free(&mut self, slot: Slot) {
        if slot.size != Size::None {
            self.arenas[slot.size as usize - 1].free.push(slot.number);
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.arenas.iter().map(Arena::memory).sum()
    }
}

#[derive(Debug)]
struct Arena {
    slot_bytes: usize,
    slots_per_chunk: u32,
    chunks: Vec<Box<[u8]>>,
    /// Slots to hand out again; its capacity covers every slot, so that freeing never allocates.
    free: Vec<u32>,
}

impl Arena {
    fn new(size: Size) -> Self {
        let slot_bytes = size.entries() * Entry::LEN;
        let slots_per_chunk = u32::try_from(CHUNK_BYTES / slot_bytes).expect("a chunk is small");
        Self { slot_bytes, slots_per_chunk, chunks: Vec::new(), free: Vec::new() }
    }

    fn take(&mut self) -> u32 {
        if let Some(number) = self.free.pop() {
            return number;
        }
        let first =
            u32::try_from(self.chunks.len()).expect("chunks are counted in u32") * self.slots_per_chunk;
        self.chunks.push(vec![0; self.slot_bytes * self.slots_per_chunk as usize].into_boxed_slice());
        self.free.reserve(self.chunks.len() * self.slots_per_chunk as usize - self.free.len());
        self.free.extend((first + 1..first + self.slots_per_chunk).rev());
        first
    }

    fn slot(&self, number: u32) -> &[u8] {
        let start = (number % self.slots_per_chunk) as usize * self.slot_bytes;
        &self.chunks[(number / self.slots_per_chunk) as usize][start..start + self.slot_bytes]
    }

    fn slot_mut(&mut self, number: u32) -> &mut [u8] {
        let start = (number % self.slots_per_chunk) as usize * self.slot_bytes;
        &mut self.chunks[(number / self.slots_per_chunk) as usize][start..start + self.slot_bytes]
    }

    fn memory(&self) -> usize {
        self.chunks.len() * self.slot_bytes * self.slots_per_chunk as usize
            + self.free.capacity() * size_of::<u32>()
    }
}

/// What an arena grows by.
const CHUNK_BYTES: usize = 64 << 10;
