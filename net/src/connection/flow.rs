//! Bytes through the connections: frames in, replies out, and when reading stops in between.
//!
//! In: a decoder is lent to whoever handles frames and comes back. Out: what a turn writes into [`Connections::reply`]
//! leaves with the next [`Connections::flush_dirty`], one send a connection. A connection that holds too much (requests,
//! output) or is stalled is not read from until it holds less; frames that its decoder has already are kept for
//! [`Connections::next_resumed`].

use std::ops::ControlFlow;

use rt::{ConnId, Mono, Outbox, Transport};

use super::one::Phase;
use super::{Connections, Ending, Lent, live};
use crate::frame::FrameError;

impl<T> Connections<T> {
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

    /// Bytes that may still be written to the peer before it counts as slow. Whoever can put an answer off (a pull)
    /// asks before writing a large one.
    #[must_use]
    pub fn output_room(&self, conn: ConnId) -> usize {
        self.get(conn).map_or(0, |connection| self.limits.output_bytes.saturating_sub(connection.output()))
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
}
