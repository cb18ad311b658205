//! [`Store`]: everything a shard does with its log, queues and index.

use std::future::Future;
use std::marker::PhantomData;

use rt::{Env, Mono, Now, SharedSlice};

use crate::{
    Appended, BatchItem, Boundary, Candidate, NewMessage, OffsetRange, PhysicalOffset, QueueOffset, QueueRef,
    ReadBatch, ReadLimits, ReadStatus, RecoveryReport, Refusal, StoreConfig, StoreError, StoreStatistics,
};

/// One shard's store.
pub struct Store<E: Env> {
    _env: PhantomData<E>,
}

#[expect(
    unused_variables,
    clippy::unimplemented,
    reason = "signatures for the crates above; bodies land next"
)]
impl<E: Env> Store<E> {
    /// Opens (or formats) the store.
    pub async fn open(env: E, config: StoreConfig) -> Result<(Self, RecoveryReport), StoreError> {
        unimplemented!()
    }

    /// The handle of a queue, created on first use.
    pub fn queue(&mut self, topic: &str, queue_id: u32) -> QueueRef {
        unimplemented!()
    }

    /// The handle of a queue, if it exists.
    pub fn find_queue(&self, topic: &str, queue_id: u32) -> Option<QueueRef> {
        unimplemented!()
    }

    /// Appends one message.
    pub fn append(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        unimplemented!()
    }

    /// Appends a batch, whole or not at all; where each landed is pushed to `placed`.
    pub fn append_batch(
        &mut self,
        queue: QueueRef,
        shared: &NewMessage<'_>,
        items: &[BatchItem<'_>],
        now_unix_ms: i64,
        placed: &mut Vec<Appended>,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Tells the committer what the turn appended; returns when the next turn is needed at the latest.
    pub fn end_of_turn(&mut self, now: Now) -> Option<Mono> {
        unimplemented!()
    }

    /// Every record ending at or below may be answered under the mode.
    pub fn acknowledgeable(&self) -> PhysicalOffset {
        unimplemented!()
    }

    /// Readers end here.
    pub fn visible(&self) -> PhysicalOffset {
        unimplemented!()
    }

    /// Why nothing is taken now.
    pub fn refusal(&self) -> Option<&Refusal> {
        unimplemented!()
    }

    /// Readable range of a queue.
    pub fn offsets(&self, queue: QueueRef) -> OffsetRange {
        unimplemented!()
    }

    /// Reads from memory into `out`.
    pub fn read_hot(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        limits: ReadLimits,
        accept: impl FnMut(&Candidate<'_>) -> bool,
        out: &mut ReadBatch,
    ) -> ReadStatus {
        unimplemented!()
    }

    /// Reads from memory and disk.
    pub fn read_cold(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        limits: ReadLimits,
        accept: impl FnMut(&Candidate<'_>) -> bool + 'static,
    ) -> impl Future<Output = Result<(ReadStatus, ReadBatch), StoreError>> + 'static {
        async { unimplemented!() }
    }

    /// The record that starts at `at`, if one does.
    pub fn record_at(
        &self,
        at: PhysicalOffset,
    ) -> impl Future<Output = Result<Option<SharedSlice>, StoreError>> + 'static {
        async { unimplemented!() }
    }

    /// The queue offset for a store time.
    pub fn offset_by_time(
        &self,
        queue: QueueRef,
        unix_ms: i64,
        boundary: Boundary,
    ) -> impl Future<Output = Result<QueueOffset, StoreError>> + 'static {
        async { unimplemented!() }
    }

    /// Records whose `KEYS` or `UNIQ_KEY` contain `key`, newest last, at most `max`.
    pub fn query_keys(
        &self,
        topic: &str,
        key: &str,
        max: u32,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<Vec<SharedSlice>, StoreError>> + 'static {
        async { unimplemented!() }
    }

    /// Drops all queues of a topic.
    pub fn delete_topic(&mut self, topic: &str) {
        unimplemented!()
    }

    /// Figures.
    pub fn statistics(&self) -> StoreStatistics {
        unimplemented!()
    }

    /// Flushes everything and marks the stop as clean.
    pub async fn close(self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
