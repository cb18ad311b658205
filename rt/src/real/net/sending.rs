//! Sends: one in flight per connection, issued again until the whole outbox is out.

use super::super::ring::Ring;
use super::super::token::Token;
use super::conn::{Conn, Phase};
use super::sockets::{Local, Sockets, Step, check};
use crate::{CloseReason, ConnId, Outbox};

impl Sockets {
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

    pub(super) fn send_done(&mut self, ring: &mut Ring, conn: ConnId, result: i32) -> Option<Step> {
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
    pub(super) fn issue_send(&mut self, ring: &mut Ring, conn: ConnId) {
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
}

#[inline]
pub(super) fn finish_send(conn: ConnId, slot: &mut Conn) -> Step {
    slot.sending = false;
    let mut out = std::mem::take(&mut slot.out);
    out.clear();
    Step::Sent { conn, out }
}
