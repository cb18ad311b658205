//! [`Young`]: keys that no run has yet. They come into blocks, as fast as memory goes; a task spreads them over buckets,
//! of which one after the other is sorted when a run is made.

use std::collections::VecDeque;
use std::rc::Rc;

use super::KeyEntry;
use super::buckets::Buckets;

#[derive(Debug)]
pub(super) struct Young {
    /// Oldest first. All but the last are sealed: shared, perhaps, with the task that makes a run of them.
    generations: VecDeque<Rc<Buckets>>,
    /// Younger keys in the order in which they came. All but the last are full.
    blocks: VecDeque<Vec<KeyEntry>>,
    /// Empty blocks to be used next.
    spares: Vec<Vec<KeyEntry>>,
    /// Records before have all their keys in runs.
    covered: u64,
    /// The open generation has keys of records from here on.
    sealed_to: u64,
    /// Position behind the last record added.
    added_to: u64,
    keys: usize,
    /// Most keys of a generation.
    generation_keys: usize,
    /// Where the log ended at the last turn.
    pub(super) log_end: u64,
    pub(super) log_flushed: u64,
}

impl Young {
    /// Records below `covered` are in runs; a generation will have about `generation_keys` at most.
    pub(super) fn new(covered: u64, generation_keys: usize) -> Self {
        Self {
            generations: VecDeque::new(),
            blocks: VecDeque::with_capacity(BLOCKS),
            spares: Vec::with_capacity(SPARES),
            covered,
            sealed_to: covered,
            added_to: covered,
            keys: 0,
            generation_keys,
            log_end: covered,
            log_flushed: 0,
        }
    }

    pub(super) fn push(&mut self, entry: KeyEntry) {
        if self.blocks.back().is_none_or(|block| block.len() == BLOCK_KEYS) {
            let block = self.spares.pop().unwrap_or_else(new_block);
            self.blocks.push_back(block);
        }
        self.blocks.back_mut().expect("just made sure").push(entry);
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

    /// Whether [`Young::keep_up`] has anything to do.
    pub(super) fn is_behind(&self) -> bool {
        self.blocks.len() > 1 || self.spares.len() < SPARES
    }

    /// Spreads a full block, if there is one, and makes the blocks that the next keys will need; for a task, in slices.
    /// False if that was the last.
    pub(super) fn keep_up(&mut self) -> bool {
        if self.blocks.len() > 1 {
            self.spread_block();
        }
        while self.spares.len() < SPARES {
            self.spares.push(new_block());
        }
        self.blocks.len() > 1
    }

    fn spread_block(&mut self) {
        let Some(mut block) = self.blocks.pop_front() else { return };
        if self.generations.back().is_none_or(|open| open.keys() >= self.generation_keys) {
            // There is none, or nobody makes runs.
            self.open(block.first().map_or(self.log_end, |entry| entry.at));
        }
        let open = self.generations.back_mut().expect("just made sure");
        let open = Rc::get_mut(open).expect("the open generation is not shared");
        block.drain(..).for_each(|entry| open.push(entry));
        if self.spares.len() < SPARES {
            self.spares.push(block);
        }
    }

    /// The keys of all records before the returned position, shared; keys added from now on go elsewhere. After an
    /// attempt that failed, what was sealed for that one.
    pub(super) fn seal(&mut self) -> (Vec<Rc<Buckets>>, u64) {
        if self.generations.len() <= 1 {
            while !self.blocks.is_empty() {
                self.spread_block();
            }
            self.open(self.log_end);
        }
        let sealed = self.generations.len() - 1;
        (self.generations.iter().take(sealed).cloned().collect(), self.sealed_to)
    }

    /// Keys of records from `sealed_to` on go to a new generation.
    fn open(&mut self, sealed_to: u64) {
        self.sealed_to = sealed_to;
        self.generations.push_back(Rc::default());
    }

    /// The first `generations` are in a run, and every record below `covered`.
    pub(super) fn written(&mut self, generations: usize, covered: u64) {
        for generation in self.generations.drain(..generations) {
            self.keys -= generation.keys();
        }
        self.covered = covered;
    }

    /// Drops the oldest keys, which nobody will find.
    pub(super) fn drop_oldest(&mut self) {
        let generation = self.generations.pop_front().map(|oldest| oldest.keys());
        let dropped = generation.or_else(|| self.blocks.pop_front().map(|oldest| oldest.len()));
        self.keys -= dropped.unwrap_or(0);
    }

    /// Hands the entries with `hash` to `visit`, in no order.
    pub(super) fn find(&self, hash: u64, mut visit: impl FnMut(KeyEntry)) {
        let bucket = Buckets::of(hash);
        let spread = self.generations.iter().flat_map(|generation| generation.pieces(bucket)).flatten();
        let alike = spread.chain(self.blocks.iter().flatten()).filter(|entry| entry.hash == hash);
        alike.copied().for_each(&mut visit);
    }

    pub(super) fn memory(&self) -> usize {
        let blocks = self.blocks.iter().chain(&self.spares);
        let blocks = blocks.map(|block| block.capacity() * size_of::<KeyEntry>()).sum::<usize>();
        blocks + self.generations.iter().map(|generation| generation.memory()).sum::<usize>()
    }
}

fn new_block() -> Vec<KeyEntry> {
    Vec::with_capacity(BLOCK_KEYS)
}

/// Keys of a block: what is spread in a slice of 50 us.
const BLOCK_KEYS: usize = 1024;
/// Blocks kept ready: the keys of some turns at full load.
const SPARES: usize = 4;
/// Room for blocks that wait to be spread.
const BLOCKS: usize = 64;
