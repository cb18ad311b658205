//! [`Acts`]: what becomes of each message beside being sent: nothing more, a transaction, or a delivery later.
//!
//! Place: drawn once from the seed, in the shares that were asked for; connections take one after the other. So a warm
//! send looks its act up, and a check that the broker asks minutes later finds the same one by the message's number.

use super::random::Random;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its message becomes visible.
    Commit,
    /// Nobody ever sees it.
    Rollback,
    /// Its producer does not know yet, and waits for the broker to ask.
    Unknown,
}

impl Fate {
    /// `commitOrRollback` of request 37.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Commit => 8,
            Self::Rollback => 12,
            Self::Unknown => 0,
        }
    }
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is sent.
    Plain,
    /// It is the half message of a transaction.
    Half(Fate),
    /// It is delivered that much after it was sent, ms.
    Later(u64),
}

/// Messages with the same header: the index of their heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Plain sends.
    Plain,
    /// Half messages.
    Half,
    /// Delayed messages.
    Later,
}

impl Class {
    /// All of them, in the order of their indexes.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Half, Self::Later];
}

impl Act {
    /// Which header it needs.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Plain => Class::Plain,
            Self::Half(_) => Class::Half,
            Self::Later(_) => Class::Later,
        }
    }
}

/// Shares of a load, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Of all messages: half messages of transactions.
    pub half: f64,
    /// Of all messages: delayed ones.
    pub later: f64,
    /// Of transactions: rolled back at once.
    pub rollback: f64,
    /// Of transactions: not known when they are sent.
    pub unknown: f64,
    /// Of checks: answered with a roll-back.
    pub check_rollback: f64,
    /// Of checks: answered with "not known yet".
    pub check_unknown: f64,
}

/// Delays of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Shortest, ms.
    pub least_ms: u64,
    /// Longest, ms.
    pub most_ms: u64,
    /// They are multiples of this beyond the shortest, ms.
    pub step_ms: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Acts {
    table: Vec<Act>,
    checks: Vec<Fate>,
}

impl Acts {
    /// Plain sends only.
    #[must_use]
    pub fn plain() -> Self {
        Self { table: vec![Act::Plain], checks: vec![Fate::Commit] }
    }

    /// Drawn from `seed`.
    #[must_use]
    pub fn new(shares: &Shares, delays: Option<Delays>, seed: u64) -> Self {
        let mut random = Random::new(seed, SALT);
        let of = |share: f64, all: usize| (share * all as f64).round() as usize;
        let (half, later) = (of(shares.half, ENTRIES), of(shares.later, ENTRIES));
        let (back, unknown) = (of(shares.rollback, half), of(shares.unknown, half));
        let mut table: Vec<Act> = (0..ENTRIES)
            .map(|at| match at {
                at if at < back => Act::Half(Fate::Rollback),
                at if at < back + unknown => Act::Half(Fate::Unknown),
                at if at < half => Act::Half(Fate::Commit),
                at if at < half + later => Act::Later(delays.map_or(0, |delays| delays.draw(&mut random))),
                _ => Act::Plain,
            })
            .collect();
        shuffle(&mut table, &mut random);
        let (back, unknown) = (of(shares.check_rollback, ENTRIES), of(shares.check_unknown, ENTRIES));
        let mut checks: Vec<Fate> = (0..ENTRIES)
            .map(|at| match at {
                at if at < back => Fate::Rollback,
                at if at < back + unknown => Fate::Unknown,
                _ => Fate::Commit,
            })
            .collect();
        shuffle(&mut checks, &mut random);
        Self { table, checks }
    }

    /// What becomes of message `number` of connection `stream`.
    #[must_use]
    pub fn of(&self, stream: u16, number: u64) -> Act {
        self.table[(number as usize + usize::from(stream) * APART) % self.table.len()]
    }

    /// What a check of message `number` is answered with.
    #[must_use]
    pub fn of_check(&self, stream: u16, number: u64) -> Fate {
        self.checks[(number as usize + usize::from(stream) * APART) % self.checks.len()]
    }

    /// Some message is a half message.
    #[must_use]
    pub fn has_halves(&self) -> bool {
        self.table.iter().any(|act| act.class() == Class::Half)
    }

    /// Some message is of `class`.
    #[must_use]
    pub fn has(&self, class: Class) -> bool {
        self.table.iter().any(|act| act.class() == class)
    }
}

impl Delays {
    fn draw(self, random: &mut Random) -> u64 {
        let steps = (self.most_ms - self.least_ms) / self.step_ms + 1;
        self.least_ms + random.below(steps) * self.step_ms
    }
}

fn shuffle<T>(all: &mut [T], random: &mut Random) {
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at as u64 + 1) as usize);
    }
}

/// Shares are exact to a part in so many.
const ENTRIES: usize = 10_000;
/// Connections begin that far from each other.
const APART: usize = 997;
/// Draws of this table have nothing to do with others of the same seed.
const SALT: u64 = 0x0AC7_5EED_0AC7_5EED;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_come_in_the_shares_asked_for_and_repeat_with_their_seed() {
        let shares = Shares { half: 0.5, later: 0.2, rollback: 0.1, unknown: 0.02, ..Shares::default() };
        let delays = Delays { least_ms: 1_000, most_ms: 3_000, step_ms: 500 };
        let acts = Acts::new(&shares, Some(delays), 7);
        let count = |wanted: &dyn Fn(Act) -> bool| (0..10_000).filter(|at| wanted(acts.of(0, *at))).count();
        assert_eq!(count(&|act| act == Act::Half(Fate::Commit)), 4_400);
        assert_eq!(count(&|act| act == Act::Half(Fate::Rollback)), 500);
        assert_eq!(count(&|act| act == Act::Half(Fate::Unknown)), 100);
        assert_eq!(count(&|act| act == Act::Plain), 3_000);
        let delays = |act| matches!(act, Act::Later(1_000 | 1_500 | 2_000 | 2_500 | 3_000));
        assert_eq!(count(&delays), 2_000);
        let again = Acts::new(&shares, Some(Delays { least_ms: 1_000, most_ms: 3_000, step_ms: 500 }), 7);
        assert!((0..10_000).all(|at| acts.of(3, at) == again.of(3, at)));
    }
}
