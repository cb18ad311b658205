//! [`DryEnv`]: a simulated machine whose network is a list.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rt::sim::{SimDisk, SimEnv};
use rt::{Class, ConnId, Env, ListenerId, Now, Outbox, Transport};

/// Disk, clock and tasks of a simulated machine; sends go nowhere.
#[derive(Clone)]
pub(super) struct DryEnv {
    machine: SimEnv,
    net: DryNet,
}

/// Keeps what is sent until somebody takes it.
#[derive(Clone, Default)]
pub(super) struct DryNet(Rc<RefCell<Vec<(ConnId, Outbox)>>>);

impl DryEnv {
    pub(super) fn new(machine: SimEnv) -> Self {
        Self { machine, net: DryNet::default() }
    }
}

impl DryNet {
    /// What was sent since the last call.
    pub(super) fn take(&self) -> Vec<(ConnId, Outbox)> {
        let room = self.0.borrow().capacity();
        // Room for as much again: the next turn's sends must not grow it.
        self.0.replace(Vec::with_capacity(room.max(8)))
    }
}

impl Env for DryEnv {
    type Disk = SimDisk;
    type Net = DryNet;

    fn disk(&self) -> &SimDisk {
        self.machine.disk()
    }

    fn net(&self) -> &DryNet {
        &self.net
    }

    fn now(&self) -> Now {
        self.machine.now()
    }

    fn random(&self) -> u64 {
        self.machine.random()
    }

    fn spawn(&self, class: Class, task: impl Future<Output = ()> + 'static) {
        self.machine.spawn(class, task);
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + 'static {
        self.machine.sleep(pause)
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        self.machine.yield_now()
    }

    /// The next turn comes anyway.
    fn kick(&self) {}
}

impl Transport for DryNet {
    fn listen(&self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        Ok((ListenerId(0), at))
    }

    fn unlisten(&self, _: ListenerId) {}

    fn connect(&self, _: SocketAddr) -> ConnId {
        unreachable!("a shard without name servers and peers calls nobody")
    }

    fn send(&self, conn: ConnId, out: Outbox) {
        self.0.borrow_mut().push((conn, out));
    }

    fn set_reading(&self, _: ConnId, _: bool) {}

    fn close(&self, conn: ConnId) {
        unreachable!("{conn:?} is closed by nobody")
    }
}
