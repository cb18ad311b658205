//! [`Sockets`]: the state machine between [`crate::Transport`]'s calls and the ring's completions.
//!
//! Calls push operations; [`Sockets::complete`] turns one completion into at most one event. The states of a connection
//! lie beside it: [`super::opening`], [`super::receiving`], [`super::sending`], [`super::closing`].

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use io_uring::types;

use super::super::buffers::ReceiveBuffers;
use super::super::ring::{Cqe, Ring};
use super::super::token::Token;
use super::closing::cancel;
use super::conn::{Phase, Slots};
use super::listener::Listeners;
use super::outgoing::MessageVectors;
use super::receiving::Arenas;
use super::sending::finish_send;
use crate::{CloseReason, ConnId, ListenerId, Mono, Outbox};

/// What the reactor is to be told.
pub(crate) enum Step {
    Accepted {
        conn: ConnId,
        listener: ListenerId,
        peer: SocketAddr,
        local: SocketAddr,
    },
    Connected {
        conn: ConnId,
        local: SocketAddr,
    },
    /// `len` bytes lie in buffer `buffer`; [`Sockets::received`] must follow.
    Received {
        conn: ConnId,
        buffer: u16,
        len: usize,
        more: bool,
    },
    /// [`Sockets::gathered`] has the bytes; [`Sockets::consumed`] must follow.
    Gathered {
        conn: ConnId,
    },
    Sent {
        conn: ConnId,
        out: Outbox,
    },
    Closed {
        conn: ConnId,
        reason: CloseReason,
    },
}

/// All sockets of a shard.
pub(crate) struct Sockets {
    pub(super) slots: Slots,
    pub(super) listeners: Listeners,
    pub(super) buffers: ReceiveBuffers,
    pub(super) arenas: Arenas,
    pub(super) vectors: MessageVectors,
    /// Receives that ended for want of a buffer, armed again at the end of the turn.
    pub(super) starved: Vec<ConnId>,
    /// What happened without the kernel's help.
    pub(super) local: VecDeque<Local>,
}

/// A thing to report in the next turn.
pub(super) enum Local {
    /// An empty outbox is sent.
    Sent(ConnId),
    /// A connect failed before it reached the kernel.
    NeverUp(ConnId),
}

impl Sockets {
    /// Registers receive buffers and a file table for at most `limit` connections.
    pub(crate) fn new(ring: &Ring, limit: u32, receive_buffers: u16) -> io::Result<Self> {
        ring.uring().submitter().register_files_sparse(limit)?;
        Ok(Self {
            slots: Slots::new(limit),
            listeners: Listeners::default(),
            buffers: ReceiveBuffers::new(ring, receive_buffers)?,
            arenas: Arenas::default(),
            vectors: MessageVectors::default(),
            starved: Vec::new(),
            local: VecDeque::new(),
        })
    }

    pub(super) fn listen(&mut self, ring: &mut Ring, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        self.listeners.listen(ring, at)
    }

    pub(super) fn unlisten(&mut self, ring: &mut Ring, listener: ListenerId) {
        self.listeners.unlisten(ring, listener);
    }

    pub(super) fn set_reading(&mut self, ring: &mut Ring, conn: ConnId, on: bool) {
        let Some(slot) = self.slots.get(conn) else { return };
        slot.reading = on;
        if slot.phase != Phase::Open {
            return;
        }
        if on && !slot.recv_armed && !slot.lent {
            self.arm_recv(ring, conn);
        } else if !on && slot.recv_armed && !slot.pausing {
            slot.pausing = true;
            cancel(ring, conn, slot, types::CancelBuilder::user_data(Token::Recv(conn).encode()));
        }
    }

    /// No connection, no listener, nothing in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.in_use() == 0 && !self.listeners.any()
    }

    /// Whether [`Sockets::next_local`] has something.
    pub(crate) fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// When accepting resumes after descriptors ran out, or quiet connections are looked for.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        [self.listeners.resume_at, self.arenas.next_deadline()].into_iter().flatten().min()
    }

    /// The next thing that happened without the kernel's help.
    pub(crate) fn next_local(&mut self) -> Option<Step> {
        loop {
            match self.local.pop_front()? {
                Local::Sent(conn) => {
                    let Some(slot) = self.slots.get(conn) else { continue };
                    if slot.phase == Phase::Open && slot.sending && !slot.send_armed {
                        return Some(finish_send(conn, slot));
                    }
                }
                Local::NeverUp(conn) => return Some(self.released(conn)),
            }
        }
    }

    /// Takes one completion of a socket operation.
    pub(crate) fn complete(&mut self, ring: &mut Ring, token: Token, cqe: Cqe, now: Mono) -> Option<Step> {
        match token {
            Token::Accept(listener) => self.accepted(ring, ListenerId(listener), cqe, now),
            Token::Unlisten(_) => None,
            Token::Connect(conn) => self.connected(ring, conn, cqe.result),
            Token::Recv(conn) => self.recv_done(ring, conn, cqe),
            Token::Send(conn) => self.send_done(ring, conn, cqe.result),
            Token::Cancel(conn) => {
                self.cancel_done(ring, conn);
                None
            }
            Token::Release(conn) => Some(self.released(conn)),
            Token::Op(_) | Token::Bell => unreachable!("not a socket operation"),
        }
    }

    /// The end of a turn: receives that had no buffer try again, accepts that rested as well; memory of connections that
    /// became quiet is taken back.
    pub(crate) fn end_of_turn(&mut self, ring: &mut Ring, now: Mono) {
        while let Some(conn) = self.starved.pop() {
            if let Some(slot) = self.slots.get(conn)
                && slot.phase == Phase::Open
                && slot.reading
                && !slot.recv_armed
            {
                self.arm_recv(ring, conn);
            }
        }
        self.listeners.resume(ring, now);
        self.take_quiet_arenas(ring, now);
    }
}

pub(super) fn check(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
