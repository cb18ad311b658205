//! Tasks and their wakers, and the waker of the future that `block_on` polls.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::{MachineIndex, Ready, World};
use crate::sim::random::mix;

pub(super) struct Task {
    pub(super) machine: MachineIndex,
    /// Taken out while it is polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
}

impl World {
    pub(in crate::sim) fn spawn(&self, machine: MachineIndex, future: Pin<Box<dyn Future<Output = ()>>>) {
        if !self.is_alive(machine) {
            return;
        }
        let sequence = self.task_sequence.get();
        self.task_sequence.set(sequence + 1);
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let what = Ready::Task { key: entry.key(), sequence };
        let waker = self.waker(what, true);
        entry.insert(Task { machine, future: Some(future), waker });
        self.ready.borrow_mut().push(what);
    }

    fn waker(&self, what: Ready, queued: bool) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { what, queued: AtomicBool::new(queued), woken: self.woken.clone() })
    }

    /// A waker for the future given to `block_on`, ready at once.
    pub(in crate::sim) fn main(&self) -> MainWaker {
        let waker = self.waker(Ready::Main, false);
        waker.wake_by_ref();
        MainWaker(waker)
    }

    pub(super) fn poll(&self, key: usize, sequence: u64) {
        self.trace(mix(sequence) ^ self.clock_ns.get());
        let (mut future, waker) = {
            let mut tasks = self.tasks.borrow_mut();
            // Woken after its end; the slot may have a new tenant.
            let Some(task) = tasks.get_mut(key).filter(|task| task.is(sequence)) else { return };
            task.waker.queued.store(false, Ordering::Relaxed);
            (task.future.take().expect("polled by one step at a time"), task.waker.clone())
        };
        let finished = future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker))) == Poll::Ready(());
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get_mut(key).filter(|task| task.is(sequence)) else { return };
        if finished {
            let _done = tasks.remove(key);
        } else {
            task.future = Some(future);
        }
    }
}

impl Task {
    pub(super) fn is(&self, sequence: u64) -> bool {
        matches!(self.waker.what, Ready::Task { sequence: own, .. } if own == sequence)
    }
}

/// The waker of the future that `block_on` polls itself.
pub(in crate::sim) struct MainWaker(Arc<TaskWaker>);

impl MainWaker {
    /// To be called when the main future is about to be polled: from here on a wake counts again.
    pub(in crate::sim) fn unqueue(&self) {
        self.0.queued.store(false, Ordering::Relaxed);
    }

    pub(in crate::sim) fn waker(&self) -> Waker {
        self.0.clone().into()
    }
}

struct TaskWaker {
    what: Ready,
    queued: AtomicBool,
    woken: Arc<Mutex<Vec<Ready>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.what);
        }
    }
}
