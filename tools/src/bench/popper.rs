//! [`Popper`]: the popping part of a thread: takes messages of any queue and acknowledges each of them.

use std::fmt::Write;
use std::ops::Range;

use net::client::{RequestHead, encode};
use net::fields::Decode;
use net::pop::Receipt;
use net::properties::{self, keys};
use net::requests::{AckMessage, PopMessage, PopReply, RequestHeader};
use net::{Codec, Header, ResponseCode};
use rt::{Env, Now};
use store::record::{Parsed, Record, parse};

use super::driver::Lines;
use super::flight::{Flight, Sent, Step};
use super::recorder::{LOST, Recorder, TIMED_OUT};

/// What a [`Popper`] does.
#[derive(Clone, Debug)]
pub struct PopperPlan {
    /// Connections, counted from the first of the thread's, each with the name of its broker.
    pub brokers: Vec<String>,
    /// Number of the first of them.
    pub first_line: usize,
    /// Topics, taken in turn.
    pub topics: Vec<String>,
    /// How headers are spelled.
    pub codec: Codec,
    /// Consumer group.
    pub group: String,
    /// Messages per pop at most.
    pub count: u32,
    /// Pops in flight per connection.
    pub inflight: usize,
    /// How long an answer may take, ns.
    pub timeout_ns: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Popper {
    plan: PopperPlan,
    lines: Vec<Line>,
    /// Text of one receipt.
    receipt: String,
    next_scan: u64,
    stopped: bool,
    /// Messages popped since the start.
    pub popped_ever: u64,
    /// Requests failed since the start.
    pub failed_ever: u64,
    /// What no broker may do.
    pub faults: Vec<String>,
}

#[derive(Debug)]
struct Line {
    /// Pops, in the lower slots, and acknowledgements: told apart by their [`Sent::number`].
    flight: Flight,
    pops: usize,
    asked: usize,
    /// Pops in a row that found nothing.
    empty: u32,
    not_before: u64,
    /// Its connection is away.
    down: bool,
}

impl Popper {
    /// Pops nothing before the first [`Popper::pump`].
    #[must_use]
    pub fn new(plan: PopperPlan) -> Self {
        let slots = plan.inflight * (1 + plan.count as usize) * BACKLOG;
        let line =
            || Line { flight: Flight::new(slots), pops: 0, asked: 0, empty: 0, not_before: 0, down: false };
        Self {
            lines: plan.brokers.iter().map(|_| line()).collect(),
            receipt: String::with_capacity(256),
            plan,
            next_scan: 0,
            stopped: false,
            popped_ever: 0,
            failed_ever: 0,
            faults: Vec::new(),
        }
    }

    /// Its connections.
    #[must_use]
    pub fn line_range(&self) -> Range<usize> {
        self.plan.first_line..self.plan.first_line + self.lines.len()
    }

    /// Requests in flight.
    #[must_use]
    pub fn inflight(&self) -> u64 {
        self.lines.iter().map(|line| line.flight.len() as u64).sum()
    }

    /// Nothing is left to pop, and all of it is acknowledged.
    #[must_use]
    pub fn is_through(&self) -> bool {
        self.lines.iter().all(|line| line.empty >= EMPTY && line.flight.len() == line.pops)
    }

