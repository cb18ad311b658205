//! [`Receiver`]: the consuming part of a thread: long polls of the end of queues, or reads of what is stored.
//!
//! `reading` is what of a queue is read, `records` what is made of what comes, `patience` what becomes of a pull that is
//! not answered.
//!
//! Invariant: a queue has at most one pull in flight; it is in `ready`, in flight, or done.

use std::ops::Range;

use net::fields::Decode;
use net::requests::PullReply;
use net::{Codec, Header, ResponseCode};
use rt::{Env, Now};

use super::driver::Lines;
use super::flight::{Flight, Sent, Step};
use super::recorder::Recorder;
use super::verify::Ledger;

mod ask;
mod patience;
mod reading;
mod records;

pub use ask::{ALL, Ask, append_pull};
pub use reading::Reading;

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
    /// Every record is checked, not only those of a sample of pulls, and what this run sent is accounted for.
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
        let queue = |Assignment { reading, .. }: &Assignment| Queue {
            next: reading.first(),
            done: reading.is_empty(),
            not_before: 0,
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
        self.count_answer(queue, &sent, recorder, now);
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
                let to = moved.as_ref().map_or("another".to_owned(), i64::to_string);
                let what = "what lies between was deleted, as a full disk makes brokers do";
                self.fault(queue, &format!("the broker moves offset {from} to {to}: {what}"));
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

    /// Its connections.
    #[must_use]
    pub fn line_range(&self) -> Range<usize> {
        self.plan.lines.clone()
    }

    /// Pulls no more.
    pub fn stop(&mut self) {
        self.stopped = true;
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
        let from = self.queues[queue].next;
        // With a filter, not all that is passed over comes.
        let left = if self.plan.filter == ALL { assignment.reading.end() - from } else { i64::MAX };
        let count = left.min(i64::from(self.plan.count));
        let ask = Ask {
            codec: self.plan.codec,
            group: &self.plan.group,
            topic: &assignment.topic,
            queue: assignment.queue,
            from,
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

    fn count_answer(&self, queue: usize, sent: &Sent, recorder: &mut Recorder, now: Now) {
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
    }

    fn fault(&mut self, queue: usize, what: &str) {
        if self.faults.len() < FAULTS_MAX {
            let Assignment { topic, queue, .. } = &self.plan.assignments[queue];
            self.faults.push(format!("{topic} queue {queue}: {what}"));
        }
    }
}

/// How long a refused pull waits before the next.
const RETRY_NS: u64 = 20_000_000;
/// Faults beyond these are only more of the same.
const FAULTS_MAX: usize = 8;
