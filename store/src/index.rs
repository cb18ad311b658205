//! The key index: which records carry a key. A young part in memory, then immutable runs sorted by hash.
//!
//! Derived from the commitlog and never ahead of what is flushed; what was young at a crash is built again. Keys are
//! known by their hash only: a hit may be another key's, and whoever reads the record compares.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use rt::Env;

use crate::cold::ReadGate;
use crate::consume_queue::LogPositions;
use crate::worker::Worker;
use crate::{PhysicalOffset, hash};

mod buckets;
mod builder;
mod even;
mod merge;
mod query;
mod run;
#[cfg(test)]
mod tests;
mod young;

use builder::Builder;
use run::Run;
use young::Young;

/// One key of one record: 24 bytes, big-endian, ordered by hash and then by position. FORMAT.md, "Key index".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyEntry {
    pub(crate) hash: u64,
    pub(crate) at: u64,
    pub(crate) stored_at_ms: i64,
}

impl KeyEntry {
    pub(crate) const LEN: usize = 24;

    pub(crate) fn encode(self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.hash.to_be_bytes());
        out[8..16].copy_from_slice(&self.at.to_be_bytes());
        out[16..24].copy_from_slice(&self.stored_at_ms.to_be_bytes());
    }

    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let word = |from: usize| u64::from_be_bytes(bytes[from..from + 8].try_into().expect("8 bytes"));
        Self { hash: word(0), at: word(8), stored_at_ms: word(16) as i64 }
    }
}

/// How the index of a shard is kept.
#[derive(Clone, Debug)]
pub struct IndexConfig {
    /// Its directory; made if missing.
    pub directory: PathBuf,
    /// Keys that make a run.
    pub run_keys: usize,
    /// Bytes of commitlog that make a run although there are fewer keys; bounds what is replayed after a crash.
    pub run_log_bytes: u64,
    /// Neighbouring runs of one size that are merged into one.
    pub merge_runs: usize,
    /// Most keys of a run that is still merged.
    pub merge_keys_max: u64,
    /// Whether files are opened with `O_DIRECT`.
    pub direct: bool,
    /// The shard's gate for reads of what has left memory.
    pub reads: Rc<ReadGate>,
}

impl IndexConfig {
    /// The defaults for an index in `directory`.
    #[must_use]
    pub fn new(directory: PathBuf, reads: Rc<ReadGate>) -> Self {
        Self {
            directory,
            run_keys: 1 << 20,
            run_log_bytes: 1 << 30,
            merge_runs: 8,
            merge_keys_max: 64 << 20,
            direct: true,
            reads,
        }
    }
}

/// A record that carries a key with the hash asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHit {
    /// Where the record starts.
    pub at: PhysicalOffset,
    /// Its store time, Unix milliseconds.
    pub stored_at_ms: i64,
}

/// Why the index could not be read or opened.
#[derive(Debug)]
pub enum IndexError {
    /// The device refused. `op` is "read", "list", ...
    Io {
        /// What was tried.
        op: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A page of a run is not what was written.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Number of the page.
        page: u64,
    },
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, source } => write!(f, "key index: {op} failed: {source}"),
            Self::Corrupt { path, page } => {
                write!(f, "key index: page {page} of {} is damaged", path.display())
            }
        }
    }
}

impl std::error::Error for IndexError {}

/// The key index of a shard.
pub struct KeyIndex<E: Env> {
    shared: Rc<Shared<E>>,
}

struct Shared<E: Env> {
    env: E,
    config: IndexConfig,
    state: RefCell<State<E>>,
    /// Spreads, writes, merges and drops; set once the rest is there.
    builder: OnceCell<Worker>,
}

struct State<E: Env> {
    young: Young,
    /// Oldest first; their ranges of the log do not overlap.
    runs: Vec<Rc<Run<E>>>,
    builder: Builder,
    /// Records before are gone.
    log_min: u64,
}

