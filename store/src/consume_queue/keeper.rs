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

use super::{QueueError, Shared};
use crate::journal::{Journal, JournalError};
use crate::queue_log::page;
use crate::worker::Worker;

mod checkpoint;
mod space;

pub(super) use checkpoint::checkpoint;

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

const RETRY: Duration = Duration::from_secs(1);
