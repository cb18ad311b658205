//! Reading what has left memory: record by record through the extents that hold them, verified.

use std::future::Future;

use rt::Env;

use super::Store;
use super::reading::{Gather, outside};
use crate::cold::Held;
use crate::read::{Accept, CandidateBytes, STEPS_AHEAD, prepare};
use crate::record::inner_batch;
use crate::{Candidate, QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError};

impl<E: Env> Store<E> {
    /// As [`Store::read_hot`], but reads what is not in memory from the files, and verifies it before `accept` sees it.
    /// For the slow path.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] names the record that is not what was written; [`StoreError::Io`]. Records before it can
    /// be had by asking for fewer.
    pub fn read_cold(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        limits: ReadLimits,
        accept: impl FnMut(&Candidate<'_>) -> bool + 'static,
    ) -> impl Future<Output = Result<(ReadStatus, ReadBatch), StoreError>> + 'static {
        self.read_chosen(queue, from, limits, Each(accept))
    }

    /// As [`Store::read_cold`], but reads nothing of what `accept` refuses by the entry alone.
    ///
    /// # Errors
    /// As [`Store::read_cold`]; damage in what is not read is not met.
    pub fn read_chosen(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        limits: ReadLimits,
        mut accept: impl Accept,
    ) -> impl Future<Output = Result<(ReadStatus, ReadBatch), StoreError>> + 'static {
        let mut out = ReadBatch::default();
        let range = self.offsets(queue);
        let status = outside(range, from, &mut out);
        let entries = self.queues.read_cold(queue, from, limits.scan.max(1) as usize);
        let log = self.log.clone();
        async move {
            if let Some(status) = status {
                return Ok((status, out));
            }
            let mut read = entries.await.map_err(StoreError::Queues)?;
            read.entries.retain(|(offset, _)| *offset < range.max);
            out.next = read.next.min(range.max);
            let mut gather = Gather::new(limits);
            let mut behind = QueueOffset::default();
            let mut held: Option<Held> = None;
            for (index, (offset, entry)) in read.entries.iter().copied().enumerate() {
                if gather.is_seen(&entry) {
                    continue;
                }
                if gather.is_full(&entry) {
                    out.next = offset;
                    break;
                }
                gather.see(&entry);
                if !accept.may_want(entry.tags_code) {
                    continue;
                }
                let (at, len) = (entry.at.get(), entry.size as usize);
                if held.as_ref().is_none_or(|held| held.part(at, len).is_none()) {
                    // Window memory must not stay pinned while a read of the disk takes its time.
                    drop(held.take());
                    held = log.hold(at, len, u64::from(queue.0)).await?;
                }
                // Retention was faster: the next read starts behind what it took.
                let Some(held) = &held else { continue };
                let later = read.entries.get(index + 1 + STEPS_AHEAD).map(|(_, entry)| entry);
                let later = later.and_then(|entry| held.part(entry.at.get(), entry.size as usize));
                later.into_iter().for_each(prepare);
                let bytes = held.part(at, len).expect("it was read for this record");
                let record = log.proven(entry.at, bytes)?;
                let candidate = Candidate {
                    tags_code: entry.tags_code,
                    queue_offset: offset,
                    at: entry.at,
                    bytes: entry.size,
                    source: CandidateBytes::Parsed(record),
                };
                if accept.wants(&candidate) {
                    out.last_stored_at_ms = record.stored_at_ms();
                    // The entries may end within a batch, of which no part is read twice.
                    let count = inner_batch(record.topic(), record.sys_flag(), record.properties());
                    if count > 1 {
                        behind = record.queue_offset().plus(u64::from(count));
                    }
                    gather.take(&entry, |_, _| {});
                    out.slices.push(held.range(at, len));
                }
            }
            out.next = out.next.max(behind);
            out.count = gather.count;
            out.bytes = gather.bytes;
            let status = if out.count > 0 { ReadStatus::Found } else { ReadStatus::NothingMatched };
            Ok((status, out))
        }
    }
}

/// A closure that looks at every record.
struct Each<F>(F);

impl<F: FnMut(&Candidate<'_>) -> bool + 'static> Accept for Each<F> {
    fn may_want(&self, _tags_code: i64) -> bool {
        true
    }

    fn wants(&mut self, candidate: &Candidate<'_>) -> bool {
        (self.0)(candidate)
    }
}
