//! [`StoreConfig`]: what an operator or a test chooses; parsed by whoever reads configuration files.

use std::path::PathBuf;
use std::time::Duration;

use rt::BLOCK;

use crate::retention::RetentionConfig;

/// Where the window memory lives: a named file that outlives the process, or private memory.
pub use rt::window::Backing as WindowBacking;

/// Settings of one shard's store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Directory of this shard; created if missing.
    pub dir: PathBuf,
    /// This shard, from 0.
    pub shard: u16,
    /// Shards of the node; fixed when the store is formatted.
    pub shards: u16,
    /// Where the log window lives. With private memory no answer leaves before its bytes are written.
    pub window: WindowBacking,
    /// Size of the log window in bytes, a multiple of [`BLOCK`]; at least twice the largest record.
    pub window_bytes: usize,
    /// Whether a thread of the window's own moves it onto huge pages ([`rt::Window::move_to_huge_pages`]). Not in
    /// simulation.
    pub window_huge: bool,
    /// Size of a commitlog segment in bytes, a multiple of [`BLOCK`]; fixed when the store is formatted.
    pub segment_bytes: u64,
    /// When a send may be answered.
    pub flush_mode: FlushMode,
    /// How data are made durable; resolved from the device by whoever knows it.
    pub flush_method: FlushMethod,
    /// How files are read and written.
    pub io_mode: IoMode,
    /// ASYNC_FLUSH: bytes pending before a write is issued without waiting for [`StoreConfig::write_delay`].
    pub flush_chunk_bytes: usize,
    /// ASYNC_FLUSH: greatest age of bytes not yet given to the disk.
    pub write_delay: Duration,
    /// ASYNC_FLUSH: greatest age of unflushed data (`flushIntervalCommitLog`).
    pub flush_interval: Duration,
    /// Most bytes written but not flushed; bounds what recovery must search and zero behind the cut.
    pub unflushed_bytes_max: u64,
    /// Largest body in bytes (`maxMessageSize`); a record may be 64 KiB larger.
    pub max_message_bytes: u32,
    /// Bytes of log between two checkpoints; bounds what recovery scans.
    pub checkpoint_bytes: u64,
    /// Longest time between two checkpoints while there is something new.
    pub checkpoint_interval: Duration,
    /// Memory for log bytes that were read back from the files.
    pub cold_cache_bytes: usize,
    /// Most reads of what has left memory in flight.
    pub cold_reads: usize,
    /// When segments go.
    pub retention: RetentionConfig,
    /// Time between two looks at what may go (`cleanResourceInterval`).
    pub retention_interval: Duration,
    /// Next segments to keep ready; 1 is enough unless segments are tiny.
    pub segments_ahead: u32,
    /// How much of an empty store's first segment is zeroed and flushed before the store opens, a multiple of
    /// [`BLOCK`]; the rest follows in parts of this size while the store works. A segment that is no larger is zeroed
    /// whole. Small enough for a quick start, large enough that sends do not outrun the zeros at once.
    pub zeroing_part_bytes: u64,
    /// Pause between writes of zeros while a segment is prepared; fifty of them while the log is far from it.
    pub zeroing_pause: Duration,
    /// A defect to build in on purpose. Tests only.
    #[doc(hidden)]
    pub canary: Option<Canary>,
}

/// `flushDiskType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushMode {
    /// ASYNC_FLUSH: a send is answered when the death of the process cannot lose it.
    Async,
    /// SYNC_FLUSH: a send is answered when it is flushed on the device.
    Sync,
}

/// How a durable write is made (`flush.method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushMethod {
    /// The device has no volatile cache: a completed direct write is durable.
    WriteThrough,
    /// `RWF_DSYNC` on each write of a commit; for devices with FUA.
    Dsync,
    /// A plain write, then `fdatasync`.
    Fdatasync,
}

/// How files are read and written (`store.io_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// `O_DIRECT`.
    Direct,
    /// Through the page cache.
    Buffered,
}

/// Defects that the crash suite must find; each is what a tired engineer might write.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Reports a flush that was never issued.
    SkipFlush,
    /// Answers before the bytes are kept.
    AnswerBeforeKept,
    /// Ignores what a killed process left in its window.
    SkipReplay,
    /// Tries a failed flush again and believes the second answer.
    RetryFailedFlush,
    /// Numbers queues from what was recovered, ignoring the persisted high water.
    ReuseOffsets,
}

impl StoreConfig {
    /// The defaults of a production shard in `dir`, with a window in private memory and no device knowledge.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            shard: 0,
            shards: 1,
            window: WindowBacking::Private,
            window_bytes: 64 << 20,
            window_huge: false,
            segment_bytes: 1 << 30,
            flush_mode: FlushMode::Async,
            flush_method: FlushMethod::Fdatasync,
            io_mode: IoMode::Direct,
            flush_chunk_bytes: 256 << 10,
            write_delay: Duration::from_millis(1),
            flush_interval: Duration::from_millis(200),
            unflushed_bytes_max: 256 << 20,
            max_message_bytes: 4 << 20,
            checkpoint_bytes: 64 << 20,
            checkpoint_interval: Duration::from_secs(10),
            cold_cache_bytes: 16 << 20,
            cold_reads: 8,
            retention: RetentionConfig::default(),
            retention_interval: Duration::from_secs(10),
            segments_ahead: 1,
            zeroing_part_bytes: 16 << 20,
            zeroing_pause: Duration::from_micros(100),
            canary: None,
        }
    }

    /// Largest record in bytes: body, names, properties and fields.
    #[must_use]
    pub fn record_bytes_max(&self) -> u64 {
        u64::from(self.max_message_bytes) + RECORD_SLACK
    }

    /// What makes these settings impossible, in words for the operator; `None` if nothing does.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let block = BLOCK as u64;
        if self.shards == 0 || self.shard >= self.shards {
            Some("the shard's number must be below the number of shards")
        } else if self.segment_bytes == 0 || !self.segment_bytes.is_multiple_of(block) {
            Some("the segment size must be a multiple of 4096")
        } else if self.zeroing_part_bytes == 0 || !self.zeroing_part_bytes.is_multiple_of(block) {
            Some("the part of a segment that is zeroed at once must be a multiple of 4096")
        } else if self.window_bytes == 0 || !self.window_bytes.is_multiple_of(BLOCK) {
            Some("the window size must be a multiple of 4096")
        } else if self.segment_bytes < self.record_bytes_max() + BLANK {
            Some(
                "a segment must hold the largest record: raise mappedFileSizeCommitLog or lower maxMessageSize",
            )
        } else if (self.window_bytes as u64) < 2 * self.record_bytes_max() {
            Some(
                "the window must hold two of the largest records: raise store.window_mib or lower maxMessageSize",
            )
        } else if self.segments_ahead == 0 {
            Some("at least one segment must be kept ready")
        } else {
            None
        }
    }
}

/// Bytes that a record may have beyond its body (`CommitLog` adds 64 KiB to `maxMessageSize`).
const RECORD_SLACK: u64 = 64 << 10;
const BLANK: u64 = 8;
