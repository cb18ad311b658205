//! [`Receiver`]: the consuming part of a thread: long polls of the end of queues, or reads of what is stored.

use std::ops::Range;

use net::fields::Decode;
use net::requests::PullReply;
use net::{Codec, Header, ResponseCode};
use rt::{Env, Now};

use super::driver::Lines;
use super::flight::{Flight, Sent, Step};
use super::recorder::{LOST, Recorder, TIMED_OUT};
use super::verify::Ledger;

mod ask;
mod records;

pub use ask::{ALL, Ask, append_pull};

/// How a queue is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// From this offset on, waiting for more.
    Follow(i64),
    /// This range again and again.
    Again(Range<i64>),
    /// This range once.
    Once(Range<i64>),
    /// This range again and again, beginning somewhere in it, beside others that follow: its pulls are `scan`.
    Scan(Range<i64>, i64),
}

/// A queue that is read on a connection, one pull in flight.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Connection of the thread.
    pub line: usize,
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue: i32,
    /// What of it.
    pub reading: Reading,
}

/// What a [`Receiver`] does.
#[derive(Clone, Debug)]
pub struct ReceiverPlan {
    /// The queues.
    pub assignments: Vec<Assignment>,
    /// Connections, counted from the first of the thread's.
    pub lines: Range<usize>,
    /// How headers are spelled.
    pub codec: Codec,
    /// Consumer group named in pulls.
    pub group: String,
    /// Tags to read, or an expression; `*` for all.
    pub filter: String,
    /// It is an expression of SQL92.
    pub sql: bool,
    /// Messages per pull at most.
    pub count: u32,
    /// How long the broker may hold a pull, ms.
    pub suspend_ms: i64,
    /// How long an answer may take beside that, ns.
    pub timeout_ns: u64,
    /// Bodies are checked and all messages accounted for.
    pub verify: bool,
    /// Latencies are those of deliveries (a stamp says when a message was due); otherwise those of pulls.
    pub deliveries: bool,
    /// Property of messages that says when they were due, Unix ms.
    pub due_property: Option<String>,
    /// Which run's messages count.
    pub run: u32,
    /// Messages to receive, if that is limited.
    pub budget: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Receiver {
    plan: ReceiverPlan,
    queues: Vec<Queue>,
    /// By connection.
    flights: Vec<Flight>,
    /// By connection: it is away.
    down: Vec<bool>,
    /// Queues to pull from at the end of the turn.
    ready: Vec<usize>,
    next_scan: u64,
    /// Answers with messages so far: one in some has its records checked to the CRC.
    pulls: u64,
    stopped: bool,
    measured: u64,
    /// Messages received since the start.
    pub received_ever: u64,
    received_measured: u64,
    /// Pulls that failed since the start.
    pub failed_ever: u64,
    /// What no broker may do: a hole, something that is no message.
    pub faults: Vec<String>,
    /// When the last message came.
    pub last_at: u64,
    /// The smallest receipt - store seen, on two wall clocks.
    pub clock_gap_ms: Option<i64>,
}

#[derive(Debug)]
struct Queue {
    next: i64,
    done: bool,
    /// After a refusal: not before.
    not_before: u64,
}

impl Receiver {
    /// Pulls nothing before [`Receiver::start`].
    #[must_use]
    pub fn new(plan: ReceiverPlan) -> Self {
        let queue = |assignment: &Assignment| match &assignment.reading {
            Reading::Follow(next) => Queue { next: *next, done: false, not_before: 0 },
            Reading::Again(range) | Reading::Once(range) => {
                Queue { next: range.start, done: range.is_empty(), not_before: 0 }
            }
            Reading::Scan(range, from) => Queue { next: *from, done: range.is_empty(), not_before: 0 },
        };
        let of_line = |line| plan.assignments.iter().filter(|assignment| assignment.line == line).count();
        Self {
            queues: plan.assignments.iter().map(queue).collect(),
            flights: plan.lines.clone().map(|line| Flight::new(of_line(line).max(1))).collect(),
            down: vec![false; plan.lines.len()],
            ready: Vec::with_capacity(plan.assignments.len()),
            plan,
            next_scan: 0,
            pulls: 0,
            stopped: false,
            measured: 0,
            received_ever: 0,
            received_measured: 0,
            failed_ever: 0,
            faults: Vec::new(),
            last_at: 0,
            clock_gap_ms: None,
        }
    }

