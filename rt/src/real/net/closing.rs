//! Connections that end: `Open → Closing → Releasing → free`.
//!
//! Closing cancels what is in flight; releasing, once nothing is, closes the file slot; only then is the reactor told.

use io_uring::{opcode, types};

use super::super::ring::Ring;
use super::super::token::Token;
use super::conn::{Conn, Phase};
use super::sockets::{Sockets, Step};
use crate::{CloseReason, ConnId};

impl Sockets {
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

    pub(super) fn cancel_done(&mut self, ring: &mut Ring, conn: ConnId) {
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

    pub(super) fn released(&mut self, conn: ConnId) -> Step {
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
