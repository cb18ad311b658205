//! The state of all connections, and what moves it. Functions take the world, because everything that takes time is
//! a timer of it; [`Links`] is never borrowed while one of them hands an event to a reactor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::{Arrived, NetProfile};
use crate::sim::world::{EnvIndex, World};
use crate::{ConnId, Event, ListenerId, Outbox};

mod closing;
mod opening;
mod traffic;

pub(in crate::sim) use closing::switch_off;
pub(super) use closing::{close, heal, reset};
pub(super) use opening::{connect, listen};
pub(super) use traffic::{send, set_reading};

use traffic::{Parcel, was_read};

type EndId = u64;

/// Every connection, listener and cable.
#[derive(Default)]
pub(in crate::sim) struct Links {
    pub(super) profile: NetProfile,
    pub(super) ends: BTreeMap<EndId, End>,
    end_sequence: u64,
    listeners: BTreeMap<SocketAddr, (EnvIndex, ListenerId)>,
    listener_sequence: u32,
    slots: BTreeMap<EnvIndex, Vec<Slot>>,
    port_sequence: u16,
    /// Directions in which nothing gets through.
    pub(super) cuts: BTreeSet<(IpAddr, IpAddr)>,
    /// What waits for such a cable to heal, in order.
    held_back: Vec<(EndId, EndId, Parcel)>,
    switched_on: BTreeSet<IpAddr>,
    pub(super) bytes_arrived: BTreeMap<IpAddr, u64>,
}

/// One side of a connection.
pub(super) struct End {
    env: EnvIndex,
    conn: ConnId,
    local: SocketAddr,
    peer: SocketAddr,
    /// The other side; `None` while connecting.
    other: Option<EndId>,
    reading: bool,
    /// Arrived, not yet handed on.
    inbox: VecDeque<Vec<u8>>,
    /// The peer closed, after what is in the inbox.
    peer_closed: bool,
    sending: Option<Sending>,
    /// Sent and not yet read by the peer's reactor.
    unread_by_peer: usize,
    /// What is sent to this end from now on arrives no earlier: it may not overtake.
    next_arrival: u64,
}

struct Sending {
    out: Outbox,
    taken: usize,
    /// A timer for the next piece is set.
    moving: bool,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    end: Option<EndId>,
    in_use: bool,
}

impl Links {
    pub(in crate::sim) fn switch_on(&mut self, ip: IpAddr) {
        assert!(self.switched_on.insert(ip), "a machine runs at {ip} already");
    }

    pub(super) fn unlisten(&mut self, listener: ListenerId) {
        self.listeners.retain(|_, (_, id)| *id != listener);
    }

    fn claim_slot(&mut self, env: EnvIndex, end: EndId) -> ConnId {
        let slots = self.slots.entry(env).or_default();
        let index = slots.iter().position(|slot| !slot.in_use).unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() - 1
        });
        let slot = &mut slots[index];
        slot.in_use = true;
        slot.end = Some(end);
        ConnId { index: u32::try_from(index).expect("few connections"), generation: slot.generation }
    }

    fn slot(&mut self, env: EnvIndex, conn: ConnId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(&env)?.get_mut(conn.index as usize)?;
        (slot.in_use && slot.generation == conn.generation).then_some(slot)
    }

    fn end_of(&mut self, env: EnvIndex, conn: ConnId) -> Option<EndId> {
        self.slot(env, conn)?.end
    }

    fn add_end(&mut self, env: EnvIndex, local: SocketAddr, peer: SocketAddr) -> EndId {
        let id = self.end_sequence;
        self.end_sequence += 1;
        let conn = self.claim_slot(env, id);
        let end = End {
            env,
            conn,
            local,
            peer,
            other: None,
            reading: true,
            inbox: VecDeque::new(),
            peer_closed: false,
            sending: None,
            unread_by_peer: 0,
            next_arrival: 0,
        };
        self.ends.insert(id, end);
        id
    }

    /// Takes the end out; its slot stays in use until `Closed` was handed over.
    fn remove_end(&mut self, id: EndId) -> Option<End> {
        let end = self.ends.remove(&id)?;
        if let Some(slot) = self.slot(end.env, end.conn) {
            slot.end = None;
        }
        Some(end)
    }

    fn ephemeral_port(&mut self) -> u16 {
        self.port_sequence = self.port_sequence % 28_000 + 1;
        32_000 + self.port_sequence
    }

    fn is_cut(&self, from: IpAddr, to: IpAddr) -> bool {
        self.cuts.contains(&(from, to))
    }

    fn travel_ns(&self, world: &World) -> u64 {
        let (least, most) = self.profile.delay_ns;
        let lost = world.random.chance(self.profile.loss_percent);
        world.random.between(least, most) + if lost { self.profile.retransmit_ns } else { 0 }
    }
}

/// Gives one event to a reactor, unless its connection is past that.
pub(in crate::sim) fn hand_over(
    world: &Rc<World>,
    env: EnvIndex,
    arrived: Arrived,
    receiver: impl FnOnce(Event<'_>),
) {
    match arrived {
        Arrived::Accepted { conn, listener, peer, local } if is_open(world, env, conn) => {
            receiver(Event::Accepted { conn, listener, peer, local });
        }
        Arrived::Connected { conn, local } if is_open(world, env, conn) => {
            receiver(Event::Connected { conn, local });
        }
        Arrived::Received { conn, bytes } if is_open(world, env, conn) => {
            was_read(world, env, conn, bytes.len());
            receiver(Event::Received { conn, bytes: &bytes });
        }
        Arrived::Sent { conn, out } if is_open(world, env, conn) => receiver(Event::Sent { conn, out }),
        Arrived::Closed { conn, reason } => {
            if let Some(slot) = world.links.borrow_mut().slot(env, conn) {
                slot.in_use = false;
                slot.generation += 1;
            }
            receiver(Event::Closed { conn, reason });
        }
        _ => {}
    }
}

/// Whether `Closed` was not handed over yet. What came before a close by the peer still counts.
fn is_open(world: &Rc<World>, env: EnvIndex, conn: ConnId) -> bool {
    world.links.borrow_mut().slot(env, conn).is_some()
}
