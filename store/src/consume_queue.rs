//! Consume queues: which record is message *n* of a queue. Derived from the commitlog, written in the turn of the
//! append, and saved behind the commitlog by the queue log and its checkpoints.
//!
//! Invariants: entries of a queue are in commitlog order; an offset is given to one message for ever; what a
//! checkpoint says is on the medium before the checkpoint is.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use rt::Env;

use crate::cold::ReadGate;
use crate::journal::{Journal, JournalError, JournalSettings};
use crate::offset::{PhysicalOffset, QueueOffset, QueueRef};
pub(crate) use crate::queue_log::PAGE_ENTRIES;
use crate::queue_log::RecentPages;
use crate::queue_log::files::{LogFiles, SEGMENT_PAGES};
use crate::worker::Worker;

mod cold_read;
#[cfg(test)]
mod crash_tests;
mod expiry;
mod keeper;
mod names;
mod saved;
mod state;
mod tails;
#[cfg(test)]
mod tests;
mod time_search;

pub use cold_read::EntryReader;
use cold_read::PageCache;
use keeper::Keeper;
use saved::Positions;
use state::State;

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

/// How the queues of a shard are kept.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Directory of the queue log and its checkpoints; made if missing.
    pub directory: PathBuf,
    /// Bytes of full pages kept in memory for hot pulls. About a tenth of the log window holds its entries even if
    /// messages are small.
    pub memory_bytes: usize,
    /// Queue data that triggers a checkpoint, in bytes.
    pub checkpoint_bytes: u64,
    /// Longest time that new entries stay without a checkpoint.
    pub checkpoint_ms: u64,
    /// Bytes of a commitlog segment. Fixed for the life of a store.
    pub segment_bytes: u64,
    /// Whether files are opened with `O_DIRECT`.
    pub direct: bool,
    /// The shard's gate for reads of what has left memory.
    pub reads: Rc<ReadGate>,
}

impl QueueConfig {
    /// The defaults of performance.md 3 for a store below `directory`.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            memory_bytes: 8 << 20,
            checkpoint_bytes: 64 << 20,
            checkpoint_ms: 10_000,
            segment_bytes: 1 << 30,
            direct: true,
            reads: ReadGate::new(8),
        }
    }
}

/// The entries behind the one that is visited, as far as they lie on its page: what a reader may prepare for.
#[derive(Clone, Copy)]
pub struct Ahead<'p>(&'p [[u8; Entry::LEN]]);

impl Ahead<'_> {
    /// The entry `steps` behind the next one; `None` if it is not on the page, or nothing is there.
    #[must_use]
    pub fn entry(&self, steps: usize) -> Option<Entry> {
        self.0.get(steps).map(Entry::decode).filter(|entry| !entry.is_hole())
    }
}

/// Where [`ConsumeQueues::read`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The offset to go on with: everything from the start of the read up to here was visited or does not exist.
    pub next: QueueOffset,
    /// Why it stopped.
    pub stop: Stop,
}

/// Why a read of entries stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The visitor broke off; `next` is the entry it broke off at.
    Visitor,
    /// `next` is the offset of the next message to come.
    End,
    /// `next` is not in memory; [`ConsumeQueues::read_cold`] has it.
    Cold,
}

impl Reach {
    fn new(next: u64, stop: Stop) -> Self {
        Self { next: QueueOffset::new(next), stop }
    }
}

/// What became of a record met during recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was missing and is there now.
    Added,
    /// The queue has it already.
    Known,
    /// It belongs to a deleted queue of the same name.
    Foreign,
}

/// Bytes of memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueMemory {
    /// Queues with their tails, page lists and names.
    pub queues: usize,
    /// Full pages kept for hot pulls and for writing.
    pub pages: usize,
}

/// Why queues could not be read or saved.
#[derive(Debug)]
pub enum QueueError {
    /// The device refused. `op` is "read", "write", "flush", ...
    Io {
        /// What was tried.
        op: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A page of the queue log is not the page we wrote; `location` counts pages.
    Corrupt {
        /// Number of the page.
        location: u64,
    },
    /// A checkpoint cannot be understood: `what` says which and why.
    Damaged {
        /// The file and the fault.
        what: String,
    },
    /// The queue was deleted meanwhile.
    Deleted,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, source } => write!(f, "queue log: {op} failed: {source}"),
            Self::Corrupt { location } => write!(f, "queue log: page {location} is damaged"),
            Self::Damaged { what } => write!(f, "queue log: {what}"),
            Self::Deleted => f.write_str("queue log: the queue was deleted"),
        }
    }
}

impl std::error::Error for QueueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt { .. } | Self::Damaged { .. } | Self::Deleted => None,
        }
    }
}

