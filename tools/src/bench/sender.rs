//! [`Sender`]: the producing part of a thread. Open loop by a schedule, or closed loop; never an allocation per message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use net::{Codec, Header, ResponseCode};
use rt::{Env, Now};

use super::act::{Act, Acts, Class};
use super::arrivals::Schedule;
use super::driver::Lines;
use super::flight::{Flight, Sent, Step};
use super::recorder::{LOST, Recorder, TIMED_OUT, Times};
use super::template::{Body, Head, Message, OPAQUE_BASE};
use super::verify::Ledger;

mod transaction;
mod wall;

pub use transaction::Undecided;

use wall::Wall;

/// A connection that sends.
#[derive(Debug)]
pub struct SendLine {
    /// Its number among all connections of the run.
    pub stream: u16,
    /// Its queues, as ranges of [`SenderPlan::heads`], one for each [`Class`].
    pub heads: [Range<usize>; Class::ALL.len()],
    /// When it sends; `None` in a closed loop.
    pub schedule: Option<Schedule>,
    /// Messages to send in the measured time, if that is limited.
    pub budget: Option<u64>,
}

/// What a [`Sender`] does.
#[derive(Debug)]
pub struct SenderPlan {
    /// Its connections: the first of the thread's.
    pub lines: Vec<SendLine>,
    /// One header per queue (and tag).
    pub heads: Vec<Head>,
    /// Bodies, taken in turn.
    pub bodies: Vec<Body>,
    /// Keys of messages, taken in turn; empty for none.
    pub keys: Vec<u32>,
    /// Queues, taken in turn; empty for one after the other. Counted beyond a connection's own, they wrap.
    pub spread: Vec<u32>,
    /// Requests in flight per connection.
    pub inflight: usize,
    /// How long an answer may take, ns.
    pub timeout_ns: u64,
    /// No answers are wanted.
    pub oneway: bool,
    /// Acknowledgements are kept for `--verify`.
    pub verify: bool,
    /// Which run.
    pub run: u32,
    /// What becomes of each message.
    pub acts: Acts,
    /// Producer group of transactions.
    pub group: String,
    /// How headers are spelled.
    pub codec: Codec,
    /// A heartbeat of the producer group, as sent.
    pub beat: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub struct Sender {
    plan: SenderPlan,
    times: Times,
    lines: Vec<LineState>,
    /// Connections by when their next message is due.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Connections of a closed loop that may send more.
    ready: Vec<usize>,
    batch: u64,
    inflight: u64,
    next_scan: u64,
    stopped: bool,
    wall: Wall,
    /// When the broker is told next that we are here.
    next_beat: u64,
    /// Half messages whose fate nobody told the broker.
    pub undecided: Vec<Undecided>,
    /// Their number beyond those that are remembered.
    pub undecided_more: u64,
    /// Messages due in the measured time.
    pub due_messages: u64,
    /// Of them, those that the limit of requests in flight held back to the end.
    pub unsent_messages: u64,
    /// Messages acknowledged since the start.
    pub acked_ever: u64,
    /// Messages that will be in their topic: acknowledged, without transactions that were not committed.
    pub visible_ever: u64,
    /// Messages sent since the start.
    pub sent_ever: u64,
    /// Requests failed since the start.
    pub failed_ever: u64,
}

#[derive(Debug)]
struct LineState {
    flight: Flight,
    /// Number of the next message.
    number: u64,
    /// Requests so far: decides queue, tag and body.
    requests: usize,
    /// When a slot last became free: until then the schedule, not the generator, was held back.
    freed: u64,
    /// Due, but no slot is free.
    held: bool,
    /// Its connection is away.
    down: bool,
    left: Option<u64>,
}

impl Sender {
    /// Sends nothing before [`Sender::start`].
    ///
    /// # Panics
    /// If there is nothing to send, or nowhere.
    #[must_use]
    pub fn new(plan: SenderPlan) -> Self {
        assert!(!plan.bodies.is_empty());
        for class in Class::ALL.into_iter().filter(|class| plan.acts.has(*class)) {
            assert!(plan.lines.iter().all(|line| !line.heads[class as usize].is_empty()));
        }
        let halves = plan.acts.has_halves();
        let state = |line: &SendLine| LineState {
            flight: Flight::new(if plan.oneway { 1 } else { plan.inflight }),
            number: 0,
            requests: usize::from(line.stream),
            freed: 0,
            held: false,
            down: false,
            left: line.budget,
        };
        Self {
            lines: plan.lines.iter().map(state).collect(),
            due: BinaryHeap::with_capacity(plan.lines.len()),
            ready: Vec::with_capacity(plan.lines.len()),
            batch: plan.bodies[0].messages(),
            times: Times { start: 0, measured: 0, end: 0, interval: 1 },
            plan,
            inflight: 0,
            next_scan: 0,
            stopped: false,
            wall: Wall::default(),
            next_beat: if halves { 0 } else { u64::MAX },
            undecided: Vec::with_capacity(if halves { transaction::UNDECIDED_MAX } else { 0 }),
            undecided_more: 0,
            due_messages: 0,
            unsent_messages: 0,
            acked_ever: 0,
            visible_ever: 0,
            sent_ever: 0,
            failed_ever: 0,
        }
    }

