//! Messages that consumers give back: each comes again or is a dead letter, and counts how often it was tried.

use std::collections::{BTreeSet, HashMap};

use crate::check::EARLY_MS;
use crate::{Attempt, Finding, Verdict};

/// A message and how often it was tried again.
type Try = (Attempt, u32);

/// What is known of messages given back.
#[derive(Default)]
pub(crate) struct Retries {
    /// When the next try is due at the earliest, by what was given back.
    asked: HashMap<Try, i64>,
    /// Acknowledged.
    given_back: BTreeSet<Try>,
    /// In a retry topic, and among dead letters.
    again: BTreeSet<Try>,
    dead: BTreeSet<Try>,
}

impl Retries {
    pub(crate) fn asked(&mut self, attempt: Attempt, times: u32, due_ms: i64) {
        let due = self.asked.entry((attempt, times)).or_insert(due_ms);
        *due = (*due).min(due_ms);
    }

    pub(crate) fn given_back(&mut self, attempt: Attempt, times: u32) {
        self.given_back.insert((attempt, times));
    }

    /// A drain begins: only what is in it is there in the end.
    pub(crate) fn forget_where(&mut self) {
        self.again.clear();
        self.dead.clear();
    }

    /// A message is in a retry topic, or if `dead` among dead letters, for the `times`th time.
    pub(crate) fn found(
        &mut self,
        (attempt, times): Try,
        at_ms: i64,
        dead: bool,
        limit: u32,
    ) -> Option<Finding> {
        if dead { &mut self.dead } else { &mut self.again }.insert((attempt, times));
        let wrong = |verdict, text: String| Some(Finding { verdict, excerpt: text });
        let asked = times.checked_sub(1).and_then(|before| self.asked.get(&(attempt, before)).copied());
        let Some(due_ms) = asked else {
            let text = format!("{attempt:?} is tried for the {times}. time, which nobody asked for");
            return wrong(Verdict::Miscounted, text);
        };
        if dead != (times > limit) {
            let text = format!("{attempt:?} was tried {times} times of {limit}, dead letter: {dead}");
            return wrong(Verdict::Miscounted, text);
        }
        if !dead && at_ms < due_ms - EARLY_MS {
            return wrong(Verdict::Early, format!("{attempt:?} came again {} ms too early", due_ms - at_ms));
        }
        None
    }

    pub(crate) fn lost(&self) -> impl Iterator<Item = Finding> {
        let is_there = |one: &Try| self.again.contains(one) || self.dead.contains(one);
        let lost = self.given_back.iter().filter(move |(attempt, times)| !is_there(&(*attempt, times + 1)));
        lost.map(|(attempt, times)| Finding {
            verdict: Verdict::RetryLost,
            excerpt: format!("{attempt:?} was given back after {times} tries, acknowledged, and is nowhere"),
        })
    }
}
