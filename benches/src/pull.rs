//! `pull`: consumers that read the same hot tail again and again, one request in flight each.

use std::io;
use std::ops::Range;

use net::client::{RequestHead, encode};
use net::requests::{PullMessage, PullReply, RequestHeader};
use net::{Codec, Header, ResponseCode};
use rt::{Mono, Now};

use crate::load::{self, Lines, Next, Work, opaque_of};
use crate::options::{Connect, Span};
use crate::phases::{Phase, Phases};
use crate::records;
use crate::send;
use crate::tally::{Figures, Tally};

/// Options of `benches pull`. `--connections` is the number of consumers.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Consumers; consumer k reads queue k modulo the number of queues. Replaces --connections.
    #[arg(long, default_value_t = 4)]
    pub(crate) consumers: usize,
    /// Messages per pull at most.
    #[arg(long, default_value_t = 32)]
    pub(crate) count: u32,
    /// Bytes of a body, for the messages stored first.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// Length of the tail that is read, in messages per queue. Stored first unless the topic has more than that.
    #[arg(long, default_value_t = 4096)]
    pub(crate) tail: u64,
}

/// Runs the benchmark.
///
/// # Errors
/// A broker that cannot be reached or fails.
pub(crate) fn run(options: &Options) -> io::Result<Figures> {
    let topic = options.connect.topic()?;
    topic.create()?;
    send::fill(topic.broker, &topic, options.size, options.tail)?;
    let tail = i64::try_from(options.tail).expect("a short tail");
    let queues: Vec<Range<i64>> =
        topic.max_offsets()?.into_iter().map(|end| (end - tail).max(0)..end).collect();
    let mut plan = options.connect.plan();
    plan.connections = options.consumers;
    let work = Puller {
        codec: options.connect.codec(),
        topic: topic.name.clone(),
        count: options.count,
        next: (0..options.consumers).map(|at| queues[at % queues.len()].start).collect(),
        queues,
        sent: vec![Mono(0); options.consumers],
        pulls: 0,
        waiting: 0,
        phases: Phases::new(options.span.warmup, options.span.duration, options.connect.pid),
        tally: Tally::new(),
        faults: Vec::new(),
    };
    let work = load::run(&plan, work)?;
    let mut figures = work.tally.figures(work.phases.measured());
    figures.faults = work.faults;
    if figures.messages == 0 {
        figures.faults.push("no message was read".into());
    }
    Ok(figures)
}

/// The work of `pull`.
struct Puller {
    codec: Codec,
    topic: String,
    count: u32,
    /// The tail of each queue.
    queues: Vec<Range<i64>>,
    /// Where each consumer stands.
    next: Vec<i64>,
    sent: Vec<Mono>,
    pulls: u64,
    waiting: usize,
    phases: Phases,
    tally: Tally,
    faults: Vec<String>,
}

/// What a pull asks for.
pub(crate) struct Ask<'a> {
    /// Header codec.
    pub(crate) codec: Codec,
    /// Topic.
    pub(crate) topic: &'a str,
    /// Queue.
    pub(crate) queue: usize,
    /// First offset wanted.
    pub(crate) from: i64,
    /// Messages at most.
    pub(crate) count: u32,
    /// How long the broker may hold it if there is nothing, ms; 0 answers at once.
    pub(crate) suspend_ms: i64,
}

/// Appends the pull `ask` with number `opaque`.
pub(crate) fn append(out: &mut Vec<u8>, opaque: i32, ask: &Ask<'_>) {
    let suspend = if ask.suspend_ms > 0 { SUSPEND } else { 0 };
    let header = PullMessage {
        consumer_group: "benches",
        topic: ask.topic,
        queue_id: i32::try_from(ask.queue).expect("few queues"),
        queue_offset: ask.from,
        max_msg_nums: i32::try_from(ask.count).expect("few messages"),
        sys_flag: SUBSCRIPTION | suspend,
        commit_offset: 0,
        suspend_timeout_ms: ask.suspend_ms,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: Some("TAG"),
        max_msg_bytes: None,
        request_source: None,
        forward_client_id: None,
        lite_topic: None,
    };
    let head = RequestHead { codec: ask.codec, code: PullMessage::CODE, opaque, oneway: false };
    encode(out, head, &header, &[]);
}

/// Bits of a pull's `sysFlag` (Java: `PullSysFlag`).
const SUSPEND: i32 = 2;
const SUBSCRIPTION: i32 = 4;
/// Every so many pulls all bodies are checked against their CRC.
const SAMPLE: u64 = 64;
/// Faults beyond these are only more of the same.
const FAULTS_MAX: usize = 4;

impl Puller {
    fn pull(&mut self, line: usize, lines: &mut Lines, now: Now) {
        let queue = line % self.queues.len();
        let ask = Ask {
            codec: self.codec,
            topic: &self.topic,
            queue,
            from: self.next[line],
            count: self.count,
            suspend_ms: 0,
        };
        append(lines.out(line).bytes(), opaque_of(0), &ask);
        self.sent[line] = now.mono;
        self.waiting += 1;
    }

    /// Reads an answer; what is wrong with it.
    fn take(&mut self, line: usize, header: &Header<'_>, body: &[u8]) -> Result<(), String> {
        let tail = &self.queues[line % self.queues.len()];
        let from = self.next[line];
        let expected = (tail.end - from).min(i64::from(self.count));
        let full = self.pulls.is_multiple_of(SAMPLE);
        let read = records::check(body, from, full).map_err(|error| error.to_string())?;
        let reply: PullReply = net::fields::Decode::decode(&header.ext).map_err(|error| error.to_string())?;
        if read.count != expected || reply.next_begin_offset != from + expected {
            return Err(format!(
                "{} messages from {from}, next {}; {expected} were there",
                read.count, reply.next_begin_offset
            ));
        }
        self.next[line] = if from + expected == tail.end { tail.start } else { from + expected };
        if self.phases.phase() == Phase::Measured {
            self.tally.messages += read.count.unsigned_abs();
            self.tally.body_bytes += read.body_bytes;
        }
        Ok(())
    }
}

impl Work for Puller {
    fn start(&mut self, lines: &mut Lines, now: Now) {
        self.phases.start(now.mono);
        (0..lines.len()).for_each(|line| self.pull(line, lines, now));
    }

    fn answer(&mut self, line: usize, header: &Header<'_>, body: &[u8], lines: &mut Lines, now: Now) {
        self.waiting -= 1;
        self.pulls += 1;
        if self.phases.phase() == Phase::Measured {
            self.tally.requests += 1;
            self.tally.latency(now.mono.since(self.sent[line]));
        }
        if header.code == ResponseCode::SUCCESS.0 {
            if let Err(fault) = self.take(line, header, body)
                && self.faults.len() < FAULTS_MAX
            {
                self.faults.push(fault);
            }
        } else {
            self.tally.refusal(header);
        }
        if self.phases.phase() != Phase::Draining && self.faults.is_empty() {
            self.pull(line, lines, now);
        }
    }

    fn turn(&mut self, _: &mut Lines, now: Now) -> Next {
        let phase = self.phases.at(now.mono);
        let ending = phase == Phase::Draining || !self.faults.is_empty();
        if ending && (self.waiting == 0 || now.mono >= self.phases.deadline()) {
            Next::Done
        } else {
            Next::Until(self.phases.deadline())
        }
    }
}
