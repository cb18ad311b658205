//! The life of a connection: let in, refused or dialled; up; ended, by its owner or because its time is over; forgotten.

use std::net::SocketAddr;

use rt::{ConnId, Mono, Transport};

use super::one::{Connection, Phase};
use super::{Admission, Connections, Ending};

/// The walk over all slots that finds expired connections, a slice per turn.
#[derive(Debug)]
pub(super) struct Sweep {
    cursor: usize,
    due: Mono,
}

impl Sweep {
    pub(super) const START: Self = Self { cursor: 0, due: Mono(0) };
}

impl<T> Connections<T> {
    /// Takes in a connection from [`rt::Event::Accepted`], or closes it at once if a limit says so.
    ///
    /// After a refusal the id names nothing here, and its [`rt::Event::Closed`] is to be ignored ([`Connections::closed`]
    /// does).
    pub fn accepted(
        &mut self,
        net: &impl Transport,
        conn: ConnId,
        peer: SocketAddr,
        now: Mono,
        state: T,
    ) -> Admission {
        let admission = self.gate.admit(peer.ip(), self.live, now);
        match admission {
            Ok(()) => {
                self.counts.accepted += 1;
                self.insert(conn, peer, Phase::Open, now, state);
            }
            Err(refused) => {
                self.counts.refused(refused);
                net.close(conn);
            }
        }
        admission
    }

    /// Takes in a connection that `Transport::connect` was just asked for. What is written into [`Connections::reply`]
    /// waits until it is up. Outgoing connections are neither refused nor counted per source.
    pub fn connecting(&mut self, conn: ConnId, peer: SocketAddr, now: Mono, state: T) {
        self.insert(conn, peer, Phase::Connecting, now, state);
    }

    /// [`rt::Event::Connected`]: what waited goes out with the next [`Connections::flush_dirty`].
    pub fn connected(&mut self, conn: ConnId, now: Mono) {
        let Some(connection) = self.get_mut(conn) else { return };
        if connection.phase == Phase::Connecting {
            connection.phase = Phase::Open;
            connection.moved = now;
            connection.frame_since = None;
            self.mark(conn);
        }
    }

    /// Ends a connection at once; what is unsent is lost. Its state stays reachable until [`Connections::closed`].
    pub fn close(&mut self, net: &impl Transport, conn: ConnId, why: Ending) {
        let Some(connection) = self.get_mut(conn) else { return };
        if connection.phase == Phase::Closing {
            return;
        }
        connection.phase = Phase::Closing;
        let peer = connection.peer;
        net.close(conn);
        self.counts.ended(why);
        tracing::debug!(%peer, %why, "connection ended");
    }

    /// Ends a connection after what is written so far has been sent.
    pub fn close_when_sent(&mut self, conn: ConnId) {
        if let Some(connection) = self.get_mut(conn) {
            connection.close_when_sent = true;
            self.mark(conn);
        }
    }

    /// [`rt::Event::Closed`]: forgets the connection and hands its state back; `None` if it was refused or is unknown.
    pub fn closed(&mut self, conn: ConnId) -> Option<T> {
        let slot = self.slots.get_mut(conn.index as usize)?;
        if slot.as_ref()?.id != conn {
            return None;
        }
        let connection = slot.take()?;
        self.live -= 1;
        if !connection.dialled {
            self.gate.left(connection.peer.ip());
        }
        self.pool.put(connection.filling);
        Some(connection.state)
    }

    /// Ends connections that ran out of time, a bounded number of slots per call; call it in every
    /// `end_of_turn`. Returns when it wants to be called again, `None` if there is nothing to watch.
    pub fn sweep(&mut self, net: &impl Transport, now: Mono) -> Option<Mono> {
        if self.live == 0 {
            self.sweep.cursor = 0;
            self.pool.give_back();
            return None;
        }
        if now < self.sweep.due {
            return Some(self.sweep.due);
        }
        let end = self.slots.len().min(self.sweep.cursor + SWEEP_SLOTS_PER_TURN);
        for at in self.sweep.cursor..end {
            let Some(connection) = &mut self.slots[at] else { continue };
            let expired = connection.expired(&self.limits, now);
            connection.give_memory_back(&self.limits, now);
            if let Some(why) = expired {
                let conn = connection.id;
                self.close(net, conn, why);
            }
        }
        if end < self.slots.len() {
            self.sweep.cursor = end;
            return Some(now);
        }
        self.pool.give_back();
        self.sweep = Sweep { cursor: 0, due: now.plus_ms(self.limits.sweep_ms()) };
        Some(self.sweep.due)
    }

    fn insert(&mut self, conn: ConnId, peer: SocketAddr, phase: Phase, now: Mono, state: T) {
        let at = conn.index as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        assert!(self.slots[at].is_none(), "the transport reuses a slot only after Closed");
        self.live += 1;
        self.slots[at] = Some(Connection::new(conn, peer, phase, &self.limits, now, state));
    }
}

/// Slots looked at per call of [`Connections::sweep`]: about 2 us.
const SWEEP_SLOTS_PER_TURN: usize = 512;
