//! Idempotent sends: where the messages of the last while went, by topic and unique key, so that a retry is answered
//! with the first result and stored once. `dedup.window`, off by default.
//!
//! Memory is bounded by `dedup.count` and reserved once; a message costs one look-up and one entry of 56 bytes, and
//! allocates nothing. A key is remembered as 128 bits of a hash with the shard's own seed: two keys are taken for one
//! with a probability below 2^-80 at a hundred million messages. After a restart the table is read from the log,
//! from a position that the tables keep ([`Dedup::floor`]); nothing else is stored.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use store::PhysicalOffset;

mod sends;

/// Where a message lies, as its producer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) at: PhysicalOffset,
    pub(crate) queue_offset: i64,
    pub(crate) stored_at_ms: i64,
    /// When it is due if it waits for a time of its own, else 0; for its recall handle.
    pub(crate) due_ms: i64,
    /// Bytes of the record.
    pub(crate) bytes: u32,
    pub(crate) queue_id: u32,
}

impl First {
    /// Behind the record.
    pub(crate) fn end(&self) -> PhysicalOffset {
        self.at.plus(u64::from(self.bytes))
    }
}

/// A topic and a unique key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print([u64; 2]);

#[derive(Clone, Copy, Debug)]
struct Entry {
    print: Print,
    first: First,
}

const _: () = assert!(size_of::<Entry>() == 56);

/// The messages of the last while, oldest first, in a ring; and an open-addressed table of places in it, probed in line,
/// without tombstones, so that no message ever pays for a rehash.
pub(crate) struct Dedup {
    window_ms: i64,
    ring: Vec<Entry>,
    capacity: usize,
    /// Place of the oldest entry once the ring is full or entries were dropped.
    oldest: usize,
    len: usize,
    /// Place in the ring plus one; 0 is free.
    places: Vec<u32>,
    seeds: [FixedState; 2],
    /// The send in hand: remembered when it is stored.
    pub(crate) pending: Option<Print>,
    /// When it is due, if it waits for a time of its own.
    pub(crate) pending_due_ms: i64,
}

/// Expired entries dropped per new one: keeps up with any rate, and no message pays for a long silence.
const DROPPED_MAX: usize = 4;

impl Dedup {
    pub(crate) fn new(window_ms: i64, count: u32, random: [u64; 2]) -> Self {
        let capacity = count.max(1) as usize;
        Self {
            window_ms,
            ring: Vec::with_capacity(capacity),
            capacity,
            oldest: 0,
            len: 0,
            places: vec![0; (capacity * 2).next_power_of_two()],
            seeds: random.map(FixedState::with_seed),
            pending: None,
            pending_due_ms: 0,
        }
    }

    pub(crate) fn print(&self, topic: &str, key: &[u8]) -> Print {
        Print([0, 1].map(|half: usize| self.seeds[half].hash_one((topic, key))))
    }

    /// The first message with this print, if it was stored within the window.
    pub(crate) fn find(&self, print: Print, now_ms: i64) -> Option<First> {
        let entry = self.entry(self.slot_of(print)?);
        (!self.is_past(&entry.first, now_ms)).then_some(entry.first)
    }

    /// Enters a message; it takes the place of an older one with the same print. The oldest makes room if need be.
    pub(crate) fn remember(&mut self, print: Print, first: First, now_ms: i64) {
        let mut dropped = 0;
        while self.len > 0 && dropped < DROPPED_MAX && self.is_past(&self.ring[self.oldest].first, now_ms) {
            self.drop_oldest();
            dropped += 1;
        }
        if self.len == self.capacity {
            self.drop_oldest();
        }
        if let Some(slot) = self.slot_of(print) {
            self.free(slot);
        }
        let place = (self.oldest + self.len) % self.capacity;
        let entry = Entry { print, first };
        if place == self.ring.len() {
            self.ring.push(entry);
        } else {
            self.ring[place] = entry;
        }
        self.len += 1;
        let mut slot = self.home(print);
        while self.places[slot] != 0 {
            slot = self.next(slot);
        }
        self.places[slot] = u32::try_from(place + 1).expect("the count is a u32");
    }

    /// Where the oldest message lies that still counts: what a restart has to read from. `None` if there is none.
    pub(crate) fn floor(&self) -> Option<PhysicalOffset> {
        (self.len > 0).then(|| self.ring[self.oldest].first.at)
    }

