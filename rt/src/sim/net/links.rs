//! The state of all connections, and what moves it. Functions take the world, because everything that takes time is
//! a timer of it; [`Links`] is never borrowed while one of them hands an event to a reactor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use rustix::io::Errno;

use super::{Arrived, NetProfile};
use crate::sim::random::mix;
use crate::sim::world::{EnvIndex, World};
use crate::{CloseReason, ConnId, Event, ListenerId, Outbox};

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

enum Parcel {
    Data(Vec<u8>),
    Fin,
    Reset,
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

pub(super) fn listen(
    world: &Rc<World>,
    env: EnvIndex,
    at: SocketAddr,
) -> io::Result<(ListenerId, SocketAddr)> {
    let links = &mut *world.links.borrow_mut();
    let port = if at.port() == 0 { links.ephemeral_port() } else { at.port() };
    let at = SocketAddr::new(at.ip(), port);
    if links.listeners.contains_key(&at) {
        return Err(Errno::ADDRINUSE.into());
    }
    let id = ListenerId(links.listener_sequence);
    links.listener_sequence += 1;
    links.listeners.insert(at, (env, id));
    Ok((id, at))
}

pub(super) fn connect(world: &Rc<World>, env: EnvIndex, from: IpAddr, to: SocketAddr) -> ConnId {
    let (id, conn, travel, give_up_at) = {
        let links = &mut *world.links.borrow_mut();
        let local = SocketAddr::new(from, links.ephemeral_port());
        let id = links.add_end(env, local, to);
        let travel = links.travel_ns(world);
        (id, links.ends[&id].conn, travel, world.now().0 + links.profile.connect_timeout_ns)
    };
    let weak = Rc::downgrade(world);
    world.at(world.now().0 + travel, move || {
        if let Some(world) = weak.upgrade() {
            knock(&world, id, give_up_at);
        }
    });
    conn
}

/// The first packet of a connection arrives, or does not.
fn knock(world: &Rc<World>, id: EndId, give_up_at: u64) {
    let now = world.now().0;
    let links = &mut *world.links.borrow_mut();
    let Some(end) = links.ends.get(&id) else { return };
    let (from, to) = (end.local, end.peer);
    let unreachable = links.is_cut(from.ip(), to.ip())
        || links.is_cut(to.ip(), from.ip())
        || !links.switched_on.contains(&to.ip());
    if unreachable {
        if now >= give_up_at {
            fail(world, links, id, Errno::TIMEDOUT);
            return;
        }
        let weak = Rc::downgrade(world);
        world.at((now + 1_000_000_000).min(give_up_at), move || {
            if let Some(world) = weak.upgrade() {
                knock(&world, id, give_up_at);
            }
        });
        return;
    }
    let Some((env, listener)) = links.listeners.get(&to).copied() else {
        fail(world, links, id, Errno::CONNREFUSED);
        return;
    };
    let server = links.add_end(env, to, from);
    let up_at = now + links.travel_ns(world);
    let accepted = {
        links.ends.get_mut(&id).expect("just seen").next_arrival = up_at + 1;
        let end = links.ends.get_mut(&server).expect("just added");
        end.other = Some(id);
        Arrived::Accepted { conn: end.conn, listener, peer: from, local: to }
    };
    world.deliver(env, accepted);
    let weak = Rc::downgrade(world);
    world.at(up_at, move || {
        if let Some(world) = weak.upgrade() {
            come_up(&world, id, server);
        }
    });
}

fn come_up(world: &Rc<World>, id: EndId, server: EndId) {
    let links = &mut *world.links.borrow_mut();
    let Some(end) = links.ends.get_mut(&id) else {
        // Closed while it came up.
        transmit(world, links, id, server, Parcel::Reset);
        return;
    };
    end.other = Some(server);
    let up = Arrived::Connected { conn: end.conn, local: end.local };
    world.deliver(end.env, up);
}

pub(super) fn send(world: &Rc<World>, env: EnvIndex, conn: ConnId, out: Outbox) {
    let links = &mut *world.links.borrow_mut();
    // Gone already: `Closed` is on its way, and with it the outbox.
    let Some(id) = links.end_of(env, conn) else { return };
    let end = links.ends.get_mut(&id).expect("a slot's end exists");
    assert!(end.other.is_some(), "sent before it was connected");
    assert!(end.sending.is_none(), "sent while a send was in flight");
    end.sending = Some(Sending { out, taken: 0, moving: false });
    move_soon(world, links, id);
}

/// Sets a timer for taking the next bytes of a send, unless there is one.
fn move_soon(world: &Rc<World>, links: &mut Links, id: EndId) {
    let Some(sending) = links.ends.get_mut(&id).and_then(|end| end.sending.as_mut()) else { return };
    if std::mem::replace(&mut sending.moving, true) {
        return;
    }
    let weak = Rc::downgrade(world);
    world.at(world.now().0 + world.random.between(0, SEND_NS_MAX), move || {
        if let Some(world) = weak.upgrade() {
            take_bytes(&world, id);
        }
    });
}

/// Moves what fits from the outbox into the socket, in pieces.
fn take_bytes(world: &Rc<World>, id: EndId) {
    let links = &mut *world.links.borrow_mut();
    let profile = links.profile;
    let Some(end) = links.ends.get_mut(&id) else { return };
    let Some(sending) = &mut end.sending else { return };
    sending.moving = false;
    let room = profile.socket_bytes.saturating_sub(end.unread_by_peer);
    let count = room.min(sending.out.len() - sending.taken);
    let bytes = gather(&sending.out, sending.taken, count);
    sending.taken += count;
    end.unread_by_peer += count;
    let done = sending.taken == sending.out.len();
    let (env, conn, other) = (end.env, end.conn, end.other.expect("only sends when connected"));
    if done {
        let mut out = end.sending.take().expect("in flight").out;
        out.clear();
        world.deliver(env, Arrived::Sent { conn, out });
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        // Mostly large pieces, sometimes bytes.
        let most = if world.random.chance(10) { 16 } else { profile.piece_bytes_max };
        let size = world.random.between(1, most as u64).min(rest.len() as u64);
        let (piece, behind) = rest.split_at(usize::try_from(size).expect("below a length"));
        transmit(world, links, id, other, Parcel::Data(piece.to_vec()));
        rest = behind;
    }
}

fn gather(out: &Outbox, skip: usize, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    let mut skip = skip;
    for piece in out.pieces() {
        let from = skip.min(piece.len());
        skip -= from;
        let to = piece.len().min(from + (count - bytes.len()));
        bytes.extend_from_slice(&piece[from..to]);
    }
    bytes
}

/// Sends a parcel on its way; what was sent earlier to the same end arrives earlier.
fn transmit(world: &Rc<World>, links: &mut Links, from: EndId, to: EndId, parcel: Parcel) {
    let mut arrives = world.now().0 + links.travel_ns(world);
    if let Some(end) = links.ends.get_mut(&to) {
        arrives = arrives.max(end.next_arrival);
        end.next_arrival = arrives + 1;
    }
    let weak = Rc::downgrade(world);
    world.at(arrives, move || {
        if let Some(world) = weak.upgrade() {
            arrive(&world, from, to, parcel);
        }
    });
}

fn arrive(world: &Rc<World>, from: EndId, to: EndId, parcel: Parcel) {
    let links = &mut *world.links.borrow_mut();
    let Some(end) = links.ends.get(&to) else {
        // Nobody there: a machine that is on says so, another one is silent.
        if let (Parcel::Data(_), Some(sender)) = (&parcel, links.ends.get(&from))
            && links.switched_on.contains(&sender.peer.ip())
        {
            transmit(world, links, to, from, Parcel::Reset);
        }
        return;
    };
    let cable = (end.peer.ip(), end.local.ip());
    let behind_others = links.held_back.iter().any(|(_, target, _)| *target == to);
    if links.cuts.contains(&cable) || behind_others {
        links.held_back.push((from, to, parcel));
        return;
    }
    world.trace(mix(to));
    let end = links.ends.get_mut(&to).expect("just seen");
    match parcel {
        Parcel::Data(bytes) => {
            world.trace(bytes.len() as u64);
            *links.bytes_arrived.entry(cable.1).or_default() += bytes.len() as u64;
            end.inbox.push_back(bytes);
        }
        Parcel::Fin => end.peer_closed = true,
        Parcel::Reset => return fail(world, links, to, Errno::CONNRESET),
    }
    read(world, links, to);
}

/// Hands on what has arrived, if the end is reading.
fn read(world: &Rc<World>, links: &mut Links, id: EndId) {
    let Some(end) = links.ends.get_mut(&id).filter(|end| end.reading) else { return };
    for bytes in end.inbox.drain(..) {
        world.deliver(end.env, Arrived::Received { conn: end.conn, bytes });
    }
    if end.peer_closed {
        let end = links.remove_end(id).expect("just seen");
        world.deliver(end.env, Arrived::Closed { conn: end.conn, reason: CloseReason::Peer });
    }
}

fn fail(world: &Rc<World>, links: &mut Links, id: EndId, why: Errno) {
    if let Some(end) = links.remove_end(id) {
        let reason = CloseReason::Failed(why.into());
        world.deliver(end.env, Arrived::Closed { conn: end.conn, reason });
    }
}

pub(super) fn set_reading(world: &Rc<World>, env: EnvIndex, conn: ConnId, on: bool) {
    let links = &mut *world.links.borrow_mut();
    let Some(id) = links.end_of(env, conn) else { return };
    links.ends.get_mut(&id).expect("a slot's end exists").reading = on;
    read(world, links, id);
}

pub(super) fn close(world: &Rc<World>, env: EnvIndex, conn: ConnId) {
    let end = {
        let links = &mut *world.links.borrow_mut();
        let Some(id) = links.end_of(env, conn) else { return };
        let end = leave(world, links, id);
        world.deliver(env, Arrived::Closed { conn, reason: CloseReason::Local });
        end
    };
    // Its outbox unpins what it holds, with nothing borrowed.
    drop(end);
}

/// The end goes and tells its peer, as a kernel does: with a reset if something was left unread.
fn leave(world: &Rc<World>, links: &mut Links, id: EndId) -> Option<End> {
    let end = links.ends.get(&id)?;
    let parcel = if end.inbox.is_empty() { Parcel::Fin } else { Parcel::Reset };
    if let Some(other) = end.other {
        transmit(world, links, id, other, parcel);
    }
    links.remove_end(id)
}

pub(super) fn heal(world: &Rc<World>) {
    let held_back = {
        let links = &mut *world.links.borrow_mut();
        links.cuts.clear();
        std::mem::take(&mut links.held_back)
    };
    // At once: what is under way behind it must not overtake it.
    for (from, to, parcel) in held_back {
        arrive(world, from, to, parcel);
    }
}

pub(super) fn reset(world: &Rc<World>, a: IpAddr, b: IpAddr) {
    let links = &mut *world.links.borrow_mut();
    let between = |end: &End| {
        let (local, peer) = (end.local.ip(), end.peer.ip());
        (local, peer) == (a, b) || (local, peer) == (b, a)
    };
    let ids: Vec<_> = links.ends.iter().filter(|(_, end)| between(end)).map(|(id, _)| *id).collect();
    ids.into_iter().for_each(|id| fail(world, links, id, Errno::CONNRESET));
}

/// The machine at `ip` is gone. If its kernel lives on, it closes what the process had.
pub(in crate::sim) fn switch_off(world: &Rc<World>, ip: IpAddr, kernel_lives: bool) {
    let gone: Vec<_> = {
        let links = &mut *world.links.borrow_mut();
        links.listeners.retain(|at, _| at.ip() != ip);
        let ids: Vec<_> =
            links.ends.iter().filter(|(_, end)| end.local.ip() == ip).map(|(id, _)| *id).collect();
        links.switched_on.remove(&ip);
        let forget = |id| if kernel_lives { leave(world, links, id) } else { links.remove_end(id) };
        ids.into_iter().map(forget).collect()
    };
    drop(gone);
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

/// The reactor has read bytes: the sender has room again.
fn was_read(world: &Rc<World>, env: EnvIndex, conn: ConnId, count: usize) {
    let links = &mut *world.links.borrow_mut();
    let Some(other) = links.end_of(env, conn).and_then(|id| links.ends[&id].other) else { return };
    let Some(sender) = links.ends.get_mut(&other) else { return };
    sender.unread_by_peer = sender.unread_by_peer.saturating_sub(count);
    move_soon(world, links, other);
}

/// Longest time until the kernel looks at a send.
const SEND_NS_MAX: u64 = 20_000;
