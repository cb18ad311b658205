//! [`Sockets`]: the state machine between [`crate::Transport`]'s calls and the ring's completions.
//!
//! Calls push operations; [`Sockets::complete`] turns one completion into at most one event. A close moves a slot
//! `Open → Closing → Releasing → free`, see the module above.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::super::buffers::ReceiveBuffers;
use super::super::ring::{Cqe, Ring};
use super::super::token::Token;
use super::conn::{Conn, Connecting, Phase, Slots};
use super::listener::Listeners;
use super::outgoing::MessageVectors;
use super::receiving::Arenas;
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
    listeners: Listeners,
    pub(super) buffers: ReceiveBuffers,
    pub(super) arenas: Arenas,
    vectors: MessageVectors,
    /// Receives that ended for want of a buffer, armed again at the end of the turn.
    pub(super) starved: Vec<ConnId>,
    /// What happened without the kernel's help.
    local: VecDeque<Local>,
}

/// A thing to report in the next turn.
enum Local {
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

    pub(super) fn connect(&mut self, ring: &mut Ring, to: SocketAddr) -> ConnId {
        let Some(conn) = self.slots.take(Phase::Connecting) else {
            let conn = self.slots.take_homeless();
            self.never_up(conn, io::Error::from_raw_os_error(libc::EMFILE));
            return conn;
        };
        match self.start_connect(ring, conn, to) {
            Ok(entry) => {
                // SAFETY: the address is boxed in the slot until the connect has completed.
                unsafe { ring.push(entry.user_data(Token::Connect(conn).encode())) };
            }
            Err(error) => self.never_up(conn, error),
        }
        conn
    }

