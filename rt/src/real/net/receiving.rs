//! Receives: multishot into the shared buffers, and one at a time into an [`Arena`] for a connection that fills those.
//!
//! A connection earns an arena by filling shared buffers to the end several times in short succession, as far as there
//! are any left. It loses it when little comes at a time, or nothing for a while: an idle connection holds no memory.

use io_uring::{cqueue, opcode, types};

use super::super::arena::Arena;
use super::super::buffers;
use super::super::ring::{Cqe, Ring};
use super::super::token::Token;
use super::closing::cancel;
use super::conn::{Conn, Phase};
use super::sockets::{Sockets, Step, check};
use crate::{CloseReason, ConnId, Mono};

/// Who has an arena.
#[derive(Debug, Default)]
pub(super) struct Arenas {
    owners: Vec<ConnId>,
    /// When the owners are looked through for quiet ones.
    due: Mono,
}

impl Arenas {
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.owners.retain(|owner| *owner != conn);
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (!self.owners.is_empty()).then_some(self.due)
    }
}

impl Sockets {
    /// The bytes of a [`Step::Received`].
    ///
    /// # Safety
    /// Read them only before [`Sockets::received`] is called with the same step.
    pub(crate) unsafe fn bytes<'a>(&self, buffer: u16, len: usize) -> &'a [u8] {
        assert!(len <= buffers::BYTES);
        // SAFETY: the kernel filled `len` bytes and leaves the buffer alone until it is recycled, which the caller
        // does after reading.
        unsafe { std::slice::from_raw_parts(self.buffers.start(buffer), len) }
    }

    /// The reactor has seen the bytes: recycles the buffer, arms the receive again if it has ended.
    pub(crate) fn received(&mut self, ring: &mut Ring, conn: ConnId, buffer: u16, more: bool) {
        self.buffers.recycle(buffer);
        if !more {
            self.recv_ended(ring, conn);
        }
    }

    /// The bytes of a [`Step::Gathered`].
    ///
    /// # Safety
    /// Read them only before [`Sockets::consumed`] is called with the same step.
    pub(crate) unsafe fn gathered<'a>(&mut self, conn: ConnId) -> &'a [u8] {
        let arena = self.slots.of_completion(conn).arena.as_ref().expect("it gathered in one");
        // SAFETY: no receive is in flight until `consumed` arms it, and the slot keeps the arena until then.
        unsafe { arena.bytes() }
    }

    /// The reactor has seen the bytes and wants the last `left` again. Arms the next receive.
    pub(crate) fn consumed(&mut self, ring: &mut Ring, conn: ConnId, left: usize) {
        // Closed by the reactor, it is still there: its file slot is released by a later completion.
        let slot = self.slots.of_completion(conn);
        slot.lent = false;
        let arena = slot.arena.as_mut().expect("it gathered in one");
        arena.keep_last(left);
        if arena.is_empty() && slot.thin >= THIN_RECEIVES {
            slot.arena = None;
            self.arenas.forget(conn);
        }
        self.recv_ended(ring, conn);
    }

    /// Starts a receive, as fits the connection.
    pub(super) fn arm_recv(&mut self, ring: &mut Ring, conn: ConnId) {
        let slot = self.slots.of_completion(conn);
        if std::mem::take(&mut slot.promoted)
            && slot.arena.is_none()
            && self.arenas.owners.len() < ARENAS_MAX
            && let Ok(arena) = Arena::new()
        {
            slot.arena = Some(Box::new(arena));
            (slot.fullness, slot.thin, slot.dry) = (0, 0, false);
            self.arenas.owners.push(conn);
        }
        slot.recv_armed = true;
        let file = types::Fixed(conn.index);
        let recv = match &mut slot.arena {
            Some(arena) => {
                let (at, len) = arena.room();
                opcode::Recv::new(file, at, len).ioprio(if slot.dry { POLL_FIRST } else { 0 }).build()
            }
            None => opcode::RecvMulti::new(file, buffers::GROUP).build(),
        };
        // SAFETY: receives write only to the registered buffers, which outlive the ring, or to the arena, which the slot
        // keeps until the completion.
        unsafe { ring.push(recv.user_data(Token::Recv(conn).encode())) };
    }

