//! Entries of pages that have left memory.

use std::ops::ControlFlow;
use std::rc::Rc;

use rt::{BLOCK, Env, SharedSlice};

use super::{Entries, Entry, PAGE_ENTRIES, QueueError, QueueOffset, Shared, Stop};
use crate::queue_log::page::{ENTRIES, PageHeader};

const PAGE: u64 = PAGE_ENTRIES as u64;

/// The pages that readers stand on: each is read again for a few pulls in a row, and hardly ever later.
#[derive(Debug)]
pub(super) struct PageCache {
    slots: Vec<Option<(u64, SharedSlice)>>,
}

impl Default for PageCache {
    fn default() -> Self {
        Self { slots: vec![None; CACHED_PAGES] }
    }
}

impl PageCache {
    fn get(&self, location: u64) -> Option<SharedSlice> {
        let slot = self.slots[(location % CACHED_PAGES as u64) as usize].as_ref();
        slot.filter(|(held, _)| *held == location).map(|(_, page)| page.clone())
    }

    fn put(&mut self, location: u64, page: SharedSlice) {
        self.slots[(location % CACHED_PAGES as u64) as usize] = Some((location, page));
    }
}

/// What must be known to read one page that is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) location: u64,
    pub(super) header: PageHeader,
}

pub(super) async fn read<E: Env>(
    shared: Rc<Shared<E>>,
    handle: u32,
    from: u64,
    count: usize,
) -> Result<Entries, QueueError> {
    let mut found = Entries { entries: Vec::new(), next: QueueOffset::new(from) };
    loop {
        let wanted = {
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
            let queue = &state.queues[handle as usize];
            let index = (reach.next.get() / PAGE - queue.first_page()) as usize;
            let location = queue.pages[index].location().expect("holes are never cold");
            let first = reach.next.get() / PAGE * PAGE;
            Wanted { location, header: PageHeader { queue: queue.number, first } }
        };
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
    if let Some(page) = shared.cache.borrow().get(wanted.location) {
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

const CACHED_PAGES: usize = 64;
