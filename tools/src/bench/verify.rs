//! [`Ledger`]: which messages were acknowledged, which came, and in what order (`--verify`, rule 10).
//!
//! Two bits a message. Lost is what was acknowledged and never came; a message whose send failed may be there or not.

/// A set of numbers that grows from 0.
#[derive(Clone, Debug, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// Adds `number`; whether it was there already.
    pub fn set(&mut self, number: u64) -> bool {
        let (word, bit) = (usize::try_from(number / 64).expect("fits"), 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let was = self.0[word] & bit != 0;
        self.0[word] |= bit;
        was
    }

    /// Takes `number` out.
    fn clear(&mut self, number: u64) {
        if let Some(word) = self.0.get_mut(usize::try_from(number / 64).expect("fits")) {
            *word &= !(1 << (number % 64));
        }
    }

    /// How many are in `other` too.
    #[must_use]
    pub fn within(&self, other: &Self) -> u64 {
        self.0.iter().zip(&other.0).map(|(ours, theirs)| u64::from((ours & theirs).count_ones())).sum()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of these are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> u64 {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(others).map(|(ours, theirs)| u64::from((ours & !theirs).count_ones())).sum()
    }

    /// Adds all of `other`; how many were there already.
    fn merge(&mut self, other: &Self) -> u64 {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        let mut twice = 0;
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            twice += u64::from((*ours & theirs).count_ones());
            *ours |= theirs;
        }
        twice
    }
}

/// See the module. One per thread; they merge.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By stream.
    acked: Vec<Bits>,
    seen: Vec<Bits>,
    /// Rolled back or undecided: nobody may see them.
    hidden: Vec<Bits>,
    /// The broker asked about their transactions.
    checked: Vec<Bits>,
    /// By queue and stream: the number after the last that came.
    next: Vec<Vec<u64>>,
    /// Messages that came more than once.
    duplicates: u64,
    /// Messages that came after a later one of their stream in the same queue.
    reordered: u64,
    /// Messages whose body is not what was sent.
    corrupt: u64,
    /// Messages of our topics that this run did not send.
    foreign: u64,
    /// Messages delivered before they were due.
    early: u64,
    /// By how much at most, ns.
    earliest_ns: u64,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Different messages that came.
    pub received: u64,
    /// Acknowledged, and never came.
    pub lost: u64,
    /// Came though their send was not acknowledged: an answer was lost, or an error was none.
    pub unacknowledged: u64,
    /// Came again.
    pub duplicates: u64,
    /// Came after a later one of their connection and queue.
    pub reordered: u64,
    /// Came with another body than was sent.
    pub corrupt: u64,
    /// Were not sent by this run.
    pub foreign: u64,
    /// Came though their transaction was rolled back or never decided.
    pub leaked: u64,
    /// Came before they were due (by more than the millisecond that due times are told in).
    pub early: u64,
    /// By how much at most, ns.
    pub earliest_ns: u64,
}

impl Verdict {
    /// No acknowledged message is missing, none is damaged, and none that was rolled back is there.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.lost == 0 && self.corrupt == 0 && self.leaked == 0
    }
}

impl Ledger {
    /// Message `number` of `stream` was acknowledged.
    pub fn acknowledged(&mut self, stream: u16, number: u64) {
        at(&mut self.acked, usize::from(stream)).set(number);
    }

    /// It came in queue `queue` (any numbering of the queues of this thread).
    pub fn received(&mut self, queue: usize, stream: u16, number: u64, intact: bool) {
        if !self.received_in_any_order(stream, number, intact) {
            return;
        }
        let stream = usize::from(stream);
        let next = at(at(&mut self.next, queue), stream);
        self.reordered += u64::from(number < *next);
        *next = (*next).max(number + 1);
    }

    /// The same for one that is delivered later or seen when its transaction is committed: in no order. False if it came before.
    pub fn received_in_any_order(&mut self, stream: u16, number: u64, intact: bool) -> bool {
        self.corrupt += u64::from(!intact);
        let again = at(&mut self.seen, usize::from(stream)).set(number);
        self.duplicates += u64::from(again);
        !again
    }

    /// Message `number` of `stream` may not be seen: its transaction was rolled back, or is undecided.
    pub fn hidden(&mut self, stream: u16, number: u64) {
        at(&mut self.hidden, usize::from(stream)).set(number);
    }

    /// It was committed after all: it may be seen, and need not have been yet.
    pub fn unhidden(&mut self, stream: u16, number: u64) {
        at(&mut self.hidden, usize::from(stream)).clear(number);
    }

