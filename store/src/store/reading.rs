//! Reading: from the window in the turn, from files as futures.

use std::future::Future;
use std::ops::ControlFlow;

use rt::{Env, SharedSlice};

use super::Store;
use crate::consume_queue::{Entry, Stop};
use crate::read::CandidateBytes;
use crate::record::{Cover, Parsed, parse, property, stated_bytes};
use crate::{
    Boundary, Candidate, OffsetRange, PhysicalOffset, QueueEntry, QueueOffset, QueueRef, ReadBatch,
    ReadLimits, ReadStatus, StoreError,
};

impl<E: Env> Store<E> {
    /// Readable range of a queue.
    #[must_use]
    pub fn offsets(&self, queue: QueueRef) -> OffsetRange {
        let all = self.queues.offsets(queue);
        let max = self.queues.end_below(queue, self.visible());
        OffsetRange { min: all.start.min(max), max }
    }

    /// Reads from memory into `out`, which is cleared first: records that `accept` wants, within `limits`, from `from`
    /// on. Nothing is copied and, once `out` has grown, nothing allocated.
    pub fn read_hot(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        limits: ReadLimits,
        mut accept: impl FnMut(&Candidate<'_>) -> bool,
        out: &mut ReadBatch,
    ) -> ReadStatus {
        out.clear();
        let range = self.offsets(queue);
        if let Some(status) = outside(range, from, out) {
            return status;
        }
        let window = &*self.log.window;
        let mut gather = Gather::new(limits);
        let mut cold = false;
        let reach = self.queues.read(queue, from, |offset, entry, ahead| {
            if gather.is_seen(&entry) {
                return ControlFlow::Continue(());
            }
            if offset >= range.max || gather.is_full(&entry) {
                return ControlFlow::Break(());
            }
            let at = entry.at.get();
            if at < window.start() {
                cold = true;
                return ControlFlow::Break(());
            }
            gather.see(&entry);
            let candidate = Candidate {
                tags_code: entry.tags_code,
                queue_offset: offset,
                at: entry.at,
                bytes: entry.size,
                source: CandidateBytes::Window(window, ahead),
            };
            if accept(&candidate) {
                gather.take(&entry, |from, len| {
                    let slice = window.slice(from, len).expect("inside the window, checked above");
                    out.slices.push(slice);
                });
            }
            ControlFlow::Continue(())
        });
        gather.finish(|from, len| {
            out.slices.push(window.slice(from, len).expect("inside the window, checked above"));
        });
        cold |= reach.stop == Stop::Cold;
        if let Some(last) = gather.last {
            let record = window.peek(last.at.get(), last.size as usize).map(parse);
            if let Some(Ok(Parsed::Record(record))) = record {
                out.last_stored_at_ms = record.stored_at_ms();
            }
        }
        out.next = reach.next.min(range.max);
        out.count = gather.count;
        out.bytes = gather.bytes;
        match (gather.count, cold) {
            (1.., _) => ReadStatus::Found,
            (0, true) => ReadStatus::Cold,
            (0, false) => ReadStatus::NothingMatched,
        }
    }

    /// Up to `count` entries of a queue from `from` on, visible or not, without their records; and where to go on, which
    /// is behind the last entry when there are no more.
    ///
    /// # Errors
    /// [`StoreError::Queues`].
    pub fn entries(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        count: usize,
    ) -> impl Future<Output = Result<(Vec<QueueEntry>, QueueOffset), StoreError>> + 'static {
        let entries = self.queues.read_cold(queue, from, count);
        async move {
            let read = entries.await.map_err(StoreError::Queues)?;
            let entry = |(offset, entry): (QueueOffset, Entry)| QueueEntry {
                queue_offset: offset,
                at: entry.at,
                bytes: entry.size,
                tags_code: entry.tags_code,
            };
            Ok((read.entries.into_iter().map(entry).collect(), read.next))
        }
    }

    /// Behind the last entry of a queue, visible or not.
    #[must_use]
    pub fn next_offset(&self, queue: QueueRef) -> QueueOffset {
        self.queues.next_offset(queue)
    }

