//! A checkpoint: what the queues say of themselves, written into the journal when all of it can be relied on.

use std::rc::Rc;

use rt::Env;

use super::{Trouble, flushed_to, space, write_some};
use crate::consume_queue::saved::{self, Positions, Statement};
use crate::consume_queue::state::State;
use crate::consume_queue::{Entry, PAGE, Shared};
use crate::journal::{Journal, PAYLOAD_MAX};

/// Saves what has changed since the last checkpoint, or everything.
pub(in crate::consume_queue) async fn checkpoint<E: Env>(
    shared: &Rc<Shared<E>>,
    journal: &mut Journal<E>,
) -> Result<(), Trouble> {
    let whole = std::mem::replace(&mut shared.keeper.borrow_mut().whole, true)
        || journal.bytes() > SNAPSHOT_BYTES.max(3 * journal.base_bytes());
    let dead = space::dead_segments(shared);
    let mut gathered = Gathered::new(shared);
    let (queues, removed, moved) = {
        let mut state = shared.state.borrow_mut();
        state.dirty_bytes = 0;
        let spare = Vec::with_capacity(state.queues.len());
        let dirty = std::mem::replace(&mut state.dirty, spare);
        let all = 0..state.queues.len() as u32;
        let queues = if whole { all.collect() } else { dirty };
        (queues, std::mem::take(&mut state.removed), std::mem::take(&mut state.moved))
    };
    let mut rewrite = if whole { Some(journal.rewrite().await?) } else { None };
    for number in removed.into_iter().filter(|_| !whole) {
        gathered.add(&Statement::Removed { number });
    }
    for handles in queues.chunks(QUEUES_PER_SLICE) {
        {
            let mut state = shared.state.borrow_mut();
            for &handle in handles {
                gathered.queue(&mut state, handle, whole);
            }
        }
        if let Some(rewrite) = &mut rewrite {
            for payload in gathered.take_full() {
                rewrite.push(&payload).await?;
            }
        }
        shared.env.yield_now().await;
    }
    for (handle, page) in moved.into_iter().filter(|_| !whole) {
        gathered.moved(&shared.state.borrow(), handle, page);
    }
    let end = shared.keeper.borrow().log_end;
    let last_page = shared.state.borrow().recent.next();
    while shared.state.borrow().recent.written() < last_page {
        write_some(shared).await?;
    }
    shared.files.flush().await?;
    flushed_to(shared, end).await;
    let saved_to = gathered.positions.replay_from;
    let payloads = gathered.finish(shared);
    match rewrite {
        Some(mut rewrite) => {
            for payload in &payloads {
                rewrite.push(payload).await?;
            }
            journal.replace(rewrite).await?;
        }
        None => journal.commit(payloads.iter().map(Vec::as_slice)).await?,
    }
    {
        let mut keeper = shared.keeper.borrow_mut();
        keeper.whole = false;
        keeper.checkpoints += 1;
        keeper.saved_to = saved_to;
    }
    for segment in dead {
        shared.files.remove(segment).await?;
        shared.state.borrow_mut().live.remove(&segment);
    }
    space::copy_forward(shared).await
}

/// Statements on their way into payloads.
struct Gathered {
    payloads: Vec<Vec<u8>>,
    positions: Positions,
}

impl Gathered {
    fn new<E: Env>(shared: &Shared<E>) -> Self {
        let positions = Positions {
            replay_from: shared.keeper.borrow().log_end,
            era_bytes: shared.config.segment_bytes,
            ..Positions::default()
        };
        Self { payloads: vec![Vec::new()], positions }
    }

    fn add(&mut self, statement: &Statement<'_>) {
        let mut payload = self.payloads.last_mut().expect("never empty");
        if payload.len() + saved::STATEMENT_MAX > PAYLOAD_MAX {
            self.payloads.push(Vec::new());
            payload = self.payloads.last_mut().expect("just pushed");
        }
        statement.encode(payload);
    }

    /// Payloads that take no more.
    fn take_full(&mut self) -> Vec<Vec<u8>> {
        let open = self.payloads.pop().expect("never empty");
        std::mem::replace(&mut self.payloads, vec![open])
    }

    /// Adds what changed in a queue since it was saved, or all of it.
    fn queue(&mut self, state: &mut State, handle: u32, whole: bool) {
        let queue = &mut state.queues[handle as usize];
        queue.dirty = false;
        if queue.deleted {
            return;
        }
        if whole {
            queue.recorded = false;
            queue.saved = 0;
        }
        let (recorded, saved, number) = (queue.recorded, queue.saved, queue.number);
        queue.recorded = true;
        queue.saved = queue.next;
        let queue = &state.queues[handle as usize];
        if !recorded {
            self.add(&Statement::Queue {
                number,
                queue_id: queue.name.queue_id,
                born_at: queue.born_at,
                topic: state.names.topic_name(queue.name.topic),
            });
        }
        let mut first_page = (saved / PAGE).max(queue.first_page());
        let skip = (first_page - queue.first_page()) as usize;
        let references: Vec<[u8; 8]> = queue.pages.iter().skip(skip).map(|page| page.to_bytes()).collect();
        for references in references.chunks(saved::REFERENCES_MAX) {
            self.add(&Statement::Pages { number, first_page, references });
            first_page += references.len() as u64;
        }
        let first = saved.max(queue.tail_first());
        let tail = &state.tails.bytes(queue.slot)[..usize::from(queue.tail) * Entry::LEN];
        let entries = &tail.as_chunks().0[(first - queue.tail_first()) as usize..];
        let (min, next, end_at) = (queue.min, queue.next, queue.end_at);
        self.add(&Statement::Tail { number, min, next, end_at, first, entries });
    }

    fn moved(&mut self, state: &State, handle: u32, page: u64) {
        let queue = &state.queues[handle as usize];
        if !queue.deleted
            && let Some(index) = page.checked_sub(queue.first_page())
            && let Some(&reference) = queue.pages.get(index as usize)
        {
            self.add(&Statement::Moved { number: queue.number, page, reference });
        }
    }

    fn finish<E: Env>(mut self, shared: &Shared<E>) -> Vec<Vec<u8>> {
        let state = shared.state.borrow();
        self.positions.next_location = state.recent.next();
        self.positions.next_number = state.next_number;
        let positions = self.positions;
        self.add(&Statement::Positions(positions));
        self.payloads
    }
}

/// A journal of checkpoints is rewritten when it is larger than this and three times what it was then.
const SNAPSHOT_BYTES: u64 = 16 << 20;
const QUEUES_PER_SLICE: usize = 128;