    /// Pops as long as there is room for the acknowledgements. When to come again.
    pub fn pump<E: Env>(&mut self, lines: &mut Lines<E>) -> u64 {
        if self.stopped {
            return self.next_scan;
        }
        let now = lines.now();
        let mut again = self.next_scan;
        for at in 0..self.lines.len() {
            let line = &mut self.lines[at];
            if line.down {
                continue;
            }
            if line.not_before > now.mono.0 {
                again = again.min(line.not_before);
                continue;
            }
            let room = |line: &Line| {
                line.flight.len() + (line.pops + 1) * (self.plan.count as usize + 1) <= line.flight.capacity()
            };
            while line.pops < self.plan.inflight && room(line) {
                line.pops += 1;
                line.asked += 1;
                let sent = Sent {
                    intended: now.mono.0,
                    written: now.mono.0,
                    number: POP,
                    body: 0,
                    step: Step::Last,
                };
                let opaque = line.flight.take(sent);
                let header = PopMessage {
                    consumer_group: &self.plan.group,
                    topic: &self.plan.topics[line.asked % self.plan.topics.len()],
                    queue_id: -1,
                    max_msg_nums: i32::try_from(self.plan.count).expect("a few"),
                    invisible_time_ms: INVISIBLE_MS,
                    poll_time_ms: 0,
                    born_at_ms: now.unix_ms,
                    init_mode: 0,
                    exp_type: Some("TAG"),
                    exp: Some("*"),
                    order: false,
                    attempt_id: None,
                };
                let head =
                    RequestHead { codec: self.plan.codec, code: PopMessage::CODE, opaque, oneway: false };
                encode(lines.out(self.plan.first_line + at), head, &header, &[]);
            }
        }
        again
    }