    /// Begins; what comes at or after `measured` counts for the budget.
    pub fn start(&mut self, measured: u64) {
        self.measured = measured;
        self.ready.extend((0..self.queues.len()).filter(|queue| !self.queues[*queue].done));
    }

    /// Pulls in flight.
    #[must_use]
    pub fn inflight(&self) -> u64 {
        self.flights.iter().map(|flight| flight.len() as u64).sum()
    }

    /// Everything that was to be read once was read.
    #[must_use]
    pub fn is_through(&self) -> bool {
        self.queues.iter().all(|queue| queue.done)
    }

    /// The budget is used up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.plan.budget.is_some_and(|budget| self.received_measured >= budget)
    }

    /// Pulls from the queues that were answered. When to come again.
    pub fn pump<E: Env>(&mut self, lines: &mut Lines<E>) -> u64 {
        if self.ready.is_empty() || self.stopped {
            return self.next_scan;
        }
        let now = lines.now().mono.0;
        let mut later = 0;
        for at in 0..self.ready.len() {
            let queue = self.ready[at];
            let line = self.plan.assignments[queue].line - self.plan.lines.start;
            if self.down[line] || self.queues[queue].not_before > now {
                self.ready[later] = queue;
                later += 1;
            } else {
                self.pull(queue, lines, now);
            }
        }
        self.ready.truncate(later);
        if later > 0 { self.next_scan.min(now + RETRY_NS) } else { self.next_scan }
    }

