//! Background tasks: spawned on glommio, with an exact count of the runnable ones.
//!
//! The pump may sleep in its own ring only if no task could run, and glommio does not tell. So every task is polled
//! with a waker of ours that counts: a task is idle, queued (woken, not yet polled) or done, and
//! `Runnable::count` is the number of queued ones. A wake from another thread rings the shard's doorbell as well.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicIsize, AtomicU8, Ordering};
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
    guard: PanicGuard,
}

struct Runnable {
    count: AtomicIsize,
    thread: ThreadId,
    bell: Doorbell,
}

impl Tasks {
    pub(crate) fn new(queues: [TaskQueueHandle; 5], bell: Doorbell, guard: PanicGuard) -> Self {
        let runnable = Runnable { count: AtomicIsize::new(0), thread: std::thread::current().id(), bell };
        Self { runnable: Arc::new(runnable), queues, pump: RefCell::new(None), ran: Cell::new(0), guard }
    }

    /// Whether some task waits to be polled.
    pub(crate) fn any_runnable(&self) -> bool {
        self.runnable.count.load(Ordering::SeqCst) > 0
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
        let _guard = self.guard.arm();
        ticket.begin(context.waker());
        let outcome = task.poll(&mut Context::from_waker(waker));
        if outcome.is_ready() {
            ticket.finish();
        }
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
        let mut slot = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        if !slot.as_ref().is_some_and(|known| known.will_wake(executor)) {
            *slot = Some(executor.clone());
        }
    }

    fn finish(&self) {
        if self.state.swap(DONE, Ordering::SeqCst) == QUEUED {
            self.runnable.count.fetch_sub(1, Ordering::SeqCst);
        }
        // Wakers of ours may outlive the task in somebody's table; the executor's must not.
        *self.executor.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        self.runnable.count.fetch_add(1, Ordering::SeqCst);
        let executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(executor) = executor {
            executor.wake();
        }
        if std::thread::current().id() != self.runnable.thread {
            self.runnable.bell.ring();
        }
    }
}
