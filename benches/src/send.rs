//! `send`: a closed loop of sends. Each answer is followed by the next request of its slot.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use net::{Codec, Header, ResponseCode};
use rt::real::Spin;
use rt::{Mono, Now};

use crate::load::{self, Lines, Next, Plan, Work, opaque_of, slot_of};
use crate::options::{Connect, Span};
use crate::phases::{Phase, Phases};
use crate::tally::{Figures, Tally};
use crate::template::{Shape, Template};
use crate::topic::Topic;

/// Options of `benches send`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Requests in flight per connection.
    #[arg(long, default_value_t = 64)]
    pub(crate) inflight: usize,
    /// Bytes of a body.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// Messages per request.
    #[arg(long, default_value_t = 1)]
    pub(crate) batch: usize,
    /// Leaves out the properties that a Java producer adds (UNIQ_KEY, WAIT).
    #[arg(long)]
    pub(crate) bare: bool,
    /// Ends early after so many MiB of bodies, to spare the disk.
    #[arg(long, default_value_t = 16_384)]
    pub(crate) max_mib: u64,
}

/// Runs the benchmark.
///
/// # Errors
/// A broker that cannot be reached or fails.
pub(crate) fn run(options: &Options) -> io::Result<Figures> {
    let topic = options.connect.topic()?;
    topic.create()?;
    let before: i64 = topic.max_offsets()?.iter().sum();
    let phases = Phases::new(options.span.warmup, options.span.duration, options.connect.pid);
    let work = Sender::new(options, &topic, phases, options.max_mib << 20);
    let work = load::run(&options.connect.plan(), work)?;
    let mut figures = work.tally.figures(work.phases.measured());
    figures.faults.extend(verify(&topic, before, &work)?);
    Ok(figures)
}

/// Stores `per_queue` messages per queue, quickly; fewer if the broker refuses some.
///
/// # Errors
/// A broker that cannot be reached or fails, or that lost a message.
pub(crate) fn fill(broker: SocketAddr, topic: &Topic, size: usize, per_queue: u64) -> io::Result<()> {
    let connect = Connect {
        addr: vec![broker],
        topic: topic.name.clone(),
        queues: topic.queues,
        connections: 4,
        cpu: None,
        pid: None,
        spin: 0,
        header: crate::options::Spelling::Json,
    };
    let span = Span { duration: Duration::from_secs(600), warmup: Duration::ZERO };
    let max_mib = u64::MAX >> 20;
    let options = Options { connect, span, inflight: 8, size, batch: 1, bare: false, max_mib };
    let before: i64 = topic.max_offsets()?.iter().sum();
    let phases = Phases::new(options.span.warmup, options.span.duration, None);
    let bytes = per_queue * u64::from(topic.queues) * size as u64;
    let plan = Plan { spin: Spin::Off, ..options.connect.plan() };
    let work = load::run(&plan, Sender::new(&options, topic, phases, bytes))?;
    verify(topic, before, &work)?.into_iter().next().map_or(Ok(()), |fault| Err(io::Error::other(fault)))
}

/// Stored must be acknowledged. (A refusal may have been stored: a flush that timed out.)
fn verify(topic: &Topic, before: i64, work: &Sender) -> io::Result<Vec<String>> {
    let acknowledged = i64::try_from(work.tally.messages_ever).expect("fewer messages than offsets");
    let stored = topic.stored(before + acknowledged)? - before;
    let mut faults = Vec::new();
    if stored != acknowledged && work.tally.refusals() == 0 || stored < acknowledged {
        faults.push(format!("{acknowledged} messages acknowledged, {stored} stored"));
    }
    if work.waiting > 0 {
        faults.push(format!("{} requests without an answer", work.waiting));
    }
    Ok(faults)
}

/// The work of `send`.
struct Sender {
    /// One per queue.
    templates: Vec<Template>,
    /// When the request of a slot was written; `line * inflight + slot`.
    sent: Vec<Mono>,
    inflight: usize,
    size: usize,
    next_queue: usize,
    /// Messages sent so far.
    messages: u64,
    messages_max: u64,
    waiting: usize,
    phases: Phases,
    tally: Tally,
}

impl Sender {
    fn new(options: &Options, topic: &Topic, phases: Phases, max_bytes: u64) -> Self {
        let template = |queue: u32| {
            Template::new(&Shape {
                codec: options.connect.codec(),
                topic: topic.name.clone(),
                queue: i32::try_from(queue).expect("few queues"),
                size: options.size,
                batch: options.batch,
                properties: !options.bare,
            })
        };
        Self {
            templates: (0..topic.queues).map(template).collect(),
            sent: vec![Mono(0); options.connect.connections * options.inflight],
            inflight: options.inflight,
            size: options.size,
            next_queue: 0,
            messages: 0,
            messages_max: max_bytes / options.size as u64,
            waiting: 0,
            phases,
            tally: Tally::new(),
        }
    }

    fn send(&mut self, line: usize, slot: usize, lines: &mut Lines, now: Now) {
        let template = &self.templates[self.next_queue];
        self.next_queue = (self.next_queue + 1) % self.templates.len();
        let out = lines.out(line).bytes();
        template.append(out, opaque_of(slot), now.unix_ms, self.messages, self.messages);
        self.messages += template.messages();
        self.sent[line * self.inflight + slot] = now.mono;
        self.waiting += 1;
    }
}

impl Work for Sender {
    fn start(&mut self, lines: &mut Lines, now: Now) {
        self.phases.start(now.mono);
        for line in 0..lines.len() {
            for slot in 0..self.inflight {
                self.send(line, slot, lines, now);
            }
        }
    }

    fn answer(&mut self, line: usize, header: &Header<'_>, _: &[u8], lines: &mut Lines, now: Now) {
        let Some(slot) = slot_of(header.opaque).filter(|slot| *slot < self.inflight) else { return };
        self.waiting -= 1;
        let messages = self.templates[0].messages();
        let good = header.code == ResponseCode::SUCCESS.0;
        let phase = self.phases.phase();
        if good {
            self.tally.messages_ever += messages;
        } else {
            self.tally.refusal(header);
        }
        if phase == Phase::Measured {
            self.tally.requests += 1;
            self.tally.latency(now.mono.since(self.sent[line * self.inflight + slot]));
            if good {
                self.tally.messages += messages;
                self.tally.body_bytes += messages * self.size as u64;
            }
        }
        if phase != Phase::Draining && self.messages < self.messages_max {
            self.send(line, slot, lines, now);
        }
    }

    fn turn(&mut self, _: &mut Lines, now: Now) -> Next {
        let mut phase = self.phases.at(now.mono);
        if self.messages >= self.messages_max && phase != Phase::Draining {
            self.phases.stop(now.mono);
            phase = Phase::Draining;
        }
        let over = phase == Phase::Draining && (self.waiting == 0 || now.mono >= self.phases.deadline());
        if over { Next::Done } else { Next::Until(self.phases.deadline()) }
    }
}

impl Connect {
    /// How headers are spelled.
    pub(crate) fn codec(&self) -> Codec {
        match self.header {
            crate::options::Spelling::Json => Codec::Json,
            crate::options::Spelling::Rocketmq => Codec::Binary,
        }
    }
}
