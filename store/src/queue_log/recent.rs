//! [`RecentPages`]: the end of the queue log in memory, which is both the write buffer and what hot pulls read.
//!
//! Pages are appended into chunks of 32. A chunk leaves memory when it is written, when the commitlog records that
//! its entries name are flushed, and when the budget is used up.

use std::collections::VecDeque;

use super::page::{ENTRIES, PageHeader};
use crate::consume_queue::Entry;

/// Pages of one chunk, the unit of writing (128 KiB).
pub(crate) const CHUNK_PAGES: u64 = 32;
const CHUNK_BYTES: usize = CHUNK_PAGES as usize * rt::BLOCK;

/// The last pages of the queue log.
#[derive(Debug)]
pub(crate) struct RecentPages {
    chunks: VecDeque<Chunk>,
    /// Location of the first page of the front chunk; a multiple of [`CHUNK_PAGES`].
    front: u64,
    /// Where the next page goes.
    next: u64,
    /// Pages below are in the file.
    written: u64,
    budget_chunks: usize,
    /// Chunks to be used next.
    spares: Vec<Box<[u8]>>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    /// End of the furthest commitlog record named in it.
    end_at: u64,
}

impl RecentPages {
    /// An empty end of the log at `next` (rounded up to a chunk), keeping about `budget_bytes`.
    pub(crate) fn new(next: u64, budget_bytes: usize) -> Self {
        let next = next.next_multiple_of(CHUNK_PAGES);
        let budget_chunks = (budget_bytes / CHUNK_BYTES).max(2);
        Self {
            // Over the budget are only chunks that wait for the disk.
            chunks: VecDeque::with_capacity(2 * budget_chunks),
            front: next,
            next,
            written: next,
            budget_chunks,
            spares: Vec::with_capacity(SPARES),
        }
    }

    /// Adds a page of `header` whose entries end with `tail` (the entries before it are holes) and returns its
    /// location. `end_at` is the end of the last record named.
    pub(crate) fn append(&mut self, header: PageHeader, tail: &[u8], end_at: u64) -> u64 {
        let location = self.next;
        let page = self.next_page(end_at);
        header.encode(page);
        let entries = &mut page[ENTRIES];
        let holes = entries.len() - tail.len();
        entries[..holes].fill(0);
        entries[holes..].copy_from_slice(tail);
        location
    }

    /// Adds a page copied from elsewhere in the log.
    pub(crate) fn append_copy(&mut self, from: &[u8], end_at: u64) -> u64 {
        let location = self.next;
        self.next_page(end_at).copy_from_slice(from);
        location
    }

    fn next_page(&mut self, end_at: u64) -> &mut [u8] {
        if self.next.is_multiple_of(CHUNK_PAGES) {
            let bytes = self.spares.pop().unwrap_or_else(new_chunk);
            self.chunks.push_back(Chunk { bytes, end_at: 0 });
        }
        let start = (self.next % CHUNK_PAGES) as usize * rt::BLOCK;
        self.next += 1;
        let chunk = self.chunks.back_mut().expect("pushed when the last one was full");
        chunk.end_at = chunk.end_at.max(end_at);
        &mut chunk.bytes[start..start + rt::BLOCK]
    }

    /// The entries of the page at `location`; `None` if it has left memory.
    pub(crate) fn entries(&self, location: u64) -> Option<&[u8]> {
        let index = usize::try_from(location.checked_sub(self.front)? / CHUNK_PAGES).ok()?;
        debug_assert!(location < self.next);
        let start = (location % CHUNK_PAGES) as usize * rt::BLOCK;
        let chunk = self.chunks.get(index)?;
        Some(&chunk.bytes[start + ENTRIES.start..start + rt::BLOCK])
    }

    /// The queue of the page at `location`; `None` if it has left memory.
    pub(crate) fn queue_of(&self, location: u64) -> Option<u32> {
        let index = usize::try_from(location.checked_sub(self.front)? / CHUNK_PAGES).ok()?;
        let start = (location % CHUNK_PAGES) as usize * rt::BLOCK;
        Some(PageHeader::queue_of(&self.chunks.get(index)?.bytes[start..]))
    }

    /// Makes what [`Self::append`] will need; for a task.
    pub(crate) fn keep_spares(&mut self) {
        while self.spares.len() < SPARES {
            self.spares.push(new_chunk());
        }
    }

    /// Where the next page goes.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Pages below are in the file.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Whether a whole chunk waits to be written.
    pub(crate) fn has_full_chunk(&self) -> bool {
        self.next / CHUNK_PAGES > self.written / CHUNK_PAGES
    }

    /// Bytes that wait to be written.
    pub(crate) fn unwritten_bytes(&self) -> u64 {
        (self.next - self.written) * rt::BLOCK as u64
    }

    /// The pages to write next: from [`Self::written`], within one chunk.
    pub(crate) fn unwritten(&self) -> &[u8] {
        if self.written == self.next {
            return &[];
        }
        let chunk = &self.chunks[((self.written - self.front) / CHUNK_PAGES) as usize];
        let start = self.written % CHUNK_PAGES;
        let end = (self.next - (self.written - start)).min(CHUNK_PAGES);
        &chunk.bytes[start as usize * rt::BLOCK..end as usize * rt::BLOCK]
    }

    /// `pages` more are in the file. Lets go of what is over the budget and whose records end at or below `flushed`.
    pub(crate) fn wrote(&mut self, pages: u64, flushed: u64) {
        self.written += pages;
        assert!(self.written <= self.next);
        self.trim(flushed);
    }

    /// Lets go of what is over the budget, written, and no longer needed to tell what is visible.
    pub(crate) fn trim(&mut self, flushed: u64) {
        while self.chunks.len() > self.budget_chunks
            && self.front + CHUNK_PAGES <= self.written
            && self.chunks.front().is_some_and(|chunk| chunk.end_at <= flushed)
        {
            let chunk = self.chunks.pop_front().expect("just seen");
            if self.spares.len() < SPARES {
                self.spares.push(chunk.bytes);
            }
            self.front += CHUNK_PAGES;
        }
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        (self.chunks.len() + self.spares.len()) * CHUNK_BYTES
    }
}

fn new_chunk() -> Box<[u8]> {
    vec![0; CHUNK_BYTES].into_boxed_slice()
}

/// Chunks kept ready: what is appended while one is written.
const SPARES: usize = 2;

const _: () = assert!(Entry::LEN * super::PAGE_ENTRIES + ENTRIES.start == rt::BLOCK);