    /// An answer came on `line`.
    pub fn answer(
        &mut self,
        line: usize,
        (header, body): (&Header<'_>, &[u8]),
        recorder: &mut Recorder,
        ledger: &mut Ledger,
        now: Now,
    ) {
        let at = line - self.plan.lines.start;
        let Some(sent) = self.flights[at].answered(header.opaque) else { return };
        let queue = usize::try_from(sent.number).expect("an index");
        recorder.now.requests += 1;
        recorder.now.pulls += 1;
        if recorder.counts(sent.written) {
            let service = now.mono.since(rt::Mono(sent.written));
            match &self.plan.assignments[queue].reading {
                Reading::Scan(..) => recorder.now.scan.saturating_record(service),
                _ if !self.plan.deliveries => recorder.now.delivery_service.saturating_record(service),
                _ => {}
            }
        }
        match ResponseCode(header.code) {
            ResponseCode::SUCCESS => {
                if let Err(fault) = self.take(queue, body, recorder, ledger, now) {
                    self.fault(queue, &fault);
                }
                self.follow_filter(queue, header);
            }
            // Nothing yet: the long poll ran out.
            ResponseCode::PULL_NOT_FOUND | ResponseCode::PULL_RETRY_IMMEDIATELY => {
                self.follow_filter(queue, header);
                let follows = matches!(self.plan.assignments[queue].reading, Reading::Follow(_));
                if !follows && self.plan.filter == ALL {
                    // Java's queues follow its log: what was counted is there in a moment.
                    self.queues[queue].not_before = now.mono.0 + RETRY_NS;
                }
            }
            ResponseCode::PULL_OFFSET_MOVED => {
                let moved = PullReply::decode(&header.ext).map(|reply| reply.next_begin_offset);
                let from = self.queues[queue].next;
                self.fault(queue, &format!("the broker moves {from} to {moved:?}: messages were deleted"));
                self.queues[queue].next = moved.unwrap_or(from);
            }
            _ => {
                self.failed_ever += 1;
                recorder.now.error(header.code, header.remark.unwrap_or_default());
                self.queues[queue].not_before = now.mono.0 + RETRY_NS;
            }
        }
        if !self.queues[queue].done {
            self.ready.push(queue);
        }
    }

    /// Gives up pulls without an answer, a few times a second.
    pub fn expire(&mut self, recorder: &mut Recorder, now: u64) {
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + SCAN_NS;
        let patience = self.plan.timeout_ns + self.plan.suspend_ms.unsigned_abs() * 1_000_000;
        self.give_up(now.saturating_sub(patience), TIMED_OUT, "no answer to a pull in time", recorder, now);
    }

    /// Its connections.
    #[must_use]
    pub fn line_range(&self) -> Range<usize> {
        self.plan.lines.clone()
    }

    /// Connection `line` is gone: what it was asked is asked again when it is back.
    pub fn lost(&mut self, line: usize, recorder: Option<&mut Recorder>, now: u64) {
        let at = line - self.plan.lines.start;
        self.down[at] = true;
        let Some(recorder) = recorder else { return };
        // A pull that waits for messages is no failure.
        let why = (!self.plan.deliveries).then_some((LOST, "the connection was lost"));
        self.give_up_of(at, u64::MAX, why, recorder, now);
    }

    /// Connection `line` is up again.
    pub fn back(&mut self, line: usize) {
        self.down[line - self.plan.lines.start] = false;
    }

    /// Pulls no more.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Gives up what is in flight because the run ends early.
    pub fn abandon(&mut self, recorder: &mut Recorder, now: u64) {
        // A pull that waits for messages is no failure.
        if !self.plan.deliveries {
            self.give_up(u64::MAX, LOST, "no answer before the end", recorder, now);
        }
    }

    fn pull<E: Env>(&mut self, queue: usize, lines: &mut Lines<E>, now: u64) {
        let assignment = &self.plan.assignments[queue];
        let flight = &mut self.flights[assignment.line - self.plan.lines.start];
        let opaque = flight.take(Sent {
            intended: now,
            written: now,
            number: queue as u64,
            body: 0,
            step: Step::Last,
        });
        let count = match &assignment.reading {
            Reading::Follow(_) => i64::from(self.plan.count),
            // Not all that is passed over comes.
            _ if self.plan.filter != ALL => i64::from(self.plan.count),
            Reading::Again(range) | Reading::Once(range) | Reading::Scan(range, _) => {
                (range.end - self.queues[queue].next).min(i64::from(self.plan.count))
            }
        };
        let ask = Ask {
            codec: self.plan.codec,
            group: &self.plan.group,
            topic: &assignment.topic,
            queue: assignment.queue,
            from: self.queues[queue].next,
            filter: &self.plan.filter,
            sql: self.plan.sql,
            count: i32::try_from(count).expect("at most a thousand or so"),
            suspend_ms: if matches!(assignment.reading, Reading::Scan(..)) {
                0
            } else {
                self.plan.suspend_ms
            },
        };
        append_pull(lines.out(assignment.line), opaque, &ask);
    }

    fn give_up(&mut self, limit: u64, code: i32, remark: &str, recorder: &mut Recorder, now: u64) {
        for at in 0..self.flights.len() {
            self.give_up_of(at, limit, Some((code, remark)), recorder, now);
        }
    }

    /// Gives up pulls of one connection; without a reason they have not failed.
    fn give_up_of(
        &mut self,
        at: usize,
        limit: u64,
        why: Option<(i32, &str)>,
        recorder: &mut Recorder,
        now: u64,
    ) {
        let (failed, ready, queues) = (&mut self.failed_ever, &mut self.ready, &mut self.queues);
        self.flights[at].expire(limit, |sent| {
            if let Some((code, remark)) = why {
                *failed += 1;
                recorder.now.requests += 1;
                recorder.now.pulls += 1;
                recorder.now.error(code, remark);
                if recorder.counts(sent.written) {
                    recorder.now.delivery_service.saturating_record(now.saturating_sub(sent.written));
                }
            }
            let queue = usize::try_from(sent.number).expect("an index");
            queues[queue].not_before = now + RETRY_NS;
            ready.push(queue);
        });
    }

    fn fault(&mut self, queue: usize, what: &str) {
        if self.faults.len() < FAULTS_MAX {
            let Assignment { topic, queue, .. } = &self.plan.assignments[queue];
            self.faults.push(format!("{topic} queue {queue}: {what}"));
        }
    }
}

/// How often pulls in flight are looked at for their timeout.
const SCAN_NS: u64 = 100_000_000;
/// How long a refused pull waits before the next.
const RETRY_NS: u64 = 20_000_000;
/// Faults beyond these are only more of the same.
const FAULTS_MAX: usize = 8;
