//! Groups that consume in order: who owned a queue when, and what was consumed under which ownership.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::{Attempt, Finding, Queue, Tenure, Verdict};

/// What is known of the ordered queues.
#[derive(Default)]
pub(crate) struct Ordered {
    tenures: HashMap<Tenure, Ownership>,
    queues: HashMap<Queue, Consumption>,
}

#[derive(Clone, Copy)]
struct Ownership {
    queue: Queue,
    /// The owner believes in it so long.
    until_ms: u64,
    is_over: bool,
    /// The last offset that was consumed under it.
    last: Option<u64>,
}

#[derive(Default)]
struct Consumption {
    /// Every ownership of the queue, in the order in which they were first granted.
    tenures: Vec<Tenure>,
    /// The youngest under which something was consumed: its place among the tenures.
    youngest: usize,
    /// Consumption went from the first to the second offset; none is the place before the first message.
    steps: Vec<(Option<u64>, u64)>,
    highest: Option<u64>,
}

impl Ordered {
    /// A broker granted or renewed an ownership.
    pub(crate) fn owned(
        &mut self,
        tenure: Tenure,
        queue: Queue,
        (at_ms, until_ms): (u64, u64),
    ) -> Option<Finding> {
        let known = self.queues.entry(queue).or_default();
        let others = known.tenures.iter().filter(|other| **other != tenure);
        let rival = others
            .filter_map(|other| Some((*other, self.tenures.get(other)?)))
            .find(|(_, other)| !other.is_over && other.until_ms > at_ms);
        let finding = rival.map(|(rival, other)| Finding {
            verdict: Verdict::TwoOwners,
            excerpt: format!(
                "{queue:?} is {tenure:?}'s at {at_ms} ms; {rival:?} has it until {} ms",
                other.until_ms
            ),
        });
        if !self.tenures.contains_key(&tenure) {
            known.tenures.push(tenure);
        }
        let ownership =
            self.tenures.entry(tenure).or_insert(Ownership { queue, until_ms, is_over: false, last: None });
        ownership.until_ms = until_ms;
        finding
    }

    /// Its owner gave it up, or died.
    pub(crate) fn disowned(&mut self, tenure: Tenure) {
        if let Some(ownership) = self.tenures.get_mut(&tenure) {
            ownership.is_over = true;
        }
    }

    /// A message was consumed under an ownership.
    pub(crate) fn consumed(&mut self, tenure: Tenure, offset: u64) -> Option<Finding> {
        let ownership = self.tenures.get_mut(&tenure)?;
        let queue = ownership.queue;
        let known = self.queues.get_mut(&queue)?;
        let before = ownership.last.replace(offset);
        // What is consumed first may have been consumed before: its commit may be lost. It is never further.
        known.steps.push((before.or(known.highest), offset));
        known.highest = known.highest.max(Some(offset));
        let place = known.tenures.iter().position(|one| *one == tenure)?;
        let youngest = known.tenures[known.youngest];
        let is_overtaken = place < known.youngest;
        known.youngest = known.youngest.max(place);
        let swap = |text: String| Some(Finding { verdict: Verdict::Swap, excerpt: text });
        if before.is_some_and(|before| before >= offset) {
            return swap(format!("{tenure:?} consumed {offset} of {queue:?} after {before:?}"));
        }
        if is_overtaken {
            return swap(format!(
                "{tenure:?} consumed {offset} of {queue:?} when {youngest:?} had begun to consume"
            ));
        }
        None
    }

    /// Whether consumption passed over a message that is there.
    pub(crate) fn gaps(&self, drain: &BTreeMap<(Queue, u64), Attempt>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (queue, known) in &self.queues {
            for (from, to) in &known.steps {
                if from.is_some_and(|from| from >= *to) {
                    continue;
                }
                let first = from.map_or(Bound::Included((*queue, 0)), |from| Bound::Excluded((*queue, from)));
                let passed = drain.range((first, Bound::Excluded((*queue, *to)))).next();
                if let Some(((_, offset), attempt)) = passed {
                    let excerpt =
                        format!("{queue:?} was consumed to {from:?}, then {to}; {offset} is {attempt:?}");
                    findings.push(Finding { verdict: Verdict::Gap, excerpt });
                }
            }
        }
        findings
    }
}
