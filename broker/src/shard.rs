//! [`Shard`]: what one core owns, and the turn it takes.
//!
//! Events come in from the pump, handlers run to completion and write into the outboxes of their connections, and the
//! end of the turn starts the commit, answers what became safe, wakes parked pulls, fires timers and sends. Slow work
//! runs as tasks that leave a closure in the [`Inbox`]; the next turn runs it with the shard in hand. Nothing hot is
//! shared with anybody.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;

use net::admin_sources::AdminSources;
use net::connection::{Connections, Ending};
use net::header::{Header, HeaderMemory, Scratch};
use net::message_id::UniqueIds;
use net::reply::{self, PlacedReplies};
use net::{Codec, Frame, ReplyTo, Request, RequestError, ResponseCode};
use rt::wheel::Wheel;
use rt::{Class, ConnId, Env, Event, Now, Reactor, TurnOutcome};
use store::{Appended, PhysicalOffset, QueueRef, ReadBatch, Store};

use crate::call::{Call, Done, Outcome, Refused};
use crate::clients::Clients;
use crate::config::BrokerConfig;
use crate::dedup::Dedup;
use crate::delay::Delays;
use crate::figures::Figures;
use crate::groups::Groups;
use crate::handlers::StoredProperties;
use crate::identity::Identity;
use crate::locks::QueueLocks;
use crate::long_poll::LongPolls;
use crate::offsets::ConsumerOffsets;
use crate::open_store::OpenStore;
use crate::peers::Peers;
use crate::pop::Pops;
use crate::pull::ParkedPull;
use crate::receipts::Receipts;
use crate::refusals;
use crate::registration::Registration;
use crate::relays::Relays;
use crate::routes::Routes;
use crate::session::Session;
use crate::stalls::Stalls;
use crate::statistics::Statistics;
use crate::subscription::SqlFilters;
use crate::timed::Timed;
use crate::timers::Timer;
use crate::topics::Topics;
use crate::transactions::Transactions;

/// One core's broker.
pub struct Shard<E: Env> {
    pub(crate) env: E,
    pub(crate) config: Rc<BrokerConfig>,
    pub(crate) identity: Identity,
    pub(crate) store: OpenStore<E>,
    pub(crate) connections: Connections<Session>,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) clients: Clients,
    pub(crate) sql_filters: SqlFilters,
    pub(crate) offsets: ConsumerOffsets,
    pub(crate) locks: QueueLocks,
    pub(crate) polls: LongPolls<ParkedPull>,
    pub(crate) pops: Pops,
    pub(crate) wheel: Wheel<Timer>,
    pub(crate) receipts: Receipts,
    pub(crate) delays: Delays,
    pub(crate) transactions: Transactions,
    pub(crate) timed: Timed,
    pub(crate) figures: Figures,
    pub(crate) dedup: Option<Box<Dedup>>,
    pub(crate) dedup_floor: PhysicalOffset,
    pub(crate) statistics: Statistics,
    pub(crate) registration: Registration,
    pub(crate) relays: Relays,
    pub(crate) routes: Routes<E>,
    pub(crate) peers: Peers,
    pub(crate) unique_ids: UniqueIds,
    pub(crate) placed_replies: PlacedReplies,
    /// Away while a send is appended with what it wrote.
    pub(crate) stored_properties: Option<Box<StoredProperties>>,
    pub(crate) admin: AdminSources,
    /// Queues that grew and have waiters: served when what they got is visible.
    pub(crate) grown: Vec<QueueRef>,
    /// Connections whose sends wait for room in the log.
    pub(crate) stalls: Stalls,
    pub(crate) phase: Phase,
    pub(crate) memory: Memory,
    inbox: Rc<Inbox<E>>,
    scratch: Scratch,
}

/// Buffers that handlers reuse from request to request.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The properties of a parked message, as they are stored where it belongs.
    pub(crate) properties: Vec<u8>,
    /// Where the records of a batch landed.
    pub(crate) placed: Vec<Appended>,
    /// Starts of the records of one receipt.
    pub(crate) positions: Vec<PhysicalOffset>,
    /// Result of a read.
    pub(crate) batch: ReadBatch,
    /// Message ids of a batch.
    pub(crate) ids: String,
    /// The list of grown queues being served.
    pub(crate) grown: Vec<QueueRef>,
}

/// Life of a shard after its store is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Takes everything.
    Serving,
    /// Refuses sends, answers what waits.
    Draining,
    /// Flushes and closes the store.
    Closing,
    /// The pump may end.
    Stopped,
}

/// What tasks left for the shard to do.
struct Inbox<E: Env>(RefCell<VecDeque<Delivery<E>>>);

type Delivery<E> = Box<dyn FnOnce(&mut Shard<E>, Now)>;

