//! Entries of pages that have left memory.

use std::future::Future;
use std::ops::ControlFlow;
use std::rc::Rc;

use rt::{BLOCK, Class, Env, SharedSlice};

use super::state::State;
use super::{ConsumeQueues, Entry, PAGE, QueueError, Shared, Stop};
use crate::offset::{QueueOffset, QueueRef};
use crate::queue_log::page::{ENTRIES, PageHeader};

/// Entries read by [`ConsumeQueues::read_cold`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// In queue order, with their offsets.
    pub entries: Vec<(QueueOffset, Entry)>,
    /// Where to go on: everything from the start of the read up to here was returned or does not exist.
    pub next: QueueOffset,
}

impl<E: Env> ConsumeQueues<E> {
    /// Reads up to `count` entries at and behind `from` from memory and disk. May return fewer; `next` of the result
    /// is where to go on. A `from` outside the queue is moved to its nearer end. Cancelling is safe.
    ///
    /// # Errors
    /// [`QueueError::Corrupt`] names the damaged page; [`QueueError::Io`] and [`QueueError::Deleted`].
    pub fn read_cold(
        &self,
        queue: QueueRef,
        from: QueueOffset,
        count: usize,
    ) -> impl Future<Output = Result<Entries, QueueError>> + use<E> {
        read(self.shared.clone(), queue.0, from.get(), count)
    }

    /// Reads `queue` from `from` on.
    #[must_use]
    pub fn entry_reader(&self, queue: QueueRef, from: QueueOffset) -> EntryReader<E> {
        EntryReader { shared: self.shared.clone(), handle: queue.0, next: from }
    }
}

/// The pages that readers stand on: each is read again for a few pulls in a row, and hardly ever later.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    /// The one used last in front.
    pages: Vec<(u64, SharedSlice)>,
    /// What is being read ahead.
    coming: Vec<u64>,
}

impl PageCache {
    fn get(&mut self, location: u64) -> Option<SharedSlice> {
        let found = self.pages.iter().position(|(held, _)| *held == location)?;
        self.pages[..=found].rotate_right(1);
        Some(self.pages[0].1.clone())
    }

    fn holds(&self, location: u64) -> bool {
        self.pages.iter().any(|(held, _)| *held == location)
    }

    fn put(&mut self, location: u64, page: SharedSlice) {
        if !self.holds(location) {
            self.pages.truncate(CACHED_PAGES - 1);
            self.pages.insert(0, (location, page));
        }
    }
}

/// What must be known to read one page that is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) location: u64,
    pub(super) header: PageHeader,
}

/// A place in a queue from which entries are read on and on, from memory and disk.
pub struct EntryReader<E: Env> {
    shared: Rc<Shared<E>>,
    handle: u32,
    next: QueueOffset,
}

impl<E: Env> EntryReader<E> {
    /// The next `count` entries, as [`ConsumeQueues::read_cold`]; the reader is behind them then.
    ///
    /// # Errors
    /// As [`ConsumeQueues::read_cold`].
    pub async fn read(&mut self, count: usize) -> Result<Entries, QueueError> {
        let found = read(self.shared.clone(), self.handle, self.next.get(), count).await?;
        self.next = found.next;
        Ok(found)
    }
}

pub(super) async fn read<E: Env>(
    shared: Rc<Shared<E>>,
    handle: u32,
    from: u64,
    count: usize,
) -> Result<Entries, QueueError> {
    let mut found = Entries { entries: Vec::new(), next: QueueOffset::new(from) };
    loop {
        let (wanted, neighbours) = {
            let state = shared.state.borrow();
            let reach = state.read(handle, found.next.get(), |offset, entry, _| {
                if found.entries.len() >= count {
                    return ControlFlow::Break(());
                }
                found.entries.push((QueueOffset::new(offset), entry));
                ControlFlow::Continue(())
            });
            found.next = reach.next;
            if reach.stop != Stop::Cold || found.entries.len() >= count {
                return Ok(found);
            }
            let page = reach.next.get() / PAGE;
            let wanted = cold_page(&state, handle, page).expect("holes are never cold");
            let behind = page.checked_sub(1).and_then(|page| cold_page(&state, handle, page));
            let ahead = cold_page(&state, handle, page + 1);
            (wanted, behind.zip(ahead))
        };
        // Whoever has just read the page before will read the next one.
        if let Some((behind, ahead)) = neighbours
            && shared.cache.borrow().holds(behind.location)
        {
            fetch_ahead(&shared, ahead);
        }
        let bytes = page(&shared, wanted).await?;
        if shared.state.borrow().queues[handle as usize].deleted {
            return Err(QueueError::Deleted);
        }
        let (entries, _) = bytes[ENTRIES].as_chunks::<{ Entry::LEN }>();
        for (offset, entry) in (wanted.header.first..).zip(entries).skip((found.next.get() % PAGE) as usize) {
            if found.entries.len() >= count {
                return Ok(found);
            }
            let entry = Entry::decode(entry);
            if !entry.is_hole() {
                found.entries.push((QueueOffset::new(offset), entry));
            }
            found.next = QueueOffset::new(offset + 1);
        }
    }
}