    /// The record that starts at `at`; `None` if none does or if readers must not see it yet.
    ///
    /// # Errors
    /// [`StoreError::Io`]. Whatever is not a whole record of this place counts as none: `at` may come from anybody.
    pub fn record_at(
        &self,
        at: PhysicalOffset,
    ) -> impl Future<Output = Result<Option<SharedSlice>, StoreError>> + 'static {
        let (log, visible) = (self.log.clone(), self.visible());
        async move {
            let room = visible.since(at).min(log.segment_end(at.get()) - at.get());
            if room < MIN_RECORD {
                return Ok(None);
            }
            let Some(head) = log.peek(at.get(), MIN_RECORD as usize).await? else { return Ok(None) };
            let stated = stated_bytes(&head).map_or(0, u64::from);
            if stated < MIN_RECORD || stated > room || stated > log.config.record_bytes_max() {
                return Ok(None);
            }
            // From the window the bytes come unverified, and `at` may point into the middle of a body.
            match log.fetch(at.get(), stated as usize, None).await {
                Ok(record) => Ok(record.filter(|bytes| is_record_of(bytes, at))),
                Err(StoreError::Corrupt { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
    }

    /// The record of `bytes` bytes that an entry of a queue places at `at`, through the cache of cold extents; `None` if
    /// the log does not hold it any more. Whoever reads many in ascending order gives a `reader` of its own, and is
    /// read ahead for.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Corrupt`].
    pub fn record_of(
        &self,
        at: PhysicalOffset,
        bytes: u32,
        reader: u64,
    ) -> impl Future<Output = Result<Option<SharedSlice>, StoreError>> + 'static {
        let log = self.log.clone();
        async move { log.fetch(at.get(), bytes as usize, Some(reader)).await }
    }

    /// The queue offset for a store time; the nearer end of the queue if there is none.
    ///
    /// # Errors
    /// As [`Store::read_cold`].
    pub fn offset_by_time(
        &self,
        queue: QueueRef,
        unix_ms: i64,
        boundary: Boundary,
    ) -> impl Future<Output = Result<QueueOffset, StoreError>> + 'static {
        let (range, log) = (self.offsets(queue), self.log.clone());
        self.queues.offset_by_time(queue, (range.min, range.max), unix_ms, boundary, move |entry| {
            let log = log.clone();
            async move {
                let slice = log.fetch(entry.at.get(), entry.size as usize, None).await?;
                Ok(slice.as_deref().and_then(stored_at))
            }
        })
    }

    /// Records of `topic` whose `KEYS` or `UNIQ_KEY` contain `key`, stored from `from_ms` to `to_ms`: the newest `max`,
    /// newest first.
    ///
    /// # Errors
    /// [`StoreError::Index`] or [`StoreError::Io`].
    pub fn query_keys(
        &self,
        topic: &str,
        key: &str,
        max: u32,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<Vec<SharedSlice>, StoreError>> + 'static {
        let hits = self.index.query(topic.as_bytes(), key.as_bytes(), max as usize, from_ms, to_ms);
        let (log, visible) = (self.log.clone(), self.visible());
        let (topic, key) = (topic.to_owned(), key.to_owned());
        async move {
            let mut found = Vec::new();
            for hit in hits.await.map_err(StoreError::Index)? {
                let Some(head) = log.peek(hit.at.get(), 8).await? else { continue };
                let bytes = stated_bytes(&head).map_or(0, u64::from);
                if bytes < MIN_RECORD || hit.at.plus(bytes) > visible {
                    continue;
                }
                let Some(slice) = log.fetch(hit.at.get(), bytes as usize, None).await? else { continue };
                if carries(&slice, &topic, &key) {
                    found.push(slice);
                }
            }
            Ok(found)
        }
    }
}

/// Whether a record is of `topic` and has `key`: other keys may hash alike.
fn carries(bytes: &[u8], topic: &str, key: &str) -> bool {
    let Ok(Parsed::Record(record)) = parse(bytes) else { return false };
    let unique = property(record.properties(), "UNIQ_KEY") == Some(key.as_bytes());
    let keys = property(record.properties(), "KEYS").unwrap_or_default();
    record.topic() == topic && (unique || keys.split(|byte| *byte == b' ').any(|one| one == key.as_bytes()))
}

/// Answers a read that begins outside the readable range.
pub(super) fn outside(range: OffsetRange, from: QueueOffset, out: &mut ReadBatch) -> Option<ReadStatus> {
    out.next = range.max;
    if range.max == QueueOffset::default() {
        Some(ReadStatus::Empty)
    } else if from < range.min {
        out.next = range.min;
        Some(ReadStatus::TooSmall)
    } else if from == range.max {
        Some(ReadStatus::AtEnd)
    } else if from > range.max {
        Some(ReadStatus::TooLarge)
    } else {
        None
    }
}

fn is_record_of(bytes: &[u8], at: PhysicalOffset) -> bool {
    matches!(parse(bytes), Ok(Parsed::Record(record)) if record.verify(at, Cover::Whole).is_ok())
}

fn stored_at(bytes: &[u8]) -> Option<i64> {
    match parse(bytes) {
        Ok(Parsed::Record(record)) => Some(record.stored_at_ms()),
        Ok(Parsed::Blank { .. }) | Err(_) => None,
    }
}

/// Collects accepted records within limits; neighbours in the log become one range.
pub(super) struct Gather {
    limits: ReadLimits,
    scanned: u32,
    pub(super) count: u32,
    pub(super) bytes: u32,
    run: (u64, u64),
    last: Option<Entry>,
    /// Start of the record looked at last: an inner batch has several entries in a row.
    seen: u64,
}

impl Gather {
    pub(super) fn new(limits: ReadLimits) -> Self {
        Self { limits, scanned: 0, count: 0, bytes: 0, run: (0, 0), last: None, seen: u64::MAX }
    }

    pub(super) fn is_seen(&self, entry: &Entry) -> bool {
        entry.at.get() == self.seen
    }

    pub(super) fn see(&mut self, entry: &Entry) {
        self.seen = entry.at.get();
        self.scanned += 1;
    }

    /// Whether `next` must wait for another read. The first record is taken whatever its size.
    pub(super) fn is_full(&self, next: &Entry) -> bool {
        let crowded = self.count > 0
            && (self.count >= self.limits.count || self.bytes.saturating_add(next.size) > self.limits.bytes);
        crowded || self.scanned >= self.limits.scan.max(1)
    }

    /// Whether no record would be taken any more, whatever its size.
    pub(super) fn is_done(&self) -> bool {
        (self.count > 0 && self.count >= self.limits.count) || self.scanned >= self.limits.scan.max(1)
    }

    pub(super) fn take(&mut self, entry: &Entry, emit: impl FnMut(u64, usize)) {
        let at = entry.at.get();
        if at != self.run.1 {
            self.finish(emit);
            self.run = (at, at);
        }
        self.run.1 += u64::from(entry.size);
        self.count += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        self.last = Some(*entry);
    }

    fn finish(&mut self, mut emit: impl FnMut(u64, usize)) {
        let (from, to) = self.run;
        if from < to {
            emit(from, usize::try_from(to - from).expect("inside the window"));
        }
        self.run = (to, to);
    }
}

/// Fewer bytes are no record.
const MIN_RECORD: u64 = 91;
