//! [`NameServer`]: the reactor that answers brokers, clients and tools.
//!
//! It joins the tables ([`Registry`], [`Kv`]) with sockets ([`Connections`]). A request is answered in the turn it
//! came in; only a change of the key-value configuration waits for its file. One thread, so a storm of registrations
//! delays route queries by what one turn takes, and nothing is locked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use net::admin_sources::{AdminSources, NotANetwork};
use net::connection::{ConnectionLimits, Connections, Ending};
use net::{Frame, Header, ReplyTo, Scratch};
use rt::{ConnId, Env, Event, Mono, Now, Reactor, TurnOutcome, listen_patiently};

use crate::config::NamesrvConfig;
use crate::handlers::{self, Reply};
use crate::kv::{Kv, KvError};
use crate::registry::{Registry, RegistryOptions, Unregistration};

/// A name server. Build it with [`NameServer::open`] and hand it to a pump.
pub struct NameServer<E: Env> {
    pub(crate) env: E,
    pub(crate) config: NamesrvConfig,
    pub(crate) admin: AdminSources,
    pub(crate) registry: Registry,
    pub(crate) kv: Kv<E, Waiting>,
    pub(crate) connections: Connections<Peer>,
    /// Brokers that said they go, taken out together before anything else is answered.
    pub(crate) leaving: Vec<Unregistration>,
    scratch: Scratch,
    opaque: i32,
    started: Mono,
    scan_due: Mono,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

/// What is known about a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Our end of it.
    pub(crate) local: SocketAddr,
    /// A broker registered over it.
    pub(crate) is_broker: bool,
}

/// Whom to answer when a change of the key-value configuration is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) conn: ConnId,
    pub(crate) to: Option<ReplyTo>,
}

/// A request on its way to its handler.
pub(crate) struct Asked<'a> {
    pub(crate) conn: ConnId,
    /// `None` if it wants no answer.
    pub(crate) to: Option<ReplyTo>,
    pub(crate) header: &'a Header<'a>,
    pub(crate) body: &'a [u8],
    pub(crate) now: Now,
}

/// Why a name server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The key-value file.
    Kv(KvError),
    /// `admin.allow`.
    Allow(NotANetwork),
    /// The address.
    Listen {
        /// Where it should have listened.
        at: SocketAddr,
        /// Why it cannot.
        source: io::Error,
    },
    /// The thread, ring or executor.
    Shard(String),
}

impl<E: Env> NameServer<E> {
    /// Reads the key-value file and starts listening. Ends its reactor once `stop` is set (and the pump woken).
    ///
    /// # Errors
    /// [`StartError`]; nothing is left behind.
    pub async fn open(env: E, config: NamesrvConfig, stop: Arc<AtomicBool>) -> Result<Self, StartError> {
        let admin = AdminSources::parse(&config.admin_allow).map_err(StartError::Allow)?;
        let kv = Kv::open(env.clone(), &config.kv_file).await.map_err(StartError::Kv)?;
        let at = SocketAddr::new(config.listen_address, config.listen_port);
        let listened = listen_patiently(&env, at).await;
        let (_, address) = listened.map_err(|source| StartError::Listen { at, source })?;
        let now = env.now().mono;
        Ok(Self {
            registry: Registry::new(registry_options(&config)),
            connections: Connections::new(limits(&config)),
            scan_due: now.plus_ms(u64::from(config.scan_interval_ms)),
            leaving: Vec::new(),
            scratch: Scratch::default(),
            opaque: 0,
            started: now,
            env,
            config,
            admin,
            kv,
            address,
            stop,
        })
    }

    /// Where it listens, the port resolved.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tables, for status and tests.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether routes are answered yet (`needWaitForService`).
    pub(crate) fn is_ready(&self, now: Mono) -> bool {
        !self.config.wait_for_brokers
            || now >= self.started.plus_ms(u64::from(self.config.wait_seconds) * 1000)
    }

    /// Takes out the brokers that said they go.
    pub(crate) fn settle(&mut self, now: Now) {
        if !self.leaving.is_empty() {
            let batch = std::mem::take(&mut self.leaving);
            let changes = self.registry.unregister(&batch);
            self.tell(&changes, now.mono);
        }
    }

    /// A number for a request of ours.
    pub(crate) fn next_opaque(&mut self) -> i32 {
        self.opaque = self.opaque.wrapping_add(1);
        self.opaque
    }

