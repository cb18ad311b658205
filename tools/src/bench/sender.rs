//! [`Sender`]: the producing part of a thread. Open loop by a schedule, or closed loop; never an allocation per message.
//!
//! `pace` decides which connection sends and when, this file writes the request, `answers` counts what becomes of it;
//! `transaction` is the second request of a half message.
//!
//! Invariant: a request that wants an answer holds a slot of its connection from its writing to its end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use net::Codec;
use rt::{Env, Now};

use super::act::{Act, Acts, Class};
use super::arrivals::Schedule;
use super::driver::Lines;
use super::flight::{Flight, Sent, Step};
use super::recorder::{Recorder, Times};
use super::template::{Body, Head, Message, OPAQUE_BASE};

mod answers;
mod pace;
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
    /// Messages of those without an answer: they may be in their topic, or not.
    pub doubtful_ever: u64,
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

/// What a request is made of.
struct Drawn {
    act: Act,
    /// Of [`SenderPlan::heads`].
    head: usize,
    /// Of [`SenderPlan::bodies`].
    body: usize,
    key: u32,
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
            doubtful_ever: 0,
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

    /// Writes the next request of `line`, which was due at `intended`.
    fn send<E: Env>(
        &mut self,
        line: usize,
        intended: u64,
        lines: &mut Lines<E>,
        recorder: &mut Recorder,
        now: Now,
    ) {
        let Drawn { act, head, body, key } = self.draw(line);
        let stream = self.plan.lines[line].stream;
        let state = &mut self.lines[line];
        let (number, written) = (state.number, now.mono.0);
        let step = if let Act::Half(fate) = act { Step::Half(fate) } else { Step::Last };
        let sent = Sent { intended, written, number, body: body as u32, step };
        let opaque = if self.plan.oneway {
            OPAQUE_BASE + (number % 1_000_000_000) as i32
        } else {
            self.inflight += 1;
            state.flight.take(sent)
        };
        let born_at_ms = now.unix_ms;
        let message =
            Message { opaque, born_at_ms, stream, number, intended, written, key, deliver_at_ms: None };
        let message = match act {
            Act::Later(ms) => {
                let at = now.unix_ms.saturating_add_unsigned(ms);
                Message { deliver_at_ms: Some(at), intended: self.wall.mono_of(at), ..message }
            }
            Act::Plain | Act::Half(_) => message,
        };
        let (out, copies) = lines.outbox(line);
        self.plan.heads[head].send((&self.plan.bodies[..], body), copies, out, &message, self.plan.run);
        self.count_sent(line, intended, written, recorder);
    }

    /// What the next request of `line` is made of: it follows from how many there were.
    fn draw(&self, line: usize) -> Drawn {
        let (plan, state) = (&self.plan.lines[line], &self.lines[line]);
        let queue = match &self.plan.spread[..] {
            [] => state.requests,
            drawn => drawn[state.requests % drawn.len()] as usize,
        };
        let act = self.plan.acts.of(plan.stream, state.number);
        let heads = &plan.heads[act.class() as usize];
        let key = match &self.plan.keys[..] {
            [] => 0,
            keys => keys[state.requests % keys.len()],
        };
        Drawn {
            act,
            head: heads.start + queue % heads.len(),
            body: state.requests % self.plan.bodies.len(),
            key,
        }
    }

    fn count_sent(&mut self, line: usize, intended: u64, written: u64, recorder: &mut Recorder) {
        let state = &mut self.lines[line];
        state.requests += 1;
        state.number += self.batch;
        self.sent_ever += self.batch;
        recorder.now.sent += self.batch;
        if intended >= self.times.measured {
            self.due_messages += self.batch;
            state.left = state.left.map(|left| left.saturating_sub(self.batch));
        }
        if self.plan.lines[line].schedule.is_some() {
            recorder.now.due += self.batch;
            if recorder.counts(intended) {
                recorder.now.lag.saturating_record(written.saturating_sub(intended.max(state.freed)));
                recorder.now.delay.saturating_record(written.saturating_sub(intended));
            }
        }
    }
}

impl LineState {
    fn may_send(&self) -> bool {
        !self.down && self.flight.has_room()
    }
}
