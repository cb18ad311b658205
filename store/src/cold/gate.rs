//! [`ReadGate`]: how many reads a shard has in flight at once, so that a commit waits for one device slot at most.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Lets a bounded number of readers through, in the order in which they came.
#[derive(Debug)]
pub struct ReadGate {
    state: RefCell<Queue>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    next_ticket: u64,
    waiting: VecDeque<(u64, Waker)>,
    peak: usize,
    limit: usize,
}

impl ReadGate {
    /// A gate for `limit` reads at once.
    #[must_use]
    pub fn new(limit: usize) -> Rc<Self> {
        assert!(limit > 0);
        let queue = Queue { free: limit, next_ticket: 0, waiting: VecDeque::new(), peak: 0, limit };
        Rc::new(Self { state: RefCell::new(queue) })
    }

    /// Completes when a read may start; it counts until the permit is dropped. Cancelling is safe.
    pub async fn enter(self: &Rc<Self>) -> ReadPermit {
        let mut place = Place { gate: self.clone(), ticket: None };
        poll_fn(|context| {
            let mut queue = self.state.borrow_mut();
            let first = match place.ticket {
                None => queue.waiting.is_empty(),
                Some(ticket) => queue.waiting.front().is_some_and(|(front, _)| *front == ticket),
            };
            if queue.free > 0 && first {
                if place.ticket.take().is_some() {
                    queue.waiting.pop_front();
                }
                queue.free -= 1;
                queue.peak = queue.peak.max(queue.limit - queue.free);
                queue.wake_front();
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            match place.ticket {
                Some(ticket) => {
                    if let Some(entry) = queue.waiting.iter_mut().find(|(other, _)| *other == ticket) {
                        entry.1 = waker;
                    }
                }
                None => {
                    let ticket = queue.next_ticket;
                    queue.next_ticket += 1;
                    queue.waiting.push_back((ticket, waker));
                    place.ticket = Some(ticket);
                }
            }
            Poll::Pending
        })
        .await;
        ReadPermit { gate: self.clone() }
    }

    /// Whether a read could start at once.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let queue = self.state.borrow();
        queue.free > 0 && queue.waiting.is_empty()
    }

    /// Most reads there ever were at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.state.borrow().peak
    }
}

impl Queue {
    fn wake_front(&self) {
        if self.free > 0
            && let Some((_, waker)) = self.waiting.front()
        {
            waker.wake_by_ref();
        }
    }
}

/// A read in flight.
#[derive(Debug)]
pub struct ReadPermit {
    gate: Rc<ReadGate>,
}

impl Drop for ReadPermit {
    fn drop(&mut self) {
        let mut queue = self.gate.state.borrow_mut();
        queue.free += 1;
        queue.wake_front();
    }
}

/// A place in the line; leaving it early lets the next one forward.
struct Place {
    gate: Rc<ReadGate>,
    ticket: Option<u64>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut queue = self.gate.state.borrow_mut();
            queue.waiting.retain(|(other, _)| *other != ticket);
            queue.wake_front();
        }
    }
}
