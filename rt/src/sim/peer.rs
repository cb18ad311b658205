//! [`SimPeer`]: one connection as a plain pair of byte streams, for tests that want to talk to a reactor.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::SimEnv;
use crate::{CloseReason, ConnId, Env, Event, Now, Outbox, Reactor, Transport, TurnOutcome};

/// A client connection, driven by its own reactor on an [`SimEnv`] of its own.
///
/// ```
/// # use rt::sim::{SimDisk, SimPeer, Simulation};
/// # use rt::Transport;
/// # use rt::Env;
/// # let sim = Simulation::new(0);
/// # let server = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
/// # let (_, address) = server.net().listen(([10, 0, 0, 1], 80).into()).unwrap();
/// let client = sim.machine([10, 0, 0, 2], SimDisk::new());
/// sim.block_on(async {
///     let peer = SimPeer::connect(&client.env(), address).await.unwrap();
///     peer.send(b"hello");
///     // let reply = peer.receive(5).await.unwrap();
/// });
/// ```
pub struct SimPeer {
    env: SimEnv,
    wire: Rc<RefCell<Wire>>,
}

struct Wire {
    env: SimEnv,
    conn: ConnId,
    /// Here while connected and no send is in flight.
    out: Option<Outbox>,
    staged: Vec<u8>,
    received: Vec<u8>,
    up: bool,
    closed: Option<io::ErrorKind>,
    waiting: Option<Waker>,
}

impl SimPeer {
    /// Connects to `to`. The thread of `env` belongs to this connection from now on.
    ///
    /// # Errors
    /// Refused, timed out, reset: as the network says.
    ///
    /// # Panics
    /// If `env` is driven already.
    pub async fn connect(env: &SimEnv, to: SocketAddr) -> io::Result<Self> {
        let conn = env.net().connect(to);
        let wire = Rc::new(RefCell::new(Wire {
            env: env.clone(),
            conn,
            out: None,
            staged: Vec::new(),
            received: Vec::new(),
            up: false,
            closed: None,
            waiting: None,
        }));
        env.drive(&wire);
        let peer = Self { env: env.clone(), wire };
        peer.wait(|wire| wire.up.then_some(())).await?;
        Ok(peer)
    }

    /// Sends `bytes` after what was sent before. Lost if the connection is gone.
    pub fn send(&self, bytes: &[u8]) {
        self.wire.borrow_mut().staged.extend_from_slice(bytes);
        self.env.kick();
    }

    /// Waits until at least `count` bytes are there and takes all of them.
    ///
    /// # Errors
    /// `UnexpectedEof` if the peer closes before; what came stays for [`SimPeer::take`].
    pub async fn receive(&self, count: usize) -> io::Result<Vec<u8>> {
        let enough =
            |wire: &mut Wire| (wire.received.len() >= count).then(|| std::mem::take(&mut wire.received));
        self.wait(enough).await
    }

    /// Waits for exactly the next `count` bytes.
    ///
    /// # Errors
    /// As [`SimPeer::receive`].
    pub async fn receive_exact(&self, count: usize) -> io::Result<Vec<u8>> {
        let enough =
            |wire: &mut Wire| (wire.received.len() >= count).then(|| wire.received.drain(..count).collect());
        self.wait(enough).await
    }

    /// What has come so far.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.wire.borrow_mut().received)
    }

    /// Stops or resumes reading, so that the other side feels a slow reader.
    pub fn set_reading(&self, on: bool) {
        let conn = self.wire.borrow().conn;
        self.env.net().set_reading(conn, on);
    }

    /// Whether neither side has closed it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.wire.borrow().closed.is_none()
    }

    /// Waits until the other side closes, and says how it ended.
    pub async fn closed(&self) -> io::ErrorKind {
        match self.wait(|wire| wire.closed).await {
            Ok(kind) => kind,
            Err(error) => error.kind(),
        }
    }

    /// Closes it.
    pub fn close(&self) {
        let conn = self.wire.borrow().conn;
        self.env.net().close(conn);
    }

    async fn wait<T>(&self, mut ready: impl FnMut(&mut Wire) -> Option<T>) -> io::Result<T> {
        poll_fn(|context| {
            let wire = &mut *self.wire.borrow_mut();
            if let Some(value) = ready(wire) {
                return Poll::Ready(Ok(value));
            }
            if let Some(kind) = wire.closed {
                return Poll::Ready(Err(kind.into()));
            }
            wire.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for SimPeer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Reactor for Wire {
    fn event(&mut self, event: Event<'_>, _now: Now) {
        match event {
            Event::Connected { .. } => {
                self.up = true;
                self.out = Some(Outbox::default());
            }
            Event::Received { bytes, .. } => self.received.extend_from_slice(bytes),
            Event::Sent { out, .. } => self.out = Some(out),
            Event::Closed { reason, .. } => {
                self.out = None;
                self.closed = Some(match reason {
                    CloseReason::Peer => io::ErrorKind::UnexpectedEof,
                    CloseReason::Local => io::ErrorKind::NotConnected,
                    CloseReason::Failed(error) => error.kind(),
                });
            }
            Event::Accepted { .. } => unreachable!("it listens nowhere"),
        }
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
        if !self.staged.is_empty()
            && let Some(mut out) = self.out.take()
        {
            out.bytes().append(&mut self.staged);
            self.env.net().send(self.conn, out);
        }
        TurnOutcome { deadline: None, stop: self.closed.is_some() }
    }
}
