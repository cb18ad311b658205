//! [`Reactor`]: what runs to completion inside the pump.

use crate::{ConnId, Event, Mono, Now};

/// A shard, a name server, a load generator: one owner of hot state, called by the pump on one thread.
///
/// The pump's turn: submit and reap the ring; [`Reactor::event`] for each socket event; [`Reactor::end_of_turn`] once
/// (also when a task called `Env::kick` or the deadline passed); then background tasks.
pub trait Reactor {
    /// One socket event. Handles it completely; never blocks.
    fn event(&mut self, event: Event<'_>, now: Now);
    /// As [`Event::Received`], from memory that only this connection uses. Returns how many of the last bytes it wants to
    /// see again, in front of what comes next, instead of keeping a copy; at most `left_max`.
    fn received(&mut self, conn: ConnId, bytes: &[u8], left_max: usize, now: Now) -> usize {
        let _ = left_max;
        self.event(Event::Received { conn, bytes }, now);
        0
    }
    /// The end of a turn: decide the commit, wake parked pulls, flush connections, advance timers.
    fn end_of_turn(&mut self, now: Now) -> TurnOutcome;
}

/// What the pump should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnOutcome {
    /// Take a turn at this time even if nothing happens.
    pub deadline: Option<Mono>,
    /// Leave the pump; the shard is done.
    pub stop: bool,
}
