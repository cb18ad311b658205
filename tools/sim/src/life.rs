//! What there is in a life, how fast it goes, and what everybody in it can do.

use crate::cluster::{Cluster, ORDERED, POPPED, PULLED};

/// Which promises a life is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Messages of every kind, and consumers that have their queues for themselves. Seconds.
    Kinds,
    /// Groups whose members come and go: one consumes in order, one gives messages back. Minutes, for locks are held so long.
    Groups,
}

impl Life {
    pub(crate) fn topics(self) -> [&'static str; 2] {
        match self {
            Self::Kinds => [PULLED, POPPED],
            Self::Groups => [PULLED, ORDERED],
        }
    }

    /// How long everybody works under faults, in virtual milliseconds.
    pub(crate) fn trouble_ms(self) -> u64 {
        match self {
            Self::Kinds => 12_000,
            Self::Groups => 180_000,
        }
    }

    /// Everything parked is due, everything popped comes again, and what died is replaced within these times.
    pub(crate) fn settle_ms(self) -> (u64, u64) {
        match self {
            Self::Kinds => (12_000, 60_000),
            Self::Groups => (5_000, 240_000),
        }
    }

    /// Between two looks at everybody: at least, and so many more.
    pub(crate) fn tick_ms(self) -> (u64, u64) {
        match self {
            Self::Kinds => (5, 40),
            Self::Groups => (60, 400),
        }
    }

    /// The same when all is calm.
    pub(crate) fn calm_tick_ms(self) -> u64 {
        match self {
            Self::Kinds => 50,
            Self::Groups => 200,
        }
    }

    /// How many times longer than a moment faults last.
    pub(crate) fn stretch(self) -> u64 {
        match self {
            Self::Kinds => 1,
            Self::Groups => 12,
        }
    }

    /// Pause between two attempts to connect.
    pub(crate) fn redial_ms(self) -> u64 {
        match self {
            Self::Kinds => 200,
            Self::Groups => 2_000,
        }
    }

    /// Everybody waits while one connects, so it is short where many try for long.
    pub(crate) fn connect_timeout_ns(self) -> u64 {
        match self {
            Self::Kinds => 500_000_000,
            Self::Groups => 100_000_000,
        }
    }

    /// How often a producer that could send does.
    pub(crate) fn sends_percent(self) -> u64 {
        match self {
            Self::Kinds => 100,
            Self::Groups => 25,
        }
    }
}

/// A part of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There are faults, and new messages.
    Trouble,
    /// Neither; what is open is brought to its end.
    Settling,
    /// Only consumers are left.
    Reading,
}

/// Somebody who does something whenever it is looked at.
pub(crate) trait Actor<'w> {
    /// A calm phase begins: what was seen before is no longer the end.
    fn enter(&mut self) {}

    fn step(&mut self, cluster: &mut Cluster<'w>, phase: Phase);

    /// Whether it has nothing more to do.
    fn is_quiet(&self, now: u64) -> bool;
}
