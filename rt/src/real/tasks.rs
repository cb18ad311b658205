//! Background tasks: spawned on glommio, with an exact count of the runnable ones.
//!
//! The pump may sleep in its own ring only if no task could run, and glommio does not tell. So every task is polled
//! with a waker of ours that counts: a task is idle, queued (woken, not yet polled) or done, and
//! `Runnable::count` is the number of queued ones.
//!
//! A wake from another thread leaves the task in a list and rings the doorbell; the pump passes it on
//! ([`Tasks::wake_foreign`]), so that glommio's own way across threads, and its rings, are never needed.
//!
//! Each poll of a task ends the slot of its queue: the scheduler decides anew, by shares, after every slice.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

use glommio::TaskQueueHandle;

use super::Doorbell;
use super::panic::PanicGuard;
use crate::Class;

/// The background tasks of one shard.
pub(crate) struct Tasks {
    runnable: Arc<Runnable>,
    queues: [TaskQueueHandle; 5],
    /// The pump, when it waits for a task to have run.
    pump: RefCell<Option<Waker>>,
    ran: Cell<u64>,
    /// The shard is done: whatever is polled ends instead.
    stopping: Cell<bool>,
    guard: PanicGuard,
}

struct Runnable {
    count: AtomicIsize,
    thread: ThreadId,
    bell: Doorbell,
    /// Tasks woken by other threads and not yet counted, and whether there are any.
    foreign: Mutex<Vec<Arc<Ticket>>>,
    any_foreign: AtomicBool,
}

impl Tasks {
    pub(crate) fn new(queues: [TaskQueueHandle; 5], bell: Doorbell, guard: PanicGuard) -> Self {
        let runnable = Runnable {
            count: AtomicIsize::new(0),
            thread: std::thread::current().id(),
            bell,
            foreign: Mutex::default(),
            any_foreign: AtomicBool::new(false),
        };
        Self {
            runnable: Arc::new(runnable),
            queues,
            pump: RefCell::new(None),
            ran: Cell::new(0),
            stopping: Cell::new(false),
            guard,
        }
    }

    /// Whether some task waits to be polled.
    pub(crate) fn any_runnable(&self) -> bool {
        self.runnable.count.load(Ordering::SeqCst) > 0
    }

    /// Ends every task at its next poll. Without this a task that is always runnable would keep the executor going.
    pub(crate) fn stop(&self) {
        self.stopping.set(true);
    }

    /// Passes on what other threads woke. The pump calls it every turn.
    pub(crate) fn wake_foreign(&self) {
        if self.runnable.any_foreign.load(Ordering::Relaxed)
            && self.runnable.any_foreign.swap(false, Ordering::SeqCst)
        {
            let woken = std::mem::take(&mut *lock(&self.runnable.foreign));
            woken.iter().for_each(|ticket| ticket.pass_on());
        }
    }

    /// Starts `task` in the queue of its class.
    pub(crate) fn spawn(self: &Rc<Self>, class: Class, task: impl Future<Output = ()> + 'static) {
        let ticket = Arc::new(Ticket {
            runnable: self.runnable.clone(),
            state: AtomicU8::new(QUEUED),
            executor: Mutex::new(None),
        });
        self.runnable.count.fetch_add(1, Ordering::SeqCst);
        let waker = Waker::from(ticket.clone());
        let tasks = self.clone();
        let mut task = Box::pin(task);
        let counted = poll_fn(move |context| tasks.poll(&ticket, &waker, task.as_mut(), context));
        glommio::spawn_local_into(counted, self.queue(class))
            .expect("the queues live as long as the executor")
            .detach();
    }

    fn poll(
        &self,
        ticket: &Ticket,
        waker: &Waker,
        task: Pin<&mut impl Future<Output = ()>>,
        context: &Context<'_>,
    ) -> Poll<()> {
        if self.stopping.get() {
            return Poll::Ready(());
        }
        let _guard = self.guard.arm();
        ticket.begin(context.waker());
        let outcome = task.poll(&mut Context::from_waker(waker));
        if outcome.is_ready() {
            ticket.finish();
        }
        end_slot();
        self.ran.set(self.ran.get() + 1);
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
        outcome
    }

    /// Completes once a task was polled, for the pump: it has nothing to do, tasks have.
    pub(crate) fn after_one_ran(&self) -> impl Future<Output = ()> {
        let before = self.ran.get();
        poll_fn(move |context| {
            if self.ran.get() != before {
                return Poll::Ready(());
            }
            self.pump.replace(Some(context.waker().clone()));
            Poll::Pending
        })
    }

    fn queue(&self, class: Class) -> TaskQueueHandle {
        self.queues[match class {
            Class::Pump => 0,
            Class::ColdRead => 1,
            Class::Flush => 2,
            Class::Admin => 3,
            Class::Housekeeping => 4,
        }]
    }
}

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const DONE: u8 = 2;

/// The waker of one task.
struct Ticket {
    runnable: Arc<Runnable>,
    state: AtomicU8,
    /// The executor's own waker of the task. Locked by another thread only when that thread wakes us.
    executor: Mutex<Option<Waker>>,
}

impl Ticket {
    fn begin(&self, executor: &Waker) {
        if self.state.compare_exchange(QUEUED, IDLE, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.runnable.count.fetch_sub(1, Ordering::SeqCst);
        }
        let mut slot = lock(&self.executor);
        if !slot.as_ref().is_some_and(|known| known.will_wake(executor)) {
            *slot = Some(executor.clone());
        }
    }

    fn finish(&self) {
        if self.state.swap(DONE, Ordering::SeqCst) == QUEUED {
            self.runnable.count.fetch_sub(1, Ordering::SeqCst);
        }
        // Wakers of ours may outlive the task in somebody's table; the executor's must not.
        *lock(&self.executor) = None;
    }
}

impl Ticket {
    /// Counts a queued task and hands it to the executor. On the shard's thread.
    fn pass_on(&self) {
        self.runnable.count.fetch_add(1, Ordering::SeqCst);
        let executor = lock(&self.executor).clone();
        if let Some(executor) = executor {
            executor.wake();
        }
    }
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.compare_exchange(IDLE, QUEUED, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return;
        }
        if std::thread::current().id() == self.runnable.thread {
            self.pass_on();
        } else {
            lock(&self.runnable.foreign).push(self.clone());
            self.runnable.any_foreign.store(true, Ordering::SeqCst);
            self.runnable.bell.ring();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the slot of the running queue, as a yield does that nobody awaits.
fn end_slot() {
    let executor = glommio::executor();
    let yielding = pin!(executor.yield_task_queue_now());
    let _ = yielding.poll(&mut Context::from_waker(Waker::noop()));
}
