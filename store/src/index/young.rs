//! [`Young`]: keys that no run has yet, in blocks that are sorted when they are full.

use std::collections::VecDeque;
use std::rc::Rc;

use super::KeyEntry;
use super::even::EvenSort;

/// Keys in one piece of memory; shared while a run is made of them.
pub(super) type Block = Rc<Vec<KeyEntry>>;

#[derive(Debug)]
pub(super) struct Young {
    /// Oldest first. All but the last are full; the first `sorted` are sorted by hash.
    blocks: VecDeque<Block>,
    sorted: usize,
    /// Empty blocks to be used next.
    spares: Vec<Block>,
    /// Records before have all their keys in runs.
    covered: u64,
    /// Position behind the last record added.
    added_to: u64,
    keys: usize,
    even: EvenSort,
    /// Where the log ended at the last turn.
    pub(super) log_end: u64,
    pub(super) log_flushed: u64,
}

/// Keys of a block: what sorts in a slice of 50 us.
pub(super) const BLOCK_KEYS: usize = 1024;

impl Young {
    /// Records below `covered` are in runs; about `keys_max` will be here at most.
    pub(super) fn new(covered: u64, keys_max: usize) -> Self {
        Self {
            blocks: VecDeque::with_capacity(keys_max / BLOCK_KEYS + 2),
            sorted: 0,
            spares: Vec::with_capacity(SPARES),
            covered,
            added_to: covered,
            keys: 0,
            even: EvenSort::with_capacity(BLOCK_KEYS),
            log_end: covered,
            log_flushed: 0,
        }
    }

    pub(super) fn push(&mut self, entry: KeyEntry) {
        if self.blocks.back().is_none_or(|block| block.len() == BLOCK_KEYS) {
            let block = self.spares.pop().unwrap_or_else(new_block);
            self.blocks.push_back(block);
        }
        let open = self.blocks.back_mut().expect("just made sure");
        Rc::get_mut(open).expect("the open block is not shared").push(entry);
        self.keys += 1;
        self.added_to = entry.at;
    }

    /// Records before are in runs or here.
    pub(super) fn first_uncovered(&self) -> u64 {
        self.covered.max(self.added_to)
    }

    pub(super) fn first_covered(&self) -> u64 {
        self.covered
    }

    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Sorts one full block; false if there is none to sort.
    pub(super) fn sort_one(&mut self) -> bool {
        match self.blocks.get_mut(self.sorted).filter(|block| block.len() == BLOCK_KEYS) {
            Some(block) => {
                let keys = Rc::get_mut(block).expect("unsorted blocks are not shared");
                self.even.sort(keys, 0);
                self.sorted += 1;
                true
            }
            None => false,
        }
    }

    /// Makes the blocks that the next keys will need; for a task.
    pub(super) fn keep_spares(&mut self) {
        while self.spares.len() < SPARES {
            self.spares.push(new_block());
        }
    }

    /// Fewer spares than there should be.
    pub(super) fn lacks_spares(&self) -> bool {
        self.spares.len() < SPARES
    }

    pub(super) fn has_unsorted(&self) -> bool {
        self.blocks.get(self.sorted).is_some_and(|block| block.len() == BLOCK_KEYS)
    }

    /// All blocks, sorted and shared. Keys added from now on go to others.
    pub(super) fn seal(&mut self) -> Vec<Block> {
        while self.sort_one() {}
        if let Some(open) = self.blocks.get_mut(self.sorted) {
            self.even.sort(Rc::get_mut(open).expect("the open block is not shared"), 0);
            self.sorted += 1;
        }
        let sealed = self.blocks.iter().cloned().collect();
        // Even if the last one had room.
        self.blocks.push_back(new_block());
        sealed
    }

    /// The first `blocks` blocks are in a run, and every record below `covered`.
    pub(super) fn written(&mut self, blocks: usize, covered: u64) {
        for block in self.blocks.drain(..blocks) {
            self.keys -= block.len();
        }
        self.sorted -= blocks;
        self.covered = covered;
    }

    /// Drops the oldest keys, which nobody will find.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(block) = self.blocks.pop_front() {
            self.keys -= block.len();
            self.sorted = self.sorted.saturating_sub(1);
        }
    }

    /// Hands the entries with `hash` to `visit`, in no order.
    pub(super) fn find(&self, hash: u64, mut visit: impl FnMut(KeyEntry)) {
        for (index, block) in self.blocks.iter().enumerate() {
            let candidates = if index < self.sorted {
                &block[block.partition_point(|entry| entry.hash < hash)..]
            } else {
                &block[..]
            };
            for entry in candidates {
                if entry.hash == hash {
                    visit(*entry);
                } else if index < self.sorted {
                    break;
                }
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        let blocks = self.blocks.iter().chain(&self.spares);
        blocks.map(|block| block.capacity() * size_of::<KeyEntry>()).sum()
    }
}

fn new_block() -> Block {
    Rc::new(Vec::with_capacity(BLOCK_KEYS))
}

/// Blocks kept ready: the keys of some turns at full load.
const SPARES: usize = 4;
