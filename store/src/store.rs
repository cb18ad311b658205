//! [`Store`]: everything a shard does with its log, queues and index. One owner, `&mut self`, run to completion;
//! what takes time is returned as a future that owns what it needs.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rt::{Class, Disk, Env, Mono, Now, Window};

use crate::commitlog::Log;
use crate::commitlog::committer::Committer;
use crate::consume_queue::{ConsumeQueues, Entry, LogPositions};
use crate::index::KeyIndex;
use crate::record::{BLANK_BYTES, Draft, Place, RecordLimit, sys_flag};
use crate::tables::Tables;
use crate::{
    Appended, BatchItem, FlushMode, NewMessage, PhysicalOffset, QueueOffset, QueueRef, Refusal, StoreConfig,
    StoreError, StoreStatistics,
};

mod checkpoints;
mod closing;
mod hints;
mod opening;
mod parts;
mod reading;
mod reading_cold;
mod refusing;
mod retiring;
mod scanning;
mod spreading;
mod windows;

use checkpoints::Checkpoints;
use hints::Hints;

/// One shard's store.
pub struct Store<E: Env> {
    log: Rc<Log<E>>,
    committer: Committer<E>,
    queues: ConsumeQueues<E>,
    index: KeyIndex<E>,
    tables: Tables<E>,
    hints: Hints,
    checkpoints: Rc<Checkpoints<E>>,
    refusal: Option<Refusal>,
    /// The last append met a full window.
    window_full: bool,
    /// A piece of window memory is being allocated.
    allocating: Rc<Cell<bool>>,
    messages: u64,
    bytes: u64,
    _lock: rt::disk::DirLock,
}

impl<E: Env> Store<E> {
    /// The handle of a queue, created on first use.
    pub fn queue(&mut self, topic: &str, queue_id: u32) -> QueueRef {
        self.queues.queue(topic, queue_id, PhysicalOffset::new(self.log.end()))
    }

    /// Every queue: topic, queue id, handle.
    pub fn for_each_queue(&self, visit: impl FnMut(&str, u32, QueueRef)) {
        self.queues.for_each(visit);
    }

    /// The handle of a queue, if it exists.
    #[must_use]
    pub fn find_queue(&self, topic: &str, queue_id: u32) -> Option<QueueRef> {
        self.queues.find_queue(topic, queue_id)
    }

    /// Appends one message to `queue`, which is that of its topic and queue id.
    ///
    /// On return it lies in the window and has its offset; it may be answered once [`Store::acknowledgeable`] reaches
    /// [`Appended::end`]. Nothing is allocated and the body is copied once.
    ///
    /// # Errors
    /// A message that can never fit, or [`StoreError::Refused`]; the log is untouched and no offset is used.
    ///
    /// Source: `CommitLog.asyncPutMessage`, RocketMQ 5.3. It locks; a shard has one thread.
    pub fn append(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        self.check_body(message.body)?;
        self.check_room()?;
        let draft = Draft::new(message).map_err(|limit| self.limit_error(limit))?;
        let (queued, first) = self.next_place(queue, message.sys_flag);
        let stored_at_ms = now_unix_ms.max(self.log.stored_at_ms.get());
        let place = |at| Place { at, queue_offset: first, stored_at_ms };
        let at = self
            .log
            .append(draft.bytes(), |at, out| draft.encode(place(at), out))
            .map_err(|error| self.refused(error))?;
        let appended = self.enter(queue, queued, at, draft.bytes(), message.tags_code, stored_at_ms);
        if queued {
            self.add_keys(message.topic, message.unique_key, message.keys, &appended);
            self.note_numbers(queue, message, (appended.queue_offset, 1), at, stored_at_ms);
        }
        Ok(appended)
    }

