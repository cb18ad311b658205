//! A value that arrives later: how simulated I/O answers.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The side that waits. Dropping it cancels nothing: the I/O goes on.
pub(super) struct Completion<T>(Rc<RefCell<State<T>>>);

/// The side that answers. Dropping it unanswered leaves the other side waiting for ever.
pub(super) struct Completer<T>(Rc<RefCell<State<T>>>);

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

pub(super) fn completion<T>() -> (Completer<T>, Completion<T>) {
    let state = Rc::new(RefCell::new(State { value: None, waker: None }));
    (Completer(state.clone()), Completion(state))
}

impl<T> Completer<T> {
    pub(super) fn complete(self, value: T) {
        let waker = {
            let mut state = self.0.borrow_mut();
            state.value = Some(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Completion<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.borrow_mut();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