    pub(super) fn recv_done(&mut self, ring: &mut Ring, conn: ConnId, cqe: Cqe) -> Option<Step> {
        let slot = self.slots.of_completion(conn);
        if slot.arena.is_some() {
            return self.arena_recv_done(ring, conn, cqe);
        }
        let more = cqueue::more(cqe.flags);
        slot.recv_armed = more;
        let buffer = cqueue::buffer_select(cqe.flags);
        match (check(cqe.result), buffer) {
            (Ok(len @ 1..), Some(buffer)) => {
                if slot.phase == Phase::Open {
                    ring.counters.recvs += 1;
                    self.weigh(ring, conn, len);
                    return Some(Step::Received { conn, buffer, len, more });
                }
                self.received(ring, conn, buffer, more);
            }
            (outcome, buffer) => {
                if let Some(buffer) = buffer {
                    self.buffers.recycle(buffer);
                }
                match outcome.map_err(|error| (error.raw_os_error().unwrap_or(0), error)) {
                    Ok(_) => self.begin_close(ring, conn, CloseReason::Peer),
                    Err((libc::ENOBUFS, _)) => {
                        ring.counters.enobufs += 1;
                        self.starved.push(conn);
                        self.maybe_release(ring, conn);
                    }
                    Err((libc::ECANCELED | libc::EINTR | libc::EAGAIN, _)) => self.recv_ended(ring, conn),
                    Err((_, error)) => self.begin_close(ring, conn, CloseReason::Failed(error)),
                }
            }
        }
        None
    }

    fn arena_recv_done(&mut self, ring: &mut Ring, conn: ConnId, cqe: Cqe) -> Option<Step> {
        let slot = self.slots.of_completion(conn);
        slot.recv_armed = false;
        match check(cqe.result).map_err(|error| (error.raw_os_error().unwrap_or(0), error)) {
            Ok(0) => self.begin_close(ring, conn, CloseReason::Peer),
            Ok(len) => {
                if slot.phase != Phase::Open {
                    self.maybe_release(ring, conn);
                    return None;
                }
                ring.counters.recvs += 1;
                (slot.moved, slot.lent) = (true, true);
                slot.dry = !cqueue::sock_nonempty(cqe.flags);
                slot.thin = if len < THIN_BYTES { slot.thin.saturating_add(1) } else { 0 };
                slot.arena.as_mut().expect("its completion").received(len);
                return Some(Step::Gathered { conn });
            }
            Err((libc::ECANCELED | libc::EINTR | libc::EAGAIN, _)) => {
                let arena = slot.arena.as_ref().expect("its completion");
                if !slot.moved && arena.is_empty() {
                    slot.arena = None;
                    self.arenas.forget(conn);
                }
                self.recv_ended(ring, conn);
            }
            Err((_, error)) => self.begin_close(ring, conn, CloseReason::Failed(error)),
        }
        None
    }

    fn recv_ended(&mut self, ring: &mut Ring, conn: ConnId) {
        // The reactor may have closed the connection meanwhile; its slot cannot be free before this, though, as long
        // as the receive was armed. When it was not, the slot may be gone.
        let Some(slot) = self.slots.get(conn) else { return };
        if slot.phase == Phase::Open && slot.reading && !slot.recv_armed {
            self.arm_recv(ring, conn);
        }
        self.maybe_release(ring, conn);
    }

    /// Notes how full a shared buffer came; ends the multishot receive of a connection that deserves an arena.
    fn weigh(&mut self, ring: &mut Ring, conn: ConnId, len: usize) {
        let slot = self.slots.of_completion(conn);
        if len < buffers::BYTES {
            slot.fullness = slot.fullness.saturating_sub(1);
            return;
        }
        slot.fullness = slot.fullness.saturating_add(2);
        if slot.fullness < FULLNESS_EARNED || slot.promoted || self.arenas.owners.len() >= ARENAS_MAX {
            return;
        }
        slot.promoted = true;
        if slot.recv_armed && !slot.pausing {
            stop_recv(ring, conn, slot);
        }
    }

    /// Cancels the receives of owners to whom nothing came since the last look.
    pub(super) fn take_quiet_arenas(&mut self, ring: &mut Ring, now: Mono) {
        if self.arenas.owners.is_empty() || now < self.arenas.due {
            return;
        }
        self.arenas.due = now.plus_ms(LOOK_MS);
        for owner in &self.arenas.owners {
            let Some(slot) = self.slots.get(*owner) else { continue };
            let is_quiet =
                !std::mem::take(&mut slot.moved) && slot.arena.as_ref().is_some_and(|arena| arena.is_empty());
            if is_quiet && slot.phase == Phase::Open && slot.recv_armed && !slot.pausing {
                stop_recv(ring, *owner, slot);
            }
        }
    }
}

/// Cancels the receive in flight; its completion arms another one.
fn stop_recv(ring: &mut Ring, conn: ConnId, slot: &mut Conn) {
    slot.pausing = true;
    cancel(ring, conn, slot, types::CancelBuilder::user_data(Token::Recv(conn).encode()));
}

/// Connections with an arena at most: 16 MiB of memory.
const ARENAS_MAX: usize = 64;
/// Full shared buffers count two, others take one away.
const FULLNESS_EARNED: u8 = 12;
/// A receive of less is thin, and so many in a row are no reason for an arena.
const THIN_BYTES: usize = 2048;
const THIN_RECEIVES: u8 = 64;
/// Between two looks for quiet connections.
const LOOK_MS: u64 = 500;
/// `IORING_RECVSEND_POLL_FIRST`: the socket is known to be empty.
const POLL_FIRST: u16 = 1;