/// Entries read by [`ConsumeQueues::read_cold`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// In queue order, with their offsets.
    pub entries: Vec<(QueueOffset, Entry)>,
    /// Where to go on: everything from the start of the read up to here was returned or does not exist.
    pub next: QueueOffset,
}

impl From<JournalError> for QueueError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Io { op, source, .. } => Self::Io { op, source },
            JournalError::Damaged { .. } => Self::Damaged { what: error.to_string() },
        }
    }
}

/// Bytes of pages that may wait for the disk.
const UNWRITTEN_BYTES_MAX: u64 = 64 << 20;

/// The consume queues of a shard.
pub struct ConsumeQueues<E: Env> {
    shared: Rc<Shared<E>>,
}

struct Shared<E: Env> {
    env: E,
    config: QueueConfig,
    state: RefCell<State>,
    keeper: RefCell<Keeper<E>>,
    files: LogFiles<E>,
    cache: RefCell<PageCache>,
    expiry: RefCell<expiry::Expiry>,
    /// Writes and saves; set once the rest is there.
    saver: OnceCell<Worker>,
    /// Sleeps until the checkpoint interval is over.
    alarm: OnceCell<Worker>,
}

/// Positions of the commitlog, told at the end of every turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPositions {
    /// Everything below is appended and has its entries.
    pub end: PhysicalOffset,
    /// Everything below is on the device.
    pub flushed: PhysicalOffset,
    /// Oldest byte kept: the start of a segment.
    pub min: PhysicalOffset,
}

/// What opening the queues found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueRecovery {
    /// Records from here on must be replayed; those below have their entries.
    pub replay_from: PhysicalOffset,
    /// Queues that the checkpoint knew.
    pub queues: u64,
    /// Why the checkpoint was thrown away and everything is rebuilt from the commitlog.
    pub rebuilt: Option<String>,
}

impl<E: Env> ConsumeQueues<E> {
    /// Opens or creates the queues below `config.directory`. Next, [`Self::bury`] the topics known to be deleted,
    /// then hand the records at and above the returned position to [`Self::replay`]; only then push.
    ///
    /// Checkpoints that cannot be used are thrown away: queues are derived from the commitlog.
    ///
    /// # Errors
    /// [`QueueError::Io`] if the directory cannot be used.
    pub async fn open(env: E, config: QueueConfig) -> Result<(Self, QueueRecovery), QueueError> {
        let (files, mut segments) = LogFiles::open(env.clone(), config.directory.clone(), config.direct)
            .await
            .map_err(|(op, source)| QueueError::Io { op, source })?;
        let empty =
            || State::new(env.random(), config.segment_bytes, RecentPages::new(0, config.memory_bytes));
        let (mut state, mut positions) = (empty(), Positions::default());
        let settings = JournalSettings {
            directory: config.directory.join("checkpoints"),
            kind: *b"CONQ",
            direct: config.direct,
        };
        let mut sound = true;
        let opened = Journal::open(env.clone(), settings.clone(), |payload| {
            sound = sound && saved::apply(&mut state, &mut positions, payload).is_some();
        })
        .await;
        let known = positions != Positions::default();
        let unusable = match &opened {
            Err(error @ JournalError::Damaged { .. }) => Some(error.to_string()),
            Err(_) => None,
            Ok(_) if !sound => Some("a checkpoint contradicts itself".to_owned()),
            Ok(_) if known && positions.era_bytes != config.segment_bytes => {
                Some("the commitlog had segments of another size".to_owned())
            }
            Ok(_) => None,
        };
        let journal = match (&unusable, opened) {
            (None, opened) => opened?,
            (Some(reason), opened) => {
                tracing::warn!(%reason, "the queues are rebuilt from the commitlog");
                drop(opened);
                (state, positions) = (empty(), Positions::default());
                Journal::discard(&env, &settings).await?;
                Journal::open(env.clone(), settings, |_| {}).await?
            }
        };
        state.restored(positions.next_number);
        segments.extend(state.live.keys());
        // A segment of its own for every life: what a crash cut off cannot be met where new pages go.
        let next = segments.last().map_or(0, |last| (last + 1) * SEGMENT_PAGES);
        state.recent = RecentPages::new(next.max(positions.next_location), config.memory_bytes);
        for segment in segments {
            state.live.entry(segment).or_default();
        }
        let recovery = QueueRecovery {
            replay_from: PhysicalOffset::new(positions.replay_from),
            queues: state.queues.len() as u64,
            rebuilt: unusable,
        };
        let shared = Rc::new(Shared {
            env,
            config,
            state: RefCell::new(state),
            keeper: RefCell::new(Keeper::new(journal, positions.replay_from)),
            files,
            cache: RefCell::default(),
            expiry: RefCell::default(),
            saver: OnceCell::new(),
            alarm: OnceCell::new(),
        });
        keeper::employ(&shared);
        Ok((Self { shared }, recovery))
    }

