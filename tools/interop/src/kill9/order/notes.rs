//! What everybody writes to: the history that is judged in the end, and how far the trial is.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32},
    },
    time::Instant,
};

use history::{Attempt, Event, History, Queue};

use super::QUEUES;
use crate::record::Record;

/// What everybody writes to.
pub(super) struct Notes {
    pub(super) history: Mutex<History>,
    pub(super) start: Instant,
    pub(super) attempts: AtomicU32,
    pub(super) tenures: AtomicU32,
    /// The load is over.
    pub(super) quiet: AtomicBool,
    /// Everything is over.
    pub(super) done: AtomicBool,
}

impl Notes {
    pub(super) fn new() -> Self {
        Self {
            history: Mutex::new(History {
                consumed: (0..u32::from(QUEUES)).map(Queue).collect(),
                ..History::default()
            }),
            start: Instant::now(),
            attempts: AtomicU32::new(0),
            tenures: AtomicU32::new(0),
            quiet: AtomicBool::new(false),
            done: AtomicBool::new(false),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("a short test")
    }

    pub(super) fn note(&self, event: Event) {
        self.history.lock().expect("no holder panics").push(event);
    }
}

pub(super) fn attempt_of(record: &Record) -> Option<Attempt> {
    Some(Attempt(str::from_utf8(&record.body).ok()?.parse().ok()?))
}