    /// The load begins at `times.start`.
    pub fn start(&mut self, times: Times) {
        self.times = times;
        for (line, plan) in self.plan.lines.iter().enumerate() {
            match &plan.schedule {
                Some(schedule) => self.due.push(Reverse((times.start + schedule.due_ns(), line))),
                None => self.ready.push(line),
            }
        }
    }

    /// Requests in flight.
    #[must_use]
    pub fn inflight(&self) -> u64 {
        self.inflight
    }

    /// Connections it has: the first of the thread's.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Whether every budget is used up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.lines.iter().all(|line| line.left == Some(0))
    }

    /// Sends what is due. When to come again.
    pub fn pump<E: Env>(&mut self, lines: &mut Lines<E>, recorder: &mut Recorder) -> u64 {
        if self.stopped {
            return self.next_scan;
        }
        let now = lines.now();
        self.wall.look(now);
        if self.next_beat <= now.mono.0 {
            self.beat(lines, now.mono.0);
        }
        if now.mono.0 < self.times.start {
            return self.times.start;
        }
        for at in 0..self.ready.len() {
            let line = self.ready[at];
            while self.lines[line].may_send() && self.lines[line].left != Some(0) {
                self.send(line, now.mono.0, lines, recorder, now);
            }
        }
        self.ready.clear();
        while let Some(Reverse((due, line))) = self.due.peek().copied() {
            if due > now.mono.0 || due >= self.times.end {
                return due.min(self.next_scan);
            }
            self.due.pop();
            let state = &self.lines[line];
            if state.down || !self.plan.oneway && !state.may_send() {
                self.lines[line].held = true;
                continue;
            }
            self.send(line, due, lines, recorder, now);
            let schedule = self.plan.lines[line].schedule.as_mut().expect("only they are in the heap");
            schedule.advance();
            if self.lines[line].left != Some(0) {
                self.due.push(Reverse((self.times.start + schedule.due_ns(), line)));
            }
        }
        self.next_scan
    }

