//! [`Wheel`]: the timers of a shard (performance.md 3, "Timers").
//!
//! A hierarchical timing wheel: 256 slots of 1 ms, 256 of 256 ms, 64 of 65.5 s, and a list for what is more than 70
//! minutes away. Arming, cancelling and firing unlink or link one entry of a slab; nothing allocates once the slab has
//! grown. A timer moves down a level at most three times.
//!
//! A deadline lies in the level of the highest digit in which it differs from the present (digits of 8, 8 and 6 bits).
//! Invariants: no entry lies before the present; a slot's bit is set exactly if its list is not empty.

use crate::Chunks;

#[cfg(test)]
mod tests;

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