impl<E: Env> Shard<E> {
    /// Puts a shard together; [`crate::start`] fills it from the store.
    pub(crate) fn assemble(
        env: E,
        config: Rc<BrokerConfig>,
        identity: Identity,
        store: Store<E>,
        registration: Registration,
        (peers, admin): (Peers, AdminSources),
    ) -> Self {
        let now = env.now();
        let limits = crate::session::limits(&config);
        Self {
            unique_ids: unique_ids(&env, &identity),
            placed_replies: PlacedReplies::new(&identity.region, config.trace_on, identity.store_host),
            stored_properties: Some(Box::new(StoredProperties::new(
                &identity.region,
                &identity.cluster,
                config.trace_on,
            ))),
            admin,
            identity,
            store: OpenStore::new(store),
            connections: Connections::new(limits),
            topics: Topics::default(),
            groups: Groups::default(),
            clients: Clients::default(),
            sql_filters: SqlFilters::default(),
            offsets: ConsumerOffsets::default(),
            locks: QueueLocks::default(),
            polls: LongPolls::default(),
            pops: Pops::default(),
            wheel: Wheel::new(now.mono.as_ms()),
            receipts: Receipts::default(),
            delays: Delays::new(&config.delay_levels),
            transactions: Transactions::default(),
            timed: Timed::default(),
            figures: Figures::default(),
            dedup: None,
            dedup_floor: PhysicalOffset::default(),
            config,
            statistics: Statistics::new(now.mono, crate::timers::local_day(now.unix_ms)),
            registration,
            relays: Relays::default(),
            routes: Routes::default(),
            peers,
            grown: Vec::new(),
            stalls: Stalls::default(),
            phase: Phase::Serving,
            memory: Memory::default(),
            inbox: Rc::new(Inbox(RefCell::new(VecDeque::new()))),
            scratch: Scratch::default(),
            env,
        }
    }

    /// Runs `work` in the background and then `then` with the shard, in the turn after it completed.
    pub(crate) fn later<T: 'static>(
        &self,
        class: Class,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, Now) + 'static,
    ) {
        let inbox = self.inbox.clone();
        let env = self.env.clone();
        self.env.spawn(class, async move {
            let result = work.await;
            inbox.0.borrow_mut().push_back(Box::new(move |shard, now| then(shard, result, now)));
            env.kick();
        });
    }

    /// As [`Shard::later`] for a request: the outcome of `then` becomes the answer. It counts against the requests that
    /// its connection may have in flight.
    pub(crate) fn answer_later<T: 'static>(
        &mut self,
        call: &Call<'_>,
        class: Class,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, ConnId, Option<ReplyTo>, T, Now) -> Outcome + 'static,
    ) -> Outcome {
        let (conn, reply) = (call.conn, call.reply);
        self.connections.request_held(conn, 0);
        self.later(class, work, move |shard, result, now| {
            shard.connections.request_done(conn, 0);
            let outcome = then(shard, conn, reply, result, now);
            shard.conclude(conn, reply, outcome);
        });
        Ok(Done::Later)
    }

    /// Handles what came; returns how many of the last bytes, at most `left_max`, it wants to see again.
    fn take_in(&mut self, conn: ConnId, bytes: &[u8], left_max: usize, now: Now) -> usize {
        let waits = self.must_wait(conn, now);
        let Some(mut lent) = self.connections.lend_decoder(conn) else { return 0 };
        if waits {
            lent.put_off(bytes);
            return self.connections.return_decoder(&self.env.net().clone(), lent, Ok(()), now.mono);
        }
        let outcome = lent.feed_alike(bytes, left_max, |frame, headers| {
            self.frame(conn, &frame, headers, now);
            self.flow(conn)
        });
        let net = self.env.net().clone();
        self.connections.return_decoder(&net, lent, outcome, now.mono)
    }

    fn flow(&self, conn: ConnId) -> ControlFlow<()> {
        self.connections.flow(conn)
    }

    fn frame(&mut self, conn: ConnId, frame: &Frame<'_>, headers: &mut HeaderMemory, now: Now) {
        // Handlers borrow texts from the scratch while they use the shard, so it is out of the shard meanwhile.
        let mut scratch = std::mem::take(&mut self.scratch);
        match Header::decode_alike(frame.codec, frame.header, &mut scratch, headers) {
            Ok(header) if header.is_response() => {
                let is_known = self.relay_answered(conn, &header, frame.body)
                    || self.route_answered(conn, &header, frame.body);
                if !is_known {
                    self.registration_answered(conn, &header);
                }
            }
            Ok(header) => self.request(conn, frame.codec, &header, frame.body, now),
            Err(error) => {
                tracing::debug!(shard = self.identity.index, %error, "bad header, connection closed");
                let net = self.env.net().clone();
                self.connections.close(&net, conn, Ending::Asked);
            }
        }
        self.scratch = scratch;
    }

    fn request(&mut self, conn: ConnId, codec: Codec, header: &Header<'_>, body: &[u8], now: Now) {
        let Some(connection) = self.connections.get(conn) else { return };
        let local = connection.state().local;
        let call =
            Call { conn, peer: connection.peer(), local, reply: ReplyTo::of(codec, header), now, header };
        let outcome = match Request::decode(header) {
            _ if self.phase >= Phase::Closing => Err(refusals::going_away(call.version())),
            Ok(request) => self.dispatch(&call, &request, body),
            Err(error @ RequestError::UnknownCode { .. }) => {
                Err(Refused::new(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, error.to_string()))
            }
            Err(RequestError::Fields(error)) => Err(Refused::system(error.to_string())),
        };
        self.conclude(conn, call.reply, outcome);
    }

    /// Writes the answer that an outcome asks for.
    pub(crate) fn conclude(&mut self, conn: ConnId, to: Option<ReplyTo>, outcome: Outcome) {
        let Some(to) = to else { return };
        let (code, remark) = match &outcome {
            Ok(Done::Answered | Done::Later) => return,
            Ok(Done::Success) => (ResponseCode::SUCCESS, None),
            Err(refused) => (refused.code, Some(&*refused.remark)),
        };
        if let Some(out) = self.connections.reply(conn) {
            reply::plain(out, to, code, remark);
        }
    }

    /// Answers with a JSON body.
    pub(crate) fn answer_body(&mut self, conn: ConnId, to: Option<ReplyTo>, body: &[u8]) -> Outcome {
        if let (Some(to), Some(out)) = (to, self.connections.reply(conn)) {
            reply::with_body(out, to, ResponseCode::SUCCESS, None, &net::requests::NoHeader {}, body);
        }
        Ok(Done::Answered)
    }

    /// Answers with ext fields only.
    pub(crate) fn answer_header<F: net::fields::Fields>(
        &mut self,
        conn: ConnId,
        to: Option<ReplyTo>,
        header: &F,
    ) -> Outcome {
        if let (Some(to), Some(out)) = (to, self.connections.reply(conn)) {
            reply::with_body(out, to, ResponseCode::SUCCESS, None, header, &[]);
        }
        Ok(Done::Answered)
    }

    fn disconnected(&mut self, conn: ConnId, now: Now) {
        if self.connections.closed(conn).is_none() {
            return;
        }
        while let Some(id) = self.polls.first_of_connection(conn) {
            self.unpark(id);
        }
        while let Some(id) = self.pops.waits.first_of_connection(conn) {
            self.unpark_pop(id);
        }
        for group in self.clients.disconnected(conn) {
            self.members_changed(&group);
        }
        self.relays_closed(conn);
        self.routes_closed(conn);
        self.registration_closed(conn, now);
    }

    /// A shard that closes its store only sends what is written and waits for the store.
    fn closing_turn(&mut self, now: Now) -> TurnOutcome {
        self.inbox.0.borrow_mut().clear();
        if self.store.is_closed() {
            self.phase = Phase::Stopped;
        }
        let net = self.env.net().clone();
        self.connections.flush_dirty(&net, now.mono);
        TurnOutcome { deadline: None, stop: self.phase == Phase::Stopped }
    }

    fn deliveries(&mut self, now: Now) {
        loop {
            let Some(delivery) = self.inbox.0.borrow_mut().pop_front() else { return };
            delivery(self, now);
        }
    }

    fn resume(&mut self, now: Now) {
        while let Some(conn) = self.connections.next_resumed() {
            self.take_in(conn, &[], 0, now);
        }
    }

    /// The address clients know this shard by.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.identity.store_host
    }
}