    /// An answer came.
    pub fn answer<E: Env>(
        &mut self,
        line: usize,
        header: &Header<'_>,
        lines: &mut Lines<E>,
        (recorder, ledger): (&mut Recorder, &mut Ledger),
        now: Now,
    ) {
        let Some(sent) = self.lines[line].flight.answered(header.opaque) else { return };
        self.inflight -= 1;
        recorder.now.requests += 1;
        let good = header.code == ResponseCode::SUCCESS.0;
        if !good {
            self.failed_ever += 1;
            recorder.now.error(header.code, header.remark.unwrap_or_default());
        }
        self.record(line, &sent, recorder, now.mono.0);
        match sent.step {
            Step::Last if good => {
                let messages = self.complete(&sent, recorder);
                self.visible_ever += messages;
                if self.plan.verify {
                    let stream = self.plan.lines[line].stream;
                    (sent.number..sent.number + messages)
                        .for_each(|number| ledger.acknowledged(stream, number));
                }
            }
            // The decision has its slot now.
            Step::Half(fate)
                if good && self.tell(line, header, (&sent, fate), lines, (recorder, ledger), now.mono.0) =>
            {
                return;
            }
            Step::Told(fate, _) if good => self.decided(line, &sent, fate, recorder, ledger),
            _ => {}
        }
        self.freed(line, now.mono.0);
    }

    /// Counts the messages of a request as done.
    fn complete(&mut self, sent: &Sent, recorder: &mut Recorder) -> u64 {
        let body = &self.plan.bodies[sent.body as usize];
        let messages = body.messages();
        recorder.now.acked += messages;
        recorder.now.acked_bytes += body.payload_bytes();
        self.acked_ever += messages;
        messages
    }

    /// Gives up requests without an answer, a few times a second.
    pub fn expire(&mut self, recorder: &mut Recorder, now: u64) {
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + SCAN_NS;
        self.give_up(now.saturating_sub(self.plan.timeout_ns), TIMED_OUT, "no answer in time", recorder, now);
    }

    /// The connection of `line` is gone: what is in flight on it has failed, what is due waits.
    pub fn lost(&mut self, line: usize, recorder: Option<&mut Recorder>, now: u64) {
        self.lines[line].down = true;
        if let Some(recorder) = recorder {
            self.give_up_of(line, u64::MAX, (LOST, "the connection was lost"), recorder, now);
        }
    }

    /// The connection of `line` is up again: what was due meanwhile goes out, as late as it is.
    pub fn back(&mut self, line: usize, now: u64) {
        self.lines[line].down = false;
        if self.plan.acts.has_halves() {
            // A broker that restarted has not heard of the group.
            self.next_beat = 0;
        }
        self.freed(line, now);
    }

    /// Gives up everything that is in flight: the connection is gone, or nobody waits any more.
    pub fn abandon(&mut self, recorder: &mut Recorder, now: u64) {
        self.give_up(u64::MAX, LOST, "no answer before the end", recorder, now);
    }