    /// A second handle, for the task that decides about segments.
    pub(crate) fn share(&self) -> Self {
        Self { shared: self.shared.clone() }
    }

    /// The queue, made if need be. `log_end` is the end of the commitlog: records below belong to an earlier queue
    /// of this name, if there was one.
    pub fn queue(&mut self, topic: &str, queue_id: u32, log_end: PhysicalOffset) -> QueueRef {
        QueueRef(self.shared.state.borrow_mut().find_or_new(topic, queue_id, log_end.get()))
    }

    /// The queue, if it exists.
    #[must_use]
    pub fn find_queue(&self, topic: &str, queue_id: u32) -> Option<QueueRef> {
        self.shared.state.borrow().find(topic, queue_id).map(QueueRef)
    }

    /// Adds the next entry and returns its offset. Allocates nothing once queues of this size have been seen: page lists
    /// are given room in the background.
    pub fn push(&mut self, queue: QueueRef, entry: Entry) -> QueueOffset {
        debug_assert!(entry.size > 0);
        QueueOffset::new(self.shared.state.borrow_mut().push(queue.0, entry))
    }

    /// The offset that [`Self::push`] would return.
    #[must_use]
    pub fn next_offset(&self, queue: QueueRef) -> QueueOffset {
        QueueOffset::new(self.shared.state.borrow().queues[queue.index()].next)
    }

    /// Makes sure that the record at `entry.at`, which names `offset` of the queue, has its entry. For recovery:
    /// records come in commitlog order, from the position that [`Self::open`] returned.
    pub fn replay(&mut self, topic: &str, queue_id: u32, offset: QueueOffset, entry: Entry) -> Replayed {
        let mut state = self.shared.state.borrow_mut();
        // A record of a deleted topic must not even make the queue: whoever lists queues would take the topic for alive.
        if state.find(topic, queue_id).is_none() && entry.at.get() < state.grave(topic) {
            return Replayed::Foreign;
        }
        let handle = state.find_or_new(topic, queue_id, 0);
        let queue = &state.queues[handle as usize];
        if entry.at.get() < queue.born_at {
            return Replayed::Foreign;
        }
        if offset.get() < queue.next {
            return Replayed::Known;
        }
        if offset.get() > queue.next {
            state.skip_to(handle, offset.get());
        }
        state.push(handle, entry);
        Replayed::Added
    }

    /// Lets the next message of the queue have at least offset `to`. After a loss that cannot be bounded otherwise;
    /// readers of the offsets between are led to the next message (reliability.md 1, "never used twice").
    pub fn skip_to(&mut self, queue: QueueRef, to: QueueOffset) {
        let mut state = self.shared.state.borrow_mut();
        if to.get() > state.queues[queue.index()].next {
            state.skip_to(queue.0, to.get());
        }
    }

    /// First readable offset and the offset of the next message, visible or not.
    #[must_use]
    pub fn offsets(&self, queue: QueueRef) -> Range<QueueOffset> {
        let state = self.shared.state.borrow();
        let queue = &state.queues[queue.index()];
        QueueOffset::new(queue.min)..QueueOffset::new(queue.next)
    }

    /// The first offset of the queue whose record does not end at or below `limit`: the max offset for readers that
    /// may see the log up to there. `limit` is not below what is flushed.
    #[must_use]
    pub fn end_below(&self, queue: QueueRef, limit: PhysicalOffset) -> QueueOffset {
        QueueOffset::new(self.shared.state.borrow().end_below(queue.0, limit.get()))
    }

