//! What reading takes and gives.

use std::path::PathBuf;

use rt::{SharedSlice, Window};

use crate::consume_queue::Ahead;
use crate::record::{Parsed, Record, parse};
use crate::{PhysicalOffset, QueueOffset};

/// Readable range of a queue: `min <= offset < max`. Empty if both are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetRange {
    /// Oldest offset that can be read.
    pub min: QueueOffset,
    /// First offset that cannot be read yet.
    pub max: QueueOffset,
}

/// Bounds of one read. The first accepted message is returned whatever its size.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Most messages.
    pub count: u32,
    /// Most bytes of records.
    pub bytes: u32,
    /// Most entries looked at, accepted or not.
    pub scan: u32,
}

/// Result of a read, reused from call to call.
#[derive(Debug, Default)]
pub struct ReadBatch {
    /// The accepted records in queue order; neighbours in the log share a slice.
    pub slices: Vec<SharedSlice>,
    /// How many records.
    pub count: u32,
    /// Bytes of all slices.
    pub bytes: u32,
    /// Where the next read begins.
    pub next: QueueOffset,
    /// Store time of the last record returned, Unix milliseconds; 0 if none.
    pub last_stored_at_ms: i64,
}

impl ReadBatch {
    /// Empties it; the capacity stays.
    pub fn clear(&mut self) {
        self.slices.clear();
        self.count = 0;
        self.bytes = 0;
        self.next = QueueOffset::default();
        self.last_stored_at_ms = 0;
    }
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStatus {
    /// At least one record.
    Found,
    /// Entries were looked at and none was accepted; go on at `next`.
    NothingMatched,
    /// The offset is the end of the queue: park or poll again.
    AtEnd,
    /// Below the oldest offset; `next` is that offset.
    TooSmall,
    /// Beyond the end; `next` is the end.
    TooLarge,
    /// The queue has never had a message (or none is left): min and max are equal.
    Empty,
    /// The records are no longer in memory: use [`crate::Store::read_cold`].
    Cold,
}

/// One entry offered to the filter of a read.
#[derive(Clone, Copy)]
pub struct Candidate<'s> {
    /// From the consume queue entry.
    pub tags_code: i64,
    /// Position in the queue.
    pub queue_offset: QueueOffset,
    /// Start of the record.
    pub at: PhysicalOffset,
    /// Bytes of the record.
    pub bytes: u32,
    pub(crate) source: CandidateBytes<'s>,
}

#[derive(Clone, Copy)]
pub(crate) enum CandidateBytes<'s> {
    Window(&'s Window, Ahead<'s>),
    /// Read back, taken apart and verified.
    Parsed(Record<'s>),
}

impl<'s> Candidate<'s> {
    /// The record, for filters that need more than the tags code; `None` if it cannot be had.
    #[must_use]
    pub fn record(&self) -> Option<Record<'s>> {
        let bytes = match self.source {
            CandidateBytes::Window(window, ahead) => {
                if let Some(entry) = ahead.entry(STEPS_AHEAD)
                    && let Some(record) = window.peek(entry.at.get(), entry.size as usize)
                {
                    prepare(record);
                }
                window.peek(self.at.get(), self.bytes as usize)?
            }
            CandidateBytes::Parsed(record) => return Some(record),
        };
        match parse(bytes) {
            Ok(Parsed::Record(record)) => Some(record),
            Ok(Parsed::Blank { .. }) | Err(_) => None,
        }
    }
}

/// Fetches what a filter will look at: the fields of a record and its properties, with the body between them left out.
/// Each lies where nobody has looked since it was written, and to wait for it takes longer than the rest.
pub(crate) fn prepare(record: &[u8]) {
    rt::prefetch(&record[..record.len().min(FIELDS_BYTES)]);
    rt::prefetch(&record[record.len().saturating_sub(PROPERTIES_BYTES)..]);
}

/// Records between the one that is looked at and the one that is fetched: looking at these takes as long as memory does.
pub(crate) const STEPS_AHEAD: usize = 3;
/// The fields before the body.
const FIELDS_BYTES: usize = 96;
/// Topic and properties of usual messages.
const PROPERTIES_BYTES: usize = 256;

/// What a reader of cold records looks for, if it can refuse some by their entries alone.
pub trait Accept: 'static {
    /// Whether a record whose entry has this tags code may be wanted: `false` spares reading it.
    fn may_want(&self, tags_code: i64) -> bool;

    /// Whether it is wanted. Asked in queue order, once for each record that may be.
    fn wants(&mut self, candidate: &Candidate<'_>) -> bool;
}

/// One entry of a consume queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// Position in the queue.
    pub queue_offset: QueueOffset,
    /// Start of the record.
    pub at: PhysicalOffset,
    /// Bytes of the record.
    pub bytes: u32,
    /// See [`crate::record::queue_code`].
    pub tags_code: i64,
}

/// Which message a search by time wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The first with a store time at or after the given one.
    Lower,
    /// The last with a store time at or before the given one.
    Upper,
}

/// Figures of one shard's store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StoreStatistics {
    /// Oldest byte kept.
    pub min_physical: PhysicalOffset,
    /// First byte not yet appended.
    pub max_physical: PhysicalOffset,
    /// Everything below is readable in its file.
    pub written: PhysicalOffset,
    /// Everything below is on the device.
    pub flushed: PhysicalOffset,
    /// Bytes of log files.
    pub segment_bytes: u64,
    /// Number of log files, those kept ready included.
    pub segments: u64,
    /// Used share of the filesystem, 0 to 1; -1 if unknown.
    pub disk_ratio: f64,
    /// Bytes of the filesystem.
    pub disk_total: u64,
    /// Bytes of it that can still be used.
    pub disk_available: u64,
    /// Messages appended since start.
    pub messages: u64,
    /// Bytes of records appended since start.
    pub bytes: u64,
    /// Durable commits (durable writes or flushes) since start.
    pub commits: u64,
    /// Log writes since start.
    pub writes: u64,
    /// Bytes of those writes, whole blocks.
    pub written_bytes: u64,
    /// Queues known.
    pub queues: u64,
}

/// What opening a store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The directory was empty and has been formatted.
    pub formatted: bool,
    /// The last stop was clean: nothing was scanned.
    pub clean: bool,
    /// End of the log.
    pub end: PhysicalOffset,
    /// Bytes of log verified.
    pub scanned_bytes: u64,
    /// Records verified.
    pub scanned_records: u64,
    /// Bytes taken from the window of a killed process.
    pub replayed_bytes: u64,
    /// Position of a torn tail that was cut.
    pub cut_at: Option<PhysicalOffset>,
    /// Bytes zeroed behind the cut.
    pub zeroed_bytes: u64,
    /// Damage below what was flushed or kept: the store is open for reading only.
    pub damage: Option<(PhysicalOffset, crate::record::Damage)>,
    /// Window file that did not belong here and was renamed to this.
    pub set_aside: Option<PathBuf>,
    /// The end of the log could not be proved: queue numbering resumes behind the persisted high water.
    pub numbering_skipped: bool,
}
