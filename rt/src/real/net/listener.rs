//! [`Listeners`]: listening sockets and their multishot accepts.
//!
//! When descriptors run out (EMFILE) an accept fails at once and would do so for ever: one reserve descriptor is
//! given up to accept and close what waits, so that peers see a reset instead of a hang, and the accept is armed
//! again only after a pause.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use io_uring::{opcode, types};
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::super::ring::Ring;
use super::super::token::Token;
use crate::{ListenerId, Mono};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long accepting rests after descriptors ran out.
const SHED_PAUSE_MS: u64 = 100;
/// Waiting peers turned away at most per pause.
const SHED_BATCH: usize = 256;

/// One listening socket.
pub(super) struct Listener {
    socket: OwnedFd,
    armed: bool,
    closing: bool,
}

/// All listening sockets of a shard. Ids are not reused.
#[derive(Default)]
pub(super) struct Listeners {
    all: Vec<Option<Listener>>,
    reserve: Option<OwnedFd>,
    /// Accepting rests until then.
    pub(super) resume_at: Option<Mono>,
}

impl Listeners {
    pub(super) fn listen(&mut self, ring: &mut Ring, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if at.is_ipv6() {
            // RocketMQ's Java servers listen dual-stack on `::` too.
            socket.set_only_v6(false)?;
        }
        // Accepted sockets inherit both.
        socket.set_tcp_nodelay(true)?;
        socket.set_keepalive(true)?;
        socket.bind(&SockAddr::from(at))?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(OwnedFd::from(socket));
        let bound = socket.local_addr()?;
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        let id = ListenerId(u32::try_from(self.all.len()).expect("a handful of listeners"));
        self.all.push(Some(Listener { socket: socket.into(), armed: false, closing: false }));
        self.arm(ring, id);
        Ok((id, bound))
    }

    pub(super) fn unlisten(&mut self, ring: &mut Ring, id: ListenerId) {
        let Some(listener) = self.all.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        if listener.closing {
            return;
        }
        listener.closing = true;
        if !listener.armed {
            self.all[id.0 as usize] = None;
            return;
        }
        let target = types::CancelBuilder::user_data(Token::Accept(id.0).encode());
        let cancel = opcode::AsyncCancel2::new(target).build().user_data(Token::Unlisten(id.0).encode());
        // SAFETY: names no memory.
        unsafe { ring.push(cancel) };
    }

    pub(super) fn unlisten_all(&mut self, ring: &mut Ring) {
        for id in 0..self.all.len() {
            self.unlisten(ring, ListenerId(u32::try_from(id).expect("a handful of listeners")));
        }
    }

    /// Whether any listening socket is left, closing ones included.
    pub(super) fn any(&self) -> bool {
        self.all.iter().any(Option::is_some)
    }

    /// Whether what this listener accepts is wanted.
    pub(super) fn is_open(&self, id: ListenerId) -> bool {
        self.all[id.0 as usize].as_ref().is_some_and(|listener| !listener.closing)
    }

    /// An accept ended (`more` was not set).
    pub(super) fn disarmed(&mut self, ring: &mut Ring, id: ListenerId, errno: Option<i32>, now: Mono) -> u64 {
        let listener = self.all[id.0 as usize].as_mut().expect("armed, hence there");
        listener.armed = false;
        if listener.closing {
            self.all[id.0 as usize] = None;
            return 0;
        }
        match errno {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                self.resume_at = Some(now.plus_ms(SHED_PAUSE_MS));
                self.shed(id)
            }
            // Ended for another reason, such as a peer that gave up while waiting.
            _ => {
                self.arm(ring, id);
                0
            }
        }
    }

    /// Arms whatever rests, once the pause is over.
    pub(super) fn resume(&mut self, ring: &mut Ring, now: Mono) {
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
            for index in 0..self.all.len() {
                if self.all[index].as_ref().is_some_and(|listener| !listener.armed && !listener.closing) {
                    self.arm(ring, ListenerId(u32::try_from(index).expect("a handful of listeners")));
                }
            }
        }
    }

    fn arm(&mut self, ring: &mut Ring, id: ListenerId) {
        let listener = self.all[id.0 as usize].as_mut().expect("armed by its owner");
        listener.armed = true;
        let accept = opcode::AcceptMulti::new(types::Fd(listener.socket.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(Token::Accept(id.0).encode());
        // SAFETY: the socket stays open until the accept has ended (`disarmed`).
        unsafe { ring.push(accept) };
    }

    /// Accepts and closes what waits, with the one descriptor kept for this. Returns how many.
    fn shed(&mut self, id: ListenerId) -> u64 {
        let listener = self.all[id.0 as usize].as_ref().expect("the caller has it");
        drop(self.reserve.take());
        let mut count = 0;
        // The socket is blocking, so look before accepting.
        while count < SHED_BATCH as u64 && readable(listener.socket.as_fd()) {
            match rustix::net::accept_with(&listener.socket, SocketFlags::CLOEXEC) {
                Ok(peer) => drop(peer),
                Err(_) => break,
            }
            count += 1;
        }
        self.reserve = open_reserve();
        count
    }
}

fn readable(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

fn open_reserve() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}
