//! [`Wheel`]: the timers of a shard (performance.md 3, "Timers").
//!
//! A hierarchical timing wheel: 256 slots of 1 ms, 256 of 256 ms, 64 of 65.5 s, and a list for what is more than 70
//! minutes away. Arming, cancelling and firing unlink or link one entry of a slab; nothing allocates once the slab has
//! grown. A timer moves down a level at most three times.
//!
//! A deadline lies in the level of the highest digit in which it differs from the present (digits of 8, 8 and 6 bits).
//! Invariants: no entry lies before the present; a slot's bit is set exactly if its list is not empty.

use crate::Chunks;

/// Timers that carry a `T` each, in whole milliseconds of one monotonic clock.
pub struct Wheel<T> {
    entries: Chunks<Entry<T>>,
    /// First of the unused entries, linked by `next`.
    free: u32,
    len: usize,
    /// Everything before was fired.
    present_ms: u64,
    slots: [List; SLOTS],
    /// No deadline in the far list lies before this many times 70 minutes.
    far_block: u64,
    /// Slots in use: four words for the first level, four for the second, one for the third.
    used: [u64; 9],
}

/// A timer that was armed. Once it has fired or was cancelled, its id means nothing for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

struct Entry<T> {
    deadline_ms: u64,
    next: u32,
    previous: u32,
    generation: u32,
    slot: u16,
    value: Option<T>,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl<T> Wheel<T> {
    /// A wheel without timers at time `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            entries: Chunks::default(),
            free: NONE,
            len: 0,
            present_ms: now_ms,
            slots: [List { first: NONE, last: NONE }; SLOTS],
            far_block: u64::MAX,
            used: [0; 9],
        }
    }

    /// Timers armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes one timer takes.
    #[must_use]
    pub const fn entry_bytes() -> usize {
        size_of::<Entry<T>>()
    }

    /// Fires `value` at `deadline_ms`; at the next [`Wheel::advance`] if that is past.
    pub fn arm(&mut self, deadline_ms: u64, value: T) -> TimerId {
        let index = self.claim();
        let entry = &mut self.entries[index as usize];
        entry.value = Some(value);
        let generation = entry.generation;
        self.len += 1;
        self.place(index, deadline_ms);
        TimerId { index, generation }
    }

    /// Takes back a timer and returns what it carried; `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, timer: TimerId) -> Option<T> {
        if !self.is_armed(timer) {
            return None;
        }
        self.unlink(timer.index);
        Some(self.release(timer.index))
    }

    /// Gives a timer a new deadline; false if it has fired or was cancelled.
    pub fn rearm(&mut self, timer: TimerId, deadline_ms: u64) -> bool {
        let armed = self.is_armed(timer);
        if armed {
            self.unlink(timer.index);
            self.place(timer.index, deadline_ms);
        }
        armed
    }

    /// Whether it will still fire.
    #[must_use]
    pub fn is_armed(&self, timer: TimerId) -> bool {
        self.entries
            .get(timer.index as usize)
            .is_some_and(|entry| entry.generation == timer.generation && entry.value.is_some())
    }

    /// Fires every timer with a deadline up to `now_ms`, in order of deadlines, equal ones in any order.
    pub fn advance(&mut self, now_ms: u64, mut fire: impl FnMut(T)) {
        while let Some(value) = self.pop_due(now_ms) {
            fire(value);
        }
    }

    /// As [`Wheel::advance`], one at a time, so that the caller may arm others in between. `None` if nothing is due.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<T> {
        while let Some((at_ms, slot)) = self.next_slot().filter(|(at_ms, _)| *at_ms <= now_ms) {
            self.present_ms = self.present_ms.max(at_ms);
            if usize::from(slot) < FIRST_SLOTS {
                let index = self.slots[usize::from(slot)].first;
                self.unlink(index);
                return Some(self.release(index));
            }
            self.cascade(slot);
        }
        self.present_ms = self.present_ms.max(now_ms);
        None
    }

    /// When to call [`Wheel::advance`] next, in milliseconds: never later than the earliest deadline, exact if that is
    /// in the present 256 ms, else perhaps at the start of the slot where it lies. `None` if no timer is armed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_slot().map(|(at_ms, _)| at_ms)
    }

    /// The next slot in use and when it begins.
    fn next_slot(&self) -> Option<(u64, u16)> {
        let now = self.present_ms;
        if let Some(slot) = first_used(&self.used[0..4], now & 0xff) {
            return Some(((now & !0xff) | slot, narrow(slot)));
        }
        if let Some(slot) = first_used(&self.used[4..8], (now >> 8) & 0xff) {
            return Some(((now & !0xffff) | (slot << 8), narrow(256 + slot)));
        }
        if let Some(slot) = first_used(&self.used[8..9], (now >> 16) & 0x3f) {
            return Some(((now & !0x3f_ffff) | (slot << 16), narrow(512 + slot)));
        }
        (self.slots[FAR].first != NONE).then(|| (self.far_block << 22, narrow(FAR as u64)))
    }

    /// Moves the timers of a slot that begins now to where they belong now.
    fn cascade(&mut self, slot: u16) {
        let mut index = self.slots[usize::from(slot)].first;
        self.slots[usize::from(slot)] = List { first: NONE, last: NONE };
        self.mark(slot, false);
        while index != NONE {
            let entry = &self.entries[index as usize];
            let next = entry.next;
            let deadline_ms = entry.deadline_ms;
            self.place(index, deadline_ms);
            index = next;
        }
    }

    fn place(&mut self, index: u32, deadline_ms: u64) {
        let at = deadline_ms.max(self.present_ms);
        let slot = match at ^ self.present_ms {
            0..0x100 => at & 0xff,
            0x100..0x1_0000 => 256 + ((at >> 8) & 0xff),
            0x1_0000..0x40_0000 => 512 + ((at >> 16) & 0x3f),
            _ => {
                self.far_block = self.far_block.min(at >> 22);
                FAR as u64
            }
        };
        let slot = narrow(slot);
        let last = self.slots[usize::from(slot)].last;
        let entry = &mut self.entries[index as usize];
        entry.deadline_ms = deadline_ms;
        entry.slot = slot;
        entry.next = NONE;
        entry.previous = last;
        let list = &mut self.slots[usize::from(slot)];
        list.last = index;
        if last == NONE {
            list.first = index;
            self.mark(slot, true);
        } else {
            self.entries[last as usize].next = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Entry { next, previous, slot, .. } = self.entries[index as usize];
        let list = &mut self.slots[usize::from(slot)];
        if previous == NONE {
            list.first = next;
        } else {
            self.entries[previous as usize].next = next;
        }
        if next == NONE {
            list.last = previous;
        } else {
            self.entries[next as usize].previous = previous;
        }
        if previous == NONE && next == NONE {
            self.mark(slot, false);
        }
    }

    fn mark(&mut self, slot: u16, used: bool) {
        if usize::from(slot) == FAR && !used {
            self.far_block = u64::MAX;
        }
        // The far list has a word beyond the levels, hence no bit.
        if let Some(word) = self.used.get_mut(usize::from(slot / 64)) {
            let bit = 1 << (slot % 64);
            if used { *word |= bit } else { *word &= !bit }
        }
    }

    fn claim(&mut self) -> u32 {
        if self.free == NONE {
            let index = u32::try_from(self.entries.len()).expect("fewer than 4 billion timers");
            self.entries.push(Entry {
                deadline_ms: 0,
                next: NONE,
                previous: NONE,
                generation: 0,
                slot: 0,
                value: None,
            });
            return index;
        }
        let index = self.free;
        self.free = self.entries[index as usize].next;
        index
    }

    fn release(&mut self, index: u32) -> T {
        self.len -= 1;
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        entry.value.take().expect("an armed timer carries its value")
    }
}

