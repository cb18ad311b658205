//! [`Server`]: a broker in simulation that does what its [`Script`] says, wrong things too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;

use net::client::{RequestHead, encode};
use net::connection::{ConnectionLimits, Connections};
use net::message_id::OffsetMessageId;
use net::requests::{
    CheckTransactionState, EndTransaction, PullMessage, PullReply, RequestHeader, SendMessageReply,
    SendMessageV2,
};
use net::{Header, ReplyTo, Request, ResponseCode, Scratch, properties, reply};
use rt::sim::SimEnv;
use rt::{ConnId, Env, Event, Mono, Now, Reactor, Transport, TurnOutcome};
use store::record::{Draft, Place};
use store::{NewMessage, PhysicalOffset, QueueOffset};

use super::TOPIC;

/// What the server does wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Script {
    /// From an arrival to its answer.
    pub(super) delay_ms: u64,
    /// It looks for messages to deliver only so often.
    pub(super) pull_ms: u64,
    /// It stands still for this long at the end of every second.
    pub(super) stall_ms: u64,
    /// Every so many messages are acknowledged and not stored.
    pub(super) lose_every: u64,
    /// ... are stored twice.
    pub(super) double_every: u64,
    /// ... change places with the next one.
    pub(super) swap_every: u64,
    /// ... are stored with another body.
    pub(super) damage_every: u64,
    /// ... are refused.
    pub(super) refuse_every: u64,
    /// ... are never answered.
    pub(super) ignore_every: u64,
    /// Every so many roll-backs its message is stored all the same.
    pub(super) leak_every: u64,
    /// Delayed messages come so much late.
    pub(super) late_ms: i64,
    /// From a half message to asking about it; 0 asks nobody.
    pub(super) check_ms: u64,
}

/// A broker that does what its script says.
pub(super) struct Server {
    env: SimEnv,
    script: Script,
    connections: Connections<()>,
    scratch: Scratch,
    /// Messages that came.
    came: u64,
    /// Records by queue.
    stored: BTreeMap<i32, Vec<Vec<u8>>>,
    /// Kept back to change places with the next.
    swapped: BTreeMap<i32, (String, Vec<u8>)>,
    /// Answers by when they leave.
    answers: BTreeMap<(u64, u64), (ConnId, Answer)>,
    /// Pulls that wait for a message.
    parked: Vec<(ConnId, ReplyTo, i32, i64)>,
    /// When they were last looked at, ns.
    pulled_at: u64,
    numbered: u64,
    /// Half messages, and whether they are decided.
    halves: Vec<(i32, String, Vec<u8>, bool)>,
    rolled_back: u64,
    /// Delayed messages by when they are due, Unix ms.
    delayed: BTreeMap<(i64, u64), (i32, String, Vec<u8>)>,
    /// Half messages to ask about: when, ns, and on which connection.
    checks: BTreeMap<(u64, usize), ConnId>,
}

enum Answer {
    Stored(ReplyTo, u64),
    Refused(ReplyTo),
}

impl Server {
    /// A server on a machine of its own; where it listens.
    pub(super) fn start(env: &SimEnv, script: Script) -> SocketAddr {
        let (_, at) = env.net().listen(([10, 0, 0, 1], 10911).into()).unwrap();
        let server = Self {
            env: env.clone(),
            script,
            connections: Connections::new(ConnectionLimits::default()),
            scratch: Scratch::default(),
            came: 0,
            stored: BTreeMap::new(),
            swapped: BTreeMap::new(),
            answers: BTreeMap::new(),
            parked: Vec::new(),
            pulled_at: 0,
            numbered: 0,
            halves: Vec::new(),
            rolled_back: 0,
            delayed: BTreeMap::new(),
            checks: BTreeMap::new(),
        };
        env.drive(&Rc::new(RefCell::new(server)));
        at
    }

