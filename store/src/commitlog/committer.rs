//! The committer: a few futures that live as long as the store and are polled inside the turn, so that the turn which
//! reaps a completion also issues the next write. No task, no allocation and no timer per commit.
//!
//! ASYNC_FLUSH: up to four writers and one flusher. SYNC_FLUSH: one writer whose commit includes its flush; while it
//! is out, everything appended gathers for the next commit.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use rt::{Class, DiskFile, Env, Mono, Now};

use super::{Log, WRITES_IN_FLIGHT_MAX, Write};
use crate::config::{FlushMethod, FlushMode};

pub(crate) struct Committer<E: Env> {
    log: Rc<Log<E>>,
    /// The turn's clock, for the workers.
    clock: Rc<Cell<Mono>>,
    workers: Vec<Worker>,
    outside: Arc<Outside>,
}

struct Worker {
    kind: Kind,
    /// Waits for work, not for the disk.
    idle: Rc<Cell<bool>>,
    bell: Arc<Bell>,
    waker: Waker,
    task: Pin<Box<dyn Future<Output = ()>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Writer,
    Flusher,
}

/// Wakes one worker: remembers it, and makes sure that a turn comes.
struct Bell {
    rung: AtomicBool,
    outside: Arc<Outside>,
}

/// The task that turns a wake-up into [`Env::kick`]; `Waker`s are `Send`, hence the lock (never contended: completions
/// arrive on the shard's own thread).
struct Outside {
    rung: AtomicBool,
    closed: AtomicBool,
    kicker: Mutex<Option<Waker>>,
}

impl<E: Env> Committer<E> {
    pub(crate) fn start(log: Rc<Log<E>>) -> Self {
        let outside = Arc::new(Outside {
            rung: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            kicker: Mutex::new(None),
        });
        log.env.spawn(Class::Pump, kick_on_completion(log.env.clone(), outside.clone()));
        let clock = Rc::new(Cell::new(log.env.now().mono));
        let writers = match log.config.flush_mode {
            FlushMode::Async => WRITES_IN_FLIGHT_MAX,
            FlushMode::Sync => 1,
        };
        let mut committer = Self { log, clock, workers: Vec::new(), outside };
        for _ in 0..writers {
            committer.add(Kind::Writer);
        }
        if committer.log.config.flush_mode == FlushMode::Async {
            committer.add(Kind::Flusher);
        }
        committer
    }

    fn add(&mut self, kind: Kind) {
        let idle = Rc::new(Cell::new(true));
        let (log, clock) = (self.log.clone(), self.clock.clone());
        let task: Pin<Box<dyn Future<Output = ()>>> = match kind {
            Kind::Writer => Box::pin(write_for_ever(log, clock, idle.clone())),
            Kind::Flusher => Box::pin(flush_for_ever(log, clock, idle.clone())),
        };
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), outside: self.outside.clone() });
        let waker = Waker::from(bell.clone());
        self.workers.push(Worker { kind, idle, bell, waker, task });
    }

    /// Takes in completions and issues what may be issued; returns when it must be called again at the latest.
    pub(crate) fn turn(&mut self, now: Now) -> Option<Mono> {
        self.clock.set(now.mono);
        self.log.note_turn(now.mono);
        loop {
            let mut moved = false;
            for worker in &mut self.workers {
                let called = worker.bell.rung.swap(false, Ordering::Acquire);
                let has_work = worker.idle.get()
                    && match worker.kind {
                        Kind::Writer => self.log.next_write(now.mono).is_some(),
                        Kind::Flusher => self.log.flush_due(now.mono),
                    };
                if called || has_work {
                    let ended = worker.task.as_mut().poll(&mut Context::from_waker(&worker.waker)).is_ready();
                    debug_assert!(!ended, "workers live as long as the store");
                    moved = true;
                }
            }
            if !moved {
                self.log.settle_batches();
                return self.log.note_turn(now.mono).filter(|due| *due > now.mono || self.can_move(now.mono));
            }
        }
    }

    /// Whether something due could be issued now: otherwise a completion, not the clock, brings the next turn.
    fn can_move(&self, now: Mono) -> bool {
        self.workers.iter().any(|worker| {
            worker.idle.get()
                && match worker.kind {
                    Kind::Writer => self.log.next_write(now).is_some(),
                    Kind::Flusher => self.log.flush_due(now),
                }
        })
    }
}

impl<E: Env> Drop for Committer<E> {
    fn drop(&mut self) {
        // Both waiting tasks must see it: each would keep the log alive.
        self.log.segments.close();
        self.outside.closed.store(true, Ordering::Release);
        self.outside.ring();
    }
}

async fn write_for_ever<E: Env>(log: Rc<Log<E>>, clock: Rc<Cell<Mono>>, idle: Rc<Cell<bool>>) {
    loop {
        let write = poll_fn(|_| match log.next_write(clock.get()) {
            Some(write) => Poll::Ready(write),
            None => Poll::Pending,
        })
        .await;
        idle.set(false);
        log.write_issued(write, clock.get());
        if let Err(error) = carry_out(&log, write).await {
            // Whatever the device said, the bytes of this write and of all later ones are not where they should be.
            log.fail(log.written().min(write.from), format!("write at {} failed: {error}", write.from));
        }
        idle.set(true);
    }
}

async fn carry_out<E: Env>(log: &Log<E>, write: Write) -> std::io::Result<()> {
    let file = log.segments.file(write.from).await?;
    let offset = write.from % log.config.segment_bytes;
    let (sync, method) = (log.config.flush_mode == FlushMode::Sync, log.config.flush_method);
    let started = log.env.now().mono;
    let durable = sync && method == FlushMethod::Dsync && log.config.canary != Some(crate::Canary::SkipFlush);
    file.write_at(offset, log.window.blocks(write.from, write.to), durable).await?;
    log.write_done(write, log.env.now().mono.since(started));
    if sync {
        if method == FlushMethod::Fdatasync {
            log.flush_file(&file).await?;
        }
        // A durable write vouches for itself only; everything below it was flushed by earlier ones.
        assert!(log.flushed() >= write.from, "commits leave no gap");
        log.flush_done(write.to);
    }
    Ok(())
}

async fn flush_for_ever<E: Env>(log: Rc<Log<E>>, clock: Rc<Cell<Mono>>, idle: Rc<Cell<bool>>) {
    loop {
        poll_fn(|_| if log.flush_due(clock.get()) { Poll::Ready(()) } else { Poll::Pending }).await;
        idle.set(false);
        log.flushed_at.set(clock.get());
        let (from, to) = (log.flushed(), log.written());
        match flush_range(&log, from, to).await {
            Ok(()) => log.flush_done(to),
            Err(error) => log.fail(from, format!("flush of {from}..{to} failed: {error}")),
        }
        idle.set(true);
    }
}

/// Flushes the files of the completed writes `from..to`, older first.
async fn flush_range<E: Env>(log: &Log<E>, from: u64, to: u64) -> std::io::Result<()> {
    let mut at = from;
    while at < to {
        let file = log.segments.file(at).await?;
        log.flush_file(&file).await?;
        at = log.segment_end(at);
    }
    Ok(())
}

async fn kick_on_completion<E: Env>(env: E, outside: Arc<Outside>) {
    while !outside.closed.load(Ordering::Acquire) {
        poll_fn(|cx| {
            *outside.kicker.lock().expect("nobody panics while holding it") = Some(cx.waker().clone());
            if outside.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        env.kick();
    }
}

impl Outside {
    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        if let Some(waker) = self.kicker.lock().expect("nobody panics while holding it").take() {
            waker.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.outside.ring();
    }
}