    /// No message is sent after this; those that were due and never sent are counted.
    pub fn stop(&mut self, now: u64) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        let end = self.times.end.min(now);
        for (plan, state) in self.plan.lines.iter_mut().zip(&mut self.lines) {
            let Some(schedule) = &mut plan.schedule else { continue };
            while self.times.start + schedule.due_ns() < end && state.left != Some(0) {
                if self.times.start + schedule.due_ns() >= self.times.measured {
                    self.due_messages += self.batch;
                    self.unsent_messages += self.batch;
                    state.left = state.left.map(|left| left.saturating_sub(self.batch));
                }
                schedule.advance();
            }
        }
    }

    fn send<E: Env>(
        &mut self,
        line: usize,
        intended: u64,
        lines: &mut Lines<E>,
        recorder: &mut Recorder,
        now: Now,
    ) {
        let plan = &self.plan.lines[line];
        let state = &mut self.lines[line];
        let written = now.mono.0;
        let queue = match &self.plan.spread[..] {
            [] => state.requests,
            drawn => drawn[state.requests % drawn.len()] as usize,
        };
        let act = self.plan.acts.of(plan.stream, state.number);
        let heads = &plan.heads[act.class() as usize];
        let head = heads.start + queue % heads.len();
        let body = state.requests % self.plan.bodies.len();
        let key = match &self.plan.keys[..] {
            [] => 0,
            keys => keys[state.requests % keys.len()],
        };
        state.requests += 1;
        let step = if let Act::Half(fate) = act { Step::Half(fate) } else { Step::Last };
        let sent = Sent { intended, written, number: state.number, body: body as u32, step };
        let opaque = if self.plan.oneway {
            OPAQUE_BASE + (state.number % 1_000_000_000) as i32
        } else {
            self.inflight += 1;
            state.flight.take(sent)
        };
        let message = Message {
            opaque,
            born_at_ms: now.unix_ms,
            stream: plan.stream,
            number: state.number,
            intended,
            written,
            key,
            deliver_at_ms: None,
        };
        let message = match act {
            Act::Later(ms) => {
                let at = now.unix_ms.saturating_add_unsigned(ms);
                Message { deliver_at_ms: Some(at), intended: self.wall.mono_of(at), ..message }
            }
            Act::Plain | Act::Half(_) => message,
        };
        let body = (&self.plan.bodies[..], body);
        let (out, copies) = lines.outbox(line);
        self.plan.heads[head].send(body, copies, out, &message, self.plan.run);
        state.number += self.batch;
        self.sent_ever += self.batch;
        recorder.now.sent += self.batch;
        if intended >= self.times.measured {
            self.due_messages += self.batch;
            state.left = state.left.map(|left| left.saturating_sub(self.batch));
        }
        if plan.schedule.is_some() {
            recorder.now.due += self.batch;
            if recorder.counts(intended) {
                recorder.now.lag.saturating_record(written.saturating_sub(intended.max(state.freed)));
                recorder.now.delay.saturating_record(written.saturating_sub(intended));
            }
        }
    }

    fn record(&mut self, line: usize, sent: &Sent, recorder: &mut Recorder, now: u64) {
        if !recorder.counts(sent.intended) {
            return;
        }
        let (service, response) = match sent.step {
            Step::Told(_, told) => {
                recorder.now.decision.saturating_record(now.saturating_sub(told));
                (&mut recorder.now.transaction_service, &mut recorder.now.transaction)
            }
            Step::Last | Step::Half(_) => (&mut recorder.now.service, &mut recorder.now.response),
        };
        service.saturating_record(now.saturating_sub(sent.written));
        if self.plan.lines[line].schedule.is_some() {
            response.saturating_record(now.saturating_sub(sent.intended));
        }
    }

    fn freed(&mut self, line: usize, now: u64) {
        let state = &mut self.lines[line];
        state.freed = now;
        if state.down {
            return;
        }
        match &self.plan.lines[line].schedule {
            Some(schedule) if state.held => {
                state.held = false;
                self.due.push(Reverse((self.times.start + schedule.due_ns(), line)));
            }
            Some(_) => {}
            // Several answers of a turn name a connection several times: the first fills it up.
            None if self.ready.last() != Some(&line) => self.ready.push(line),
            None => {}
        }
    }

    fn give_up(&mut self, limit: u64, code: i32, remark: &str, recorder: &mut Recorder, now: u64) {
        for line in 0..self.lines.len() {
            self.give_up_of(line, limit, (code, remark), recorder, now);
        }
    }

    fn give_up_of(
        &mut self,
        line: usize,
        limit: u64,
        (code, remark): (i32, &str),
        recorder: &mut Recorder,
        now: u64,
    ) {
        let mut gone = Vec::new();
        self.lines[line].flight.expire(limit, |sent| gone.push(sent));
        for sent in gone {
            self.inflight -= 1;
            self.failed_ever += 1;
            recorder.now.requests += 1;
            recorder.now.error(code, remark);
            self.record(line, &sent, recorder, now);
            self.freed(line, now);
        }
    }
}

impl LineState {
    fn may_send(&self) -> bool {
        !self.down && self.flight.has_room()
    }
}

/// How often requests in flight are looked at for their timeout.
const SCAN_NS: u64 = 100_000_000;
