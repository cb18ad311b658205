//! Moves the first readable offsets when the commitlog has lost its oldest segments.
//!
//! Page references tell in which segment a page begins, so most pages go without being looked at; at most one page of
//! a queue must be read to find the exact offset.

use std::rc::Rc;

use rt::{Class, Env};

use super::cold_read::{self, Wanted};
use super::state::State;
use super::{Entry, PAGE, Shared};
use crate::queue_log::page::{ENTRIES, PageHeader};

#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// Where the commitlog begins, as far as queues have been or are being told.
    log_min: u64,
    running: bool,
}

/// Starts a pass over all queues if the commitlog begins later than at the last call.
pub(super) fn advance<E: Env>(shared: &Rc<Shared<E>>, log_min: u64) {
    let mut expiry = shared.expiry.borrow_mut();
    if log_min <= expiry.log_min {
        return;
    }
    expiry.log_min = log_min;
    if std::mem::replace(&mut expiry.running, true) {
        return;
    }
    drop(expiry);
    let shared = shared.clone();
    let env = shared.env.clone();
    env.spawn(Class::Housekeeping, async move { run(&shared).await });
}

async fn run<E: Env>(shared: &Rc<Shared<E>>) {
    loop {
        let log_min = shared.expiry.borrow().log_min;
        let mut handle = 0;
        while pass(shared, &mut handle, log_min).await {}
        super::keeper::arm(shared);
        let mut expiry = shared.expiry.borrow_mut();
        if expiry.log_min == log_min {
            expiry.running = false;
            return;
        }
    }
}

/// Looks at some queues from `handle` on; false behind the last.
async fn pass<E: Env>(shared: &Rc<Shared<E>>, handle: &mut u32, log_min: u64) -> bool {
    let mut straddling = None;
    {
        let mut state = shared.state.borrow_mut();
        let end = (*handle + QUEUES_PER_SLICE).min(state.queues.len() as u32);
        while *handle < end && straddling.is_none() {
            straddling = state.expire(*handle, log_min);
            *handle += 1;
        }
        if *handle == state.queues.len() as u32 && straddling.is_none() {
            return false;
        }
    }
    let Some(wanted) = straddling else {
        shared.env.yield_now().await;
        return true;
    };
    match cold_read::page(shared, wanted).await {
        Ok(page) => {
            let (entries, _) = page[ENTRIES].as_chunks::<{ Entry::LEN }>();
            let expired = expired(entries, log_min);
            let mut state = shared.state.borrow_mut();
            let handle = *handle - 1;
            let queue = &state.queues[handle as usize];
            let min = (wanted.header.first + expired).clamp(queue.min, queue.next);
            if !queue.deleted {
                state.raise_min(handle, min);
            }
        }
        // The page stays; whoever reads it is told.
        Err(error) => tracing::warn!(%error, "the first readable offset of a queue is not known exactly"),
    }
    true
}

impl State {
    /// Drops what lies before `log_min`. Returns a page that must be looked at to know exactly.
    pub(super) fn expire(&mut self, handle: u32, log_min: u64) -> Option<Wanted> {
        let era = log_min / self.era_bytes;
        loop {
            let queue = &self.queues[handle as usize];
            if queue.deleted || queue.min == queue.next {
                return None;
            }
            if queue.end_at <= log_min {
                let next = queue.next;
                self.raise_min(handle, next);
                return None;
            }
            let first_page = queue.first_page();
            let Some(front) = queue.pages.front() else {
                let tail = &self.tails.bytes(queue.slot)[..usize::from(queue.tail) * Entry::LEN];
                let min = queue.tail_first() + expired(tail.as_chunks().0, log_min);
                self.raise_min(handle, min);
                return None;
            };
            if !front.begins_before(era) {
                return None;
            }
            // A page is dead if a later one begins before the limit.
            let later = queue.pages.iter().skip(1).position(|page| page.location().is_some());
            let next_begins = later.map(|index| queue.pages[index + 1]);
            let dead = front.location().is_none() || next_begins.is_some_and(|page| page.begins_before(era));
            if dead {
                self.raise_min(handle, (first_page + 1) * PAGE);
                continue;
            }
            let location = front.location().expect("a hole is dead");
            let first = first_page * PAGE;
            let Some(bytes) = self.recent.entries(location) else {
                return Some(Wanted { location, header: PageHeader { queue: queue.number, first } });
            };
            let min = first + expired(bytes.as_chunks().0, log_min);
            self.raise_min(handle, min.max(self.queues[handle as usize].min));
            if min < first + PAGE {
                return None;
            }
        }
    }
}

/// How many leading entries name records before `log_min`. Holes have the position of what is before them.
fn expired(entries: &[[u8; Entry::LEN]], log_min: u64) -> u64 {
    entries.partition_point(|entry| Entry::decode(entry).at.get() < log_min) as u64
}

const QUEUES_PER_SLICE: u32 = 512;
