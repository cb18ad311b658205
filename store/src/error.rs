//! [`StoreError`]: what callers tell apart; [`Refusal`]: why the store takes no message now.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::PhysicalOffset;
use crate::consume_queue::QueueError;
use crate::index::IndexError;
use crate::record::Damage;
use crate::tables::TablesError;

/// What went wrong. Every variant says what an operator needs to know.
#[derive(Debug)]
pub enum StoreError {
    /// The body is over `maxMessageSize`. The log is untouched.
    RecordTooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: u32,
    },
    /// The batch does not fit between two segment ends (or into the window). The log is untouched.
    BatchTooLarge {
        /// Bytes of all its records.
        bytes: u64,
        /// The most that could ever fit.
        limit: u64,
    },
    /// Properties over 32,767 bytes. The log is untouched.
    PropertiesTooLarge {
        /// Their bytes in the record.
        bytes: usize,
    },
    /// Topic empty or over 255 bytes. The log is untouched.
    TopicLength {
        /// Its bytes.
        bytes: usize,
    },
    /// Nothing is taken now; the log is untouched.
    Refused(Refusal),
    /// Bytes read back are not the bytes that were written. Never retried, never skipped in silence.
    Corrupt {
        /// Where.
        at: PhysicalOffset,
        /// What differs.
        damage: Damage,
    },
    /// The disk said no.
    Io {
        /// "write", "flush", "open", ...
        op: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The directory is not one that this process may open; nothing was changed.
    Unusable {
        /// The store.
        dir: PathBuf,
        /// Why, in terms of the store.
        reason: Unusable,
    },
    /// The window memory cannot be had or holds what must not be thrown away.
    Window {
        /// Its file, if it has one.
        path: Option<PathBuf>,
        /// Why.
        source: io::Error,
    },
    /// The consume queues cannot be read or saved.
    Queues(QueueError),
    /// The key index cannot be read or saved.
    Index(IndexError),
    /// The metadata tables cannot be read or saved.
    Tables(TablesError),
    /// Settings that contradict each other.
    Config(&'static str),
    /// There is no such queue.
    NoQueue,
}

/// Why a store directory cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Another process holds it.
    InUse,
    /// It holds files, but not ours.
    Foreign {
        /// One of them.
        found: String,
    },
    /// Written by a newer version.
    Newer {
        /// Its format.
        version: u32,
        /// What this program knows.
        known: u32,
    },
    /// Formatted for another number of shards.
    Shards {
        /// At format.
        formatted: u16,
        /// Now.
        configured: u16,
    },
    /// It belongs to another shard of the node.
    Shard {
        /// At format.
        formatted: u16,
        /// Now.
        configured: u16,
    },
    /// Formatted with another segment size.
    SegmentBytes {
        /// At format.
        formatted: u64,
        /// Now.
        configured: u64,
    },
    /// The superblock is damaged in all its copies.
    Superblock,
    /// A segment has another length than all of them must have.
    SegmentLength {
        /// Its name.
        name: String,
        /// Its bytes.
        bytes: u64,
    },
    /// Segments are missing in the middle.
    SegmentGap {
        /// Where the gap begins.
        at: PhysicalOffset,
    },
}

/// Why sends are refused at the moment (or for ever).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A write or flush failed, or recovery found damage below the flushed watermark. Final until an operator acts
    /// and the process starts again; what is durable is still read.
    Failed {
        /// What failed.
        what: String,
    },
    /// The next segment cannot be made. Ends by itself when there is space again.
    DiskFull {
        /// What the filesystem said.
        what: String,
    },
    /// The window is full of bytes that are not yet safe elsewhere: the disk is behind.
    WindowFull {
        /// Bytes waiting.
        waiting_bytes: u64,
        /// When there will be room, judged by the recent pace.
        estimated_wait: Duration,
    },
    /// The next segment is still being zeroed.
    SegmentNotReady,
    /// The store is closing.
    Closing,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { what } => write!(f, "the store takes no more messages: {what}"),
            Self::DiskFull { what } => write!(f, "no room for the next log segment: {what}"),
            Self::WindowFull { waiting_bytes, estimated_wait } => write!(
                f,
                "the disk is behind by {waiting_bytes} bytes, estimated wait {} ms",
                estimated_wait.as_millis()
            ),
            Self::SegmentNotReady => f.write_str("the next log segment is still being prepared"),
            Self::Closing => f.write_str("the store is closing"),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another process has it open"),
            Self::Foreign { found } => {
                write!(
                    f,
                    "it holds {found:?} but no ringmq superblock; choose an empty directory or import it"
                )
            }
            Self::Newer { version, known } => {
                write!(
                    f,
                    "it was written in format {version}, this program knows {known}; use a newer ringmq"
                )
            }
            Self::Shards { formatted, configured } => write!(
                f,
                "it was formatted for {formatted} shards and the configuration says {configured}; set shards = {formatted}"
            ),
            Self::Shard { formatted, configured } => {
                write!(f, "it belongs to shard {formatted}, not to shard {configured}")
            }
            Self::SegmentBytes { formatted, configured } => write!(
                f,
                "its segments have {formatted} bytes and the configuration says {configured}; set mappedFileSizeCommitLog = {formatted}"
            ),
            Self::Superblock => f.write_str("all copies of its superblock are damaged"),
            Self::SegmentLength { name, bytes } => {
                write!(f, "segment {name} has {bytes} bytes, unlike the others")
            }
            Self::SegmentGap { at } => write!(f, "the log segment at offset {at} is missing"),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordTooLarge { bytes, limit } => {
                write!(f, "a body of {bytes} bytes, the limit is {limit}")
            }
            Self::BatchTooLarge { bytes, limit } => {
                write!(f, "a batch of {bytes} bytes, the limit is {limit}")
            }
            Self::PropertiesTooLarge { bytes } => {
                write!(f, "properties of {bytes} bytes, the limit is 32767")
            }
            Self::TopicLength { bytes } => write!(f, "a topic of {bytes} bytes, 1 to 255 are allowed"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Corrupt { at, damage } => write!(f, "the log is damaged at offset {at}: {damage:?}"),
            Self::Io { op, path, source } => write!(f, "{op} of {} failed: {source}", path.display()),
            Self::Unusable { dir, reason } => write!(f, "store {} cannot be opened: {reason}", dir.display()),
            Self::Window { path: Some(path), source } => write!(f, "log window {}: {source}", path.display()),
            Self::Window { path: None, source } => write!(f, "log window: {source}"),
            Self::Queues(error) => error.fmt(f),
            Self::Index(error) => error.fmt(f),
            Self::Tables(error) => error.fmt(f),
            Self::Config(reason) => f.write_str(reason),
            Self::NoQueue => f.write_str("no such queue"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Window { source, .. } => Some(source),
            Self::Queues(error) => Some(error),
            Self::Index(error) => Some(error),
            Self::Tables(error) => Some(error),
            Self::RecordTooLarge { .. }
            | Self::BatchTooLarge { .. }
            | Self::PropertiesTooLarge { .. }
            | Self::TopicLength { .. }
            | Self::Refused(_)
            | Self::Corrupt { .. }
            | Self::Unusable { .. }
            | Self::Config(_)
            | Self::NoQueue => None,
        }
    }
}

impl From<QueueError> for StoreError {
    fn from(error: QueueError) -> Self {
        Self::Queues(error)
    }
}
