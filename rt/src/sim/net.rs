//! [`SimNet`]: the sockets of one simulated thread, and [`Network`]: the cables between the machines.
//!
//! Connections behave like TCP over a network that may be slow, cut or gone: bytes arrive in order, in pieces of any
//! size; what a cut cable holds back arrives after it heals; a socket buffer of limited size fills when the peer does
//! not read; a machine without power answers nothing, a process that died closes its connections.

mod links;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::world::{EnvIndex, World};
use crate::{CloseReason, ConnId, ListenerId, Outbox, Transport};

pub(super) use links::{Links, hand_over, switch_off};

/// Something that waits for the reactor's next turn.
pub(super) enum Arrived {
    Accepted { conn: ConnId, listener: ListenerId, peer: SocketAddr, local: SocketAddr },
    Connected { conn: ConnId, local: SocketAddr },
    Received { conn: ConnId, bytes: Vec<u8> },
    Sent { conn: ConnId, out: Outbox },
    Closed { conn: ConnId, reason: CloseReason },
}

/// The sockets of one [`super::SimEnv`].
#[derive(Clone)]
pub struct SimNet(Rc<Sockets>);

struct Sockets {
    /// Weak, because tasks that hold this are held by the world.
    world: Weak<World>,
    thread: EnvIndex,
    ip: IpAddr,
}

impl SimNet {
    pub(super) fn new(world: &Rc<World>, thread: EnvIndex, ip: IpAddr) -> Self {
        Self(Rc::new(Sockets { world: Rc::downgrade(world), thread, ip }))
    }

    fn world(&self) -> Option<Rc<World>> {
        self.0.world.upgrade().filter(|world| world.env_is_alive(self.0.thread))
    }

    /// This machine's own address for the unspecified and the loopback ones.
    fn resolve(&self, at: SocketAddr) -> SocketAddr {
        let own = at.ip().is_unspecified() || at.ip().is_loopback();
        if own { SocketAddr::new(self.0.ip, at.port()) } else { at }
    }
}

impl Transport for SimNet {
    fn listen(&self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        let world = self.world().ok_or(io::ErrorKind::NotConnected)?;
        links::listen(&world, self.0.thread, self.resolve(at))
    }

    fn unlisten(&self, listener: ListenerId) {
        if let Some(world) = self.world() {
            world.links.borrow_mut().unlisten(listener);
        }
    }

    fn connect(&self, to: SocketAddr) -> ConnId {
        let nobody = ConnId { index: u32::MAX, generation: u32::MAX };
        self.world()
            .map_or(nobody, |world| links::connect(&world, self.0.thread, self.0.ip, self.resolve(to)))
    }

    fn send(&self, conn: ConnId, out: Outbox) {
        if let Some(world) = self.world() {
            links::send(&world, self.0.thread, conn, out);
        }
    }

    fn set_reading(&self, conn: ConnId, on: bool) {
        if let Some(world) = self.world() {
            links::set_reading(&world, self.0.thread, conn, on);
        }
    }

    fn close(&self, conn: ConnId) {
        if let Some(world) = self.world() {
            links::close(&world, self.0.thread, conn);
        }
    }
}

/// How the cables behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetProfile {
    /// Least and most time a packet is under way, in nanoseconds.
    pub delay_ns: (u64, u64),
    /// Bytes arrive in pieces of 1 up to this many.
    pub piece_bytes_max: usize,
    /// Percentage of pieces that are lost and come again after [`NetProfile::retransmit_ns`].
    pub loss_percent: u64,
    /// What a loss costs.
    pub retransmit_ns: u64,
    /// Bytes that may be under way or unread, per direction: a send does not complete before the rest fits.
    pub socket_bytes: usize,
    /// How long a connect tries.
    pub connect_timeout_ns: u64,
}

impl Default for NetProfile {
    /// A quiet local network.
    fn default() -> Self {
        Self {
            delay_ns: (10_000, 100_000),
            piece_bytes_max: 16 << 10,
            loss_percent: 0,
            retransmit_ns: 200_000_000,
            socket_bytes: 256 << 10,
            connect_timeout_ns: 10_000_000_000,
        }
    }
}

/// The network of a simulation, for whoever cuts its cables.
pub struct Network {
    world: Rc<World>,
}

impl Network {
    pub(super) fn new(world: &Rc<World>) -> Self {
        Self { world: world.clone() }
    }

    /// Changes how cables behave from now on.
    pub fn set_profile(&self, profile: NetProfile) {
        self.world.links.borrow_mut().profile = profile;
    }

    /// Nothing gets from `from` to `to` any more; the other direction works on.
    pub fn cut(&self, from: impl Into<IpAddr>, to: impl Into<IpAddr>) {
        self.world.links.borrow_mut().cuts.insert((from.into(), to.into()));
    }

    /// Nothing gets through between the two any more.
    pub fn partition(&self, a: impl Into<IpAddr>, b: impl Into<IpAddr>) {
        let (a, b) = (a.into(), b.into());
        self.cut(a, b);
        self.cut(b, a);
    }

    /// Mends every cable; what was held back arrives.
    pub fn heal(&self) {
        links::heal(&self.world);
    }

    /// Resets every connection between the two.
    pub fn reset(&self, a: impl Into<IpAddr>, b: impl Into<IpAddr>) {
        links::reset(&self.world, a.into(), b.into());
    }

    /// Connections that are up or coming up, counted once per end.
    #[must_use]
    pub fn open_ends(&self) -> usize {
        self.world.links.borrow().ends.len()
    }

    /// Bytes that have arrived so far, by receiving machine.
    #[must_use]
    pub fn bytes_arrived(&self) -> BTreeMap<IpAddr, u64> {
        self.world.links.borrow().bytes_arrived.clone()
    }

    /// A delay for tests that want "longer than anything under way".
    #[must_use]
    pub fn settle_time(&self) -> Duration {
        let profile = self.world.links.borrow().profile;
        Duration::from_nanos(2 * (profile.delay_ns.1 + profile.retransmit_ns))
    }
}