impl<E: Env> Reactor for Shard<E> {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Accepted { conn, peer, local, .. } => {
                let net = self.env.net().clone();
                // A refused connection is closed by `Connections`, which also counts it.
                let _ = self.connections.accepted(&net, conn, peer, now.mono, Session::new(local));
            }
            Event::Connected { conn, .. } => self.connections.connected(conn, now.mono),
            Event::Received { conn, bytes } => {
                self.take_in(conn, bytes, 0, now);
            }
            Event::Sent { conn, out } => self.connections.sent(conn, out, now.mono),
            Event::Closed { conn, .. } => self.disconnected(conn, now),
        }
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], left_max: usize, now: Now) -> usize {
        self.take_in(conn, bytes, left_max, now)
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        if self.phase >= Phase::Closing {
            return self.closing_turn(now);
        }
        self.deliveries(now);
        self.peer_messages(now);
        self.write_settled(now);
        let store_deadline = self.store.end_of_turn(now);
        self.answer_safe(now);
        self.serve_grown();
        let timer_deadline = self.fire_timers(now);
        let register_deadline = self.register_if_due(now);
        self.end_stalls(now);
        let net = self.env.net().clone();
        self.connections.flush_dirty(&net, now.mono);
        self.resume(now);
        // Whoever went on may have met the same again.
        let stall_deadline = self.stalls.deadline();
        let sweep_deadline = self.connections.sweep(&net, now.mono);
        // Last: it may close the store, which everything above uses.
        self.stop_if_quiet(now);
        let deadlines = [store_deadline, timer_deadline, register_deadline, stall_deadline, sweep_deadline];
        let deadline = deadlines.into_iter().flatten().min();
        TurnOutcome { deadline, stop: self.phase == Phase::Stopped }
    }
}

/// Makes `UNIQ_KEY` for messages whose client sent none.
fn unique_ids(env: &impl Env, identity: &Identity) -> UniqueIds {
    let ip = match identity.store_host.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    UniqueIds::new(ip, std::process::id(), env.random() as u32)
}
