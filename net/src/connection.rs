//! [`Connections`]: the bookkeeping between a [`rt::Transport`] and whoever answers requests.
//!
//! Every reactor that serves sockets (broker shard, name server) owns one. It decides who may connect, keeps each
//! connection's decoder and its pair of outboxes, lists the connections that have something to send, and applies the
//! limits of reliability.md 7: connections in all and per source, accepts per second, the time a frame may take to
//! arrive, requests in flight, output that is not drained, idleness. It does no I/O of its own and never reads a
//! clock: events and `now` come in, calls on the [`rt::Transport`] go out.
//!
//! ```text
//! Accepted  -> accepted()                     Closed -> closed()
//! Received  -> lend_decoder(), feed, return_decoder(); the handler writes into reply(conn)
//! Sent      -> sent()                         end of turn -> flush_dirty(), sweep()
//! after a turn: next_resumed() names connections with frames left behind; feed their decoders no bytes
//! ```
//!
//! `life.rs` has how connections come and end, `flow.rs` what happens to bytes in between, `one.rs` what a single connection
//! decides for itself.
//!
//! Invariants:
//! - an id whose generation is not the slot's present one names nothing: every method answers `None` or does nothing;
//! - at most one send of a connection is in flight, and what is written meanwhile waits in the other outbox;
//! - a connection without traffic holds no buffer: outboxes come from a shared pool and go back when they are sent,
//!   the decoder gives its memory back between frames;
//! - once warm, a frame and its reply allocate nothing here.

use rt::ConnId;

pub use self::counts::ConnectionCounts;
pub use self::ending::Ending;
pub use self::lent::Lent;
pub use self::limits::{Admission, ConnectionLimits, Refused};
pub use self::one::Connection;

use self::life::Sweep;
use self::limits::Gate;
use self::outboxes::OutboxPool;

mod counts;
mod ending;
mod flow;
mod lent;
mod life;
mod limits;
mod one;
mod outboxes;
#[cfg(test)]
mod tests;

/// All connections of one reactor, each with a state `T` of its owner's.
#[derive(Debug)]
pub struct Connections<T> {
    slots: Vec<Option<Connection<T>>>,
    live: usize,
    limits: ConnectionLimits,
    gate: Gate,
    pool: OutboxPool,
    /// Connections to look at in the next [`Connections::flush_dirty`]; each at most once, see `Connection::dirty`.
    dirty: Vec<ConnId>,
    /// Connections whose decoder holds frames behind a stop and that may go on.
    resumed: Vec<ConnId>,
    sweep: Sweep,
    counts: ConnectionCounts,
}

impl<T> Connections<T> {
    /// No connections yet.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            slots: Vec::new(),
            live: 0,
            gate: Gate::new(&limits),
            limits,
            pool: OutboxPool::default(),
            dirty: Vec::new(),
            resumed: Vec::new(),
            sweep: Sweep::START,
            counts: ConnectionCounts::default(),
        }
    }

    /// The connection with this id.
    #[must_use]
    pub fn get(&self, conn: ConnId) -> Option<&Connection<T>> {
        self.slots.get(conn.index as usize)?.as_ref().filter(|connection| connection.id == conn)
    }

    /// The owner's state of this connection.
    pub fn state(&mut self, conn: ConnId) -> Option<&mut T> {
        self.get_mut(conn).map(|connection| &mut connection.state)
    }

    /// All connections, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Connection<T>> {
        self.slots.iter().flatten()
    }

    /// How many there are, those being closed included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> ConnectionCounts {
        self.counts
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection<T>> {
        live(&mut self.slots, conn)
    }

    fn mark(&mut self, conn: ConnId) {
        if let Some(connection) = live(&mut self.slots, conn)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(conn);
        }
    }
}

fn live<T>(slots: &mut [Option<Connection<T>>], conn: ConnId) -> Option<&mut Connection<T>> {
    slots.get_mut(conn.index as usize)?.as_mut().filter(|connection| connection.id == conn)
}
