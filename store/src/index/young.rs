//! [`Young`]: keys that no run has yet, spread over buckets by the first bits of their hashes as they come. What makes
//! a run of them sorts one small bucket after the other.

use std::collections::VecDeque;
use std::rc::Rc;

use super::KeyEntry;
use super::buckets::{Block, Buckets, new_block};

#[derive(Debug)]
pub(super) struct Young {
    /// Oldest first. All but the last are sealed: shared, perhaps, with the task that makes a run of them.
    generations: VecDeque<Rc<Buckets>>,
    /// Empty blocks to be used next.
    spares: Vec<Block>,
    /// Records before have all their keys in runs.
    covered: u64,
    /// The open generation has keys of records from here on.
    sealed_to: u64,
    /// Position behind the last record added.
    added_to: u64,
    keys: usize,
    /// Most keys of a generation; its tables need not grow for them.
    generation_keys: usize,
    /// Where the log ended at the last turn.
    pub(super) log_end: u64,
    pub(super) log_flushed: u64,
}

impl Young {
    /// Records below `covered` are in runs; a generation will have at most `generation_keys`.
    pub(super) fn new(covered: u64, generation_keys: usize) -> Self {
        Self {
            generations: VecDeque::new(),
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
        // Nobody makes runs, or too slowly.
        if self.generations.back().is_none_or(|open| open.keys() >= self.generation_keys) {
            self.open(entry.at);
        }
        let open = self.generations.back_mut().expect("just made sure");
        let open = Rc::get_mut(open).expect("the open generation is not shared");
        open.push(entry, || self.spares.pop().unwrap_or_else(new_block));
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

    /// Makes the blocks that the next keys will need; for a task.
    pub(super) fn keep_spares(&mut self) {
        while self.spares.len() < SPARES {
            self.spares.push(new_block());
        }
    }

    /// Half of the spares are used up.
    pub(super) fn lacks_spares(&self) -> bool {
        self.spares.len() <= SPARES / 2
    }

    /// The keys of all records before the returned position, shared; keys added from now on go elsewhere. After an
    /// attempt that failed, what was sealed for that one.
    pub(super) fn seal(&mut self) -> (Vec<Rc<Buckets>>, u64) {
        if self.generations.len() <= 1 {
            self.open(self.log_end);
        }
        let sealed = self.generations.len() - 1;
        (self.generations.iter().take(sealed).cloned().collect(), self.sealed_to)
    }

    /// Keys of records from `sealed_to` on go to a new generation.
    fn open(&mut self, sealed_to: u64) {
        self.sealed_to = sealed_to;
        self.generations.push_back(Rc::new(Buckets::with_capacity(self.generation_keys)));
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
        if let Some(oldest) = self.generations.pop_front() {
            self.keys -= oldest.keys();
        }
    }

    /// Hands the entries with `hash` to `visit`, in no order.
    pub(super) fn find(&self, hash: u64, mut visit: impl FnMut(KeyEntry)) {
        for generation in &self.generations {
            let alike = generation.pieces(Buckets::of(hash)).flatten().filter(|entry| entry.hash == hash);
            alike.copied().for_each(&mut visit);
        }
    }

    pub(super) fn memory(&self) -> usize {
        let spares = self.spares.iter().map(|block| size_of_val(&**block)).sum::<usize>();
        spares + self.generations.iter().map(|generation| generation.memory()).sum::<usize>()
    }
}

/// Blocks kept ready: the keys of some turns at full load.
const SPARES: usize = 8;