    /// When something that is ready at `at` gets done.
    fn done_at(&self, at: u64) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let (second, within) = (at / SECOND * SECOND, at % SECOND);
        if within >= SECOND - self.script.stall_ms * 1_000_000 { second + SECOND } else { at }
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        let Some(mut lent) = self.connections.lend_decoder(conn) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = lent.feed(bytes, |frame| {
            let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
            let to = ReplyTo::of(frame.codec, &header);
            match Request::decode(&header).unwrap() {
                Request::SendMessageV2(send) => self.send(conn, to, &send, frame.body, now),
                Request::PullMessage(pull) => self.pull(conn, to.unwrap(), &pull),
                Request::EndTransaction(end) => self.end(conn, to, &end, now),
                Request::HeartBeat(_) => {}
                other => panic!("{other:?}"),
            }
            ControlFlow::Continue(())
        });
        self.scratch = scratch;
        self.connections.return_decoder(self.env.net(), lent, outcome, now.mono);
    }

    fn send(&mut self, conn: ConnId, to: Option<ReplyTo>, send: &SendMessageV2<'_>, body: &[u8], now: Now) {
        self.came += 1;
        let came = self.came;
        let hit = |every: u64| every > 0 && came.is_multiple_of(every);
        let script = self.script;
        let refused = hit(script.refuse_every);
        let (queue, properties) = (send.queue_id, send.properties.unwrap_or_default().to_owned());
        let due = properties::find(properties.as_bytes(), "TIMER_DELIVER_MS");
        if send.sys_flag == 4 {
            self.checks.insert((now.mono.0 + script.check_ms * 1_000_000, self.halves.len()), conn);
            self.halves.push((queue, properties, body.to_owned(), false));
        } else if let Some(due) = due {
            let due: i64 = std::str::from_utf8(due).unwrap().parse().unwrap();
            self.delayed.insert((due + script.late_ms, came), (queue, properties, body.to_owned()));
        } else if hit(script.damage_every) {
            let mut other = body.to_owned();
            other[0] ^= 1;
            self.store(queue, &properties, &other);
        } else if hit(script.swap_every) {
            self.swapped.insert(queue, (properties, body.to_owned()));
        } else if !refused && !hit(script.lose_every) {
            for _ in 0..=u64::from(hit(script.double_every)) {
                self.store(queue, &properties, body);
            }
            if let Some((properties, body)) = self.swapped.remove(&queue) {
                self.store(queue, &properties, &body);
            }
        }
        let Some(to) = to.filter(|_| !hit(script.ignore_every)) else { return };
        let half = (self.halves.len() as u64).saturating_sub(1);
        let answer = if refused { Answer::Refused(to) } else { Answer::Stored(to, half) };
        let at = self.done_at(now.mono.0 + script.delay_ms * 1_000_000);
        self.numbered += 1;
        self.answers.insert((at, self.numbered), (conn, answer));
    }

    fn end(&mut self, conn: ConnId, to: Option<ReplyTo>, end: &EndTransaction<'_>, now: Now) {
        let at = usize::try_from(end.tran_state_table_offset).unwrap();
        assert_eq!(end.commit_log_offset, end.tran_state_table_offset * 1_000);
        let (queue, properties, body, decided) = self.halves[at].clone();
        assert_eq!(properties::find(properties.as_bytes(), "PGROUP").unwrap(), end.producer_group.as_bytes());
        self.halves[at].3 = end.commit_or_rollback != 0;
        self.rolled_back += u64::from(end.commit_or_rollback == 12);
        let leaks = self.script.leak_every > 0 && self.rolled_back.is_multiple_of(self.script.leak_every);
        if !decided && (end.commit_or_rollback == 8 || end.commit_or_rollback == 12 && leaks) {
            self.store(queue, &properties, &body);
        }
        if let Some(to) = to {
            let at = now.mono.0 + self.script.delay_ms * 1_000_000;
            self.numbered += 1;
            self.answers.insert((at, self.numbered), (conn, Answer::Stored(to, 0)));
        }
    }

    /// Asks about half messages that are undecided for long enough.
    fn ask(&mut self, now: Now) {
        while let Some(((at, half), conn)) = self.checks.first_key_value().map(|(at, conn)| (*at, *conn))
            && at <= now.mono.0
        {
            self.checks.pop_first();
            let (_, properties, _, decided) = &self.halves[half];
            if *decided || self.script.check_ms == 0 {
                continue;
            }
            let id = properties::find(properties.as_bytes(), "UNIQ_KEY").unwrap();
            let check = CheckTransactionState {
                topic: Some(TOPIC),
                tran_state_table_offset: half as i64,
                commit_log_offset: half as i64 * 1_000,
                msg_id: Some(std::str::from_utf8(id).unwrap()),
                transaction_id: None,
                offset_msg_id: None,
                broker_name: None,
            };
            let head = RequestHead {
                codec: net::Codec::Json,
                code: CheckTransactionState::CODE,
                opaque: 1,
                oneway: true,
            };
            if let Some(out) = self.connections.reply(conn) {
                encode(out.bytes(), head, &check, &[]);
            }
        }
    }

    fn deliver(&mut self, now: Now) {
        while let Some(((due, _), _)) = self.delayed.first_key_value()
            && *due <= now.unix_ms
        {
            let (_, (queue, properties, body)) = self.delayed.pop_first().unwrap();
            self.store(queue, &properties, &body);
        }
    }

    fn store(&mut self, queue: i32, properties: &str, body: &[u8]) {
        let host = SocketAddr::from(([10, 0, 0, 1], 10911));
        let message = NewMessage {
            topic: TOPIC,
            queue_id: queue.unsigned_abs(),
            body,
            properties: properties.as_bytes(),
            flag: 0,
            sys_flag: 0,
            born_at_ms: 0,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            tags_code: 0,
            keys: b"",
            unique_key: b"",
        };
        let records = self.stored.entry(queue).or_default();
        let draft = Draft::new(&message).unwrap();
        let mut bytes = vec![0; draft.bytes()];
        let place = Place {
            at: PhysicalOffset::new(0),
            queue_offset: QueueOffset::new(records.len() as u64),
            stored_at_ms: 0,
        };
        draft.encode(place, &mut bytes);
        records.push(bytes);
    }

    fn pull(&mut self, conn: ConnId, to: ReplyTo, pull: &PullMessage<'_>) {
        self.parked.push((conn, to, pull.queue_id, pull.queue_offset));
    }

    fn answer_pulls(&mut self) {
        let parked = std::mem::take(&mut self.parked);
        for (conn, to, queue, from) in parked {
            let records = self.stored.entry(queue).or_default();
            let first = usize::try_from(from).unwrap();
            let Some(found) = records.get(first..).filter(|found| !found.is_empty()) else {
                self.parked.push((conn, to, queue, from));
                continue;
            };
            let found = &found[..found.len().min(32)];
            let header = PullReply {
                suggest_broker_id: 0,
                next_begin_offset: from + i64::try_from(found.len()).unwrap(),
                max_offset: i64::try_from(records.len()).unwrap(),
                min_offset: 0,
                offset_delta: None,
                topic_sys_flag: None,
                group_sys_flag: None,
                forbidden_type: None,
            };
            if let Some(out) = self.connections.reply(conn) {
                reply::with_body(out, to, ResponseCode::SUCCESS, None, &header, &found.concat());
            }
        }
    }
}

