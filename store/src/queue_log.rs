//! The queue log: full pages of all consume queues of a shard in one append-only sequence of files, with the most
//! recent pages still in memory.
//!
//! A page holds 204 entries of one queue and never changes. Its *location* counts pages since the store was formatted
//! and is never used twice, so that a stale page cannot pass for the one that should be there. FORMAT.md, "Queue log".

pub(crate) mod files;
pub(crate) mod page;
pub(crate) mod recent;

pub(crate) use page::{PAGE_ENTRIES, PageRef};
pub(crate) use recent::{CHUNK_PAGES, RecentPages};
