//! The background half of the queues: one task at a time writes full chunks, makes checkpoints and frees space.
//!
//! A checkpoint is committed in this order: pages written, pages flushed, commitlog flushed as far as entries reach,
//! then the checkpoint itself. Whoever finds it may trust it without looking at anything else.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use rt::{BLOCK, Class, Env};

use super::saved::{self, Positions, Statement};
use super::state::State;
use super::{Entry, PAGE_ENTRIES, QueueError, Shared};
use crate::journal::{Journal, JournalError, PAYLOAD_MAX};
use crate::queue_log::files::SEGMENT_PAGES;
use crate::queue_log::page::{self, ENTRIES, PageHeader};
use crate::worker::Worker;

const PAGE: u64 = PAGE_ENTRIES as u64;

/// What the tasks and the shard tell each other.
pub(super) struct Keeper<E: Env> {
    /// `None` while the task runs.
    pub(super) journal: Option<Journal<E>>,
    /// The alarm sleeps until the checkpoint interval is over.
    pub(super) armed: bool,
    /// A checkpoint is due.
    pub(super) due: bool,
    /// The last checkpoint could not be made: the next one says everything.
    whole: bool,
    pub(super) failure: Option<Rc<str>>,
    /// Positions of the commitlog, as of the last turn.
    pub(super) log_end: u64,
    pub(super) log_flushed: u64,
    waiting: Vec<Waker>,
    /// Segments with a damaged page; their space stays.
    stuck: Vec<u64>,
    pub(super) checkpoints: u64,
    /// Records below are covered by the last checkpoint.
    pub(super) saved_to: u64,
}

impl<E: Env> Keeper<E> {
    pub(super) fn new(journal: Journal<E>, saved_to: u64) -> Self {
        Self {
            journal: Some(journal),
            armed: false,
            due: false,
            whole: false,
            failure: None,
            log_end: 0,
            log_flushed: 0,
            waiting: Vec::new(),
            stuck: Vec::new(),
            checkpoints: 0,
            saved_to,
        }
    }

    pub(super) fn wake_all(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// Makes the tasks. They live as long as the queues.
pub(super) fn employ<E: Env>(shared: &Rc<Shared<E>>) {
    let save = |shared: Rc<Shared<E>>| async move {
        let journal = shared.keeper.borrow_mut().journal.take();
        if let Some(journal) = journal {
            run(&shared, journal).await;
        }
    };
    let wait = |shared: Rc<Shared<E>>| async move {
        shared.env.sleep(Duration::from_millis(shared.config.checkpoint_ms)).await;
        {
            let mut keeper = shared.keeper.borrow_mut();
            keeper.armed = false;
            keeper.due = true;
        }
        start(&shared);
    };
    let is_new = shared.saver.set(Worker::start(&shared.env, Class::Flush, shared, save)).is_ok()
        && shared.alarm.set(Worker::start(&shared.env, Class::Flush, shared, wait)).is_ok();
    assert!(is_new, "employed once");
}

/// Lets the task work if there is something to do and it does not.
pub(super) fn start<E: Env>(shared: &Shared<E>) {
    let keeper = shared.keeper.borrow();
    let work = keeper.due || shared.state.borrow().recent.has_full_chunk();
    if work && keeper.failure.is_none() && keeper.journal.is_some() {
        shared.saver.get().expect("employed").ring();
    }
}

/// Makes sure that a checkpoint comes within the interval.
pub(super) fn arm<E: Env>(shared: &Shared<E>) {
    if !std::mem::replace(&mut shared.keeper.borrow_mut().armed, true) {
        shared.alarm.get().expect("employed").ring();
    }
}

/// Completes when no task runs, with the journal; or with the reason why there will be none.
pub(super) async fn idle<E: Env>(shared: &Rc<Shared<E>>) -> Result<Journal<E>, QueueError> {
    poll_fn(|context| {
        let mut keeper = shared.keeper.borrow_mut();
        if let Some(what) = &keeper.failure {
            return Poll::Ready(Err(QueueError::Damaged { what: what.to_string() }));
        }
        if let Some(journal) = keeper.journal.take() {
            return Poll::Ready(Ok(journal));
        }
        keeper.waiting.push(context.waker().clone());
        Poll::Pending
    })
    .await
}

/// Completes when the commitlog is flushed up to `position`.
async fn flushed_to<E: Env>(shared: &Rc<Shared<E>>, position: u64) {
    poll_fn(|context| {
        let mut keeper = shared.keeper.borrow_mut();
        if keeper.log_flushed >= position {
            return Poll::Ready(());
        }
        keeper.waiting.push(context.waker().clone());
        Poll::Pending
    })
    .await;
}

async fn run<E: Env>(shared: &Rc<Shared<E>>, mut journal: Journal<E>) {
    loop {
        let outcome = if shared.state.borrow().recent.has_full_chunk() {
            write_some(shared).await.map_err(Trouble::from)
        } else if std::mem::take(&mut shared.keeper.borrow_mut().due) {
            checkpoint(shared, &mut journal).await
        } else {
            break;
        };
        match outcome {
            Ok(()) => {}
            Err(Trouble::Full(what)) => {
                tracing::warn!(%what, "no space for the queue log");
                shared.keeper.borrow_mut().due = true;
                shared.env.sleep(RETRY).await;
            }
            Err(Trouble::Failed(what)) => {
                tracing::error!(%what, "queues can no longer be saved");
                let mut keeper = shared.keeper.borrow_mut();
                keeper.failure = Some(what);
                keeper.wake_all();
                shared.env.kick();
                return;
            }
        }
    }
    let mut keeper = shared.keeper.borrow_mut();
    keeper.journal = Some(journal);
    keeper.wake_all();
}

/// Why a step of the task did not succeed.
pub(super) enum Trouble {
    /// Only space is missing.
    Full(Rc<str>),
    /// For good.
    Failed(Rc<str>),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        let what = format!("queue log: {error}").into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(what),
            _ => Self::Failed(what),
        }
    }
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        let what = error.to_string().into();
        if error.is_full() { Self::Full(what) } else { Self::Failed(what) }
    }
}