    /// The broker asked about message `number` of `stream`; whether it had before.
    pub fn checked(&mut self, stream: u16, number: u64) -> bool {
        at(&mut self.checked, usize::from(stream)).set(number)
    }

    /// A delayed message came `ahead` ns before it was due.
    pub fn early(&mut self, ahead: u64) {
        self.early += 1;
        self.earliest_ns = self.earliest_ns.max(ahead);
    }

    /// Deliveries before their time, and by how much at most, ns.
    #[must_use]
    pub fn early_count(&self) -> (u64, u64) {
        (self.early, self.earliest_ns)
    }

    /// A message came that this run did not send.
    pub fn foreign(&mut self) {
        self.foreign += 1;
    }

    /// Messages acknowledged so far.
    #[must_use]
    pub fn acked_count(&self) -> u64 {
        self.acked.iter().map(Bits::count).sum()
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: &Self) {
        for (stream, bits) in other.acked.iter().enumerate() {
            at(&mut self.acked, stream).merge(bits);
        }
        for (stream, bits) in other.hidden.iter().enumerate() {
            at(&mut self.hidden, stream).merge(bits);
        }
        for (stream, bits) in other.seen.iter().enumerate() {
            self.duplicates += at(&mut self.seen, stream).merge(bits);
        }
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.foreign += other.foreign;
        self.early += other.early;
        self.earliest_ns = self.earliest_ns.max(other.earliest_ns);
    }

    /// The outcome.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let none = Bits::default();
        let both = |ours: &[Bits], theirs: &[Bits]| -> u64 {
            ours.iter().enumerate().map(|(at, bits)| bits.without(theirs.get(at).unwrap_or(&none))).sum()
        };
        Verdict {
            acknowledged: self.acked_count(),
            received: self.seen.iter().map(Bits::count).sum(),
            lost: both(&self.acked, &self.seen),
            unacknowledged: both(&self.seen, &self.acked),
            duplicates: self.duplicates,
            reordered: self.reordered,
            corrupt: self.corrupt,
            foreign: self.foreign,
            leaked: (self.hidden.iter().enumerate())
                .map(|(at, bits)| bits.within(self.seen.get(at).unwrap_or(&none)))
                .sum(),
            early: self.early,
            earliest_ns: self.earliest_ns,
        }
    }
}

fn at<T: Default>(all: &mut Vec<T>, index: usize) -> &mut T {
    if index >= all.len() {
        all.resize_with(index + 1, T::default);
    }
    &mut all[index]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_fault_is_told_apart() {
        let mut ledger = Ledger::default();
        (0..6).for_each(|number| ledger.acknowledged(1, number));
        for (number, intact) in [(0, true), (2, true), (1, true), (2, true), (3, false), (9, true)] {
            ledger.received(0, 1, number, intact);
        }
        ledger.foreign();
        ledger.hidden(1, 9);
        ledger.hidden(1, 3);
        ledger.unhidden(1, 3);
        ledger.hidden(1, 7);
        ledger.early(5);
        let verdict = ledger.verdict();
        assert_eq!(
            verdict,
            Verdict {
                acknowledged: 6,
                received: 5,
                lost: 2,
                unacknowledged: 1,
                duplicates: 1,
                reordered: 1,
                corrupt: 1,
                foreign: 1,
                leaked: 1,
                early: 1,
                earliest_ns: 5
            }
        );
        assert!(!verdict.is_safe());
    }

    proptest! {
        #[test]
        fn threads_together_find_what_sets_find(
            acked in proptest::collection::vec((0_u16..3, 0_u64..200), 0..100),
            seen in proptest::collection::vec((0_u16..3, 0_u64..200), 0..100),
        ) {
            let (mut one, mut two) = (Ledger::default(), Ledger::default());
            acked.iter().for_each(|(stream, number)| one.acknowledged(*stream, *number));
            for (at, (stream, number)) in seen.iter().enumerate() {
                let thread = if at % 2 == 0 { &mut one } else { &mut two };
                thread.received(0, *stream, *number, true);
            }
            one.merge(&two);
            let (a, s): (HashSet<_>, HashSet<_>) = (acked.iter().collect(), seen.iter().collect());
            let verdict = one.verdict();
            prop_assert_eq!(verdict.lost, a.difference(&s).count() as u64);
            prop_assert_eq!(verdict.unacknowledged, s.difference(&a).count() as u64);
            prop_assert_eq!(verdict.duplicates, (seen.len() - s.len()) as u64);
        }
    }
}
