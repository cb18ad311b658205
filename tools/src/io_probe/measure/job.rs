//! [`Job`]: operations of one kind, by several workers at once.
//!
//! Invariants: never more in flight than asked for; the first failure ends all workers; one operation at least is done,
//! however late it is. A job may run beside another; it ends when the other has.

use std::cell::{Cell as Place, RefCell};
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use rt::{Class, Disk, DiskFile, Env, Mono, SharedSlice};

use crate::io_probe::error::ProbeError;
use crate::io_probe::plan::{Cell, Op};

use super::{Probe, Watch};

/// How much one job may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// No operation but the first begins later.
    pub(super) ends: Mono,
    /// Bytes read or written.
    pub(super) bytes: u64,
}

/// Where the next operation goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Places {
    /// One behind the other up to this offset, where the work ends.
    Forward(u64),
    /// One behind the other, from the start again at this offset.
    Around(u64),
    /// Anywhere below it.
    Random(u64),
}

/// See the module.
pub(super) struct Job<E: Env> {
    env: E,
    path: PathBuf,
    watch: Rc<dyn Watch>,
    share: Share,
    next: Place<u64>,
    /// Bytes of the operations so far.
    pub(super) issued: Place<u64>,
    /// One for each operation that succeeded.
    pub(super) latencies_ns: RefCell<Vec<u64>>,
    failed: RefCell<Option<ProbeError>>,
    at_work: Place<u32>,
    stopped: Place<bool>,
    beside: RefCell<Option<Rc<Job<E>>>>,
    waker: RefCell<Option<Waker>>,
}

impl<E: Env> Job<E> {
    /// A job of `probe` whose first operation is at `from`.
    pub(super) fn new(probe: &Probe<E>, from: u64, share: Share) -> Self {
        Self {
            env: probe.env.clone(),
            path: probe.file.clone(),
            watch: probe.watch.clone(),
            share,
            next: Place::new(from),
            issued: Place::new(0),
            latencies_ns: RefCell::default(),
            failed: RefCell::default(),
            at_work: Place::new(0),
            stopped: Place::new(false),
            beside: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    /// Keeps the cell's operations in flight until the share is used, and waits for the last.
    pub(super) async fn all(
        self: Rc<Self>,
        file: &<E::Disk as Disk>::File,
        cell: Cell,
        places: Places,
        data: &SharedSlice,
    ) -> Result<(), ProbeError> {
        self.start(file, cell, places, data);
        self.finished().await
    }

    /// Ends with `other`, which has begun.
    pub(super) fn runs_beside(&self, other: Rc<Job<E>>) {
        *self.beside.borrow_mut() = Some(other);
    }

    /// Lets no further operation begin.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Puts the workers to work.
    pub(super) fn start(
        self: &Rc<Self>,
        file: &<E::Disk as Disk>::File,
        cell: Cell,
        places: Places,
        data: &SharedSlice,
    ) {
        self.at_work.set(cell.workers());
        for _ in 0..cell.workers() {
            let (job, file, data) = (self.clone(), file.clone(), data.clone());
            self.env.spawn(Class::Pump, async move {
                job.work(&file, cell, places, &data).await;
                job.at_work.set(job.at_work.get() - 1);
                if let Some(waker) = job.waker.borrow_mut().take() {
                    waker.wake();
                }
            });
        }
    }

    /// Waits for the last operation.
    pub(super) async fn finished(&self) -> Result<(), ProbeError> {
        poll_fn(|context| {
            *self.waker.borrow_mut() = Some(context.waker().clone());
            if self.at_work.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        match self.failed.take() {
            Some(error) => Err(error),
            None if self.watch.stop() => Err(ProbeError::Interrupted),
            None => Ok(()),
        }
    }

    async fn work(&self, file: &<E::Disk as Disk>::File, cell: Cell, places: Places, data: &SharedSlice) {
        while let Some(at) = self.claim(cell, places) {
            let began = self.env.now().mono;
            if let Err((op, source)) = operate(file, cell, at, data).await {
                self.failed.borrow_mut().get_or_insert(ProbeError::io(op, &self.path, source));
                return;
            }
            self.latencies_ns.borrow_mut().push(self.env.now().mono.since(began));
        }
    }

    /// The place of the next operation, if there is to be one.
    fn claim(&self, cell: Cell, places: Places) -> Option<u64> {
        let bytes = cell.bytes() * u64::from(cell.writes_at_once());
        let alone = self.beside.borrow().as_ref().is_some_and(|other| other.at_work.get() == 0);
        // One at least: a disk may take longer for it than its share.
        let late = self.issued.get() > 0 && self.env.now().mono >= self.share.ends;
        let spent = self.issued.get() + bytes > self.share.bytes;
        if late || spent || alone || self.stopped.get() || self.failed.borrow().is_some() || self.watch.stop()
        {
            return None;
        }
        let at = match places {
            Places::Random(end) => self.env.random() % (end / bytes) * bytes,
            Places::Around(end) if self.next.get() + bytes > end => 0,
            Places::Forward(end) if self.next.get() + bytes > end => return None,
            Places::Around(_) | Places::Forward(_) => self.next.get(),
        };
        self.next.set(at + bytes);
        self.issued.set(self.issued.get() + bytes);
        Some(at)
    }
}

async fn operate<F: DiskFile>(
    file: &F,
    cell: Cell,
    at: u64,
    data: &SharedSlice,
) -> Result<(), (&'static str, io::Error)> {
    match cell.op {
        Op::Read => file.read_at(at, data.len()).await.map(drop).map_err(|error| ("read", error)),
        Op::Write => file.write_at(at, data.clone(), false).await.map_err(|error| ("write", error)),
        Op::Dsync => file.write_at(at, data.clone(), true).await.map_err(|error| ("durable write", error)),
        Op::Fdatasync => {
            file.write_at(at, data.clone(), false).await.map_err(|error| ("write", error))?;
            file.flush().await.map_err(|error| ("flush", error))
        }
        Op::Group => {
            let places = (0..u64::from(cell.depth)).map(|index| at + index * cell.bytes());
            let writes = places.map(|place| Box::pin(file.write_at(place, data.clone(), false))).collect();
            together(writes).await.map_err(|error| ("write", error))?;
            file.flush().await.map_err(|error| ("flush", error))
        }
    }
}

/// Waits for all of them; the first failure is told when none is in flight any more.
async fn together<W: Future<Output = io::Result<()>>>(mut writes: Vec<Pin<Box<W>>>) -> io::Result<()> {
    let mut outcome = Ok(());
    poll_fn(|context| {
        writes.retain_mut(|write| match write.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(done) => {
                if outcome.is_ok() {
                    outcome = done;
                }
                false
            }
        });
        if writes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outcome
}