    /// Messages remembered, expired ones included that nobody dropped yet.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn is_past(&self, first: &First, now_ms: i64) -> bool {
        now_ms.saturating_sub(first.stored_at_ms) > self.window_ms
    }

    fn drop_oldest(&mut self) {
        let print = self.ring[self.oldest].print;
        // A younger message with the same print may have taken its slot.
        if let Some(slot) = self.slot_of(print)
            && self.places[slot] as usize == self.oldest + 1
        {
            self.free(slot);
        }
        self.oldest = (self.oldest + 1) % self.capacity;
        self.len -= 1;
    }

    fn slot_of(&self, print: Print) -> Option<usize> {
        let mut slot = self.home(print);
        loop {
            if self.places[slot] == 0 {
                return None;
            }
            if self.entry(slot).print == print {
                return Some(slot);
            }
            slot = self.next(slot);
        }
    }

    /// Frees a slot and moves those behind it that would be found no more.
    fn free(&mut self, slot: usize) {
        let mut hole = slot;
        let mut probe = self.next(hole);
        while self.places[probe] != 0 {
            let home = self.home(self.entry(probe).print);
            let mask = self.places.len() - 1;
            // How far each is from home, going round.
            if (probe.wrapping_sub(home) & mask) >= (probe.wrapping_sub(hole) & mask) {
                self.places[hole] = self.places[probe];
                hole = probe;
            }
            probe = self.next(probe);
        }
        self.places[hole] = 0;
    }

    fn entry(&self, slot: usize) -> &Entry {
        &self.ring[self.places[slot] as usize - 1]
    }

    fn home(&self, print: Print) -> usize {
        usize::try_from(print.0[0] & (self.places.len() as u64 - 1)).expect("below a length")
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn first(number: i64, stored_at_ms: i64) -> First {
        First {
            at: PhysicalOffset::new(number as u64 * 100),
            queue_offset: number,
            stored_at_ms,
            due_ms: 0,
            bytes: 100,
            queue_id: 0,
        }
    }

    #[test]
    fn a_key_counts_for_its_topic_only_and_until_the_window_is_over() {
        let mut dedup = Dedup::new(1_000, 8, [1, 2]);
        let print = dedup.print("T", b"key");
        assert_eq!(dedup.find(print, 0), None);
        dedup.remember(print, first(1, 500), 500);
        assert_eq!(dedup.find(print, 1_500), Some(first(1, 500)), "the last moment of the window");
        assert_eq!(dedup.find(print, 1_501), None);
        assert_eq!(dedup.find(dedup.print("U", b"key"), 600), None);
        assert_eq!(dedup.find(dedup.print("Tk", b"ey"), 600), None);
    }

    #[test]
    fn neither_looking_up_nor_remembering_allocates() {
        let mut dedup = Dedup::new(1_000, 64, [1, 2]);
        let info = allocation_counter::measure(|| {
            // Many times the ring, so that places are given back and taken again.
            for number in 0..1_000i64 {
                let print = dedup.print("T", &number.to_be_bytes());
                assert_eq!(dedup.find(print, number), None);
                dedup.remember(print, first(number, number), number);
            }
        });
        assert_eq!(info.count_total, 0);
        assert_eq!(dedup.len(), 64);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut dedup = Dedup::new(1_000, 3, [1, 2]);
        let prints: Vec<Print> = (0..5u8).map(|number| dedup.print("T", &[number])).collect();
        for (number, print) in prints.iter().enumerate() {
            dedup.remember(*print, first(number as i64, 0), 0);
        }
        let found: Vec<bool> = prints.iter().map(|print| dedup.find(*print, 0).is_some()).collect();
        assert_eq!(found, [false, false, true, true, true]);
        assert_eq!(dedup.floor(), Some(PhysicalOffset::new(200)));
    }

    proptest! {
        /// Few keys and a small ring, so that places are taken again and again.
        #[test]
        fn it_finds_what_a_list_finds(
            steps in proptest::collection::vec((0u8..24, 0i64..40), 0..400),
            count in 1u32..12,
        ) {
            let mut dedup = Dedup::new(100, count, [3, 4]);
            let mut model: VecDeque<(u8, First)> = VecDeque::new();
            let mut now = 0;
            for (number, (key, pause)) in steps.into_iter().enumerate() {
                now += pause;
                let print = dedup.print("T", &[key]);
                let expected = model.iter().rev().find(|(one, _)| *one == key).map(|(_, first)| *first);
                let expected = expected.filter(|first| now - first.stored_at_ms <= 100);
                prop_assert_eq!(dedup.find(print, now), expected);
                if expected.is_none() {
                    let mut dropped = 0;
                    while dropped < DROPPED_MAX && model.front().is_some_and(|(_, one)| now - one.stored_at_ms > 100) {
                        model.pop_front();
                        dropped += 1;
                    }
                    if model.len() == count as usize {
                        model.pop_front();
                    }
                    let one = first(number as i64, now);
                    model.push_back((key, one));
                    dedup.remember(print, one, now);
                }
                prop_assert_eq!(dedup.len(), model.len());
            }
        }
    }
}
