//! [`Job`]: operations of one kind, by several workers at once.
//!
//! Invariants: never more in flight than asked for; the first failure ends all workers; one operation at least is done,
//! however late it is.

use std::cell::{Cell as Place, RefCell};
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
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
            waker: RefCell::default(),
        }
    }

    /// Keeps `cell.depth` operations in flight until the share is used, and waits for the last.
    pub(super) async fn all(
        self: Rc<Self>,
        file: &<E::Disk as Disk>::File,
        cell: Cell,
        places: Places,
        data: &SharedSlice,
    ) -> Result<(), ProbeError> {
        self.at_work.set(cell.depth);
        for _ in 0..cell.depth {
            let (job, file, data) = (self.clone(), file.clone(), data.clone());
            self.env.spawn(Class::Pump, async move {
                job.work(&file, cell, places, &data).await;
                job.at_work.set(job.at_work.get() - 1);
                if let Some(waker) = job.waker.borrow_mut().take() {
                    waker.wake();
                }
            });
        }
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
            if let Err((op, source)) = operate(file, cell.op, at, data).await {
                self.failed.borrow_mut().get_or_insert(ProbeError::io(op, &self.path, source));
                return;
            }
            self.latencies_ns.borrow_mut().push(self.env.now().mono.since(began));
        }
    }

    /// The place of the next operation, if there is to be one.
    fn claim(&self, cell: Cell, places: Places) -> Option<u64> {
        let bytes = cell.bytes();
        // One at least: a disk may take longer for it than its share.
        let late = self.issued.get() > 0 && self.env.now().mono >= self.share.ends;
        let spent = self.issued.get() + bytes > self.share.bytes;
        if late || spent || self.failed.borrow().is_some() || self.watch.stop() {
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
    op: Op,
    at: u64,
    data: &SharedSlice,
) -> Result<(), (&'static str, io::Error)> {
    match op {
        Op::Read => file.read_at(at, data.len()).await.map(drop).map_err(|error| ("read", error)),
        Op::Write => file.write_at(at, data.clone(), false).await.map_err(|error| ("write", error)),
        Op::Dsync => file.write_at(at, data.clone(), true).await.map_err(|error| ("durable write", error)),
        Op::Fdatasync => {
            file.write_at(at, data.clone(), false).await.map_err(|error| ("write", error))?;
            file.flush().await.map_err(|error| ("flush", error))
        }
    }
}
