//! Registration at the name servers: at start, every period, when topics change, when a connection comes back.
//!
//! Each name server has a connection of its own in the shard's ring and is served independently: one that is down
//! costs the others nothing. behaviour.md 2, PROTOCOL.md "Registration".

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use net::body::{RegisterBrokerBody, TopicConfigSerializeWrapper};
use net::client::{RequestHead, encode};
use net::header::Header;
use net::requests::{RegisterBroker, UnregisterBroker};
use net::{Codec, ReplyTo, RequestCode, ResponseCode};
use rt::{ConnId, Env, Mono, Now, Transport};

use crate::call::{Done, Outcome};
use crate::session::Session;
use crate::shard::{Phase, Shard};

/// A lost connection is dialled again after this pause.
const REDIAL_MS: u64 = 1_000;
/// How long a stopping shard waits for name servers to confirm.
const LEAVE_MS: u64 = 3_000;
/// The second registration follows the first after this time, as RocketMQ's does.
const SECOND_ROUND_MS: u64 = 10_000;

/// How long an administrator waits at most for name servers to confirm a change of topics.
const ANNOUNCE_MS: u64 = 1_000;

/// All name servers of the shard.
#[derive(Debug)]
pub(crate) struct Registration {
    servers: Vec<NameServer>,
    next_opaque: i32,
    /// Whether a name server has ever confirmed.
    confirmed: bool,
    /// Until when a stopping shard waits.
    leaving_until: Option<Mono>,
    /// Counts the changes of the topic table.
    generation: u64,
    /// Whose change waits to be known to the name servers, in the order of the changes.
    announcing: VecDeque<Announcing>,
}

/// An answer that waits for the name servers.
#[derive(Debug)]
struct Announcing {
    conn: ConnId,
    reply: Option<ReplyTo>,
    generation: u64,
    until: Mono,
}

/// One name server.
#[derive(Debug)]
struct NameServer {
    address: SocketAddr,
    conn: Option<ConnId>,
    /// When to register next.
    due: Mono,
    /// The request in flight: its opaque, and when it counts as lost.
    waiting: Option<(i32, Mono)>,
    /// How the latest registration ended; `None` before the first. Changes are logged, repetitions are not.
    registered: Option<bool>,
    rounds: u32,
    /// The state of the topic table in the latest registration, and in the latest that was confirmed.
    sent: u64,
    confirmed: u64,
}

impl Registration {
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|address| NameServer {
            address: *address,
            conn: None,
            due: Mono(0),
            waiting: None,
            registered: None,
            rounds: 0,
            sent: 0,
            confirmed: 0,
        });
        Self {
            servers: servers.collect(),
            next_opaque: 0,
            confirmed: false,
            leaving_until: None,
            generation: 0,
            announcing: VecDeque::new(),
        }
    }

    /// The topic table changed: every name server hears of it in this turn.
    pub(crate) fn topics_changed(&mut self) {
        self.generation += 1;
        for server in &mut self.servers {
            server.due = Mono(0);
        }
    }

    /// Whether a stopping shard still waits for a name server.
    pub(crate) fn is_leaving(&self, now: Mono) -> bool {
        self.leaving_until.is_some_and(|until| now < until)
            && self.servers.iter().any(|server| server.waiting.is_some())
    }

    /// Whether every name server that can be reached knows the topic table as it was then.
    fn knows(&self, generation: u64) -> bool {
        let mut reached = self.servers.iter().filter(|server| server.registered == Some(true));
        reached.all(|server| server.confirmed >= generation)
    }

    /// A name server where the shard is registered, and a number for a question to it.
    pub(crate) fn someone(&mut self) -> Option<(ConnId, i32)> {
        let registered = self.servers.iter().filter(|server| server.registered == Some(true));
        let conn = registered.filter_map(|server| server.conn).next()?;
        Some((conn, self.opaque()))
    }

    fn opaque(&mut self) -> i32 {
        self.next_opaque = self.next_opaque.wrapping_add(1);
        self.next_opaque
    }
}

impl<E: Env> Shard<E> {
    /// Registers where it is time; returns when the next one is due.
    pub(crate) fn register_if_due(&mut self, now: Now) -> Option<Mono> {
        self.answer_announced(now);
        if self.phase != Phase::Serving {
            return self.registration.leaving_until;
        }
        let mut body = None;
        for at in 0..self.registration.servers.len() {
            let server = &mut self.registration.servers[at];
            if server.waiting.is_some_and(|(_, lost)| now.mono >= lost) {
                server.waiting = None;
                self.registration_failed(at, "no answer in time");
            }
            if now.mono >= self.registration.servers[at].due {
                let body = body.get_or_insert_with(|| self.registration_body());
                self.register_at(at, body, now);
            }
        }
        let impatient = self.registration.announcing.front().map(|front| front.until);
        self.registration.servers.iter().map(|server| server.due).chain(impatient).min()
    }

    /// The answer to a change of topics: given when the name servers know of it, so that whoever asks for the route then
    /// finds the topic on every broker that has confirmed it, as at RocketMQ's broker. A name server that is
    /// down or slow costs the administrator a second at most.
    pub(crate) fn answer_when_announced(
        &mut self,
        conn: ConnId,
        reply: Option<ReplyTo>,
        now: Now,
    ) -> Outcome {
        let generation = self.registration.generation;
        if self.registration.knows(generation) {
            return Ok(Done::Success);
        }
        self.connections.request_held(conn, 0);
        let until = now.mono.plus_ms(ANNOUNCE_MS);
        self.registration.announcing.push_back(Announcing { conn, reply, generation, until });
        Ok(Done::Later)
    }

