//! The generator against a scripted server in simulation: what it measures and what it finds is known beforehand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use net::client::{RequestHead, encode};
use net::connection::{ConnectionLimits, Connections};
use net::message_id::OffsetMessageId;
use net::requests::{
    CheckTransactionState, EndTransaction, PullMessage, PullReply, RequestHeader, SendMessageReply,
    SendMessageV2,
};
use net::{Header, ReplyTo, Request, ResponseCode, Scratch, properties, reply};
use rt::sim::{NetProfile, SimDisk, SimEnv, Simulation};
use rt::{ConnId, Env, Event, Mono, Now, Reactor, Transport, TurnOutcome};
use store::record::{Draft, Place};
use store::{NewMessage, PhysicalOffset, QueueOffset};

use super::crew::{self, Readers};
use super::driver::Driver;
use super::engine::{Control, Engine, Outages};
use super::flight::{Flight, Sent, Step};
use super::plan::{Kind, Plan, tests::plan};
use super::receiver::{Reading, Receiver};
use super::recorder::{Interval, LOST, Phase, Recorder, TIMED_OUT, Times};
use super::sender::Sender;
use super::stage::{Broker, Queue};
use super::template::{Body, Head, Message};
use super::verify::Verdict;

/// What the server does wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Script {
    /// From an arrival to its answer.
    delay_ms: u64,
    /// It stands still for this long at the end of every second.
    stall_ms: u64,
    /// Every so many messages are acknowledged and not stored.
    lose_every: u64,
    /// ... are stored twice.
    double_every: u64,
    /// ... change places with the next one.
    swap_every: u64,
    /// ... are stored with another body.
    damage_every: u64,
    /// ... are refused.
    refuse_every: u64,
    /// ... are never answered.
    ignore_every: u64,
    /// Every so many roll-backs its message is stored all the same.
    leak_every: u64,
    /// Delayed messages come so much late.
    late_ms: i64,
    /// From a half message to asking about it; 0 asks nobody.
    check_ms: u64,
}

const TOPIC: &str = "T";
const QUEUES: i32 = 2;

/// A broker that does what its script says.
struct Server {
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
    fn start(env: &SimEnv, script: Script) -> SocketAddr {
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
        self.answer_pulls();
        self.connections.flush_dirty(self.env.net(), now.mono);
        let answer = self.answers.first_key_value().map(|((at, _), _)| Mono(*at));
        let check = self.checks.first_key_value().map(|((at, _), _)| Mono(*at));
        let due = self
            .delayed
            .first_key_value()
            .map(|((due, _), _)| now.mono.plus_ms(u64::try_from(due - now.unix_ms).unwrap_or(0)));
        let deadline = [answer, check, due].into_iter().flatten().min();
        TurnOutcome { deadline, stop: false }
    }
}

/// What a run in simulation gave.
struct Ran {
    total: Interval,
    intervals: Vec<Interval>,
    verdict: Verdict,
    unsent: u64,
    outages: Outages,
    failure: Option<String>,
    /// Of everything that happened in the simulation.
    trace: u64,
}

fn run(seed: u64, script: Script, kind: Kind, arguments: &[&str]) -> Ran {
    run_until(seed, script, kind, arguments, |_, _| {})
}

