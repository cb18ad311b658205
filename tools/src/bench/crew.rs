//! [`Crew`]: the threads of a run, what each does, and what they counted together.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rt::real::Spin;

use crate::output;

use super::driver;
use super::engine::{Control, Engine, Outages};
use super::host::{self, Usage};
use super::plan::Plan;
use super::popper::Popper;
use super::receiver::Receiver;
use super::recorder::{Interval, Kept, Phase, Times};
use super::sender::{Sender, Undecided};
use super::verify::Ledger;

mod parts;

pub use parts::{Part, Readers, add_consumers, popping_parts, sending_parts};

/// How long what goes on.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Load before the measured time.
    pub warmup: Duration,
    /// The measured time; `None` until budgets are used up.
    pub duration: Option<Duration>,
    /// Length of an interval.
    pub interval: Duration,
    /// How long answers are awaited after the end.
    pub drain: Duration,
    /// Subscriptions, each of which receives everything.
    pub copies: u64,
}

/// What a run gave.
#[derive(Debug)]
pub struct Crew {
    /// Intervals of all threads together, in order; the drain last.
    pub intervals: Vec<Kept>,
    /// Measured counts, with the histograms of everything that was due in the measured time.
    pub total: Interval,
    /// What was sent and seen.
    pub ledger: Ledger,
    /// Measured time as it was.
    pub window: Duration,
    /// What was used in it.
    pub usage: Usage,
    /// Over which time that was counted: the measured time, but for the main thread's looking now and then.
    pub usage_span: Duration,
    /// Messages due in the measured time, and how many of them were never sent.
    pub due: u64,
    /// See [`Crew::due`].
    pub unsent: u64,
    /// Since the start, warm-up included.
    pub acked_ever: u64,
    /// The same.
    pub failed_ever: u64,
    /// The same: those that consumers will see.
    pub visible_ever: u64,
    /// Half messages whose fate the broker was not told, by broker's address, and how many more there are.
    pub undecided: Vec<(SocketAddr, Undecided)>,
    /// See [`Crew::undecided`].
    pub undecided_more: u64,
    /// Since the start, warm-up included.
    pub received_ever: u64,
    /// With followed topics: the smallest receipt - store, on two wall clocks.
    pub clock_gap_ms: Option<i64>,
    /// Connections that were lost in its course, warm-up included, and that came back.
    pub outages: Outages,
    /// What no broker may do.
    pub faults: Vec<String>,
    /// Why it ended early.
    pub failure: Option<String>,
    /// The user ended it.
    pub interrupted: bool,
}

/// A crew of one thread that sleeps when it has nothing to do, for what is not measured.
#[must_use]
pub fn modest(plan: &Plan) -> Plan {
    Plan { cpus: vec![None], spin: Spin::Off, ..plan.clone() }
}

/// Runs `parts` to the end beside the processes `brokers`; `each` gets the intervals of all threads together as they end.
///
/// # Errors
/// Nothing could be sent at all: no connection, no thread, no ring.
pub fn run(
    parts: Vec<Part>,
    span: Span,
    brokers: &[u32],
    interrupted: &AtomicBool,
    each: &mut dyn FnMut(&Interval),
) -> io::Result<Crew> {
    let control = Arc::new(Control::default());
    let (out, intervals) = mpsc::channel();
    let senders = parts.iter().filter(|part| part.sender.is_some()).count();
    let count = parts.len();
    let lines = parts.iter().map(|part| part.place.lines.clone()).collect();
    let threads: Vec<Thread> = parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| start(at, part, (senders, span), &control, out.clone()))
        .collect::<io::Result<_>>()?;
    drop(out);
    let mut watch = Watch {
        control,
        threads,
        lines,
        groups: BTreeMap::new(),
        count,
        done: Vec::new(),
        total: Interval::new(Phase::Measured, 0),
        usage: [None, None],
        brokers: brokers.to_vec(),
        interrupted: false,
        drain: span.drain,
    };
    if let Err(error) = watch.wait_until_up(interrupted) {
        watch.control.stop.store(true, Ordering::Relaxed);
        watch.threads.into_iter().for_each(|thread| drop(thread.join()));
        return Err(error);
    }
    // In the future, so that no thread is late for it; long polls are parked by then.
    let start = host::mono_ns() + LEAD_NS;
    let measured = start + nanos(span.warmup);
    let end = span.duration.map_or(u64::MAX, |duration| measured + nanos(duration));
    let times = Times { start, measured, end, interval: nanos(span.interval).max(1) };
    watch.control.times.set(times).expect("set once");
    watch.follow(times, &intervals, interrupted, each);
    watch.finish(times)
}

