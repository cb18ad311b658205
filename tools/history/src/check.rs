//! The verdicts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::order::Ordered;
use crate::retries::Retries;
use crate::{Attempt, Event, History, Kind, Queue, Reader};

/// How a promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Acknowledged (and committed, and due), and not in the drain.
    Lost,
    /// Read, and never sent.
    Phantom,
    /// The offset told is not where it lies.
    OffsetMismatch,
    /// One offset, two payloads, ever.
    OffsetReuse,
    /// One plain attempt at two offsets.
    Duplicate,
    /// Sent after another was acknowledged, and before it in their queue; or a reader passed over a message.
    Order,
    /// Something visible disappeared, or a maximum shrank.
    Watermark,
    /// A definite refusal appeared.
    RefusedAppeared,
    /// Visible more than a second before it is due.
    Early,
    /// A half message is visible that nobody committed.
    Undecided,
    /// A group that gets everything did not get it.
    NotReceived,
    /// Two drains of one queue differ.
    DrainsDiffer,
    /// A queue was granted to somebody else while its owner could still believe in its lock.
    TwoOwners,
    /// Consumption in order went back under one ownership, or went on under one when a later one had begun.
    Swap,
    /// Consumption in order passed over a message.
    Gap,
    /// A message given back and acknowledged neither comes again nor is a dead letter.
    RetryLost,
    /// A message is tried again more often than it was given back, or is a dead letter too soon or too late.
    Miscounted,
    /// Nothing was acknowledged in time after healing.
    Liveness,
}

/// A broken promise with what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which promise.
    pub verdict: Verdict,
    /// The events that show it, in a line.
    pub excerpt: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.verdict, self.excerpt)
    }
}

/// What a history holds, and what is wrong in it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Broken promises; none is what everybody wants.
    pub findings: Vec<Finding>,
    /// Attempts.
    pub sent: usize,
    /// Acknowledged ones.
    pub stored: usize,
    /// Those of which nobody knows.
    pub unknown: usize,
    /// Refused ones.
    pub refused: usize,
    /// Copies beyond the first of parked messages and half messages, which may come more than once.
    pub copies: usize,
}

/// After healing, a broker acknowledges something within this time.
const LIVE_WITHIN_MS: u64 = 10_000;
/// Parked messages come at most this early (spec/behaviour.md, timers).
pub(crate) const EARLY_MS: i64 = 1_000;

#[derive(Clone, Debug)]
struct Sent {
    queue: Queue,
    kind: Kind,
    /// The highest offset that was acknowledged in its queue when it was sent.
    floor: Option<u64>,
    stored_at: Option<u64>,
    refused: bool,
    unknown: bool,
    commit: Option<bool>,
    decided: bool,
    received: bool,
}

#[derive(Default)]
struct State {
    sent: HashMap<Attempt, Sent>,
    /// Highest acknowledged offset of plain messages.
    acknowledged: HashMap<Queue, u64>,
    /// What was ever read where.
    seen: HashMap<(Queue, u64), Attempt>,
    /// The last offset of each reader in each queue, and its steps: (queue, from, to).
    last_read: HashMap<(Reader, Queue), u64>,
    steps: HashSet<(Queue, u64, u64)>,
    max: HashMap<Queue, u64>,
    drains: BTreeMap<Reader, BTreeMap<(Queue, u64), Attempt>>,
    ordered: Ordered,
    retries: Retries,
    retries_max: u32,
    healed: Option<u64>,
    findings: Vec<Finding>,
}

/// Judges a history.
#[must_use]
pub fn check(history: &History) -> Summary {
    let mut state = State { retries_max: history.retries_max, ..State::default() };
    for event in &history.events {
        state.take(event);
    }
    state.judge(&history.consumed.iter().copied().collect());
    let count = |is: fn(&Sent) -> bool| state.sent.values().filter(|one| is(one)).count();
    let copies = state.copies();
    Summary {
        sent: state.sent.len(),
        stored: count(|one| one.stored_at.is_some()),
        unknown: count(|one| one.unknown),
        refused: count(|one| one.refused),
        copies,
        findings: state.findings,
    }
}

impl State {
    fn find(&mut self, verdict: Verdict, excerpt: String) {
        self.findings.push(Finding { verdict, excerpt });
    }

