//! [`Timers`]: the sleeps of background tasks. Reactors keep their own wheel; a sleep is rare.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::clock;
use crate::Mono;

/// Pending sleeps, by deadline and order of registration.
#[derive(Default)]
pub(crate) struct Timers {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    pending: BTreeMap<(Mono, u64), Waker>,
    next: u64,
}

impl Timers {
    /// When the pump must look again.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.inner.borrow().pending.first_key_value().map(|((at, _), _)| *at)
    }

    /// Wakes every sleeper whose time has come.
    pub(crate) fn fire(&self, now: Mono) {
        loop {
            let due = {
                let mut inner = self.inner.borrow_mut();
                match inner.pending.first_entry() {
                    Some(first) if first.key().0 <= now => first.remove(),
                    _ => return,
                }
            };
            due.wake();
        }
    }
}

/// A future that completes at its deadline.
pub(crate) struct Sleep {
    timers: Rc<Timers>,
    deadline: Mono,
    key: Option<(Mono, u64)>,
}

impl Sleep {
    pub(crate) fn until(timers: Rc<Timers>, deadline: Mono) -> Self {
        Self { timers, deadline, key: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if clock::monotonic() >= self.deadline {
            return Poll::Ready(());
        }
        let timers = self.timers.clone();
        let mut inner = timers.inner.borrow_mut();
        let key = self.key.unwrap_or_else(|| {
            inner.next += 1;
            (self.deadline, inner.next)
        });
        self.key = Some(key);
        inner.pending.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.timers.inner.borrow_mut().pending.remove(&key);
        }
    }
}