type Thread = JoinHandle<io::Result<(Engine, Option<io::Error>)>>;

struct Watch {
    control: Arc<Control>,
    threads: Vec<Thread>,
    /// Whom the connections of each thread call.
    lines: Vec<Vec<SocketAddr>>,
    /// Intervals that not all threads have handed over yet.
    groups: BTreeMap<(Phase, u64), (usize, Interval)>,
    count: usize,
    done: Vec<Kept>,
    total: Interval,
    /// At the borders of the measured time, with the time.
    usage: [Option<(u64, Usage)>; 2],
    /// The brokers' processes, as far as they are known.
    brokers: Vec<u32>,
    interrupted: bool,
    /// See [`Span::drain`].
    drain: Duration,
}

impl Watch {
    fn wait_until_up(&self, interrupted: &AtomicBool) -> io::Result<()> {
        while self.control.up.load(Ordering::Acquire) < self.count {
            if self.control.stop.load(Ordering::Relaxed) || self.threads.iter().any(Thread::is_finished) {
                // Its failure says why.
                return Ok(());
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
            host::pause(Duration::from_millis(1));
        }
        Ok(())
    }

    fn follow(
        &mut self,
        times: Times,
        intervals: &mpsc::Receiver<Interval>,
        interrupted: &AtomicBool,
        each: &mut dyn FnMut(&Interval),
    ) {
        loop {
            let now = host::mono_ns();
            self.look(now, times);
            if interrupted.load(Ordering::Relaxed) && !self.interrupted {
                self.interrupted = true;
                if self.drain > PATIENCE {
                    output::aside(&format!(
                        "interrupted: nothing more is sent; what was sent is awaited, for {} s after the last that comes; \
                         Ctrl-C again ends at once, without a report, and leaves the topics of this run",
                        self.drain.as_secs()
                    ));
                }
                self.control.stop.store(true, Ordering::Relaxed);
            }
            let wait = Duration::from_nanos(self.next_border(now, times).clamp(100_000, LOOK_NS));
            match intervals.recv_timeout(wait) {
                Ok(interval) => self.take(interval, each),
                // A thread hands over its last interval before it ends.
                Err(mpsc::RecvTimeoutError::Timeout) if !self.threads.iter().all(Thread::is_finished) => {}
                Err(_) => break,
            }
        }
        while let Ok(interval) = intervals.try_recv() {
            self.take(interval, each);
        }
        // Threads that ended early did not hand over all of theirs.
        for (_, interval) in std::mem::take(&mut self.groups).into_values() {
            self.keep(&interval, each);
        }
    }

    fn look(&mut self, now: u64, times: Times) {
        if self.usage[0].is_none() && now >= times.measured {
            self.usage[0] = Some((now, Usage::beside(&self.brokers)));
        }
        let over = now >= times.end || self.control.load_is_over();
        if self.usage[0].is_some() && self.usage[1].is_none() && over {
            self.usage[1] = Some((now, Usage::beside(&self.brokers)));
        }
    }

    fn next_border(&self, now: u64, times: Times) -> u64 {
        let borders = [times.measured, times.end];
        borders.into_iter().filter(|border| *border > now).map(|border| border - now).min().unwrap_or(LOOK_NS)
    }

    fn take(&mut self, interval: Interval, each: &mut dyn FnMut(&Interval)) {
        let key = (interval.phase, interval.index);
        let group = self.groups.entry(key).or_insert_with(|| (0, Interval::new(key.0, key.1)));
        group.0 += 1;
        group.1.add(&interval);
        if group.0 == self.count {
            let (_, whole) = self.groups.remove(&key).expect("just filled");
            self.keep(&whole, each);
        }
    }

    fn keep(&mut self, interval: &Interval, each: &mut dyn FnMut(&Interval)) {
        each(interval);
        self.done.push(Kept::of(interval));
        if interval.phase == Phase::WarmUp {
            return;
        }
        let total = &mut self.total;
        let flow = (total.acked, total.acked_bytes, total.received, total.received_bytes, total.pulls);
        let scan = (total.scanned, total.scanned_bytes);
        total.add(interval);
        if interval.phase == Phase::Drain {
            // Latencies of what was due count whenever the answer comes; rates end with the measured time.
            (total.acked, total.acked_bytes, total.received, total.received_bytes, total.pulls) = flow;
            (total.scanned, total.scanned_bytes) = scan;
        }
    }

    fn finish(mut self, times: Times) -> io::Result<Crew> {
        let now = host::mono_ns();
        let last = Usage::beside(&self.brokers);
        let [from, to] = self.usage;
        let (from_at, from_usage) = from.unwrap_or((now, last));
        let (to_at, to_usage) = to.unwrap_or((now, last));
        self.done.sort_by_key(|interval| (interval.phase(), interval.index()));
        let mut crew = Crew {
            intervals: self.done,
            total: self.total,
            ledger: Ledger::default(),
            window: Duration::ZERO,
            usage: to_usage.since(&from_usage),
            usage_span: Duration::from_nanos(to_at.saturating_sub(from_at)),
            due: 0,
            unsent: 0,
            acked_ever: 0,
            failed_ever: 0,
            visible_ever: 0,
            undecided: Vec::new(),
            undecided_more: 0,
            received_ever: 0,
            clock_gap_ms: None,
            outages: Outages::default(),
            faults: Vec::new(),
            failure: None,
            interrupted: self.interrupted,
        };
        let mut ended = None;
        for (thread, lines) in self.threads.into_iter().zip(self.lines) {
            let joined = thread.join().map_err(|_| io::Error::other("a generator thread panicked"))?;
            let (engine, failure) = joined?;
            ended = ended.max(engine.ended_at);
            crew.add(engine, &lines, failure);
        }
        let window = ended.unwrap_or(times.start).min(times.end).saturating_sub(times.measured);
        crew.window = Duration::from_nanos(window);
        Ok(crew)
    }
}

impl Crew {
    fn add(&mut self, engine: Engine, lines: &[SocketAddr], failure: Option<io::Error>) {
        self.ledger.merge(&engine.ledger);
        self.outages.lost += engine.outages.lost;
        self.outages.back += engine.outages.back;
        if let Some(sender) = engine.sender {
            self.due += sender.due_messages;
            self.unsent += sender.unsent_messages;
            self.acked_ever += sender.acked_ever;
            self.failed_ever += sender.failed_ever;
            self.visible_ever += sender.visible_ever;
            self.undecided.extend(sender.undecided.iter().map(|one| (lines[one.line], *one)));
            self.undecided_more += sender.undecided_more;
        }
        if let Some(receiver) = engine.receiver {
            self.received_ever += receiver.received_ever;
            self.failed_ever += receiver.failed_ever;
            self.faults.extend(receiver.faults);
            self.clock_gap_ms = self.clock_gap_ms.into_iter().chain(receiver.clock_gap_ms).min();
        }
        if let Some(popper) = engine.popper {
            self.received_ever += popper.popped_ever;
            self.failed_ever += popper.failed_ever;
            self.faults.extend(popper.faults);
        }
        if let Some(failure) = failure {
            self.failure.get_or_insert(failure.to_string());
        }
    }
}

fn start(
    at: usize,
    part: Part,
    (senders, span): (usize, Span),
    control: &Arc<Control>,
    out: mpsc::Sender<Interval>,
) -> io::Result<Thread> {
    let control = control.clone();
    let name = format!("bench-{at}");
    std::thread::Builder::new().name(name.clone()).spawn(move || {
        let pair = (part.sender.map(Sender::new), part.receiver.map(Receiver::new));
        let popper = part.popper.map(Popper::new);
        let engine =
            Engine::new(control.clone(), pair, popper, (senders, span.copies), nanos(span.drain), out);
        let outcome = driver::run(&name, &part.place, engine);
        if !matches!(outcome, Ok((_, None))) {
            control.stop.store(true, Ordering::Relaxed);
        }
        outcome
    })
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4)
}

/// Nobody wonders why a run that was interrupted has not ended for so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// From the moment all connections are up to the first message.
const LEAD_NS: u64 = 100_000_000;
/// How often the main thread looks around.
const LOOK_NS: u64 = 20_000_000;