    fn answer_announced(&mut self, now: Now) {
        while let Some(front) = self.registration.announcing.front() {
            let waits = now.mono < front.until && self.phase == Phase::Serving;
            if waits && !self.registration.knows(front.generation) {
                return;
            }
            let Announcing { conn, reply, .. } = self.registration.announcing.pop_front().expect("looked at");
            self.connections.request_done(conn, 0);
            self.conclude(conn, reply, Ok(Done::Success));
        }
    }

    /// Takes a name server's answer.
    pub(crate) fn registration_answered(&mut self, conn: ConnId, header: &Header<'_>) {
        let Some(at) = self.registration.servers.iter().position(|server| server.conn == Some(conn)) else {
            return;
        };
        let server = &mut self.registration.servers[at];
        if server.waiting.is_none_or(|(opaque, _)| opaque != header.opaque) {
            return;
        }
        server.waiting = None;
        if header.code == ResponseCode::SUCCESS.0 {
            if !std::mem::replace(&mut self.registration.confirmed, true) {
                self.peers.registered();
            }
            let server = &mut self.registration.servers[at];
            server.confirmed = server.sent;
            if server.registered.replace(true) != Some(true) {
                let address = server.address;
                tracing::info!(shard = self.identity.index, %address, "registered at the name server");
            }
        } else {
            let remark = header.remark.unwrap_or("no reason given").to_owned();
            self.registration_failed(at, &remark);
        }
    }

    /// A connection is gone; if it led to a name server, it is dialled again soon.
    pub(crate) fn registration_closed(&mut self, conn: ConnId, now: Now) {
        let Some(at) = self.registration.servers.iter().position(|server| server.conn == Some(conn)) else {
            return;
        };
        let server = &mut self.registration.servers[at];
        server.conn = None;
        server.waiting = None;
        server.due = now.mono.plus_ms(REDIAL_MS);
        self.registration_failed(at, "connection lost or refused");
    }

    /// Tells every name server that is connected that this broker leaves.
    pub(crate) fn unregister(&mut self, now: Now) {
        self.registration.leaving_until = Some(now.mono.plus_ms(LEAVE_MS));
        for at in 0..self.registration.servers.len() {
            let server = &mut self.registration.servers[at];
            server.waiting = None;
            let Some(conn) = server.conn.filter(|_| server.registered == Some(true)) else { continue };
            let opaque = self.registration.opaque();
            let request = UnregisterBroker {
                broker_name: &self.identity.name,
                broker_addr: &self.identity.address,
                cluster_name: &self.identity.cluster,
                broker_id: 0,
            };
            let Some(out) = self.connections.reply(conn) else { continue };
            encode(out.bytes(), head(RequestCode::UNREGISTER_BROKER, opaque), &request, &[]);
            self.registration.servers[at].waiting = Some((opaque, now.mono.plus_ms(LEAVE_MS)));
        }
    }

    fn register_at(&mut self, at: usize, body: &[u8], now: Now) {
        let period_ms = u64::from(self.config.register_period_ms);
        let address = self.registration.servers[at].address;
        let conn = self.registration.servers[at].conn.unwrap_or_else(|| {
            let conn = self.env.net().connect(address);
            self.connections.connecting(conn, address, now.mono, Session::new(address));
            conn
        });
        let opaque = self.registration.opaque();
        let generation = self.registration.generation;
        let lost = now.mono.plus_ms(u64::from(self.config.register_timeout_ms));
        let server = &mut self.registration.servers[at];
        server.conn = Some(conn);
        server.sent = generation;
        server.rounds = server.rounds.saturating_add(1);
        server.due =
            now.mono.plus_ms(if server.rounds == 1 { SECOND_ROUND_MS.min(period_ms) } else { period_ms });
        server.waiting = Some((opaque, lost));
        let request = RegisterBroker {
            broker_name: &self.identity.name,
            broker_addr: &self.identity.address,
            cluster_name: &self.identity.cluster,
            ha_server_addr: Some(&self.identity.ha_address),
            broker_id: 0,
            heartbeat_timeout_ms: None,
            enable_acting_master: Some(false),
            compressed: false,
            body_crc32: 0,
        };
        if let Some(out) = self.connections.reply(conn) {
            encode(out.bytes(), head(RequestCode::REGISTER_BROKER, opaque), &request, body);
        }
    }

    /// The whole topic table, each permission masked by the broker's own.
    fn registration_body(&self) -> Vec<u8> {
        let mask = u8::try_from(self.config.permission).unwrap_or(0) | crate::topics::perm::INHERIT;
        let topics: BTreeMap<_, _> = self
            .topics
            .sorted()
            .into_iter()
            .map(|config| (config.name.clone(), config.to_wire(mask)))
            .collect();
        let wrapper = TopicConfigSerializeWrapper {
            data_version: self.topics.version().wire().clone(),
            topics,
            ..TopicConfigSerializeWrapper::default()
        };
        RegisterBrokerBody { filter_servers: Vec::new(), topics: wrapper }.encode()
    }

    fn registration_failed(&mut self, at: usize, why: &str) {
        let server = &mut self.registration.servers[at];
        if server.registered.replace(false) != Some(false) {
            let address = server.address;
            tracing::warn!(shard = self.identity.index, %address, why, "not registered at the name server; trying on");
        }
    }
}

/// Name servers of every version read JSON headers.
fn head(code: RequestCode, opaque: i32) -> RequestHead {
    RequestHead { codec: Codec::Json, code, opaque, oneway: false }
}