    fn start_connect(&mut self, ring: &Ring, conn: ConnId, to: SocketAddr) -> io::Result<squeue::Entry> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_keepalive(true)?;
        install(ring, conn, socket.as_raw_fd())?;
        let connecting = Box::new(Connecting { to: SockAddr::from(to), socket: socket.into() });
        let address = connecting.to.as_ptr().cast();
        let entry = opcode::Connect::new(types::Fixed(conn.index), address, connecting.to.len()).build();
        self.slots.of_completion(conn).connecting = Some(connecting);
        Ok(entry)
    }

    fn never_up(&mut self, conn: ConnId, error: io::Error) {
        let slot = self.slots.of_completion(conn);
        slot.phase = Phase::Closing;
        slot.reason = Some(CloseReason::Failed(error));
        self.local.push_back(Local::NeverUp(conn));
    }

    pub(super) fn send(&mut self, ring: &mut Ring, conn: ConnId, out: Outbox) {
        let Some(slot) = self.slots.get(conn) else { return };
        assert!(!slot.sending, "a send of {conn:?} is in flight");
        match slot.phase {
            Phase::Free | Phase::Closing | Phase::Releasing => return,
            Phase::Connecting | Phase::Open => {}
        }
        slot.sending = true;
        slot.sent = 0;
        slot.out = out;
        if slot.phase == Phase::Open {
            self.issue_send(ring, conn);
        }
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

    pub(super) fn close(&mut self, ring: &mut Ring, conn: ConnId) {
        self.begin_close(ring, conn, CloseReason::Local);
    }

    /// Closes everything; [`Sockets::is_empty`] tells when it is done.
    pub(crate) fn close_all(&mut self, ring: &mut Ring) {
        self.listeners.unlisten_all(ring);
        for conn in self.slots.ids() {
            self.begin_close(ring, conn, CloseReason::Local);
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

    fn accepted(&mut self, ring: &mut Ring, listener: ListenerId, cqe: Cqe, now: Mono) -> Option<Step> {
        let errno = (cqe.result < 0).then_some(-cqe.result);
        // SAFETY: a fresh descriptor that the kernel gave to us alone.
        let socket = errno.is_none().then(|| unsafe { OwnedFd::from_raw_fd(cqe.result) });
        let wanted = self.listeners.is_open(listener);
        if !cqueue::more(cqe.flags) {
            ring.counters.shed += self.listeners.disarmed(ring, listener, errno, now);
        }
        let socket = socket.filter(|_| wanted)?;
        // The peer may be gone already: then there are no addresses, and nothing to report.
        let peer = SockRef::from(&socket).peer_addr().ok()?.as_socket()?;
        let local = SockRef::from(&socket).local_addr().ok()?.as_socket()?;
        let Some(conn) = self.slots.take(Phase::Open) else {
            ring.counters.shed += 1;
            return None;
        };
        if install(ring, conn, socket.as_raw_fd()).is_err() {
            self.slots.release(conn);
            ring.counters.shed += 1;
            return None;
        }
        ring.counters.accepts += 1;
        let slot = self.slots.of_completion(conn);
        slot.reading = true;
        self.arm_recv(ring, conn);
        Some(Step::Accepted { conn, listener, peer, local })
    }

    fn connected(&mut self, ring: &mut Ring, conn: ConnId, result: i32) -> Option<Step> {
        let slot = self.slots.of_completion(conn);
        let connecting = slot.connecting.take().expect("a connect completes once");
        if slot.phase == Phase::Closing {
            self.maybe_release(ring, conn);
            return None;
        }
        slot.phase = Phase::Open;
        let local = match check(result) {
            Ok(_) => SockRef::from(&connecting.socket).local_addr().map(|local| local.as_socket()),
            Err(error) => Err(error),
        };
        match local {
            Ok(Some(local)) => {
                let sending = slot.sending;
                slot.reading = true;
                self.arm_recv(ring, conn);
                if sending {
                    self.issue_send(ring, conn);
                }
                Some(Step::Connected { conn, local })
            }
            Ok(None) => unreachable!("a TCP socket has an internet address"),
            Err(error) => {
                self.begin_close(ring, conn, CloseReason::Failed(error));
                None
            }
        }
    }

    fn send_done(&mut self, ring: &mut Ring, conn: ConnId, result: i32) -> Option<Step> {
        let slot = self.slots.of_completion(conn);
        slot.send_armed = false;
        if slot.phase != Phase::Open {
            self.maybe_release(ring, conn);
            return None;
        }
        match check(result).map_err(|error| (error.raw_os_error().unwrap_or(0), error)) {
            Ok(bytes) => {
                slot.sent += bytes;
                assert!(slot.sent <= slot.out.len());
                if slot.sent == slot.out.len() {
                    return Some(finish_send(conn, slot));
                }
                self.issue_send(ring, conn);
            }
            Err((libc::EINTR | libc::EAGAIN, _)) => self.issue_send(ring, conn),
            Err((_, error)) => self.begin_close(ring, conn, CloseReason::Failed(error)),
        }
        None
    }

    /// Sends what is left of the slot's outbox.
    fn issue_send(&mut self, ring: &mut Ring, conn: ConnId) {
        let slot = self.slots.of_completion(conn);
        if slot.sent == slot.out.len() {
            self.local.push_back(Local::Sent(conn));
            return;
        }
        slot.send_armed = true;
        ring.counters.sends += 1;
        let entry = self.vectors.prepare(ring, conn.index, &slot.out, slot.sent);
        // SAFETY: the outbox stays in the slot, unchanged, until the completion; headers and vectors until submission.
        unsafe { ring.push(entry.user_data(Token::Send(conn).encode())) };
    }

    pub(super) fn begin_close(&mut self, ring: &mut Ring, conn: ConnId, reason: CloseReason) {
        let Some(slot) = self.slots.get(conn) else { return };
        match slot.phase {
            Phase::Free | Phase::Closing | Phase::Releasing => return,
            Phase::Connecting | Phase::Open => {}
        }
        slot.phase = Phase::Closing;
        slot.reason = Some(reason);
        if slot.recv_armed || slot.send_armed || slot.connecting.is_some() {
            cancel(ring, conn, slot, types::CancelBuilder::fd(types::Fixed(conn.index)).all());
        }
        self.maybe_release(ring, conn);
    }

    fn cancel_done(&mut self, ring: &mut Ring, conn: ConnId) {
        let slot = self.slots.of_completion(conn);
        slot.cancels -= 1;
        slot.pausing = false;
        if slot.phase == Phase::Open && !slot.reading && slot.recv_armed {
            // Switched on and off again before the first cancellation was through.
            self.set_reading(ring, conn, false);
        }
        self.maybe_release(ring, conn);
    }

    /// Closes the file slot of a closing connection that has nothing in flight any more.
    pub(super) fn maybe_release(&mut self, ring: &mut Ring, conn: ConnId) {
        let Some(slot) = self.slots.get(conn) else { return };
        if slot.phase == Phase::Closing && slot.is_quiet() {
            slot.phase = Phase::Releasing;
            let close = opcode::Close::new(types::Fixed(conn.index)).build();
            // SAFETY: names no memory.
            unsafe { ring.push(close.user_data(Token::Release(conn).encode())) };
        }
    }

    fn released(&mut self, conn: ConnId) -> Step {
        let reason = self.slots.of_completion(conn).reason.take().expect("set when closing began");
        self.arenas.forget(conn);
        self.slots.release(conn);
        Step::Closed { conn, reason }
    }
}

pub(super) fn cancel(ring: &mut Ring, conn: ConnId, slot: &mut Conn, what: types::CancelBuilder) {
    slot.cancels += 1;
    let entry = opcode::AsyncCancel2::new(what).build().user_data(Token::Cancel(conn).encode());
    // SAFETY: names no memory.
    unsafe { ring.push(entry) };
}

fn finish_send(conn: ConnId, slot: &mut Conn) -> Step {
    slot.sending = false;
    let mut out = std::mem::take(&mut slot.out);
    out.clear();
    Step::Sent { conn, out }
}

/// Puts the socket into the connection's place in the file table; the descriptor itself may be closed afterwards.
fn install(ring: &Ring, conn: ConnId, socket: RawFd) -> io::Result<()> {
    ring.uring().submitter().register_files_update(conn.index, &[socket]).map(drop)
}

pub(super) fn check(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
