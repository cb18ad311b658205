//! What clients saw of a broker, and whether it kept its promises (reliability.md 5).
//!
//! A [`History`] is a list of [`Event`]s in the order in which they happened, written by whoever drives the clients.
//! [`check()`] needs nothing else: no broker code, no clock. It ends with a *drain*: after all faults are healed,
//! every queue is read from its minimum to its maximum by readers that share nothing with those before.
#![forbid(unsafe_code)]

mod check;

pub use check::{Finding, Summary, Verdict, check};

/// Every attempt to store one message has a number of its own, which is also its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u64);

/// A queue of a topic on a broker, as the recorder numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue(pub u32);

/// Somebody who reads a queue in ascending order, beginning anew now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reader(pub u32);

/// What a message is, as far as promises differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Visible when it is stored, once, where its answer says.
    Plain,
    /// Visible from a time on, at least once, wherever.
    Parked {
        /// Wall clock of the broker, milliseconds since 1970.
        due_ms: i64,
    },
    /// Visible when and only when it is committed, wherever.
    Half,
}

/// One thing that happened at a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt begins.
    Send {
        /// Which.
        attempt: Attempt,
        /// Where it shall go.
        queue: Queue,
        /// What it is.
        kind: Kind,
    },
    /// It was acknowledged.
    Stored {
        /// Which.
        attempt: Attempt,
        /// The queue offset that the answer told; it means something for plain messages.
        offset: u64,
    },
    /// It was refused for good: it must never appear.
    Refused {
        /// Which.
        attempt: Attempt,
    },
    /// Nobody knows: no answer, or one that says so.
    Unknown {
        /// Which.
        attempt: Attempt,
    },
    /// Its producer asks for a half message to be committed or dropped; the first such event counts.
    Decide {
        /// Which.
        attempt: Attempt,
        /// Or roll it back.
        commit: bool,
    },
    /// The broker acknowledged the decision.
    Decided {
        /// Which.
        attempt: Attempt,
    },
    /// A message was read.
    Read {
        /// By whom.
        reader: Reader,
        /// Where.
        queue: Queue,
        /// At this offset.
        offset: u64,
        /// Its payload; `None` if it is none that was ever sent.
        attempt: Option<Attempt>,
        /// Wall clock of the broker, milliseconds since 1970.
        at_ms: i64,
    },
    /// A consumer of a group that is to get every message got this one.
    Received {
        /// Which.
        attempt: Attempt,
    },
    /// A queue said how far it reaches.
    Max {
        /// Which.
        queue: Queue,
        /// The offset behind its last message.
        offset: u64,
    },
    /// All faults are over.
    Healed {
        /// Virtual or real time, milliseconds.
        at_ms: u64,
    },
    /// A broker acknowledged something for the first time after that; one event per broker.
    Alive {
        /// On the clock of [`Event::Healed`].
        at_ms: u64,
    },
    /// What this reader reads from now on is the whole of every queue.
    Drain {
        /// Who.
        reader: Reader,
    },
}

/// Events in the order in which they happened.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
    /// Queues of a topic whose every acknowledged message some group must receive ([`Event::Received`]).
    pub consumed: Vec<Queue>,
}

impl History {
    /// Notes an event.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}
