//! The log engine of one shard: commitlog, consume queues, index, recovery. It knows bytes and offsets and has never
//! heard of a socket.
//!
//! The way in is [`Store`]. Bytes on disk are described in FORMAT.md.

#![forbid(unsafe_code)]

pub mod cold;
mod commitlog;
mod config;
pub mod consume_queue;
mod error;
mod hash;
pub mod index;
mod journal;
mod message;
mod offset;
mod queue_log;
mod read;
pub mod record;
mod recovery;
pub mod retention;
mod store;
mod superblock;
pub mod tables;
mod worker;

#[doc(hidden)]
pub use config::Canary;
pub use config::{FlushMethod, FlushMode, IoMode, StoreConfig, WindowBacking};
pub use error::{Refusal, StoreError, Unusable};
pub use message::{Appended, BatchItem, NewMessage};
pub use offset::{PhysicalOffset, QueueOffset, QueueRef};
pub use read::{
    Accept, Boundary, Candidate, OffsetRange, QueueEntry, ReadBatch, ReadLimits, ReadStatus, RecoveryReport,
    StoreStatistics,
};
pub use retention::{DeleteWhen, RetentionConfig};
pub use store::Store;
