//! [`Flight`]: the requests of one connection that wait for an answer.
//!
//! The number of a request leads to its slot by arithmetic; a slot is used again under another number, so that an answer
//! that comes after its timeout meets nobody. Nothing allocates after the start.

use super::act::Fate;
use super::template::OPAQUE_BASE;

/// A request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it was due, ns.
    pub intended: u64,
    /// When it was written, ns.
    pub written: u64,
    /// Number of its (first) message in its stream; an assignment for pulls.
    pub number: u64,
    /// Index of its body; 0 for pulls.
    pub body: u32,
    /// What its answer means.
    pub step: Step,
}

/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The answer is the end of it.
    Last,
    /// A half message: its fate is to be told when it is stored.
    Half(Fate),
    /// Its fate was told then, ns.
    Told(Fate, u64),
}

/// See the module.
#[derive(Debug)]
pub struct Flight {
    /// Number of the request in a slot, 0 if none, and the request.
    slots: Vec<(i32, Sent)>,
    free: Vec<u32>,
    /// Number of times slots were taken, for the next number.
    turn: u32,
}

const NOBODY: Sent = Sent { intended: 0, written: 0, number: 0, body: 0, step: Step::Last };

impl Flight {
    /// Room for `slots` requests.
    ///
    /// # Panics
    /// If that is none, or more than a million.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        assert!(slots > 0 && slots <= 1 << 20);
        let last = u32::try_from(slots).expect("at most a million");
        Self { slots: vec![(0, NOBODY); slots], free: (0..last).rev().collect(), turn: 0 }
    }

    /// Whether one more request may be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Requests in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Requests that may be in flight.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// None is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a slot for `sent`; its number.
    ///
    /// # Panics
    /// If there is no room.
    pub fn take(&mut self, sent: Sent) -> i32 {
        let slot = self.free.pop().expect("asked for room before");
        let count = self.slots.len() as u32;
        // As many rounds as fit below the largest number.
        let rounds = (i32::MAX - OPAQUE_BASE) as u32 / count;
        self.turn = (self.turn + 1) % rounds;
        let opaque = OPAQUE_BASE + (self.turn * count + slot) as i32;
        self.slots[slot as usize] = (opaque, sent);
        opaque
    }

    /// The request that an answer belongs to, which gives its slot back; `None` if it was given up.
    pub fn answered(&mut self, opaque: i32) -> Option<Sent> {
        let distance = u32::try_from(opaque.checked_sub(OPAQUE_BASE)?).ok()?;
        let slot = distance % self.slots.len() as u32;
        let (number, sent) = &mut self.slots[slot as usize];
        if *number != opaque {
            return None;
        }
        *number = 0;
        let sent = *sent;
        self.free.push(slot);
        Some(sent)
    }

    /// Gives up requests written before `limit_ns`, calling `each` for them.
    pub fn expire(&mut self, limit_ns: u64, mut each: impl FnMut(Sent)) {
        if self.is_empty() {
            return;
        }
        for slot in 0..self.slots.len() {
            let (number, sent) = &mut self.slots[slot];
            if *number != 0 && sent.written < limit_ns {
                *number = 0;
                self.free.push(slot as u32);
                each(*sent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(written: u64) -> Sent {
        Sent { written, ..NOBODY }
    }

    #[test]
    fn an_answer_finds_its_request_once() {
        let mut flight = Flight::new(2);
        let (a, b) = (flight.take(sent(1)), flight.take(sent(2)));
        assert!(!flight.has_room() && a != b);
        assert_eq!((flight.answered(b), flight.answered(b)), (Some(sent(2)), None));
        assert_eq!((flight.answered(a), flight.len()), (Some(sent(1)), 0));
        for nobody in [0, -1, i32::MIN, i32::MAX, OPAQUE_BASE] {
            assert_eq!(flight.answered(nobody), None);
        }
    }

    #[test]
    fn an_answer_after_its_timeout_meets_nobody_though_the_slot_is_in_use_again() {
        let mut flight = Flight::new(1);
        let late = flight.take(sent(10));
        let mut expired = Vec::new();
        flight.expire(10, |sent| expired.push(sent));
        assert!(expired.is_empty());
        flight.expire(11, |sent| expired.push(sent));
        assert_eq!(expired, [sent(10)]);
        let fresh = flight.take(sent(20));
        assert_eq!(flight.answered(late), None);
        assert_eq!(flight.answered(fresh), Some(sent(20)));
    }

    #[test]
    fn numbers_always_have_ten_digits() {
        let mut flight = Flight::new(1 << 20);
        for _ in 0..5000 {
            let opaque = flight.take(sent(0));
            assert!(opaque >= OPAQUE_BASE);
            flight.answered(opaque);
        }
    }
}