/// Runs a plan of one thread; `meddle` is called every 100 ms.
fn run_until(
    seed: u64,
    script: Script,
    kind: Kind,
    arguments: &[&str],
    mut meddle: impl FnMut(u64, &Simulation),
) -> Ran {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--seed=1", "--cpus=0"]).collect();
    let plan = Plan { run: 9, ..plan(kind, &arguments) };
    let plan = Plan { shape: super::template::Shape { run: 9, ..plan.shape.clone() }, ..plan };
    let sim = Simulation::new(seed);
    sim.network().set_profile(NetProfile { delay_ns: (10_000, 20_000), ..NetProfile::default() });
    let server = sim.machine([10, 0, 0, 1], SimDisk::new());
    let at = Server::start(&server.env(), script);
    let brokers = [Broker { name: String::new(), address: at.to_string(), socket: at }];
    let queues: Vec<Queue> = (0..QUEUES).map(|id| Queue { topic: TOPIC.into(), broker: 0, id }).collect();
    let mut parts = crew::sending_parts(&plan, &brokers, &queues);
    if plan.has_consumers() || kind == Kind::Tx {
        let readings: Vec<_> = queues.iter().cloned().map(|queue| (queue, Reading::Follow(0))).collect();
        let readers = Readers { consumers: 1, deliveries: true, suspend: 15_000, budget: None };
        crew::add_consumers(&mut parts, &plan, readers, &brokers, &readings);
    }
    let part = parts.pop().unwrap();
    let control = Arc::new(Control::default());
    let start = 50_000_000;
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap();
    let measured = start + nanos(plan.warmup);
    let end = plan.duration.map_or(u64::MAX, |duration| measured + nanos(duration));
    control.times.set(Times { start, measured, end, interval: nanos(plan.interval) }).unwrap();
    let (out, intervals) = mpsc::channel();
    let pair = (part.sender.map(Sender::new), part.receiver.map(Receiver::new));
    let engine = Engine::new(control, pair, None, (1, 1), nanos(plan.timeout + plan.longest_delay()), out);
    let client = sim.machine([10, 0, 0, 2], SimDisk::new());
    let env = client.env();
    let driver = Rc::new(RefCell::new(Driver::connect(env.clone(), &part.place, engine)));
    env.drive(&driver);
    let mut step = 0;
    while env.is_driven() {
        sim.run_for(Duration::from_millis(100));
        meddle(step, &sim);
        step += 1;
        assert!(step < 10_000, "the run does not end");
    }
    let driver = driver.borrow();
    let intervals: Vec<Interval> = intervals.try_iter().collect();
    let mut total = Interval::new(Phase::Measured, 0);
    intervals
        .iter()
        .filter(|interval| interval.phase != Phase::WarmUp)
        .for_each(|interval| total.add(interval));
    Ran {
        total,
        intervals,
        verdict: driver.work.ledger.verdict(),
        unsent: driver.work.sender.as_ref().unwrap().unsent_messages,
        outages: driver.work.outages,
        failure: driver.failure.as_ref().map(ToString::to_string),
        trace: sim.trace_hash(),
    }
}

