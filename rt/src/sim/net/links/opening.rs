//! How a connection comes up: the first packet travels, finds a listener or nobody, and the answer travels back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use rustix::io::Errno;

use super::closing::fail;
use super::traffic::{Parcel, transmit};
use super::{Arrived, EndId};
use crate::sim::world::{EnvIndex, World};
use crate::{ConnId, ListenerId};

pub(in crate::sim::net) fn listen(
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

pub(in crate::sim::net) fn connect(world: &Rc<World>, env: EnvIndex, from: IpAddr, to: SocketAddr) -> ConnId {
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
