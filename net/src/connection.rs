//! [`Connections`]: the bookkeeping between a [`Transport`] and whoever answers requests.
//!
//! Every reactor that serves sockets (broker shard, name server) owns one. It decides who may connect, keeps each
//! connection's decoder and its pair of outboxes, lists the connections that have something to send, and applies the
//! limits of reliability.md 7: connections in all and per source, accepts per second, the time a frame may take to
//! arrive, requests in flight, output that is not drained, idleness. It does no I/O of its own and never reads a
//! clock: events and `now` come in, calls on the [`Transport`] go out.
//!
//! ```text
//! Accepted  -> accepted()                     Closed -> closed()
//! Received  -> lend_decoder(), feed, return_decoder(); the handler writes into reply(conn)
//! Sent      -> sent()                         end of turn -> flush_dirty(), sweep()
//! after a turn: next_resumed() names connections with frames left behind; feed their decoders no bytes
//! ```
//!
//! Invariants:
//! - an id whose generation is not the slot's present one names nothing: every method answers `None` or does nothing;
//! - at most one send of a connection is in flight, and what is written meanwhile waits in the other outbox;
//! - a connection without traffic holds no buffer: outboxes come from a shared pool and go back when they are sent,
//!   the decoder gives its memory back between frames;
//! - once warm, a frame and its reply allocate nothing here.

use std::net::SocketAddr;
use std::ops::ControlFlow;

use rt::{ConnId, Mono, Outbox, Transport};

use crate::frame::{FrameDecoder, FrameError};
use crate::header::HeaderMemory;

pub use self::ending::Ending;
pub use self::lent::Lent;
pub use self::limits::{Admission, ConnectionLimits, Refused};

use self::limits::Gate;
use self::outboxes::OutboxPool;

mod ending;
mod lent;
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

/// One connection.
#[derive(Debug)]
pub struct Connection<T> {
    id: ConnId,
    peer: SocketAddr,
    phase: Phase,
    dialled: bool,
    /// Lent out while bytes are being decoded, as is what its headers look like.
    decoder: Option<FrameDecoder>,
    headers: HeaderMemory,
    filling: Outbox,
    /// Bytes of the send in flight; 0 if there is none.
    sending: usize,
    dirty: bool,
    reading: bool,
    /// The decoder holds complete frames behind a stop.
    backlog: bool,
    close_when_sent: bool,
    /// The owner wants nothing from it for now.
    stalled: bool,
    held: Held,
    /// Last time bytes moved in either direction.
    moved: Mono,
    /// Since when the frame in progress (or the first byte) is awaited.
    frame_since: Option<Mono>,
    /// A frame is begun and not complete.
    in_frame: bool,
    /// Since when output is over its limit without a send having completed.
    stuck_since: Option<Mono>,
    state: T,
}

/// What happened to connections since the start; for metrics and status lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Let in.
    pub accepted: u64,
    /// Turned away: too many in all.
    pub refused_total: u64,
    /// Turned away: too many from one address.
    pub refused_source: u64,
    /// Turned away: too many in this second.
    pub refused_rate: u64,
    /// Ended for bytes that are no frame.
    pub bad_frame: u64,
    /// Ended for idleness.
    pub idle: u64,
    /// Ended for a frame (or a connect) that took too long.
    pub too_slow: u64,
    /// Ended for output nobody drained.
    pub output_stuck: u64,
    /// Times reading was stopped by back-pressure.
    pub paused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Dialled by us, not up yet.
    Connecting,
    /// Frames flow.
    Open,
    /// We closed it; the transport has not confirmed yet.
    Closing,
}

/// Requests taken from a connection and not yet answered.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    requests: u32,
    bytes: usize,
}