    fn take(&mut self, event: &Event) {
        match *event {
            Event::Send { attempt, queue, kind } => {
                let floor = self.acknowledged.get(&queue).copied();
                let sent = Sent {
                    queue,
                    kind,
                    floor,
                    stored_at: None,
                    refused: false,
                    unknown: false,
                    commit: None,
                    decided: false,
                    received: false,
                };
                self.sent.insert(attempt, sent);
            }
            Event::Stored { attempt, offset } => self.stored(attempt, offset),
            Event::Refused { attempt } => self.of(attempt, |sent| sent.refused = true),
            Event::Unknown { attempt } => self.of(attempt, |sent| sent.unknown = true),
            Event::Decide { attempt, commit } => {
                self.of(attempt, |sent| sent.commit = sent.commit.or(Some(commit)));
            }
            Event::Decided { attempt } => self.of(attempt, |sent| sent.decided = true),
            Event::Received { attempt } => self.of(attempt, |sent| sent.received = true),
            Event::Read { reader, queue, offset, attempt, at_ms } => {
                self.read(reader, (queue, offset), attempt, at_ms);
            }
            Event::Max { queue, offset } => {
                let before = self.max.insert(queue, offset).unwrap_or(0);
                if offset < before {
                    self.find(Verdict::Watermark, format!("{queue:?} reached {before}, then {offset}"));
                }
            }
            Event::Owned { tenure, queue, at_ms, until_ms } => {
                let finding = self.ordered.owned(tenure, queue, (at_ms, until_ms));
                self.findings.extend(finding);
            }
            Event::Disowned { tenure } => self.ordered.disowned(tenure),
            Event::Consumed { tenure, offset } => {
                self.findings.extend(self.ordered.consumed(tenure, offset));
            }
            Event::GiveBack { attempt, times, due_ms } => self.retries.asked(attempt, times, due_ms),
            Event::GivenBack { attempt, times } => self.retries.given_back(attempt, times),
            Event::Again { attempt, times, at_ms } => {
                self.findings.extend(self.retries.found((attempt, times), at_ms, false, self.retries_max));
            }
            Event::Dead { attempt, times } => {
                self.findings.extend(self.retries.found((attempt, times), 0, true, self.retries_max));
            }
            Event::Healed { at_ms } => self.healed = Some(at_ms),
            Event::Alive { at_ms } => {
                let healed = self.healed.unwrap_or(0);
                if at_ms > healed + LIVE_WITHIN_MS {
                    self.find(Verdict::Liveness, format!("healed at {healed} ms, alive at {at_ms} ms"));
                }
            }
            Event::Drain { reader } => {
                self.drains.insert(reader, BTreeMap::new());
                self.retries.forget_where();
                self.last_read.retain(|(other, _), _| *other != reader);
            }
        }
    }

    fn of(&mut self, attempt: Attempt, change: impl FnOnce(&mut Sent)) {
        if let Some(sent) = self.sent.get_mut(&attempt) {
            change(sent);
        }
    }

    fn stored(&mut self, attempt: Attempt, offset: u64) {
        let Some(sent) = self.sent.get_mut(&attempt) else { return };
        sent.stored_at = Some(offset);
        let (queue, floor) = (sent.queue, sent.floor);
        if sent.kind != Kind::Plain {
            return;
        }
        if floor.is_some_and(|floor| offset <= floor) {
            let floor = floor.expect("looked at");
            let text = format!(
                "{attempt:?} is at {offset} of {queue:?}; {floor} was acknowledged before it was sent"
            );
            self.find(Verdict::Order, text);
        }
        let highest = self.acknowledged.entry(queue).or_default();
        *highest = (*highest).max(offset);
    }

