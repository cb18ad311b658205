//! [`Net`]: the sockets of a shard over its ring.
//!
//! Multishot accept per listener, multishot receive into shared buffers per connection, at most one send in flight
//! per connection. A connection costs one small slot and no buffer while it is idle.
//!
//! A slot is released in order: every operation of it has completed (what is in flight is cancelled), its file slot
//! is closed, then [`crate::Event::Closed`] is delivered and the slot is free with a new generation. So no completion ever
//! meets a newer connection.
//!
//! Accepts come as ordinary descriptors, not directly into the file table: the peer's address can only be asked of a
//! descriptor. It is moved into the table at once (one registration call per connection) and closed.

mod closing;
mod conn;
mod listener;
mod opening;
mod outgoing;
mod receiving;
mod sending;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

pub(crate) use sockets::{Sockets, Step};

use super::core::Core;
use crate::{ConnId, ListenerId, Outbox, Transport};

/// The sockets of a shard. See the module.
#[derive(Clone)]
pub struct Net {
    core: Rc<Core>,
}

impl Net {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Self { core }
    }
}

impl Transport for Net {
    fn listen(&self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        self.core.sockets.borrow_mut().listen(&mut self.core.ring.borrow_mut(), at)
    }

    fn unlisten(&self, listener: ListenerId) {
        self.core.sockets.borrow_mut().unlisten(&mut self.core.ring.borrow_mut(), listener);
    }

    fn connect(&self, to: SocketAddr) -> ConnId {
        self.core.sockets.borrow_mut().connect(&mut self.core.ring.borrow_mut(), to)
    }

    fn send(&self, conn: ConnId, out: Outbox) {
        self.core.sockets.borrow_mut().send(&mut self.core.ring.borrow_mut(), conn, out);
    }

    fn set_reading(&self, conn: ConnId, on: bool) {
        self.core.sockets.borrow_mut().set_reading(&mut self.core.ring.borrow_mut(), conn, on);
    }

    fn close(&self, conn: ConnId) {
        self.core.sockets.borrow_mut().close(&mut self.core.ring.borrow_mut(), conn);
    }
}