/// The walk over all slots that finds expired connections, a slice per turn.
#[derive(Debug)]
struct Sweep {
    cursor: usize,
    due: Mono,
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
            sweep: Sweep { cursor: 0, due: Mono(0) },
            counts: ConnectionCounts::default(),
        }
    }

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
                match refused {
                    Refused::Total => self.counts.refused_total += 1,
                    Refused::Source => self.counts.refused_source += 1,
                    Refused::Rate => self.counts.refused_rate += 1,
                }
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

    /// Takes the decoder out, so that frames can be handled while the handler uses `self` and `Connections` freely.
    /// `None` if the connection is unknown or being closed: drop the bytes.
    pub fn lend_decoder(&mut self, conn: ConnId) -> Option<Lent> {
        let connection = self.get_mut(conn).filter(|connection| connection.phase == Phase::Open)?;
        let decoder = connection.decoder.take().expect("a decoder is returned before it is lent again");
        let headers = std::mem::take(&mut connection.headers);
        Some(Lent { conn, decoder, headers, frames: 0, stopped: false, left: 0 })
    }

    /// Puts the decoder back after `outcome` of feeding it. A bad frame ends the connection. Returns how many of the bytes
    /// fed last must be seen again in front of those to come, see [`Lent::feed_alike`].
    pub fn return_decoder(
        &mut self,
        net: &impl Transport,
        lent: Lent,
        outcome: Result<(), FrameError>,
        now: Mono,
    ) -> usize {
        let Some(connection) = self.get_mut(lent.conn) else { return 0 };
        connection.moved = now;
        connection.backlog = lent.stopped;
        let in_frame = lent.decoder.pending_bytes() + lent.left > 0;
        if !in_frame {
            connection.frame_since = None;
        } else if lent.frames > 0 || !connection.in_frame {
            connection.frame_since = Some(now);
        }
        connection.in_frame = in_frame;
        connection.decoder = Some(lent.decoder);
        connection.headers = lent.headers;
        if lent.stopped {
            self.mark(lent.conn);
        }
        if let Err(error) = outcome {
            self.close(net, lent.conn, Ending::BadFrame(error));
        }
        lent.left
    }

    /// Where to write to the peer; sent by the next [`Connections::flush_dirty`]. `None` if the connection is gone or
    /// being closed: the reply is dropped.
    pub fn reply(&mut self, conn: ConnId) -> Option<&mut Outbox> {
        let connection = self.slots.get_mut(conn.index as usize)?.as_mut()?;
        if connection.id != conn || connection.phase == Phase::Closing {
            return None;
        }
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(conn);
        }
        if connection.filling.bytes().capacity() == 0 {
            connection.filling = self.pool.take();
        }
        Some(&mut connection.filling)
    }

    /// What the sink of [`Lent::feed`] returns after each frame: go on, or stop because the connection is over a limit
    /// or ending.
    pub fn flow(&self, conn: ConnId) -> ControlFlow<()> {
        match self.get(conn) {
            Some(connection) if connection.phase == Phase::Open && !connection.is_over(&self.limits, 1) => {
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    }

    /// A connection with frames left behind a stop that may go on: lend its decoder and feed it no bytes. Ask until
    /// `None`, after each [`Connections::flush_dirty`].
    pub fn next_resumed(&mut self) -> Option<ConnId> {
        self.resumed.pop()
    }

    /// Bytes that may still be written to the peer before it counts as slow. Whoever can put an answer off (a pull)
    /// asks before writing a large one.
    #[must_use]
    pub fn output_room(&self, conn: ConnId) -> usize {
        self.get(conn).map_or(0, |connection| self.limits.output_bytes.saturating_sub(connection.output()))
    }

    /// A request of `bytes` was taken that is answered in a later turn. Over the limit, reading stops until enough are
    /// [`Connections::request_done`]. Parked pulls are not held: they have their own limits.
    pub fn request_held(&mut self, conn: ConnId, bytes: usize) {
        if let Some(connection) = self.get_mut(conn) {
            connection.held.requests += 1;
            connection.held.bytes += bytes;
            self.mark(conn);
        }
    }

    /// Takes no further frame from the connection until it is called with false: what asks for a place that will be free
    /// soon waits in the socket. Nothing if the connection is gone.
    pub fn stall(&mut self, conn: ConnId, on: bool) {
        if let Some(connection) = self.get_mut(conn) {
            connection.stalled = on;
            self.mark(conn);
        }
    }

    /// A held request of `bytes` was answered or given up.
    pub fn request_done(&mut self, conn: ConnId, bytes: usize) {
        if let Some(connection) = self.get_mut(conn) {
            debug_assert!(connection.held.requests > 0, "more requests done than held");
            connection.held.requests = connection.held.requests.saturating_sub(1);
            connection.held.bytes = connection.held.bytes.saturating_sub(bytes);
            self.mark(conn);
        }
    }

    /// Once a turn: hands everything written since the last call to the transport, one send a connection, and stops or
    /// resumes reading as the limits say.
    pub fn flush_dirty(&mut self, net: &impl Transport, now: Mono) {
        for at in 0..self.dirty.len() {
            let conn = self.dirty[at];
            let Some(connection) = live(&mut self.slots, conn) else { continue };
            connection.dirty = false;
            if connection.phase != Phase::Open {
                continue;
            }
            if connection.sending == 0 {
                let out = std::mem::take(&mut connection.filling);
                if out.is_empty() {
                    self.pool.put(out);
                } else {
                    connection.sending = out.len();
                    net.send(conn, out);
                }
            }
            if connection.close_when_sent && connection.sending == 0 {
                connection.phase = Phase::Closing;
                net.close(conn);
                continue;
            }
            let paused = connection.adjust_reading(net, &self.limits, now);
            self.counts.paused += u64::from(paused);
            if connection.backlog && connection.reading {
                connection.backlog = false;
                self.resumed.push(conn);
            }
        }
        self.dirty.clear();
    }

    /// [`rt::Event::Sent`]: takes the emptied outbox back; what was written meanwhile follows with the next
    /// [`Connections::flush_dirty`].
    pub fn sent(&mut self, conn: ConnId, out: Outbox, now: Mono) {
        self.pool.put(out);
        if let Some(connection) = self.get_mut(conn) {
            connection.sending = 0;
            connection.moved = now;
            connection.stuck_since = None;
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

    /// Ends a connection at once; what is unsent is lost. Its state stays reachable until [`Connections::closed`].
    pub fn close(&mut self, net: &impl Transport, conn: ConnId, why: Ending) {
        let Some(connection) = self.get_mut(conn) else { return };
        if connection.phase == Phase::Closing {
            return;
        }
        connection.phase = Phase::Closing;
        let peer = connection.peer;
        net.close(conn);
        self.count(why);
        tracing::debug!(%peer, %why, "connection ended");
    }

    /// Ends a connection after what is written so far has been sent.
    pub fn close_when_sent(&mut self, conn: ConnId) {
        if let Some(connection) = self.get_mut(conn) {
            connection.close_when_sent = true;
            self.mark(conn);
        }
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

    fn insert(&mut self, conn: ConnId, peer: SocketAddr, phase: Phase, now: Mono, state: T) {
        let at = conn.index as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        assert!(self.slots[at].is_none(), "the transport reuses a slot only after Closed");
        self.live += 1;
        self.slots[at] = Some(Connection {
            id: conn,
            peer,
            phase,
            dialled: phase == Phase::Connecting,
            decoder: Some(FrameDecoder::new(self.limits.frame)),
            headers: HeaderMemory::default(),
            filling: Outbox::default(),
            sending: 0,
            dirty: false,
            reading: true,
            backlog: false,
            close_when_sent: false,
            stalled: false,
            held: Held::default(),
            moved: now,
            in_frame: false,
            frame_since: (phase == Phase::Open).then_some(now),
            stuck_since: None,
            state,
        });
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

    fn count(&mut self, why: Ending) {
        match why {
            Ending::Asked => {}
            Ending::BadFrame(_) | Ending::BadHeader(_) => self.counts.bad_frame += 1,
            Ending::Idle => self.counts.idle += 1,
            Ending::FrameTooSlow | Ending::ConnectTooSlow => self.counts.too_slow += 1,
            Ending::OutputStuck => self.counts.output_stuck += 1,
        }
    }
}

fn live<T>(slots: &mut [Option<Connection<T>>], conn: ConnId) -> Option<&mut Connection<T>> {
    slots.get_mut(conn.index as usize)?.as_mut().filter(|connection| connection.id == conn)
}

/// Slots looked at per call of [`Connections::sweep`]: about 2 us.
const SWEEP_SLOTS_PER_TURN: usize = 512;