impl<E: Env> KeyIndex<E> {
    /// Opens or creates the index. Records at and above the returned position must be added again.
    ///
    /// Runs that are damaged or do not fit are thrown away with everything younger.
    ///
    /// # Errors
    /// [`IndexError::Io`] if the directory cannot be used.
    pub async fn open(env: E, config: IndexConfig) -> Result<(Self, PhysicalOffset), IndexError> {
        let (runs, next_name) = run::open_all(&env, &config).await?;
        let covered = runs.last().map_or(0, |run| run.footer.covers_to);
        let state = State {
            // A little more than a run: the task that seals a generation takes its time.
            young: Young::new(covered, config.run_keys + config.run_keys / 4),
            runs: runs.into_iter().map(Rc::new).collect(),
            builder: Builder::new(next_name),
            log_min: 0,
        };
        let shared = Rc::new(Shared { env, config, state: RefCell::new(state), builder: OnceCell::new() });
        builder::employ(&shared);
        Ok((Self { shared }, PhysicalOffset::new(covered)))
    }

    /// Adds the keys of the record at `at`: its unique key, and each of `keys`, which blanks separate. Records come in
    /// log order; one that is known is ignored. Allocates nothing unless the task
    /// that makes blocks ahead has fallen behind.
    pub fn add(
        &mut self,
        topic: &[u8],
        unique_key: Option<&[u8]>,
        keys: Option<&[u8]>,
        at: PhysicalOffset,
        stored_at_ms: i64,
    ) {
        let mut state = self.shared.state.borrow_mut();
        if at.get() < state.young.first_uncovered() {
            return;
        }
        let keys = keys.into_iter().flat_map(|keys| keys.split(|byte| *byte == b' '));
        for key in unique_key.into_iter().chain(keys).filter(|key| !key.is_empty()) {
            let hash = hash_of(topic, key);
            state.young.push(KeyEntry { hash, at: at.get(), stored_at_ms });
        }
    }

    /// The newest `max` records of `topic` with `key` (or one that hashes alike), stored from `from_ms` to `to_ms`, both
    /// inclusive: newest first. Records that retention has taken are not among them.
    ///
    /// # Errors
    /// [`IndexError`] if a run cannot be read.
    pub fn query(
        &self,
        topic: &[u8],
        key: &[u8],
        max: usize,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<Vec<KeyHit>, IndexError>> + use<E> {
        let wanted = query::Wanted { hash: hash_of(topic, key), from_ms, to_ms, max };
        query::run(self.shared.clone(), wanted)
    }

    /// What the end of a turn must tell: spreads keys, writes runs and drops those that retention has emptied.
    pub fn end_of_turn(&mut self, log: LogPositions) {
        builder::tick(&self.shared, log);
    }

    /// Whether so many keys wait for the disk that no more should be added for now (recovery of a long log): wait for
    /// [`Self::settle`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        let state = self.shared.state.borrow();
        state.young.keys() >= self.shared.config.run_keys * 2
    }

    /// Writes young keys as runs while there are enough; `log` is flushed to its end. For recovery.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub async fn settle(&mut self, log: LogPositions) -> Result<(), IndexError> {
        builder::settle(&self.shared, log, false).await
    }

    /// Writes all young keys as a run, so that nothing needs to be replayed. `log` is flushed to its end.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub async fn close(self, log: LogPositions) -> Result<(), IndexError> {
        builder::settle(&self.shared, log, true).await
    }

    /// Records below have their keys in runs.
    #[must_use]
    pub fn covered(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.shared.state.borrow().young.first_covered())
    }

    /// Why no runs are written any more, if so. Sends go on; keys may be unfindable after a restart.
    #[must_use]
    pub fn failure(&self) -> Option<Rc<str>> {
        self.shared.state.borrow().builder.failure.clone()
    }

    /// Bytes of memory in use.
    #[must_use]
    pub fn memory(&self) -> usize {
        let state = self.shared.state.borrow();
        state.young.memory() + state.runs.iter().map(|run| run.memory()).sum::<usize>()
    }
}

fn hash_of(topic: &[u8], key: &[u8]) -> u64 {
    hash::stable(HASH_SEED, &[topic, key])
}

/// Runs' worth of keys that may be young before the oldest are dropped.
const YOUNG_RUNS_MAX: usize = 4;

/// Part of the format.
const HASH_SEED: u64 = 0;
