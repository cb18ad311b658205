//! Writes what is pending: one commit at a time, by a task that ends when there is nothing left to do.

use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};

use rt::{Class, Env};

use super::{Shared, TablesError, operation};
use crate::journal::{Journal, JournalError, PAYLOAD_MAX, Rewrite};

pub(super) struct Committer<E: Env> {
    /// `None` while a task uses it.
    journal: Option<Journal<E>>,
    /// Changes up to here are durable.
    durable: u64,
    /// Changes up to here met a full disk; whoever waits for them is told, they are tried again later.
    refused: Option<(u64, TablesError)>,
    pub(super) failure: Option<TablesError>,
    /// A task sleeps until the flush interval is over.
    pub(super) armed: bool,
    /// The interval of later changes was over while a commit ran: another one follows at once.
    again: bool,
    waiting: Vec<Waker>,
    /// Somebody waits for the changes up to here.
    pub(super) wanted: u64,
    spare: Vec<u8>,
}

impl<E: Env> Committer<E> {
    pub(super) fn new(journal: Journal<E>) -> Self {
        Self {
            journal: Some(journal),
            durable: 0,
            refused: None,
            failure: None,
            armed: false,
            again: false,
            waiting: Vec::new(),
            wanted: 0,
            spare: Vec::new(),
        }
    }

    fn wake_all(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// Commits what is pending unless a task is at it already; that one goes on until somebody who waits is served.
pub(super) fn start<E: Env>(shared: &Rc<Shared<E>>) {
    let mut committer = shared.committer.borrow_mut();
    if committer.failure.is_some() || shared.map.borrow().changes() == committer.durable {
        return;
    }
    committer.refused = None;
    let Some(journal) = committer.journal.take() else {
        // The commit that runs took its changes before these were made.
        committer.again = true;
        return;
    };
    drop(committer);
    let shared = shared.clone();
    let env = shared.env.clone();
    env.spawn(Class::Flush, async move { run(&shared, journal).await });
}

/// Makes sure that a commit comes within the flush interval.
pub(super) fn arm<E: Env>(shared: &Rc<Shared<E>>) {
    if mem::replace(&mut shared.committer.borrow_mut().armed, true) {
        return;
    }
    let shared = shared.clone();
    let env = shared.env.clone();
    env.spawn(Class::Flush, async move {
        shared.env.sleep(shared.config.flush_interval).await;
        shared.committer.borrow_mut().armed = false;
        start(&shared);
    });
}

/// Completes when the first `ticket` changes are durable, or cannot be for now.
pub(super) async fn wait<E: Env>(shared: Rc<Shared<E>>, ticket: u64) -> Result<(), TablesError> {
    poll_fn(move |context| {
        let mut committer = shared.committer.borrow_mut();
        if committer.durable >= ticket {
            return Poll::Ready(Ok(()));
        }
        if let Some(failure) = &committer.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        if let Some((refused, error)) = &committer.refused
            && *refused >= ticket
        {
            return Poll::Ready(Err(error.clone()));
        }
        committer.waiting.push(context.waker().clone());
        Poll::Pending
    })
    .await
}

async fn run<E: Env>(shared: &Rc<Shared<E>>, mut journal: Journal<E>) {
    loop {
        let spare = mem::take(&mut shared.committer.borrow_mut().spare);
        let (ticket, pending) = {
            let mut map = shared.map.borrow_mut();
            (map.changes(), map.take_pending(spare))
        };
        let outcome = journal.commit(operation::payloads(&pending)).await;
        let done = finish(shared, ticket, pending, outcome);
        if done && is_large(shared, &journal) {
            snapshot(shared, &mut journal).await;
        }
        let mut committer = shared.committer.borrow_mut();
        if committer.failure.is_some() {
            return;
        }
        let again = mem::take(&mut committer.again);
        if !done || (committer.durable >= committer.wanted && !again) {
            committer.journal = Some(journal);
            drop(committer);
            if !done {
                arm(shared);
            }
            return;
        }
    }
}

/// Records how a commit of the changes up to `ticket` ended; whether it is durable.
fn finish<E: Env>(
    shared: &Rc<Shared<E>>,
    ticket: u64,
    pending: Vec<u8>,
    outcome: Result<(), JournalError>,
) -> bool {
    let mut committer = shared.committer.borrow_mut();
    let done = match outcome {
        Ok(()) => {
            committer.durable = ticket;
            committer.spare = if pending.capacity() > PAYLOAD_MAX { Vec::new() } else { pending };
            true
        }
        Err(error) if error.is_full() => {
            shared.map.borrow_mut().give_back(pending);
            committer.refused = Some((ticket, error.into()));
            false
        }
        Err(error) => {
            tracing::error!(%error, "metadata can no longer be saved");
            committer.failure = Some(error.into());
            false
        }
    };
    committer.wake_all();
    done
}

fn is_large<E: Env>(shared: &Shared<E>, journal: &Journal<E>) -> bool {
    journal.bytes() > shared.config.snapshot_bytes.max(3 * journal.base_bytes())
}

/// Writes the tables as a new generation. If that fails, the old one stays in force.
async fn snapshot<E: Env>(shared: &Rc<Shared<E>>, journal: &mut Journal<E>) {
    match write_snapshot(shared, journal).await {
        Ok(()) => shared.committer.borrow_mut().wake_all(),
        Err(error) if error.is_full() => tracing::warn!(%error, "no space for a snapshot of the metadata"),
        Err(error) => {
            tracing::error!(%error, "metadata can no longer be saved");
            let mut committer = shared.committer.borrow_mut();
            committer.failure = Some(error.into());
            committer.wake_all();
        }
    }
}

async fn write_snapshot<E: Env>(
    shared: &Rc<Shared<E>>,
    journal: &mut Journal<E>,
) -> Result<(), JournalError> {
    let mut rewrite = journal.rewrite().await?;
    let mut after = None;
    let mut piece = Vec::new();
    loop {
        piece.clear();
        after = shared.map.borrow().encode_some(after, SLICE_BYTES, &mut piece);
        for payload in operation::payloads(&piece) {
            rewrite.push(payload).await?;
        }
        if after.is_none() {
            break;
        }
    }
    // The walk met tables in motion; with the changes made since it began, all of them, the base is the present.
    let (ticket, pending) = {
        let mut map = shared.map.borrow_mut();
        (map.changes(), map.take_pending(Vec::new()))
    };
    if let Err(error) = complete(journal, rewrite, &pending).await {
        shared.map.borrow_mut().give_back(pending);
        return Err(error);
    }
    shared.committer.borrow_mut().durable = ticket;
    Ok(())
}

async fn complete<E: Env>(
    journal: &mut Journal<E>,
    mut rewrite: Rewrite<E>,
    pending: &[u8],
) -> Result<(), JournalError> {
    for payload in operation::payloads(pending) {
        rewrite.push(payload).await?;
    }
    journal.replace(rewrite).await
}

/// What is encoded between two yields.
const SLICE_BYTES: usize = 32 << 10;
