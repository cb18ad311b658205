//! [`State`]: every queue of the shard in memory. Synchronous and without I/O; what needs the disk is handed out as
//! facts ("this page has left memory") to the tasks around it.

use std::collections::{BTreeMap, VecDeque};

use super::names::{Names, QueueName};
use super::tails::{Slot, Tails};
use super::{Entry, PAGE, PAGE_ENTRIES};
use crate::offset::PhysicalOffset;
use crate::queue_log::files::SEGMENT_PAGES;
use crate::queue_log::page::PageHeader;
use crate::queue_log::{CHUNK_PAGES, PageRef, RecentPages};

/// Everything a shard knows about its queues.
#[derive(Debug)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) queues: Vec<Queue>,
    pub(super) tails: Tails,
    pub(super) recent: RecentPages,
    /// Handles of queues that changed since the last checkpoint, each once.
    pub(super) dirty: Vec<u32>,
    /// Numbers of queues deleted since the last checkpoint.
    pub(super) removed: Vec<u32>,
    /// Pages copied forward since the last checkpoint: handle and page index.
    pub(super) moved: Vec<(u32, u64)>,
    /// Pages in use, by segment of the queue log.
    pub(super) live: BTreeMap<u64, u32>,
    /// Records of a topic below this position belong to a topic of that name that was deleted.
    pub(super) graves: BTreeMap<u32, u64>,
    /// Bytes of entries added since the last checkpoint.
    pub(super) dirty_bytes: u64,
    /// Numbers below are taken; a number is never given to two queues.
    pub(super) next_number: u32,
    /// Bytes of a commitlog segment, the unit in which page references remember where they begin.
    pub(super) era_bytes: u64,
}

/// One queue.
///
/// `next - tail` is the offset of the first entry in memory. The open page is `next / PAGE_ENTRIES`; `pages` are the
/// ones right before it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: QueueName,
    /// What the disk calls it.
    pub(super) number: u32,
    pub(super) slot: Slot,
    /// Entries in `slot`.
    pub(super) tail: u8,
    pub(super) dirty: bool,
    pub(super) deleted: bool,
    /// A checkpoint knows its name.
    pub(super) recorded: bool,
    /// First readable offset.
    pub(super) min: u64,
    /// Offset of the next message.
    pub(super) next: u64,
    /// End of the last record; 0 if there never was one.
    pub(super) end_at: u64,
    /// Records below belong to an earlier queue of this name.
    pub(super) born_at: u64,
    /// Entries below are covered by a checkpoint.
    pub(super) saved: u64,
    pub(super) pages: VecDeque<PageRef>,
}

const _: () = assert!(size_of::<Queue>() <= 128, "performance.md 3: at most 128 B a queue");
const _: () = assert!(PAGE_ENTRIES <= u8::MAX as usize);
/// Pages of a queue that is likely to get many more.
const BUSY_PAGES: usize = 4;

impl Queue {
    fn new(name: QueueName, number: u32, born_at: u64) -> Self {
        Self {
            name,
            number,
            slot: Slot::EMPTY,
            tail: 0,
            dirty: false,
            deleted: false,
            recorded: false,
            min: 0,
            next: 0,
            end_at: 0,
            born_at,
            saved: 0,
            pages: VecDeque::new(),
        }
    }

    /// Offset of the first entry in the tail slot.
    pub(super) fn tail_first(&self) -> u64 {
        self.next - u64::from(self.tail)
    }

    /// Number of the first page in `pages`.
    pub(super) fn first_page(&self) -> u64 {
        self.next / PAGE - self.pages.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tail == 0 && self.pages.is_empty()
    }
}

impl State {
    pub(super) fn new(seed: u64, era_bytes: u64, recent: RecentPages) -> Self {
        assert!(era_bytes > 0);
        Self {
            names: Names::new(seed),
            queues: Vec::new(),
            tails: Tails::new(),
            recent,
            dirty: Vec::new(),
            removed: Vec::new(),
            moved: Vec::new(),
            live: BTreeMap::new(),
            graves: BTreeMap::new(),
            dirty_bytes: 0,
            next_number: 1,
            era_bytes,
        }
    }

    pub(super) fn find(&self, topic: &str, queue_id: u32) -> Option<u32> {
        let name = QueueName { topic: self.names.topic(topic)?, queue_id };
        self.names.find(name, |handle| self.queues[handle as usize].name)
    }

    /// The queue, made if need be; records below `born_at` will not count as its own.
    pub(super) fn find_or_new(&mut self, topic: &str, queue_id: u32, born_at: u64) -> u32 {
        if let Some(handle) = self.find(topic, queue_id) {
            return handle;
        }
        self.insert(topic, queue_id, self.next_number, born_at.max(self.grave(topic)))
    }

    /// Records of the topic below belong to one of this name that was deleted.
    pub(super) fn grave(&self, topic: &str) -> u64 {
        self.names.topic(topic).and_then(|topic| self.graves.get(&topic)).copied().unwrap_or(0)
    }

