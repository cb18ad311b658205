//! The [`Transport`] seam: sockets as events in, [`Outbox`]es out.
//!
//! Calls never block and never call back; what happened arrives as an [`Event`] in the next turn. A connection has
//! at most one send in flight: whoever owns it fills a second outbox meanwhile.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use smallvec::SmallVec;

use crate::{Env, SharedSlice};

/// The sockets of one shard (or name server, or tool thread).
pub trait Transport: Clone + 'static {
    /// Starts listening; every accepted connection is an [`Event::Accepted`]. Port 0 picks one, see the result.
    fn listen(&self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)>;
    /// Stops accepting; accepted connections stay.
    fn unlisten(&self, listener: ListenerId);
    /// Starts connecting; ends as [`Event::Connected`] or [`Event::Closed`].
    fn connect(&self, to: SocketAddr) -> ConnId;
    /// Sends everything in `out` as one operation where the kernel allows, in order, reissuing partial sends. The
    /// emptied outbox comes back with [`Event::Sent`].
    ///
    /// # Panics
    /// If a send of this connection is in flight: that is the caller's bug.
    fn send(&self, conn: ConnId, out: Outbox);
    /// Stops ([`Event::Received`] ceases soon) or resumes reading: the back-pressure of a connection.
    fn set_reading(&self, conn: ConnId, on: bool);
    /// Closes at once, dropping what is unsent. [`Event::Closed`] follows, and after it nothing of this connection.
    fn close(&self, conn: ConnId);
}

/// Listens at `at`, waiting for a former owner to let go of it: the kernel frees the sockets of a killed process that
/// used io_uring some time after the process itself is gone.
///
/// # Errors
/// The last refusal, when the address is still taken after [`LISTEN_PATIENCE_MS`]; any other one at once.
pub async fn listen_patiently<E: Env>(env: &E, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
    let until = env.now().mono.plus_ms(LISTEN_PATIENCE_MS);
    loop {
        match env.net().listen(at) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && env.now().mono < until => {
                env.sleep(LISTEN_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// How long [`listen_patiently`] waits.
pub const LISTEN_PATIENCE_MS: u64 = 3_000;
const LISTEN_PAUSE: Duration = Duration::from_millis(20);

/// What happened on the sockets.
#[derive(Debug)]
pub enum Event<'a> {
    /// A peer connected to one of our listeners. The transport already reads from it.
    Accepted {
        /// The new connection.
        conn: ConnId,
        /// Where it came in.
        listener: ListenerId,
        /// Who connected.
        peer: SocketAddr,
        /// Our end of it.
        local: SocketAddr,
    },
    /// A connection asked for with [`Transport::connect`] is up.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Our end of it.
        local: SocketAddr,
    },
    /// Bytes came in. They are only lent: a frame that is not complete must be copied.
    Received {
        /// The connection.
        conn: ConnId,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// The send in flight is done; `out` is empty and keeps its capacity.
    Sent {
        /// The connection.
        conn: ConnId,
        /// For reuse.
        out: Outbox,
    },
    /// The connection is gone (or never came up). Its id is dead.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a connection ended.
#[derive(Debug)]
pub enum CloseReason {
    /// The peer closed in an orderly way.
    Peer,
    /// We called [`Transport::close`].
    Local,
    /// The network or the kernel said no.
    Failed(io::Error),
}

/// A connection: a slot and how often the slot was used, so that a late id never meets a newer connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Slot, dense from 0: good for indexing.
    pub index: u32,
    /// Use of the slot.
    pub generation: u32,
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u32);

/// Bytes to send: a buffer of our own, with shared slices spliced in where nothing should be copied.
///
/// Reused for the life of a connection: filling it again allocates nothing once it has grown.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Encoded bytes, in order.
    bytes: Vec<u8>,
    /// Slices, each to be sent after `bytes[..at]`.
    slices: SmallVec<[(usize, SharedSlice); 0]>,
    /// Sum of the lengths of `slices`.
    shared_len: usize,
}

impl Outbox {
    /// The buffer to append encoded bytes to. Only ever append: earlier positions are fixed once a slice follows.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends `slice` by reference; the memory stays pinned until it is sent.
    pub fn push_slice(&mut self, slice: SharedSlice) {
        self.shared_len += slice.len();
        self.slices.push((self.bytes.len(), slice));
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared_len
    }

    /// Nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties it and unpins its slices; the capacity stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slices.clear();
        self.shared_len = 0;
    }

    /// Gives memory back if the last burst left more than `keep` bytes of it.
    pub fn shrink_to(&mut self, keep: usize) {
        if self.bytes.capacity() > keep {
            self.bytes.shrink_to(keep);
        }
        if self.slices.capacity() > 64 {
            self.slices.shrink_to_fit();
        }
    }

    /// The pieces in sending order, none of them empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        let tail = self.slices.last().map_or(0, |(at, _)| *at);
        self.slices
            .iter()
            .flat_map(move |(at, slice)| {
                let own = &self.bytes[from..*at];
                from = *at;
                [own, slice.as_ref()]
            })
            .chain(std::iter::once(&self.bytes[tail..]))
            .filter(|piece| !piece.is_empty())
    }
}