    /// Appends `items` with what `shared` has in common, as consecutive records with consecutive offsets, whole or not
    /// at all: recovery drops a batch of which anything is missing. Where each landed is pushed to `placed`.
    ///
    /// # Errors
    /// As [`Store::append`]; nothing was appended and `placed` is as it was.
    pub fn append_batch(
        &mut self,
        queue: QueueRef,
        shared: &NewMessage<'_>,
        items: &[BatchItem<'_>],
        now_unix_ms: i64,
        placed: &mut Vec<Appended>,
    ) -> Result<(), StoreError> {
        let Some(last) = items.len().checked_sub(1) else { return Ok(()) };
        self.check_room()?;
        let mut total = 0;
        for (index, item) in items.iter().enumerate() {
            self.check_body(item.body)?;
            let draft = Draft::item(shared, item, index < last).map_err(|limit| self.limit_error(limit))?;
            total += draft.bytes();
        }
        let config = &self.log.config;
        let limit = (config.segment_bytes - BLANK_BYTES).min(config.window_bytes as u64 / 2);
        if total as u64 > limit {
            return Err(StoreError::BatchTooLarge { bytes: total as u64, limit });
        }
        let (queued, first) = self.next_place(queue, shared.sys_flag);
        let stored_at_ms = now_unix_ms.max(self.log.stored_at_ms.get());
        let encode = |at: PhysicalOffset, mut out: &mut [u8]| {
            let mut at = at;
            for (index, item) in items.iter().enumerate() {
                let draft = Draft::item(shared, item, index < last).expect("checked above");
                let (record, rest) = out.split_at_mut(draft.bytes());
                let queue_offset = if queued { first.plus(index as u64) } else { first };
                draft.encode(Place { at, queue_offset, stored_at_ms }, record);
                at = at.plus(draft.bytes() as u64);
                out = rest;
            }
        };
        let start = self.log.append(total, encode).map_err(|error| self.refused(error))?;
        self.log.note_batch(start.get(), start.get() + total as u64);
        let mut at = start;
        for (index, item) in items.iter().enumerate() {
            let bytes = Draft::item(shared, item, index < last).expect("checked above").bytes();
            let appended = self.enter(queue, queued, at, bytes, item.tags_code, stored_at_ms);
            if queued {
                self.add_keys(shared.topic, item.unique_key, item.keys, &appended);
            }
            placed.push(appended);
            at = appended.end;
        }
        if queued {
            self.note_numbers(queue, shared, (first, items.len() as u64), start, stored_at_ms);
        }
        Ok(())
    }

    /// The end of a turn: issues what is to be written or flushed and takes in what is done. Returns when it must be
    /// called again at the latest; the completion of a write brings a turn by itself.
    pub fn end_of_turn(&mut self, now: Now) -> Option<Mono> {
        let deadline = self.committer.turn(now);
        let positions = self.positions();
        self.queues.end_of_turn(positions);
        self.index.end_of_turn(positions);
        if let Some(what) = self.queues.failure() {
            self.log.fail(self.log.end(), format!("the queues cannot be saved: {what}"));
        }
        self.allocate_ahead();
        if self.window_full && self.log.window.full(WINDOW_ROOM_BYTES).is_none() {
            self.window_full = false;
        }
        self.refresh_refusal();
        deadline
    }

    /// Every record that ends at or below may be answered under the mode.
    #[must_use]
    pub fn acknowledgeable(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.log.acknowledgeable().min(self.hints.gate()))
    }

