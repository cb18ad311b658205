//! A bell between parts of one shard: rung in a turn or a task, heard by one waiting task.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Rung before it is waited for, it is heard at once; rung twice, it is heard once.
#[derive(Default)]
pub(crate) struct Signal {
    rung: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Signal {
    pub(crate) fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Waits for the next ring; only one task may wait at a time.
    pub(crate) async fn heard(&self) {
        poll_fn(|cx| {
            if self.rung.take() {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
