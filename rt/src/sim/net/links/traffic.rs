//! Bytes under way: out of an outbox in pieces, through the cable with a delay, into an inbox, to the reactor.
//!
//! What is sent to one end arrives in the order in which it was sent, whatever delay each parcel draws; a cable that is
//! cut holds back, and what comes behind waits with it.

use std::rc::Rc;

use rustix::io::Errno;

use super::closing::fail;
use super::{Arrived, EndId, Links, Sending};
use crate::sim::random::mix;
use crate::sim::world::{EnvIndex, World};
use crate::{CloseReason, ConnId, Outbox};

/// Longest time until the kernel looks at a send.
const SEND_NS_MAX: u64 = 20_000;

pub(super) enum Parcel {
    Data(Vec<u8>),
    Fin,
    Reset,
}

pub(in crate::sim::net) fn send(world: &Rc<World>, env: EnvIndex, conn: ConnId, out: Outbox) {
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
pub(super) fn move_soon(world: &Rc<World>, links: &mut Links, id: EndId) {
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
pub(super) fn transmit(world: &Rc<World>, links: &mut Links, from: EndId, to: EndId, parcel: Parcel) {
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

pub(super) fn arrive(world: &Rc<World>, from: EndId, to: EndId, parcel: Parcel) {
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

pub(in crate::sim::net) fn set_reading(world: &Rc<World>, env: EnvIndex, conn: ConnId, on: bool) {
    let links = &mut *world.links.borrow_mut();
    let Some(id) = links.end_of(env, conn) else { return };
    links.ends.get_mut(&id).expect("a slot's end exists").reading = on;
    read(world, links, id);
}

/// The reactor has read bytes: the sender has room again.
pub(super) fn was_read(world: &Rc<World>, env: EnvIndex, conn: ConnId, count: usize) {
    let links = &mut *world.links.borrow_mut();
    let Some(other) = links.end_of(env, conn).and_then(|id| links.ends[&id].other) else { return };
    let Some(sender) = links.ends.get_mut(&other) else { return };
    sender.unread_by_peer = sender.unread_by_peer.saturating_sub(count);
    move_soon(world, links, other);
}