    fn read(&mut self, reader: Reader, place: (Queue, u64), attempt: Option<Attempt>, at_ms: i64) {
        let (queue, offset) = place;
        let sent = attempt.and_then(|attempt| Some((attempt, self.sent.get(&attempt)?)));
        let Some((attempt, sent)) = sent else {
            return self.find(Verdict::Phantom, format!("{attempt:?} at {offset} of {queue:?}"));
        };
        if let Kind::Parked { due_ms } = sent.kind
            && at_ms < due_ms - EARLY_MS
        {
            self.find(Verdict::Early, format!("{attempt:?} read {} ms before it is due", due_ms - at_ms));
        }
        if let Some(before) = self.seen.insert(place, attempt).filter(|before| *before != attempt) {
            let text = format!("{offset} of {queue:?} was {before:?} and is {attempt:?}");
            self.find(Verdict::OffsetReuse, text);
        }
        if let Some(drain) = self.drains.get_mut(&reader) {
            drain.insert(place, attempt);
        }
        if let Some(before) = self.last_read.insert((reader, queue), offset)
            && before < offset
        {
            self.steps.insert((queue, before, offset));
        }
    }

    fn judge(&mut self, consumed: &BTreeSet<Queue>) {
        let mut drains = std::mem::take(&mut self.drains).into_values();
        let Some(drain) = drains.next() else { return };
        for other in drains {
            for place in drain.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let (one, two) = (drain.get(place), other.get(place));
                if one != two {
                    self.find(Verdict::DrainsDiffer, format!("{place:?}: {one:?} and {two:?}"));
                }
            }
        }
        self.judge_places(&drain);
        self.judge_attempts(&drain, consumed);
        self.findings.extend(self.ordered.gaps(&drain));
        self.findings.extend(self.retries.lost());
        let steps: Vec<_> = std::mem::take(&mut self.steps).into_iter().collect();
        for (queue, from, to) in steps {
            let passed = drain.range((queue, from + 1)..(queue, to)).next();
            if let Some(((_, offset), attempt)) = passed {
                let text = format!("a reader of {queue:?} went from {from} to {to}; {offset} is {attempt:?}");
                self.find(Verdict::Order, text);
            }
        }
    }

    fn judge_places(&mut self, drain: &BTreeMap<(Queue, u64), Attempt>) {
        let gone: Vec<_> = self
            .seen
            .iter()
            .filter(|(place, attempt)| drain.get(place) != Some(attempt))
            .map(|(place, attempt)| {
                format!("{attempt:?} was read at {place:?}, which is {:?}", drain.get(place))
            })
            .collect();
        gone.into_iter().for_each(|text| self.find(Verdict::Watermark, text));
    }

    fn judge_attempts(&mut self, drain: &BTreeMap<(Queue, u64), Attempt>, consumed: &BTreeSet<Queue>) {
        let mut places: HashMap<Attempt, Vec<(Queue, u64)>> = HashMap::new();
        for (place, attempt) in drain {
            places.entry(*attempt).or_default().push(*place);
        }
        let mut findings = Vec::new();
        for (attempt, sent) in &self.sent {
            let there = places.get(attempt).map_or(&[][..], Vec::as_slice);
            let mut find = |verdict, text: String| {
                findings.push(Finding { verdict, excerpt: format!("{attempt:?}: {text}; {sent:?}") });
            };
            let must_appear = sent.stored_at.is_some()
                && match sent.kind {
                    Kind::Plain | Kind::Parked { .. } => true,
                    Kind::Half => sent.decided && sent.commit == Some(true),
                };
            if must_appear && there.is_empty() {
                find(Verdict::Lost, "acknowledged, and nowhere".into());
            }
            if sent.refused && !there.is_empty() {
                find(Verdict::RefusedAppeared, format!("refused, and at {there:?}"));
            }
            if sent.kind == Kind::Half && sent.commit != Some(true) && !there.is_empty() {
                find(Verdict::Undecided, format!("not committed, and at {there:?}"));
            }
            if sent.kind == Kind::Plain {
                if there.len() > 1 {
                    find(Verdict::Duplicate, format!("at {there:?}"));
                }
                if let (Some(told), [place]) = (sent.stored_at, there)
                    && *place != (sent.queue, told)
                {
                    find(Verdict::OffsetMismatch, format!("told {told}, at {place:?}"));
                }
            }
            if must_appear && consumed.contains(&sent.queue) && !sent.received {
                find(Verdict::NotReceived, "no member of the group got it".into());
            }
        }
        self.findings.extend(findings);
    }

    fn copies(&self) -> usize {
        let mut places: HashMap<Attempt, usize> = HashMap::new();
        for attempt in self.seen.values() {
            *places.entry(*attempt).or_default() += 1;
        }
        places.values().map(|count| count - 1).sum()
    }
}
