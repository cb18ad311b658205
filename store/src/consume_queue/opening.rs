//! Opening the queues of a shard: what the checkpoints say, or nothing if they cannot be used; then the commitlog's records
//! behind them.

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use rt::Env;

use super::keeper::{self, Keeper};
use super::saved::{self, Positions};
use super::state::State;
use super::{ConsumeQueues, Entry, QueueError, Shared};
use crate::cold::ReadGate;
use crate::journal::{Journal, JournalError, JournalSettings};
use crate::offset::{PhysicalOffset, QueueOffset};
use crate::queue_log::RecentPages;
use crate::queue_log::files::{LogFiles, SEGMENT_PAGES};

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

    /// For recovery: writes full pages so that replaying a long log needs little memory. `replayed` is the end of
    /// the last record handed in, which is on the device.
    ///
    /// # Errors
    /// [`QueueError::Io`]; nothing can be written then.
    pub async fn relieve(&mut self, replayed: PhysicalOffset) -> Result<(), QueueError> {
        self.shared.keeper.borrow_mut().log_flushed = replayed.get();
        keeper::write_full(&self.shared).await.map_err(|source| QueueError::Io { op: "write", source })
    }
}