const OPEN: [&str; 5] = ["--rate=1000/s", "--connections=1", "--warmup=1s", "--duration=4s", "--size=100"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    OPEN.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_stall_shows_in_response_times_and_not_in_service_times() {
    let script = Script { delay_ms: 0, stall_ms: 100, ..Script::default() };
    let ran = run(1, script, Kind::Produce, &with(&["--inflight=1"]));
    let at = |latencies: &super::recorder::Latencies, percentile| {
        latencies.value_at_percentile(percentile) / 1_000
    };
    // One request a second meets the stall itself: less than one in a hundred. The hundred that were due meanwhile wait.
    assert!(at(&ran.total.service, 99.0) < 1_000, "{} us", at(&ran.total.service, 99.0));
    assert!(
        (90_000..101_000).contains(&at(&ran.total.response, 99.0)),
        "{} us",
        at(&ran.total.response, 99.0)
    );
    assert!(at(&ran.total.response, 85.0) < 1_000, "{} us", at(&ran.total.response, 85.0));
    // The server was late, not the generator.
    assert!(at(&ran.total.lag, 99.9) < 1_000, "{} us", at(&ran.total.lag, 99.9));
    assert_eq!((ran.total.response.len(), ran.unsent), (4_000, 0));
}

#[test]
fn a_known_delay_is_measured_and_warm_up_is_cut() {
    let ran = run(2, Script { delay_ms: 5, ..Script::default() }, Kind::Produce, &with(&[]));
    let p50 = ran.total.response.value_at_quantile(0.5);
    assert!((5_000_000..5_300_000).contains(&p50), "{p50}");
    assert_eq!(ran.total.response.len(), 4_000);
    let warm: u64 = ran.intervals.iter().filter(|one| one.phase == Phase::WarmUp).map(|one| one.sent).sum();
    assert_eq!(warm, 1_000);
}

#[test]
fn a_server_that_cannot_keep_up_does_not_move_the_schedule() {
    // 250 answers a second for 1,000 messages a second.
    let ran = run(3, Script { delay_ms: 4, ..Script::default() }, Kind::Produce, &with(&["--inflight=1"]));
    assert!(ran.total.service.value_at_quantile(0.99) < 5_000_000);
    // At the end, messages are answered that were due three quarters of the run before.
    assert!(ran.total.response.max() > 2_500_000_000, "{}", ran.total.response.max());
    assert!((2_900..3_900).contains(&ran.unsent), "{}", ran.unsent);
}

#[test]
fn a_closed_loop_has_service_times_only() {
    let arguments = ["--connections=2", "--inflight=3", "--warmup=0s", "--messages=600", "--size=100"];
    let ran = run(4, Script { delay_ms: 10, ..Script::default() }, Kind::Produce, &arguments);
    assert_eq!((ran.total.acked, ran.total.response.len(), ran.total.service.len()), (600, 0, 600));
    // Six at a time, ten milliseconds each: a second.
    let seconds: u64 = ran.intervals.iter().filter(|one| one.phase == Phase::Measured).count() as u64;
    assert!((1..=2).contains(&seconds), "{seconds}");
}

#[test]
fn errors_and_timeouts_stay_in_the_histogram_and_are_counted_by_code() {
    let script = Script { delay_ms: 1, refuse_every: 10, ignore_every: 100, ..Script::default() };
    let ran = run(5, script, Kind::Produce, &with(&["--timeout=500"]));
    let count = |code: i32| ran.total.errors.get(&code).map_or(0, |(count, _)| *count);
    assert_eq!(ran.total.response.len(), 4_000);
    // Forty of the measured ones, and those of the warm-up that were given up after it.
    assert!((44..=46).contains(&count(TIMED_OUT)), "{:?}", ran.total.errors);
    assert_eq!(count(LOST), 0, "{:?}", ran.total.errors);
    assert!((358..=362).contains(&count(ResponseCode::SYSTEM_BUSY.0)), "{:?}", ran.total.errors);
    let p995 = ran.total.response.value_at_quantile(0.995);
    assert!((500_000_000..700_000_000).contains(&p995), "{p995}");
}

#[test]
fn one_seed_repeats_a_run_to_the_byte() {
    let arguments = [
        "--rate=1k",
        "--warmup=0s",
        "--duration=3s",
        "--arrivals=poisson",
        "--keys=zipf:1.1",
        "--size=50..500",
    ];
    let once = || run(6, Script { delay_ms: 2, ..Script::default() }, Kind::Produce, &arguments);
    let (a, b) = (once(), once());
    assert_eq!((a.trace, a.total.response.clone()), (b.trace, b.total.response.clone()));
    let other = run(7, Script { delay_ms: 2, ..Script::default() }, Kind::Produce, &arguments);
    assert_ne!(other.trace, a.trace);
}

#[test]
fn an_honest_server_passes_the_verification() {
    let ran = run(8, Script::default(), Kind::E2e, &with(&["--verify"]));
    let sent = ran.verdict.acknowledged;
    assert_eq!(ran.verdict, Verdict { acknowledged: sent, received: sent, ..Verdict::default() });
    assert_eq!(sent, 5_000);
    assert_eq!(ran.total.delivery.len(), 4_000);
}

#[test]
fn a_server_that_loses_doubles_swaps_or_damages_is_caught() {
    let base = Script::default();
    let verdict = |script| run(9, script, Kind::E2e, &with(&["--verify", "--timeout=300"])).verdict;
    let lost = verdict(Script { lose_every: 1_000, ..base });
    assert_eq!((lost.lost, lost.is_safe()), (5, false));
    let doubled = verdict(Script { double_every: 500, ..base });
    assert_eq!((doubled.duplicates, doubled.lost, doubled.is_safe()), (10, 0, true));
    let swapped = verdict(Script { swap_every: 700, ..base });
    assert_eq!((swapped.reordered, swapped.duplicates, swapped.lost), (7, 0, 0));
    let damaged = verdict(Script { damage_every: 2_500, ..base });
    assert_eq!((damaged.corrupt, damaged.is_safe()), (2, false));
}

#[test]
fn what_was_refused_and_not_stored_is_not_lost() {
    let ran = run(10, Script { refuse_every: 10, ..Script::default() }, Kind::E2e, &with(&["--verify"]));
    assert_eq!((ran.verdict.acknowledged, ran.verdict.lost), (4_500, 0));
}

#[test]
fn a_connection_that_breaks_ends_a_run_without_patience_with_what_was_measured() {
    let ran = run_until(11, Script::default(), Kind::Produce, &with(&["--reconnect=0s"]), |step, sim| {
        if step == 25 {
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    });
    assert!(ran.failure.unwrap().contains("connection lost"));
    assert!((1_000..2_000).contains(&ran.total.acked), "{}", ran.total.acked);
}

#[test]
fn a_connection_that_breaks_comes_back_and_only_what_was_in_flight_fails() {
    let script = Script { delay_ms: 5, ..Script::default() };
    let ran = run_until(13, script, Kind::E2e, &with(&["--verify"]), |step, sim| {
        if step == 25 {
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    });
    // The producer's connection and the consumer's.
    assert_eq!((ran.failure, ran.outages), (None, Outages { lost: 2, back: 2 }));
    let (lost, _) = ran.total.errors[&LOST];
    assert!((1..=10).contains(&lost), "5 were in flight, {lost} are counted");
    // Every message that was due is in the histogram, and only in-flight ones failed.
    assert_eq!((ran.total.service.len(), ran.unsent, ran.total.errors.len()), (4_000, 0, 1));
    assert_eq!(ran.verdict.lost, 0);
}

#[test]
fn what_was_due_in_an_outage_is_late_and_not_left_out() {
    let longer = ["--rate=1000/s", "--connections=1", "--warmup=1s", "--duration=12s", "--size=100"];
    let ran = run_until(14, Script::default(), Kind::Produce, &longer, |step, sim| {
        if step == 25 {
            sim.network().partition([10, 0, 0, 1], [10, 0, 0, 2]);
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
        if step == 45 {
            sim.network().heal();
        }
    });
    assert_eq!((ran.failure, ran.outages), (None, Outages { lost: 1, back: 1 }));
    let lost = ran.total.errors.get(&LOST).map_or(0, |(count, _)| *count);
    assert_eq!((ran.total.acked + lost, ran.unsent), (12_000, 0));
    assert!(ran.total.response.max() >= 1_900_000_000, "two seconds: {}", ran.total.response.max());
    assert!(ran.total.service.max() < 100_000_000, "{}", ran.total.service.max());
    assert!(ran.total.lag.max() < 1_000_000, "the generator is not to blame: {}", ran.total.lag.max());
}

#[test]
fn a_broker_that_stays_away_ends_the_run() {
    let cut = |step, sim: &Simulation| {
        if step == 25 {
            sim.network().partition([10, 0, 0, 1], [10, 0, 0, 2]);
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    };
    let ran = run_until(15, Script::default(), Kind::Produce, &with(&["--reconnect=1s"]), cut);
    assert!(ran.failure.unwrap().ends_with("; not back within 1s"));
    let ran = run_until(16, Script::default(), Kind::Produce, &with(&[]), cut);
    assert!(ran.failure.unwrap().ends_with("; not back when the run ended"));
    assert!(ran.unsent > 1_000, "what was due and never sent: {}", ran.unsent);
}

#[test]
fn both_codecs_say_the_same() {
    for header in ["--header=json", "--header=rocketmq"] {
        let ran = run(12, Script::default(), Kind::E2e, &with(&["--verify", header]));
        assert_eq!((ran.verdict.received, ran.verdict.lost), (5_000, 0), "{header}");
    }
}

#[test]
fn a_warm_message_allocates_nothing() {
    for arguments in
        [&["--rate=1k", "--verify", "--keys=rr", "--tags=A,B"][..], &["--batch=8"], &["--header=rocketmq"]]
    {
        let plan = plan(Kind::Produce, arguments);
        let head = Head::new(&plan.shape, TOPIC, 1);
        let bodies = Body::all(&plan.shape, &plan.bodies);
        let mut flight = Flight::new(64);
        let (to, _intervals) = mpsc::channel();
        let times = Times { start: 0, measured: 0, end: u64::MAX, interval: u64::MAX };
        let mut recorder = Recorder::new(times, to);
        let mut out = Vec::with_capacity(1 << 20);
        let counted = allocation_counter::measure(|| {
            for number in 0..10_000_u64 {
                out.clear();
                let body = number as usize % bodies.len();
                let sent =
                    Sent { intended: number, written: number, number, body: body as u32, step: Step::Last };
                let opaque = flight.take(sent);
                let message = Message {
                    opaque,
                    born_at_ms: 1_777_777_777_777,
                    stream: 1,
                    number,
                    intended: number,
                    written: number,
                    key: 1,
                    deliver_at_ms: None,
                };
                head.append(&bodies[body], &mut out, &message, 1);
                assert_eq!(flight.answered(opaque), Some(sent));
                recorder.at(number, 1);
                recorder.now.service.saturating_record(number * 1_000);
                recorder.now.response.saturating_record(number * 1_000);
            }
        });
        assert_eq!(counted.count_total, 0, "{arguments:?}");
    }
}

#[test]
fn transactions_end_in_the_shares_asked_for_and_only_committed_ones_are_seen() {
    let script = Script { delay_ms: 3, ..Script::default() };
    let ran = run(13, script, Kind::Tx, &with(&["--verify", "--rollback=10%", "--unknown=5%"]));
    let total = &ran.total;
    let ends = (total.committed, total.rolled_back, total.unknown);
    // Some half messages of the warm-up are decided after it.
    assert!((ends.0 + ends.1 + ends.2).abs_diff(4_000) < 10, "{ends:?}");
    assert!(ends.1.abs_diff(400) < 60 && ends.2.abs_diff(200) < 60, "{ends:?}");
    assert_eq!((ran.verdict.lost, ran.verdict.leaked, ran.verdict.unacknowledged), (0, 0, 0));
    // Half and end take three milliseconds each.
    let at = |latencies: &super::recorder::Latencies| latencies.value_at_quantile(0.5) / 100_000;
    assert_eq!((at(&total.response), at(&total.decision), at(&total.transaction)), (30, 30, 61));
    assert!(total.transaction.len().abs_diff(ends.0 + ends.1) < 10, "{}", total.transaction.len());
}

#[test]
fn a_server_that_shows_what_was_rolled_back_is_caught() {
    let script = Script { leak_every: 100, ..Script::default() };
    let verdict = run(14, script, Kind::Tx, &with(&["--verify", "--rollback=50%"])).verdict;
    assert!((20..=30).contains(&verdict.leaked), "{verdict:?}");
    assert!(!verdict.is_safe());
}

#[test]
fn checks_are_answered_as_asked_for() {
    let script = Script { check_ms: 500, ..Script::default() };
    let ran = run(15, script, Kind::Tx, &with(&["--verify", "--unknown=20%", "--check-rollback=50%"]));
    assert!(ran.total.checks.abs_diff(ran.total.unknown) < 120, "{} {}", ran.total.checks, ran.total.unknown);
    assert_eq!((ran.total.checks_unexpected, ran.total.checks_again), (0, 0));
    assert_eq!((ran.verdict.leaked, ran.verdict.lost), (0, 0));
    // Half of them were committed then.
    assert!(ran.verdict.unacknowledged.abs_diff(ran.total.checks / 2) < 100, "{:?}", ran.verdict);
}

#[test]
fn lateness_is_from_the_due_delivery_and_early_ones_are_counted() {
    let arguments = with(&["--verify", "--delay=200ms..900ms:100ms"]);
    let ran = run(16, Script { late_ms: 30, ..Script::default() }, Kind::Delay, &arguments);
    let late = &ran.total.lateness;
    let (least, most) = (late.value_at_quantile(0.01), late.value_at_quantile(0.99));
    assert!(least > 29_000_000 && most < 32_000_000, "{least} to {most}");
    assert_eq!((ran.verdict.lost, ran.verdict.duplicates, ran.verdict.early), (0, 0, 0));
    assert!(late.len() > 3_500 && ran.total.delivery.is_empty(), "{}", late.len());
    let early = run(17, Script { late_ms: -30, ..Script::default() }, Kind::Delay, &arguments).verdict;
    assert_eq!((early.early, early.lost), (early.received, 0));
    assert!((28_000_000..31_100_000).contains(&early.earliest_ns), "{early:?}");
}

#[test]
fn a_mix_sends_each_kind_in_its_share() {
    let mix = ["--verify", "--tx-share=20%", "--rollback=50%", "--delay-share=30%", "--delay=300ms"];
    let ran = run(18, Script::default(), Kind::Mixed, &with(&mix));
    let (ends, late) = (ran.total.committed + ran.total.rolled_back, ran.total.lateness.len());
    assert!(ends.abs_diff(800) < 60 && late.abs_diff(1_200) < 150, "{ends} transactions, {late} delayed");
    assert_eq!((ran.verdict.lost, ran.verdict.leaked, ran.verdict.early), (0, 0, 0));
}
