//! `e2e`: an open loop of sends at a fixed rate and a long-polling consumer, on one core.
//!
//! Message i has an intended time, fixed before the run; latency runs from there to its delivery, both on this thread's
//! clock. A late generator shows as lag, which makes a run invalid when it is large.

use std::io;

use hdrhistogram::Histogram;
use net::fields::Decode;
use net::requests::PullReply;
use net::{Codec, Header, ResponseCode};
use rt::{Mono, Now};

use crate::load::{self, Lines, Next, Work, opaque_of, slot_of};
use crate::options::{Connect, Span};
use crate::phases::{Phase, Phases};
use crate::pull::{self, Ask};
use crate::records::{self, Fault};
use crate::tally::{Figures, Tally};
use crate::template::{STAMP_BYTES, Shape, Template};

/// Options of `benches e2e`. One connection produces, one consumes all queues.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Messages per second.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u64,
    /// Bytes of a body.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
}

/// Runs the benchmark.
///
/// # Errors
/// A broker that cannot be reached or fails.
pub(crate) fn run(options: &Options) -> io::Result<Figures> {
    let topic = options.connect.topic()?;
    topic.create()?;
    let template = |queue: u32| {
        Template::new(&Shape {
            codec: options.connect.codec(),
            topic: topic.name.clone(),
            queue: i32::try_from(queue).expect("few queues"),
            size: options.size,
            batch: 1,
            properties: true,
        })
    };
    let work = EndToEnd {
        codec: options.connect.codec(),
        topic: topic.name.clone(),
        templates: (0..topic.queues).map(template).collect(),
        period_ns: 1_000_000_000 / options.rate.max(1),
        size: options.size as u64,
        began: Mono(0),
        sent: 0,
        acknowledged: 0,
        next: topic.max_offsets()?,
        last: vec![None; topic.queues as usize],
        lag: Histogram::new_with_bounds(1_000, 100_000_000_000, 3).expect("valid bounds"),
        phases: Phases::new(options.span.warmup, options.span.duration, options.connect.pid),
        tally: Tally::new(),
        faults: Vec::new(),
    };
    let mut plan = options.connect.plan();
    plan.connections = 2;
    let work = load::run(&plan, work)?;
    let mut figures = work.tally.figures(work.phases.measured());
    figures.faults = work.faults;
    if work.tally.messages_ever != work.acknowledged {
        let delivered = work.tally.messages_ever;
        figures.faults.push(format!("{} messages acknowledged, {delivered} delivered", work.acknowledged));
    }
    let lag_us = work.lag.value_at_quantile(0.999) as f64 / 1e3;
    figures.lag_p999_us = Some(lag_us);
    if lag_us > LAG_MAX_US {
        figures.faults.push(format!("generator lag {lag_us:.0} us at p99.9"));
    }
    Ok(figures)
}

/// A generator that is later than this at p99.9 measures itself.
const LAG_MAX_US: f64 = 1_000.0;
const PRODUCER: usize = 0;
const CONSUMER: usize = 1;
/// Numbers of sends in flight: more than any broker that keeps up is behind by.
const SLOTS: u64 = 1 << 20;
const COUNT: u32 = 32;
const SUSPEND_MS: i64 = 15_000;

/// The work of `e2e`.
struct EndToEnd {
    codec: Codec,
    topic: String,
    templates: Vec<Template>,
    period_ns: u64,
    size: u64,
    began: Mono,
    sent: u64,
    acknowledged: u64,
    /// Next offset to pull, per queue.
    next: Vec<i64>,
    /// Stamp last seen, per queue: they only grow.
    last: Vec<Option<u64>>,
    lag: Histogram<u64>,
    phases: Phases,
    tally: Tally,
    faults: Vec<String>,
}

impl EndToEnd {
    fn intended(&self, message: u64) -> Mono {
        Mono(self.began.0 + message * self.period_ns)
    }