    /// Puts a changed configuration in force.
    pub(crate) fn adopt(&mut self, config: NamesrvConfig) {
        *self.registry.options() = registry_options(&config);
        self.config = config;
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        let Some(mut lent) = self.connections.lend_decoder(conn) else { return };
        let outcome = lent.feed(bytes, |frame| {
            self.frame(conn, &frame, now);
            self.connections.flow(conn)
        });
        self.connections.return_decoder(self.env.net(), lent, outcome, now.mono);
    }

    fn frame(&mut self, conn: ConnId, frame: &Frame<'_>, now: Now) {
        let mut scratch = std::mem::take(&mut self.scratch);
        match Header::decode(frame.codec, frame.header, &mut scratch) {
            // We ask nobody anything that is answered.
            Ok(header) if header.is_response() => {}
            Ok(header) => {
                let to = ReplyTo::of(frame.codec, &header);
                handlers::handle(self, &Asked { conn, to, header: &header, body: frame.body, now });
            }
            Err(error) => self.connections.close(self.env.net(), conn, Ending::BadHeader(error)),
        }
        self.scratch = scratch;
    }

    fn closed(&mut self, conn: ConnId, now: Now) {
        if self.connections.closed(conn).is_some_and(|peer| peer.is_broker) {
            self.settle(now);
            let changes = self.registry.connection_lost(conn);
            self.tell(&changes, now.mono);
        }
    }

    fn answer_durable_changes(&mut self) {
        while let Some((waiting, outcome)) = self.kv.next_done() {
            let reply = Reply::later(&mut self.connections, waiting.conn, waiting.to);
            match outcome {
                Ok(()) => reply.ok(),
                Err(error) => reply.failed(&error.to_string()),
            }
        }
    }

    fn scan(&mut self, now: Mono) {
        if now < self.scan_due {
            return;
        }
        self.scan_due = now.plus_ms(u64::from(self.config.scan_interval_ms));
        let expired = self.registry.expire(now);
        for conn in expired.close {
            self.connections.close(self.env.net(), conn, Ending::Asked);
        }
        self.tell(&expired.notify, now);
    }

    /// Sends what was written; connections that may go on are read from once more, the next time in another turn.
    fn flush(&mut self, now: Now) {
        self.connections.flush_dirty(self.env.net(), now.mono);
        let mut resumed = false;
        while let Some(conn) = self.connections.next_resumed() {
            self.received(conn, &[], now);
            resumed = true;
        }
        if resumed {
            self.env.kick();
        }
    }
}

impl<E: Env> Reactor for NameServer<E> {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Accepted { conn, peer, local, .. } => {
                let state = Peer { local, is_broker: false };
                // A refusal is counted and the connection closed; there is nobody to tell.
                let _ = self.connections.accepted(self.env.net(), conn, peer, now.mono, state);
            }
            Event::Connected { conn, .. } => self.connections.connected(conn, now.mono),
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => self.connections.sent(conn, out, now.mono),
            Event::Closed { conn, .. } => self.closed(conn, now),
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        self.answer_durable_changes();
        self.settle(now);
        self.scan(now.mono);
        self.flush(now);
        let sweep_due = self.connections.sweep(self.env.net(), now.mono);
        let deadline = sweep_due.map_or(self.scan_due, |due| due.min(self.scan_due));
        TurnOutcome { deadline: Some(deadline), stop: self.stop.load(Ordering::Relaxed) }
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kv(error) => write!(f, "key-value configuration: {error}"),
            Self::Allow(error) => write!(f, "admin.allow: {error}"),
            Self::Listen { at, source } => write!(f, "cannot listen on {at}: {source}"),
            Self::Shard(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}

fn registry_options(config: &NamesrvConfig) -> RegistryOptions {
    RegistryOptions {
        delete_missing_topics: config.delete_unregistered,
        notify_min_id: config.notify_min_id,
        ..RegistryOptions::default()
    }
}

/// Java clients open a connection to every name server and use one: silence is no reason to close before the idle
/// limit, or they would all dial again every few seconds (remoting.md 1.13).
fn limits(config: &NamesrvConfig) -> ConnectionLimits {
    let idle_ms = u64::from(config.idle_seconds) * 1000;
    ConnectionLimits { idle_ms, first_frame_ms: idle_ms, ..ConnectionLimits::default() }
}
