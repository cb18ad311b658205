//! How connections end: closed by a side, reset, or with the machine; and what heals.

use std::net::IpAddr;
use std::rc::Rc;

use rustix::io::Errno;

use super::traffic::{Parcel, arrive, transmit};
use super::{Arrived, End, EndId, Links};
use crate::sim::world::{EnvIndex, World};
use crate::{CloseReason, ConnId};

pub(in crate::sim::net) fn close(world: &Rc<World>, env: EnvIndex, conn: ConnId) {
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

pub(super) fn fail(world: &Rc<World>, links: &mut Links, id: EndId, why: Errno) {
    if let Some(end) = links.remove_end(id) {
        let reason = CloseReason::Failed(why.into());
        world.deliver(end.env, Arrived::Closed { conn: end.conn, reason });
    }
}

pub(in crate::sim::net) fn heal(world: &Rc<World>) {
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

pub(in crate::sim::net) fn reset(world: &Rc<World>, a: IpAddr, b: IpAddr) {
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