    /// Readers end here.
    #[must_use]
    pub fn visible(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.log.promised().min(self.hints.gate()))
    }

    /// First byte not yet appended.
    #[must_use]
    pub fn end(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.log.end())
    }

    /// Everything below is where the death of the process cannot lose it: what an answer to a message that did not ask
    /// to wait (`WAIT=false`) needs in a sync mode.
    #[must_use]
    pub fn kept(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.log.kept().min(self.hints.gate()))
    }

    /// Everything below is on the device, whatever the mode promises.
    #[must_use]
    pub fn flushed(&self) -> PhysicalOffset {
        PhysicalOffset::new(self.log.flushed())
    }

    /// Why nothing is taken now; as of the last turn or failed append.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Whether there is little room before sends would be refused for a reason that passes soon: the window is full of what
    /// the disk has not taken, or the next segment is not prepared. Whoever can stop reading does so now.
    #[must_use]
    pub fn is_short_of_room(&self) -> bool {
        let log = &self.log;
        let bytes = log.config.segment_bytes.min(log.config.window_bytes as u64).min(16 * ROOM_BYTES) / 16;
        let little = log.segments.room(log.end()) < bytes || log.window.full(bytes as usize).is_some();
        little && log.failure().is_none() && !log.segments.is_full_or_crowded()
    }

    /// Metadata. Tables 0 to 239 are free for the caller.
    pub fn tables(&mut self) -> &mut Tables<E> {
        &mut self.tables
    }

    /// The log window, for whoever registers its memory with a ring or allocates it ahead of the cursor
    /// ([`Window::ensure_ahead`]).
    #[must_use]
    pub fn window(&self) -> &Rc<Window> {
        &self.log.window
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn config(&self) -> &StoreConfig {
        &self.log.config
    }

    /// Drops all queues of a topic. A topic of this name that comes later is numbered from 0. It lasts once
    /// [`Tables::durable`] says so.
    pub fn delete_topic(&mut self, topic: &str) {
        let end = PhysicalOffset::new(self.log.end());
        // A failure of the tables is latched; whoever waits for `durable` hears of it.
        let _latched = self.tables.put(GRAVES, topic.as_bytes(), &end.get().to_be_bytes());
        let mut queues = Vec::new();
        self.queues.for_each_of(topic, |queue_id, queue| queues.push((queue_id, queue)));
        self.hints.forget(topic, &queues, &mut self.tables);
        self.queues.bury(topic, end);
    }

    /// Whether the topic was deleted after something was stored at `at`.
    #[must_use]
    pub fn is_deleted_since(&self, topic: &str, at: PhysicalOffset) -> bool {
        let grave = self.tables.get(GRAVES, topic.as_bytes());
        let end = grave.and_then(|value| value[..].try_into().ok().map(u64::from_be_bytes));
        end.is_some_and(|end| end > at.get())
    }

    /// Figures; asks the filesystem for its room.
    #[must_use]
    pub fn statistics(&self) -> StoreStatistics {
        let log = &self.log;
        let figures = log.figures();
        let space = log.env.disk().space(&log.config.dir).ok();
        let mut queues = 0;
        self.queues.for_each(|_, _, _| queues += 1);
        StoreStatistics {
            min_physical: PhysicalOffset::new(log.segments.first()),
            max_physical: PhysicalOffset::new(log.end()),
            written: PhysicalOffset::new(log.written()),
            flushed: PhysicalOffset::new(log.flushed()),
            segment_bytes: log.segments.count() * log.config.segment_bytes,
            segments: log.segments.count(),
            disk_ratio: space.map_or(-1.0, |space| 1.0 - space.available as f64 / space.total.max(1) as f64),
            disk_total: space.map_or(0, |space| space.total),
            disk_available: space.map_or(0, |space| space.available),
            messages: self.messages,
            bytes: self.bytes,
            commits: figures.commits,
            writes: figures.writes,
            written_bytes: figures.written_bytes,
            queues,
        }
    }

    /// Asks for the window memory that the cursor will need; only in its first lap there is anything to do.
    fn allocate_ahead(&self) {
        if self.allocating.get() {
            return;
        }
        let Some(mut job) = self.log.window.ensure_ahead() else { return };
        self.allocating.set(true);
        let (log, allocating) = (self.log.clone(), self.allocating.clone());
        log.env.clone().spawn(Class::Housekeeping, async move {
            let outcome = loop {
                match job.step() {
                    Ok(false) => log.env.yield_now().await,
                    done => break done,
                }
            };
            drop(job);
            if let Err(error) = outcome {
                tracing::warn!(shard = log.config.shard, "no memory for the log window: {error}");
                // Sends are refused at the edge meanwhile; do not ask in every turn.
                log.env.sleep(ALLOCATION_PAUSE).await;
            }
            allocating.set(false);
            log.env.kick();
        });
    }

    /// Sends wait while the queue log is too far behind.
    fn check_room(&mut self) -> Result<(), StoreError> {
        if self.queues.has_room() {
            return Ok(());
        }
        let full = StoreError::Refused(self.log.window_full());
        Err(self.refused(full))
    }

    fn positions(&self) -> LogPositions {
        LogPositions {
            end: PhysicalOffset::new(self.log.end()),
            flushed: PhysicalOffset::new(self.log.flushed()),
            min: PhysicalOffset::new(self.log.segments.first()),
        }
    }

    /// Adds the keys of a record to the index, if it has any.
    fn add_keys(&mut self, topic: &str, unique_key: &[u8], keys: &[u8], appended: &Appended) {
        if unique_key.is_empty() && keys.is_empty() {
            return;
        }
        let unique_key = (!unique_key.is_empty()).then_some(unique_key);
        let keys = (!keys.is_empty()).then_some(keys);
        self.index.add(topic.as_bytes(), unique_key, keys, appended.at, appended.stored_at_ms);
    }

    fn check_body(&self, body: &[u8]) -> Result<(), StoreError> {
        let limit = self.log.config.max_message_bytes;
        if body.len() > limit as usize {
            return Err(StoreError::RecordTooLarge { bytes: body.len(), limit });
        }
        Ok(())
    }

    fn limit_error(&self, limit: RecordLimit) -> StoreError {
        match limit {
            RecordLimit::Topic { bytes } => StoreError::TopicLength { bytes },
            RecordLimit::Properties { bytes } => StoreError::PropertiesTooLarge { bytes },
            RecordLimit::Body { bytes } => {
                StoreError::RecordTooLarge { bytes, limit: self.log.config.max_message_bytes }
            }
        }
    }

    /// Whether the record enters the queue, and the offset it is given.
    fn next_place(&self, queue: QueueRef, sys_flag: i32) -> (bool, QueueOffset) {
        if sys_flag::stays_out_of_queues(sys_flag) {
            (false, QueueOffset::default())
        } else {
            (true, self.queues.next_offset(queue))
        }
    }

    /// Gives an encoded record its entry.
    fn enter(
        &mut self,
        queue: QueueRef,
        queued: bool,
        at: PhysicalOffset,
        bytes: usize,
        tags_code: i64,
        stored_at_ms: i64,
    ) -> Appended {
        let bytes = u32::try_from(bytes).expect("a record has a 31-bit length");
        let queue_offset = if queued {
            self.queues.push(queue, Entry { at, size: bytes, tags_code })
        } else {
            QueueOffset::default()
        };
        self.log.stored_at_ms.set(stored_at_ms);
        self.messages += 1;
        self.bytes += u64::from(bytes);
        Appended { at, bytes, queue_offset, end: at.plus(u64::from(bytes)), stored_at_ms }
    }

    /// In a mode whose readers run ahead of the flush, keeps the bound of the queue's numbering ahead.
    fn note_numbers(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        numbers: (QueueOffset, u64),
        at: PhysicalOffset,
        now_ms: i64,
    ) {
        if self.log.config.flush_mode == FlushMode::Sync {
            return;
        }
        self.hints.used(queue, (message.topic, message.queue_id), numbers, at, now_ms);
    }
}

/// Deleted topics, and the end of the log when they were.
fn graves<E: Env>(tables: &Tables<E>) -> impl Iterator<Item = (String, PhysicalOffset)> + use<E> {
    tables.iter(GRAVES).filter_map(|(topic, end)| {
        let end = u64::from_be_bytes(*end.first_chunk()?);
        Some((String::from_utf8(topic).ok()?, PhysicalOffset::new(end)))
    })
}

/// The store's own table of deleted topics.
const GRAVES: u8 = 254;
/// After a failed allocation of window memory.
const ALLOCATION_PAUSE: Duration = Duration::from_secs(1);
/// Room that is little: what requests bring that were received already. Less in small windows and segments.
const ROOM_BYTES: u64 = 1 << 20;
/// A window that was full takes messages again when this much fits.
const WINDOW_ROOM_BYTES: usize = 64 << 10;