/// The page, from the cache or from disk.
pub(super) async fn page<E: Env>(shared: &Shared<E>, wanted: Wanted) -> Result<SharedSlice, QueueError> {
    if let Some(page) = shared.cache.borrow_mut().get(wanted.location) {
        return Ok(page);
    }
    let permit = shared.config.reads.enter().await;
    let read = shared.files.read(wanted.location, 1).await;
    drop(permit);
    let page = read.map_err(|source| QueueError::Io { op: "read", source })?;
    if page.len() != BLOCK || PageHeader::verified(&page, wanted.location) != Some(wanted.header) {
        return Err(QueueError::Corrupt { location: wanted.location });
    }
    shared.cache.borrow_mut().put(wanted.location, page.clone());
    Ok(page)
}

/// The `page` of a queue, if it has left memory.
fn cold_page(state: &State, handle: u32, page: u64) -> Option<Wanted> {
    let queue = &state.queues[handle as usize];
    let index = usize::try_from(page.checked_sub(queue.first_page())?).ok()?;
    let location = queue.pages.get(index)?.location()?;
    let header = PageHeader { queue: queue.number, first: page * PAGE };
    state.recent.entries(location).is_none().then_some(Wanted { location, header })
}

/// Reads a page into the cache. Whoever needs it before it is there reads it, too, and is told what is wrong with it.
fn fetch_ahead<E: Env>(shared: &Rc<Shared<E>>, wanted: Wanted) {
    let location = wanted.location;
    {
        let mut cache = shared.cache.borrow_mut();
        if !shared.config.reads.is_open() || cache.holds(location) || cache.coming.contains(&location) {
            return;
        }
        cache.coming.push(location);
    }
    let task = shared.clone();
    shared.env.spawn(Class::ColdRead, async move {
        if let Err(error) = page(&task, wanted).await {
            tracing::debug!(%error, "a page of a queue was not read ahead");
        }
        task.cache.borrow_mut().coming.retain(|coming| *coming != location);
    });
}

const CACHED_PAGES: usize = 64;

#[cfg(test)]
mod tests {
    use rt::sim::{FaultRule, OpKind, Simulation};

    use super::super::crash_tests::{config, filled};
    use super::*;

    #[test]
    fn the_next_page_of_a_reader_is_there_before_it_is_asked_for() {
        let (disk, _) = filled(&Simulation::new(1), 5 * PAGE);
        let sim = Simulation::new(2);
        let machine = sim.machine([10, 0, 0, 1], disk);
        sim.block_on(async {
            let (queues, _) = ConsumeQueues::open(machine.env(), config()).await.unwrap();
            let mut reader = queues.entry_reader(queues.find_queue("topic", 0).unwrap(), QueueOffset::new(7));
            let before = machine.disk().statistics().reads;
            for read in 1..=20 {
                assert_eq!(reader.read(10).await.unwrap().entries.len(), 10);
                // Whoever stays on a page reads no other. The third is read with the second.
                let pages = if read < 20 { 1 } else { 3 };
                assert_eq!(machine.disk().statistics().reads, before + pages, "read {read}");
            }
            machine.env().sleep(std::time::Duration::from_secs(1)).await;
            let rule = FaultRule::forever(OpKind::Read, "", 5);
            machine.disk().inject(rule);
            let rest = 3 * PAGE - 207;
            assert_eq!(reader.read(rest as usize).await.unwrap().entries.len() as u64, rest);
            assert!(matches!(reader.read(1).await, Err(QueueError::Io { .. })), "the fourth is not there");
            machine.disk().heal();
            let read = reader.read(usize::MAX).await.unwrap();
            assert_eq!((read.entries.len() as u64, read.next), (2 * PAGE, QueueOffset::new(5 * PAGE)));
        });
    }
}
