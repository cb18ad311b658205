//! Timers, earliest first; those of one moment in the order in which they were set.

use std::cmp::Ordering;
use std::task::Waker;

use super::{EnvIndex, World};

pub(super) struct Timer {
    pub(super) at: u64,
    pub(super) sequence: u64,
    pub(super) action: Action,
}

pub(super) enum Action {
    Wake(Waker),
    Call(Box<dyn FnOnce()>),
    Turn(EnvIndex),
}

impl World {
    /// Runs `action` when the clock reaches `at_ns`.
    pub(in crate::sim) fn at(&self, at_ns: u64, action: impl FnOnce() + 'static) {
        self.set_timer(at_ns, Action::Call(Box::new(action)));
    }

    pub(in crate::sim) fn wake_at(&self, at_ns: u64, waker: Waker) {
        self.set_timer(at_ns, Action::Wake(waker));
    }

    pub(super) fn set_timer(&self, at: u64, action: Action) {
        let sequence = self.timer_sequence.get();
        self.timer_sequence.set(sequence + 1);
        self.timers.borrow_mut().push(Timer { at, sequence, action });
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap is a max-heap, so the earliest is the greatest.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}