    /// Hands the entries at and behind `from` to `visit` until it breaks, as far as they are in memory. A `from`
    /// outside the queue is moved to its nearer end.
    pub fn read(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        mut visit: impl FnMut(QueueOffset, Entry, Ahead<'_>) -> ControlFlow<()>,
    ) -> Reach {
        let state = self.shared.state.borrow();
        state.read(queue.0, from.get(), |offset, entry, ahead| visit(QueueOffset::new(offset), entry, ahead))
    }

    /// Reads up to `count` entries at and behind `from` from memory and disk. May return fewer; `next` of the result
    /// is where to go on. A `from` outside the queue is moved to its nearer end. Cancelling is safe.
    ///
    /// # Errors
    /// [`QueueError::Corrupt`] names the damaged page; [`QueueError::Io`] and [`QueueError::Deleted`].
    pub fn read_cold(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        count: usize,
    ) -> impl Future<Output = Result<Entries, QueueError>> + use<E> {
        cold_read::read(self.shared.clone(), queue.0, from.get(), count)
    }

    /// What the end of a turn must tell: starts background writes and checkpoints, moves the first readable offsets
    /// when the log lost its oldest segments.
    pub fn end_of_turn(&mut self, log: LogPositions) {
        let (work, dirty) = {
            let mut state = self.shared.state.borrow_mut();
            state.recent.trim(log.flushed.get());
            let mut keeper = self.shared.keeper.borrow_mut();
            keeper.log_end = log.end.get();
            if keeper.log_flushed != log.flushed.get() {
                keeper.log_flushed = log.flushed.get();
                keeper.wake_all();
            }
            keeper.due |= state.dirty_bytes >= self.shared.config.checkpoint_bytes;
            (keeper.due || state.recent.has_full_chunk(), !state.dirty.is_empty())
        };
        if work {
            keeper::start(&self.shared);
        }
        if dirty {
            keeper::arm(&self.shared);
        }
        expiry::advance(&self.shared, log.min.get());
    }

    /// For recovery: writes full pages so that replaying a long log needs little memory. `replayed` is the end of
    /// the last record handed in, which is on the device.
    ///
    /// # Errors
    /// [`QueueError::Io`]; nothing can be written then.
    pub async fn relieve(&mut self, replayed: PhysicalOffset) -> Result<(), QueueError> {
        self.shared.keeper.borrow_mut().log_flushed = replayed.get();
        keeper::write_full(&self.shared).await.map_err(|source| QueueError::Io { op: "write", source })
    }

    /// Whether pages can be kept until the disk takes them. If not, nothing may be pushed for now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.state.borrow().recent.unwritten_bytes() < UNWRITTEN_BYTES_MAX
    }

    /// Why queues can no longer be saved. Sends must be refused then: a restart would have to replay ever more.
    #[must_use]
    pub fn failure(&self) -> Option<Rc<str>> {
        self.shared.keeper.borrow().failure.clone()
    }

    /// Records below have their entries in a durable checkpoint. Commitlog segments that reach beyond must not be
    /// deleted: the numbering of a queue whose records are all gone is known from its checkpoint only.
    #[must_use]
    pub fn saved_to(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.shared.keeper.borrow().saved_to)
    }

    /// Makes a checkpoint of everything. `log` is flushed to its end; for an orderly stop.
    ///
    /// # Errors
    /// [`QueueError::Damaged`] if saving has failed, now or before.
    pub async fn close(mut self, log: LogPositions) -> Result<(), QueueError> {
        assert_eq!(log.end, log.flushed, "the log is flushed first");
        self.end_of_turn(log);
        let mut journal = keeper::idle(&self.shared).await?;
        keeper::checkpoint(&self.shared, &mut journal).await.map_err(|trouble| match trouble {
            keeper::Trouble::Full(what) | keeper::Trouble::Failed(what) => {
                QueueError::Damaged { what: what.to_string() }
            }
        })
    }

    /// Deletes the queues of `topic` and returns how many there were. Their handles stay valid and read as empty. A
    /// topic that comes back gets new queues that start at 0: records below `log_end`, the present end of the
    /// commitlog, are no longer its own.
    ///
    /// The caller makes the pair durable before it answers, and buries it again after a restart, until the commitlog
    /// begins at or above `log_end`.
    pub fn bury(&mut self, topic: &str, log_end: PhysicalOffset) -> usize {
        self.shared.state.borrow_mut().bury(topic, log_end.get())
    }

    /// The queues that exist: topic, queue id, handle. In order of creation within a topic.
    pub fn for_each(&self, mut visit: impl FnMut(&str, u32, QueueRef)) {
        let state = self.shared.state.borrow();
        for (handle, queue) in state.queues.iter().enumerate() {
            if !queue.deleted {
                visit(state.names.topic_name(queue.name.topic), queue.name.queue_id, QueueRef(handle as u32));
            }
        }
    }

    /// The queues of one topic: queue id and handle.
    pub fn for_each_of(&self, topic: &str, mut visit: impl FnMut(u32, QueueRef)) {
        let state = self.shared.state.borrow();
        if let Some(topic) = state.names.topic(topic) {
            for &handle in state.names.queues_of(topic) {
                visit(state.queues[handle as usize].name.queue_id, QueueRef(handle));
            }
        }
    }

    /// Bytes of memory in use.
    #[must_use]
    pub fn memory(&self) -> QueueMemory {
        let (queues, pages) = self.shared.state.borrow().memory();
        QueueMemory { queues, pages }
    }
}
