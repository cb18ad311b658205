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
        let mut entries = self.queues.entry_reader(queue, from);
        let log = self.log.clone();
        async move {
            if let Some(status) = status {
                return Ok((status, out));
            }
            out.next = from;
            let mut gather = Gather::new(limits);
            let mut behind = QueueOffset::default();
            let mut looked = 0;
            // Entries take reads of their own: no more than are wanted, unless many are refused.
            let mut chunk = limits.count.max(FEWEST_ENTRIES);
            'chunks: while out.next < range.max && looked < limits.scan.max(1) && !gather.is_done() {
                let count = chunk.min(limits.scan.max(1) - looked);
                let mut read = entries.read(count as usize).await.map_err(StoreError::Queues)?;
                if read.next <= out.next {
                    break;
                }
                read.entries.retain(|(offset, _)| *offset < range.max);
                out.next = read.next.min(range.max);
                looked += read.entries.len() as u32;
                chunk = chunk.saturating_mul(2);
                let mut run = Run::default();
                for (index, (offset, entry)) in read.entries.iter().copied().enumerate() {
                    if gather.is_seen(&entry) {
                        continue;
                    }
                    if gather.is_full(&entry) {
                        out.next = offset;
                        run.finish(&mut out);
                        break 'chunks;
                    }
                    gather.see(&entry);
                    if !accept.may_want(entry.tags_code) {
                        continue;
                    }
                    let (at, len) = (entry.at.get(), entry.size as usize);
                    if run.held.as_ref().is_none_or(|held| held.part(at, len).is_none()) {
                        // Window memory must not stay pinned while a read of the disk takes its time.
                        run.finish(&mut out);
                        run.held = log.hold(at, len, u64::from(queue.0)).await?;
                    }
                    // Retention was faster: the next read starts behind what it took.
                    let Some(held) = &run.held else { continue };
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
                        run.take(at, len, &mut out);
                    }
                }
                run.finish(&mut out);
            }
            out.next = out.next.max(behind);
            out.count = gather.count;
            out.bytes = gather.bytes;
            let status = if out.count > 0 { ReadStatus::Found } else { ReadStatus::NothingMatched };
            Ok((status, out))
        }
    }
}

/// Accepted neighbours in what is held.
#[derive(Default)]
struct Run {
    held: Option<Held>,
    from: u64,
    to: u64,
}

impl Run {
    /// Adds `len` bytes at `at`, which are held.
    fn take(&mut self, at: u64, len: usize, out: &mut ReadBatch) {
        if at != self.to {
            self.emit(out);
            self.from = at;
        }
        self.to = at + len as u64;
    }

    /// Gives up what is held.
    fn finish(&mut self, out: &mut ReadBatch) {
        self.emit(out);
        self.held = None;
    }

    fn emit(&mut self, out: &mut ReadBatch) {
        if let Some(held) = &self.held
            && self.from < self.to
        {
            out.slices.push(held.range(self.from, (self.to - self.from) as usize));
        }
        self.from = self.to;
    }
}

/// Entries read at first, at least.
const FEWEST_ENTRIES: u32 = 32;

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