/// The first slot in use from `from` on.
fn first_used(words: &[u64], from: u64) -> Option<u64> {
    let start = usize::try_from(from / 64).expect("a few words");
    let mut mask = u64::MAX << (from % 64);
    for (index, word) in words.iter().enumerate().skip(start) {
        let rest = word & mask;
        if rest != 0 {
            return Some(index as u64 * 64 + u64::from(rest.trailing_zeros()));
        }
        mask = u64::MAX;
    }
    None
}

fn narrow(slot: u64) -> u16 {
    u16::try_from(slot).expect("below the number of slots")
}

const FIRST_SLOTS: usize = 256;
/// What lies beyond the third level.
const FAR: usize = 256 + 256 + 64;
const SLOTS: usize = FAR + 1;
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn fired(wheel: &mut Wheel<u64>, now_ms: u64) -> Vec<u64> {
        let mut fired = Vec::new();
        wheel.advance(now_ms, |value| fired.push(value));
        fired
    }

    #[test]
    fn a_timer_fires_at_its_millisecond_and_not_before() {
        for delay in [1, 255, 256, 257, 65_535, 65_536, 4_194_303, 4_194_304, 1 << 40] {
            for start in [0, 255, 1_000_003] {
                let mut wheel = Wheel::new(start);
                wheel.arm(start + delay, delay);
                assert!(fired(&mut wheel, start + delay - 1).is_empty());
                assert_eq!(fired(&mut wheel, start + delay), [delay]);
                assert!(wheel.is_empty() && wheel.next_deadline().is_none());
            }
        }
    }

    #[test]
    fn a_deadline_in_the_past_fires_next() {
        let mut wheel = Wheel::new(1_000);
        wheel.arm(5, 1);
        assert_eq!(wheel.next_deadline(), Some(1_000));
        assert_eq!(fired(&mut wheel, 1_000), [1]);
    }

    #[test]
    fn an_id_of_a_fired_timer_never_meets_its_successor() {
        let mut wheel = Wheel::new(0);
        let first = wheel.arm(1, 1);
        assert_eq!(fired(&mut wheel, 1), [1]);
        let second = wheel.arm(2, 2);
        assert_eq!(wheel.cancel(first), None);
        assert!(!wheel.rearm(first, 9));
        assert_eq!(wheel.cancel(second), Some(2));
        assert_eq!(wheel.cancel(second), None);
    }

    #[test]
    fn a_timer_may_be_armed_between_two_that_are_due() {
        let mut wheel = Wheel::new(0);
        wheel.arm(10, 1);
        wheel.arm(30, 3);
        assert_eq!(wheel.pop_due(50), Some(1));
        wheel.arm(20, 2);
        assert_eq!(fired(&mut wheel, 50), [2, 3]);
    }

    /// Timers by (deadline, number), as naive as can be.
    type Model = BTreeMap<(u64, u64), TimerId>;

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u64),
        Cancel(usize),
        Rearm(usize, u64),
        Advance(u64),
        ToNextDeadline,
    }

    fn delay() -> impl Strategy<Value = u64> {
        prop_oneof![0..10_u64, 0..600_u64, 0..200_000_u64, 0..10_000_000_u64, 0..(1_u64 << 45)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => delay().prop_map(Step::Arm),
            1 => any::<usize>().prop_map(Step::Cancel),
            1 => (any::<usize>(), delay()).prop_map(|(which, delay)| Step::Rearm(which, delay)),
            2 => delay().prop_map(Step::Advance),
            2 => Just(Step::ToNextDeadline),
        ]
    }

    proptest! {
        #[test]
        fn it_fires_what_a_sorted_map_would(
            start in any::<u32>(),
            steps in prop::collection::vec(step(), 1..150),
        ) {
            let mut now = u64::from(start);
            let mut wheel = Wheel::new(now);
            let mut model = Model::new();
            for (number, step) in (0..).zip(steps) {
                let nth = |which: usize| model.iter().nth(which % model.len().max(1)).map(|(key, id)| (*key, *id));
                match step {
                    Step::Arm(delay) => {
                        model.insert((now + delay, number), wheel.arm(now + delay, number));
                    }
                    Step::Cancel(which) => {
                        if let Some((key, id)) = nth(which) {
                            prop_assert_eq!(wheel.cancel(id), Some(key.1));
                            model.remove(&key);
                        }
                    }
                    Step::Rearm(which, delay) => {
                        if let Some((key, id)) = nth(which) {
                            prop_assert!(wheel.rearm(id, now + delay));
                            model.remove(&key);
                            model.insert((now + delay, key.1), id);
                        }
                    }
                    Step::Advance(delay) => now += delay,
                    Step::ToNextDeadline => now = wheel.next_deadline().unwrap_or(now),
                }
                let later = model.split_off(&(now + 1, 0));
                let due: Vec<_> = std::mem::replace(&mut model, later).into_keys().collect();
                let mut seen = Vec::new();
                wheel.advance(now, |value| seen.push(value));
                let deadline = |value: u64| due.iter().find(|key| key.1 == value).map(|key| key.0);
                prop_assert!(seen.iter().map(|value| deadline(*value)).is_sorted());
                let mut sorted: Vec<_> = due.iter().map(|key| key.1).collect();
                sorted.sort_unstable();
                seen.sort_unstable();
                prop_assert_eq!(seen, sorted);

                prop_assert_eq!(wheel.len(), model.len());
                let earliest = model.keys().next().map(|key| key.0);
                match (wheel.next_deadline(), earliest) {
                    (None, None) => {}
                    (Some(next), Some(earliest)) => {
                        prop_assert!(now < next && next <= earliest);
                        prop_assert!(next == earliest || earliest >> 8 != now >> 8);
                    }
                    (next, earliest) => prop_assert!(false, "{next:?} instead of {earliest:?}"),
                }
            }
        }
    }
}