/// Writes the oldest unwritten pages: at most a chunk.
async fn write_some<E: Env>(shared: &Rc<Shared<E>>) -> io::Result<()> {
    let (location, pages) = {
        let state = shared.state.borrow();
        let location = state.recent.written();
        let unsealed = state.recent.unwritten();
        let pages = rt::slice::aligned(unsealed.len(), |memory| {
            memory.copy_from_slice(unsealed);
            for (index, block) in memory.chunks_exact_mut(BLOCK).enumerate() {
                page::seal(block, location + index as u64);
            }
        });
        (location, pages)
    };
    let count = (pages.len() / BLOCK) as u64;
    if count > 0 {
        shared.files.write(location, pages).await?;
        let flushed = shared.keeper.borrow().log_flushed;
        let mut state = shared.state.borrow_mut();
        for index in 0..count {
            state.make_room_behind(location + index);
        }
        state.recent.wrote(count, flushed);
    }
    Ok(())
}

/// Writes full chunks until there is none.
pub(super) async fn write_full<E: Env>(shared: &Rc<Shared<E>>) -> io::Result<()> {
    while shared.state.borrow().recent.has_full_chunk() {
        write_some(shared).await?;
        shared.env.yield_now().await;
    }
    Ok(())
}

/// Saves what has changed since the last checkpoint, or everything.
pub(super) async fn checkpoint<E: Env>(
    shared: &Rc<Shared<E>>,
    journal: &mut Journal<E>,
) -> Result<(), Trouble> {
    let whole = std::mem::replace(&mut shared.keeper.borrow_mut().whole, true)
        || journal.bytes() > SNAPSHOT_BYTES.max(3 * journal.base_bytes());
    let dead = dead_segments(shared);
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
    copy_forward(shared).await
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

/// Segments of which no page is in use: the checkpoint now beginning will say so.
fn dead_segments<E: Env>(shared: &Shared<E>) -> Vec<u64> {
    let state = shared.state.borrow();
    let active = state.recent.written() / SEGMENT_PAGES;
    state
        .live
        .iter()
        .filter(|(segment, live)| **segment < active && **live == 0)
        .map(|(segment, _)| *segment)
        .collect()
}

/// Copies what is left in the emptiest old segment to the end of the log, so that the segment can go.
async fn copy_forward<E: Env>(shared: &Rc<Shared<E>>) -> Result<(), Trouble> {
    let candidate = {
        let (state, keeper) = (shared.state.borrow(), shared.keeper.borrow());
        let active = state.recent.written() / SEGMENT_PAGES;
        let sparse = |&(segment, live): &(&u64, &u32)| {
            *segment < active
                && *live > 0
                && u64::from(*live) < SEGMENT_PAGES / 4
                && !keeper.stuck.contains(segment)
        };
        state.live.iter().filter(sparse).min_by_key(|(_, live)| **live).map(|(segment, _)| *segment)
    };
    let Some(segment) = candidate else { return Ok(()) };
    let mut location = segment * SEGMENT_PAGES;
    while location < (segment + 1) * SEGMENT_PAGES {
        let permit = shared.config.reads.enter().await;
        let pages = shared.files.read(location, COPY_PAGES).await?;
        drop(permit);
        let count = pages.len() / BLOCK;
        for block in pages.chunks_exact(BLOCK) {
            move_page(&mut shared.state.borrow_mut(), location, block);
            location += 1;
        }
        if (count as u64) < COPY_PAGES {
            break;
        }
        shared.env.yield_now().await;
        write_full(shared).await?;
    }
    let left = shared.state.borrow().live.get(&segment).copied().unwrap_or(0);
    if left > 0 {
        tracing::warn!(segment, pages = left, "pages of the queue log cannot be read; their segment stays");
        shared.keeper.borrow_mut().stuck.push(segment);
    }
    arm(shared);
    Ok(())
}

/// Copies the page at `location` to the end of the log if a queue still needs it.
fn move_page(state: &mut State, location: u64, block: &[u8]) -> Option<()> {
    let header = PageHeader::verified(block, location)?;
    let handle = state.handle_of(header.queue)?;
    let queue = &state.queues[handle as usize];
    let page = header.first / PAGE;
    let index = usize::try_from(page.checked_sub(queue.first_page())?).ok()?;
    let reference = *queue.pages.get(index)?;
    if reference.location() != Some(location) {
        return None;
    }
    debug_assert_eq!(block[ENTRIES].len(), PAGE_ENTRIES * Entry::LEN);
    let to = state.recent.append_copy(block, 0);
    state.release(reference);
    *state.live.entry(to / SEGMENT_PAGES).or_default() += 1;
    state.queues[handle as usize].pages[index] = reference.moved(to);
    state.moved.push((handle, page));
    Some(())
}

/// A journal of checkpoints is rewritten when it is larger than this and three times what it was then.
const SNAPSHOT_BYTES: u64 = 16 << 20;
const QUEUES_PER_SLICE: usize = 128;
const COPY_PAGES: u64 = 32;
const RETRY: Duration = Duration::from_secs(1);
