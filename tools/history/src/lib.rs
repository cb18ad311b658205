//! What clients saw of a broker, and whether it kept its promises (reliability.md 5).
//!
//! A [`History`] is a list of [`Event`]s in the order in which they happened, written by whoever drives the clients.
//! [`check()`] needs nothing else: no broker code, no clock. It ends with a *drain*: after all faults are healed,
//! every queue is read from its minimum to its maximum by readers that share nothing with those before.
#![forbid(unsafe_code)]

mod check;
mod order;
mod retries;

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

/// One member's ownership of a queue of a group that consumes in order: from a lock that it had not, until it gives the
/// queue up, dies, or its lock is not renewed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenure(pub u64);

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
    /// A broker granted a queue to a member of a group that consumes in order, or renewed that.
    Owned {
        /// Under which ownership.
        tenure: Tenure,
        /// Which queue.
        queue: Queue,
        /// When the member was told, milliseconds.
        at_ms: u64,
        /// It believes in it so long, if it is not renewed.
        until_ms: u64,
    },
    /// The owner gave the queue up, or died.
    Disowned {
        /// Which ownership is over.
        tenure: Tenure,
    },
    /// The owner of a queue consumed a message of it.
    Consumed {
        /// Under which ownership.
        tenure: Tenure,
        /// At this offset.
        offset: u64,
    },
    /// A consumer asks for a message to be tried again.
    GiveBack {
        /// Which.
        attempt: Attempt,
        /// How often it was tried again before.
        times: u32,
        /// It must not come again earlier: wall clock of the broker, milliseconds since 1970.
        due_ms: i64,
    },
    /// The broker acknowledged that.
    GivenBack {
        /// Which.
        attempt: Attempt,
        /// How often it was tried again before.
        times: u32,
    },
    /// A message is in the retry topic of its group.
    Again {
        /// Which.
        attempt: Attempt,
        /// How often it is tried again, with this time.
        times: u32,
        /// Wall clock of the broker, milliseconds since 1970.
        at_ms: i64,
    },
    /// A message is among the dead letters of its group.
    Dead {
        /// Which.
        attempt: Attempt,
        /// How often it was given back.
        times: u32,
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
    /// How often a message is tried again before it is a dead letter.
    pub retries_max: u32,
}

impl History {
    /// Notes an event.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}
