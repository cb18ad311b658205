//! Sends that find little room in the log wait in their sockets for a moment, instead of being refused.
//!
//! The window is full of what the disk has not taken yet, or the next segment is not prepared: both pass within
//! milliseconds, and a client that is refused only asks again, at once and elsewhere (reliability.md 9, O1 and O5). So
//! no further frame is taken from a connection that has just sent something, until there is room; what does not end in
//! time is no moment, and sends are refused as busy until it has ended.

use rt::{ConnId, Env, Mono, Now};

use crate::shard::Shard;

/// Who waits, and since when.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    waiting: Vec<ConnId>,
    /// Since when there is little room.
    since: Option<Mono>,
}

impl Stalls {
    /// When whoever waits goes on at the latest.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.since.filter(|_| !self.waiting.is_empty()).map(|since| since.plus_ms(STALL_MS))
    }
}

impl<E: Env> Shard<E> {
    /// After a send of `conn`: lets the next one wait if sends would soon be refused.
    pub(crate) fn stall_if_short(&mut self, conn: ConnId, now: Now) {
        if !self.store.is_short_of_room() {
            return;
        }
        let since = *self.stalls.since.get_or_insert(now.mono);
        if now.mono < since.plus_ms(STALL_MS) {
            self.connections.stall(conn, true);
            self.stalls.waiting.push(conn);
        }
    }

    /// Whether what a connection has just brought must wait: sends of others wait already.
    pub(crate) fn must_wait(&mut self, conn: ConnId, now: Now) -> bool {
        let waits = self.stalls.since.is_some_and(|since| now.mono < since.plus_ms(STALL_MS))
            && self.connections.get(conn).is_some_and(|connection| connection.state().is_producer());
        if waits {
            self.connections.stall(conn, true);
            self.stalls.waiting.push(conn);
        }
        waits
    }

    /// Lets everybody go on when there is room again, or when it takes too long.
    pub(crate) fn end_stalls(&mut self, now: Now) {
        let Some(since) = self.stalls.since else { return };
        let is_short = self.store.is_short_of_room();
        if is_short && now.mono < since.plus_ms(STALL_MS) {
            return;
        }
        if !is_short {
            self.stalls.since = None;
        }
        for conn in self.stalls.waiting.drain(..) {
            self.connections.stall(conn, false);
        }
    }
}

/// Longest stall: clients count on an answer, if only a refusal, within 200 ms (O1).
const STALL_MS: u64 = 100;
