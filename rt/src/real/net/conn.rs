//! [`Conn`]: the slot of one connection, and [`Slots`]: all of them.

use std::os::fd::OwnedFd;

use socket2::SockAddr;

use super::super::arena::Arena;
use crate::{CloseReason, ConnId, Outbox};

/// What a slot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// On the free list.
    Free,
    /// A connect is in flight.
    Connecting,
    /// Up.
    Open,
    /// Waiting for the operations in flight.
    Closing,
    /// Waiting for the file slot to be closed.
    Releasing,
}

/// One connection. No buffer of its own unless it is busy: received bytes are lent, an outbox is here only while it is sent.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// The owner wants to read.
    pub(super) reading: bool,
    /// A receive is in flight.
    pub(super) recv_armed: bool,
    /// The cancellation of that receive is in flight.
    pub(super) pausing: bool,
    /// The next receive goes into an arena, if there is one left.
    pub(super) promoted: bool,
    /// The bytes of the arena are being read: nothing may be received behind them.
    pub(super) lent: bool,
    /// Bytes came since the last look for quiet arenas.
    pub(super) moved: bool,
    /// The last receive left nothing in the socket.
    pub(super) dry: bool,
    /// How full shared buffers came lately.
    pub(super) fullness: u8,
    /// Small receives in a row.
    pub(super) thin: u8,
    /// Memory of its own for receiving; while it is here, so is the receive in flight.
    pub(super) arena: Option<Box<Arena>>,
    /// The owner handed over an outbox and has not got it back.
    pub(super) sending: bool,
    /// A send is in flight. Not so while `sending` for an empty outbox or a connection not yet up.
    pub(super) send_armed: bool,
    /// Cancellations in flight.
    pub(super) cancels: u8,
    /// Bytes of `out` that are sent.
    pub(super) sent: usize,
    pub(super) out: Outbox,
    pub(super) reason: Option<CloseReason>,
    pub(super) connecting: Option<Box<Connecting>>,
}

/// What a connect needs until it is done.
#[derive(Debug)]
pub(super) struct Connecting {
    /// The kernel copies it at submission.
    pub(super) to: SockAddr,
    /// For asking our address; the operations use the file table.
    pub(super) socket: OwnedFd,
}

impl Conn {
    fn free(generation: u32) -> Self {
        Self {
            generation,
            phase: Phase::Free,
            reading: false,
            recv_armed: false,
            pausing: false,
            promoted: false,
            lent: false,
            moved: false,
            dry: false,
            fullness: 0,
            thin: 0,
            arena: None,
            sending: false,
            send_armed: false,
            cancels: 0,
            sent: 0,
            out: Outbox::default(),
            reason: None,
            connecting: None,
        }
    }

    /// Nothing of this slot is with the kernel.
    pub(super) fn is_quiet(&self) -> bool {
        !self.recv_armed && !self.send_armed && self.cancels == 0 && self.connecting.is_none()
    }
}

/// The connection slots: dense, reused last in first out, never more than the file table has room for.
pub(super) struct Slots {
    slots: Vec<Conn>,
    free: Vec<u32>,
    /// Slots above the limit: they only report that a connect had no place.
    homeless: Vec<u32>,
    limit: u32,
}

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), homeless: Vec::new(), limit }
    }

    /// A free slot, now in `phase`; `None` at the limit.
    pub(super) fn take(&mut self, phase: Phase) -> Option<ConnId> {
        let index =
            self.free.pop().or_else(|| (self.slots.len() < self.limit as usize).then(|| self.grow()))?;
        Some(self.begin(index, phase))
    }

    /// A slot without a place in the file table, in phase [`Phase::Closing`].
    pub(super) fn take_homeless(&mut self) -> ConnId {
        let index = self.homeless.pop().unwrap_or_else(|| self.grow());
        assert!(index >= self.limit);
        self.begin(index, Phase::Closing)
    }

    fn grow(&mut self) -> u32 {
        self.slots.push(Conn::free(0));
        u32::try_from(self.slots.len() - 1).expect("bounded by the limit")
    }

    fn begin(&mut self, index: u32, phase: Phase) -> ConnId {
        let slot = &mut self.slots[index as usize];
        assert!(slot.phase == Phase::Free);
        *slot = Conn { phase, ..Conn::free(slot.generation) };
        ConnId { index, generation: slot.generation }
    }

    /// Frees a quiet slot; its ids are dead from now on.
    pub(super) fn release(&mut self, conn: ConnId) {
        let slot = &mut self.slots[conn.index as usize];
        assert!(slot.is_quiet() && slot.phase != Phase::Free);
        *slot = Conn::free(conn.generation.wrapping_add(1));
        let list = if conn.index < self.limit { &mut self.free } else { &mut self.homeless };
        list.push(conn.index);
    }

    /// The slot of `conn`, unless the id is dead.
    pub(super) fn get(&mut self, conn: ConnId) -> Option<&mut Conn> {
        self.slots
            .get_mut(conn.index as usize)
            .filter(|slot| slot.generation == conn.generation && slot.phase != Phase::Free)
    }

    /// The slot that a completion belongs to: it cannot be dead.
    pub(super) fn of_completion(&mut self, conn: ConnId) -> &mut Conn {
        let slot = &mut self.slots[conn.index as usize];
        assert!(slot.generation == conn.generation, "a completion met a newer connection");
        slot
    }

    /// Slots in use.
    pub(super) fn in_use(&self) -> usize {
        self.slots.len() - self.free.len() - self.homeless.len()
    }

    /// Ids of all connections in use.
    pub(super) fn ids(&self) -> Vec<ConnId> {
        (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.phase != Phase::Free)
            .map(|(index, slot)| ConnId { index, generation: slot.generation })
            .collect()
    }
}

// 10,000 idle connections are about a megabyte.
const _: () = assert!(size_of::<Conn>() <= 128);