    /// Adds a queue that is not there yet under a `number` of the disk.
    pub(super) fn insert(&mut self, topic: &str, queue_id: u32, number: u32, born_at: u64) -> u32 {
        let name = QueueName { topic: self.names.topic_or_new(topic), queue_id };
        assert!(number >= self.next_number, "numbers grow with handles");
        let handle = u32::try_from(self.queues.len()).expect("queues are counted in u32");
        self.queues.push(Queue::new(name, number, born_at));
        let queues = &self.queues;
        self.names.insert(name, handle, |handle| queues[handle as usize].name);
        self.next_number =
            self.next_number.max(number.checked_add(1).expect("four billion queues were enough"));
        // So that a push never allocates for the list.
        self.dirty.reserve(self.queues.len() - self.dirty.len());
        // Checkpoints learn of new queues in the order of their numbers.
        self.mark(handle);
        handle
    }

    /// Adds the next entry of the queue and returns its offset.
    pub(super) fn push(&mut self, handle: u32, entry: Entry) -> u64 {
        let queue = &mut self.queues[handle as usize];
        debug_assert!(!queue.deleted, "push into a deleted queue");
        if usize::from(queue.tail) == queue.slot.capacity() {
            queue.slot = self.tails.grow(queue.slot, usize::from(queue.tail));
        }
        let slot = self.tails.bytes_mut(queue.slot);
        let (entries, _) = slot.as_chunks_mut::<{ Entry::LEN }>();
        entries[usize::from(queue.tail)] = entry.encode();
        let offset = queue.next;
        queue.tail += 1;
        queue.next += 1;
        queue.end_at = queue.end_at.max(entry.end());
        if !queue.dirty {
            queue.dirty = true;
            self.dirty.push(handle);
        }
        self.dirty_bytes += Entry::LEN as u64;
        if queue.next.is_multiple_of(PAGE) {
            self.complete_page(handle);
        }
        offset
    }

    fn complete_page(&mut self, handle: u32) {
        let queue = &mut self.queues[handle as usize];
        let tail = &self.tails.bytes(queue.slot)[..usize::from(queue.tail) * Entry::LEN];
        let begins = first_at(tail).unwrap_or(queue.end_at);
        let header = PageHeader { queue: queue.number, first: queue.next - PAGE };
        let location = self.recent.append(header, tail, queue.end_at);
        queue.pages.push_back(PageRef::new(location, begins / self.era_bytes));
        *self.live.entry(location / SEGMENT_PAGES).or_default() += 1;
        self.tails.free(queue.slot);
        queue.slot = Slot::EMPTY;
        queue.tail = 0;
    }

    /// Gives the list of the queue that the page at `location` belongs to room for more pages than are written before the
    /// next call, and the end of the log a spare chunk, so that [`Self::push`] allocates neither.
    pub(super) fn make_room_behind(&mut self, location: u64) {
        self.recent.keep_spares();
        let number = self.recent.queue_of(location);
        let Some(handle) = number.and_then(|number| self.handle_of(number)) else { return };
        let pages = &mut self.queues[handle as usize].pages;
        // A queue with a few pages may stay so: it doubles.
        if pages.len() >= BUSY_PAGES && pages.capacity() - pages.len() < CHUNK_PAGES as usize {
            pages.reserve(2 * CHUNK_PAGES as usize);
        }
    }

    /// Makes `to` the next offset. What lies between is never readable; a queue without entries just starts there.
    pub(super) fn skip_to(&mut self, handle: u32, to: u64) {
        let queue = &mut self.queues[handle as usize];
        assert!(to >= queue.next, "offsets only grow");
        if queue.is_empty() {
            queue.min = to;
            queue.next = to;
            return;
        }
        while queue_needs_padding(&self.queues[handle as usize], to) {
            let at = PhysicalOffset::new(self.queues[handle as usize].end_at);
            self.push(handle, Entry { at, size: 0, tags_code: 0 });
        }
        let queue = &mut self.queues[handle as usize];
        while queue.next / PAGE < to / PAGE {
            queue.pages.push_back(PageRef::HOLE);
            queue.next += PAGE;
        }
        queue.next = to;
        debug_assert!(queue.tail == 0 || queue.tail_first() / PAGE == queue.next / PAGE);
    }

    /// Makes sure that the next checkpoint looks at the queue.
    pub(super) fn mark(&mut self, handle: u32) {
        let queue = &mut self.queues[handle as usize];
        if !queue.dirty {
            queue.dirty = true;
            self.dirty.push(handle);
        }
    }

    /// The handle of the queue that the disk calls `number`.
    pub(super) fn handle_of(&self, number: u32) -> Option<u32> {
        let index = self.queues.binary_search_by_key(&number, |queue| queue.number).ok()?;
        (!self.queues[index].deleted).then_some(index as u32)
    }

    /// Bytes allocated: queues with their tails, page lists and names; recent pages.
    pub(super) fn memory(&self) -> (usize, usize) {
        let lists: usize =
            self.queues.iter().map(|queue| queue.pages.capacity() * size_of::<PageRef>()).sum::<usize>();
        let queues = self.queues.capacity() * size_of::<Queue>()
            + self.dirty.capacity() * size_of::<u32>()
            + lists
            + self.tails.memory()
            + self.names.memory();
        (queues, self.recent.memory())
    }
}

/// Whether holes must be written one by one: until the page that has entries already is full, or `to` is reached.
fn queue_needs_padding(queue: &Queue, to: u64) -> bool {
    queue.next < to && queue.tail > 0
}

/// Where the first record that `tail` names starts.
fn first_at(tail: &[u8]) -> Option<u64> {
    let (entries, _) = tail.as_chunks::<{ Entry::LEN }>();
    entries.iter().map(Entry::decode).find(|entry| !entry.is_hole()).map(|entry| entry.at.get())
}