    /// An answer came on `line`.
    pub fn answer<E: Env>(
        &mut self,
        line: usize,
        (header, body): (&Header<'_>, &[u8]),
        lines: &mut Lines<E>,
        recorder: &mut Recorder,
        now: Now,
    ) {
        let at = line - self.plan.first_line;
        let Some(sent) = self.lines[at].flight.answered(header.opaque) else { return };
        recorder.now.requests += 1;
        let service = now.mono.since(rt::Mono(sent.written));
        let code = ResponseCode(header.code);
        if sent.number == ACK {
            if recorder.counts(sent.written) {
                recorder.now.decision.saturating_record(service);
            }
            if code == ResponseCode::SUCCESS {
                recorder.now.acked += 1;
                recorder.now.acked_bytes += u64::from(sent.body);
            } else {
                self.fail(header, recorder);
            }
            return;
        }
        self.lines[at].pops -= 1;
        recorder.now.pulls += 1;
        if recorder.counts(sent.written) {
            recorder.now.delivery_service.saturating_record(service);
        }
        match code {
            ResponseCode::SUCCESS => {
                self.lines[at].empty = 0;
                if let Err(fault) = self.acknowledge(at, header, body, lines, recorder, now)
                    && self.faults.len() < FAULTS_MAX
                {
                    self.faults.push(fault);
                }
            }
            ResponseCode::POLLING_TIMEOUT
            | ResponseCode::POLLING_FULL
            | ResponseCode::PULL_NOT_FOUND
            | ResponseCode::PULL_RETRY_IMMEDIATELY => {
                let line = &mut self.lines[at];
                line.empty += 1;
                line.not_before = now.mono.0 + EMPTY_NS;
            }
            _ => {
                self.fail(header, recorder);
                self.lines[at].not_before = now.mono.0 + EMPTY_NS;
            }
        }
    }

    /// Gives up requests without an answer, a few times a second.
    pub fn expire(&mut self, recorder: &mut Recorder, now: u64) {
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + SCAN_NS;
        self.give_up(now.saturating_sub(self.plan.timeout_ns), TIMED_OUT, "no answer in time", recorder);
    }

    /// Connection `line` is gone, with what was asked on it. Messages whose acknowledgement was lost come again.
    pub fn lost(&mut self, line: usize, recorder: Option<&mut Recorder>) {
        let at = line - self.plan.first_line;
        self.lines[at].down = true;
        if let Some(recorder) = recorder {
            self.give_up_of(at, u64::MAX, (LOST, "the connection was lost"), recorder);
        }
    }

    /// Connection `line` is up again.
    pub fn back(&mut self, line: usize) {
        self.lines[line - self.plan.first_line].down = false;
    }

    /// Pops no more; what was popped is acknowledged.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Gives up what is in flight because the run ends.
    pub fn abandon(&mut self, recorder: &mut Recorder) {
        self.give_up(u64::MAX, LOST, "no answer before the end", recorder);
    }

    fn fail(&mut self, header: &Header<'_>, recorder: &mut Recorder) {
        self.failed_ever += 1;
        recorder.now.error(header.code, header.remark.unwrap_or_default());
    }

    fn acknowledge<E: Env>(
        &mut self,
        at: usize,
        header: &Header<'_>,
        body: &[u8],
        lines: &mut Lines<E>,
        recorder: &mut Recorder,
        now: Now,
    ) -> Result<(), String> {
        let reply =
            PopReply::decode(&header.ext).map_err(|error| format!("the answer to a pop: {error:?}"))?;
        let mut rest = body;
        while !rest.is_empty() {
            let record = match parse(rest) {
                Ok(Parsed::Record(record)) => record,
                other => return Err(format!("not a message: {other:?}")),
            };
            rest = &rest[record.bytes().len()..];
            self.popped_ever += 1;
            recorder.now.received += 1;
            recorder.now.received_bytes += record.body().len() as u64;
            self.receipt.clear();
            receipt(&mut self.receipt, &record, &reply, &self.plan.brokers[at])?;
            let bytes = u32::try_from(record.body().len()).unwrap_or(u32::MAX);
            let sent = Sent {
                intended: now.mono.0,
                written: now.mono.0,
                number: ACK,
                body: bytes,
                step: Step::Last,
            };
            let opaque = self.lines[at].flight.take(sent);
            let ack = AckMessage {
                consumer_group: &self.plan.group,
                topic: record.topic(),
                queue_id: record.queue_id().cast_signed(),
                extra_info: &self.receipt,
                offset: record.queue_offset().get().cast_signed(),
                lite_topic: None,
            };
            let head = RequestHead { codec: self.plan.codec, code: AckMessage::CODE, opaque, oneway: false };
            encode(lines.out(self.plan.first_line + at), head, &ack, &[]);
        }
        Ok(())
    }

    fn give_up(&mut self, limit: u64, code: i32, remark: &str, recorder: &mut Recorder) {
        for at in 0..self.lines.len() {
            self.give_up_of(at, limit, (code, remark), recorder);
        }
    }

    fn give_up_of(&mut self, at: usize, limit: u64, (code, remark): (i32, &str), recorder: &mut Recorder) {
        let line = &mut self.lines[at];
        let (pops, failed) = (&mut line.pops, &mut self.failed_ever);
        line.flight.expire(limit, |sent| {
            *pops -= usize::from(sent.number == POP);
            *failed += 1;
            recorder.now.requests += 1;
            recorder.now.error(code, remark);
        });
    }
}

/// Writes the receipt of `record`: what it carries itself, else made of the answer's header.
fn receipt(out: &mut String, record: &Record<'_>, reply: &PopReply<'_>, broker: &str) -> Result<(), String> {
    if let Some(own) = properties::find(record.properties(), keys::POP_CK) {
        out.push_str(std::str::from_utf8(own).map_err(|_| "a receipt that is no text".to_owned())?);
        return Ok(());
    }
    let (queue_id, offset) = (record.queue_id().cast_signed(), record.queue_offset().get().cast_signed());
    let made = Receipt::of_answer(reply, broker, queue_id, offset).ok_or_else(|| {
        format!("no start offset of queue {queue_id}: {:?}", reply.start_offset_info.unwrap_or_default())
    })?;
    write!(out, "{made}").expect("a string takes it");
    Ok(())
}

/// [`Sent::number`] of a pop, and of an acknowledgement.
const POP: u64 = 0;
const ACK: u64 = 1;
/// Pops' worth of messages whose acknowledgements may be in flight while more is popped.
const BACKLOG: usize = 4;
/// Nobody else sees a popped message for so long.
const INVISIBLE_MS: i64 = 60_000;
/// So many empty pops in a row, and there is nothing left: one may have met a queue that another pop held.
const EMPTY: u32 = 40;
/// From an empty pop to the next.
const EMPTY_NS: u64 = 5_000_000;
const SCAN_NS: u64 = 100_000_000;
const FAULTS_MAX: usize = 8;
