//! Connections that begin: asked for by us, or accepted.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::super::ring::{Cqe, Ring};
use super::super::token::Token;
use super::conn::{Connecting, Phase};
use super::sockets::{Local, Sockets, Step, check};
use crate::{CloseReason, ConnId, ListenerId, Mono};

impl Sockets {
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

    pub(super) fn accepted(
        &mut self,
        ring: &mut Ring,
        listener: ListenerId,
        cqe: Cqe,
        now: Mono,
    ) -> Option<Step> {
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

    pub(super) fn connected(&mut self, ring: &mut Ring, conn: ConnId, result: i32) -> Option<Step> {
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
}

/// Puts the socket into the connection's place in the file table; the descriptor itself may be closed afterwards.
fn install(ring: &Ring, conn: ConnId, socket: RawFd) -> io::Result<()> {
    ring.uring().submitter().register_files_update(conn.index, &[socket]).map(drop)
}