    fn pull(&self, queue: usize, lines: &mut Lines) {
        let ask = Ask {
            codec: self.codec,
            topic: &self.topic,
            queue,
            from: self.next[queue],
            count: COUNT,
            suspend_ms: SUSPEND_MS,
        };
        pull::append(lines.out(CONSUMER).bytes(), opaque_of(queue), &ask);
    }

    fn delivered(&mut self, queue: usize, body: &[u8], now: Now) -> Result<(), Fault> {
        let first = self.next[queue];
        let read = records::check(body, first, false)?;
        let measured = self.phases.phase() == Phase::Measured;
        records::each(body, |record| {
            let stamp = record.body().first_chunk::<STAMP_BYTES>().copied().map_or(0, u64::from_be_bytes);
            if self.last[queue].is_some_and(|last| last >= stamp) {
                self.faults.push(format!("queue {queue}: a message twice or out of order"));
            }
            self.last[queue] = Some(stamp);
            if measured {
                self.tally.latency(now.mono.since(Mono(stamp)));
            }
            Ok(())
        })?;
        self.next[queue] += read.count;
        let count = read.count.unsigned_abs();
        self.tally.messages_ever += count;
        if measured {
            self.tally.messages += count;
            self.tally.requests += 1;
            self.tally.body_bytes += count * self.size;
        }
        Ok(())
    }

    fn pulled(&mut self, queue: usize, header: &Header<'_>, body: &[u8], now: Now) {
        match ResponseCode(header.code) {
            ResponseCode::SUCCESS => {
                if let Err(fault) = self.delivered(queue, body, now) {
                    self.faults.push(fault.to_string());
                }
            }
            ResponseCode::PULL_NOT_FOUND | ResponseCode::PULL_RETRY_IMMEDIATELY => {}
            _ => {
                self.tally.refusal(header);
                if let Ok(reply) = PullReply::decode(&header.ext) {
                    self.next[queue] = reply.next_begin_offset;
                }
            }
        }
    }
}

impl Work for EndToEnd {
    fn start(&mut self, lines: &mut Lines, now: Now) {
        self.phases.start(now.mono);
        // The pulls shall be parked when the first message comes.
        self.began = now.mono.plus_ms(100);
        (0..self.next.len()).for_each(|queue| self.pull(queue, lines));
    }

    fn answer(&mut self, line: usize, header: &Header<'_>, body: &[u8], lines: &mut Lines, now: Now) {
        if line == PRODUCER {
            if header.code == ResponseCode::SUCCESS.0 {
                self.acknowledged += 1;
            } else {
                self.tally.refusal(header);
            }
            return;
        }
        let Some(queue) = slot_of(header.opaque).filter(|queue| *queue < self.next.len()) else { return };
        self.pulled(queue, header, body, now);
        self.pull(queue, lines);
    }

    fn turn(&mut self, lines: &mut Lines, now: Now) -> Next {
        let phase = self.phases.at(now.mono);
        if phase == Phase::Draining || !self.faults.is_empty() {
            let settled = self.acknowledged + self.tally.refusals() >= self.sent
                && self.tally.messages_ever >= self.acknowledged;
            let over = settled || now.mono >= self.phases.deadline() || !self.faults.is_empty();
            return if over { Next::Done } else { Next::Until(self.phases.deadline()) };
        }
        while self.intended(self.sent) <= now.mono {
            let at = self.intended(self.sent);
            if phase == Phase::Measured {
                self.lag.saturating_record(now.mono.since(at));
            }
            let queue = (self.sent % self.templates.len() as u64) as usize;
            let slot = usize::try_from(self.sent % SLOTS).expect("a small number");
            let out = lines.out(PRODUCER).bytes();
            self.templates[queue].append(out, opaque_of(slot), now.unix_ms, self.sent, at.0);
            self.sent += 1;
        }
        Next::Until(self.intended(self.sent).min(self.phases.deadline()))
    }
}