impl Reactor for Server {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Accepted { conn, peer, .. } => {
                self.connections.accepted(self.env.net(), conn, peer, now.mono, ()).unwrap();
            }
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => self.connections.sent(conn, out, now.mono),
            Event::Closed { conn, .. } => drop(self.connections.closed(conn)),
            Event::Connected { .. } => {}
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        while let Some(((at, _), _)) = self.answers.first_key_value()
            && *at <= now.mono.0
        {
            let (_, (conn, answer)) = self.answers.pop_first().unwrap();
            let Some(out) = self.connections.reply(conn) else { continue };
            match answer {
                Answer::Stored(to, half) => {
                    let id = OffsetMessageId { host: ([10, 0, 0, 1], 10911).into(), offset: half * 1_000 };
                    let id = id.to_string();
                    let header = SendMessageReply {
                        queue_id: 0,
                        msg_id: &id,
                        queue_offset: half as i64,
                        transaction_id: None,
                        batch_uniq_id: None,
                        recall_handle: None,
                        region: None,
                        trace_on: None,
                    };
                    reply::with_body(out, to, ResponseCode::SUCCESS, None, &header, &[]);
                }
                Answer::Refused(to) => reply::plain(out, to, ResponseCode::SYSTEM_BUSY, Some("busy")),
            }
        }
        self.deliver(now);
        self.ask(now);
        let pulls = self.pulled_at + self.script.pull_ms * 1_000_000;
        if pulls <= now.mono.0 {
            self.pulled_at = now.mono.0;
            self.answer_pulls();
        }
        self.connections.flush_dirty(self.env.net(), now.mono);
        let answer = self.answers.first_key_value().map(|((at, _), _)| Mono(*at));
        let check = self.checks.first_key_value().map(|((at, _), _)| Mono(*at));
        let due = self
            .delayed
            .first_key_value()
            .map(|((due, _), _)| now.mono.plus_ms(u64::try_from(due - now.unix_ms).unwrap_or(0)));
        let waits = self.script.pull_ms > 0 && !self.parked.is_empty();
        let pulls = waits.then(|| Mono(self.pulled_at + self.script.pull_ms * 1_000_000));
        let deadline = [answer, check, due, pulls].into_iter().flatten().min();
        TurnOutcome { deadline, stop: false }
    }
}
