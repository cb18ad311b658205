//! [`run`]: a closed loop over any protocol: so many requests in flight per connection, each answer followed by the next.
//!
//! For servers that `ringmq bench` does not speak to. A protocol is a [`Talk`]: bytes in, bytes out; sockets and clocks
//! are rt's. One pinned thread, nothing allocated per request.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use ringmq::bench::host::Usage;
use rt::real::bare::thread_cpu_ns;
use rt::real::{RealEnv, ShardOptions, Spin, start_shard};
use rt::{ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};
use rustix::time::{ClockId, clock_gettime};

/// A protocol as a client speaks it.
pub(crate) trait Talk: Send + 'static {
    /// What is said first on connection `line`.
    fn greet(&mut self, line: usize, out: &mut Vec<u8>);
    /// Appends a request; its answer has to be told with this `slot`.
    fn request(&mut self, line: usize, slot: usize, out: &mut Vec<u8>, now: Now);
    /// Takes what came on connection `line`, and may answer to it; `heard` is told what it means.
    ///
    /// # Errors
    /// The peer's refusal, or bytes that are not the protocol.
    fn received(
        &mut self,
        line: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
        heard: &mut Heard,
    ) -> Result<(), String>;
}

/// What received bytes mean.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The connection may be used from now on.
    pub(crate) ready: bool,
    /// Slots whose requests are answered.
    pub(crate) answered: Vec<usize>,
}

/// Who waits for an answer on one connection, for protocols that answer in the order of the requests.
#[derive(Debug, Default)]
pub(crate) struct Waiting(VecDeque<usize>);

impl Waiting {
    /// The greeting was sent.
    pub(crate) fn greeted(&mut self) {
        self.0.push_back(GREETING);
    }

    /// The request of `slot` was sent.
    pub(crate) fn asked(&mut self, slot: usize) {
        self.0.push_back(slot);
    }

    /// The next answer came.
    ///
    /// # Errors
    /// Nothing waits for one.
    pub(crate) fn answered(&mut self, heard: &mut Heard) -> Result<(), String> {
        match self.0.pop_front() {
            Some(GREETING) => heard.ready = true,
            Some(slot) => heard.answered.push(slot),
            None => return Err("an answer to nothing".to_owned()),
        }
        Ok(())
    }
}

/// Stands for the greeting among slots.
const GREETING: usize = usize::MAX;

/// How to load whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    /// Core of the generator.
    pub(crate) cpu: usize,
    pub(crate) connections: usize,
    pub(crate) inflight: usize,
    /// Never sleep.
    pub(crate) spin: bool,
    pub(crate) warmup: Duration,
    pub(crate) measured: Duration,
    /// The server, if it is a process of its own; without, this process less the generator is.
    pub(crate) pid: Option<u32>,
    /// Requests after which the run ends early.
    pub(crate) requests_max: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    /// Requests ever; all are answered.
    pub(crate) sent: u64,
    /// Answers in the measured time.
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// CPU of the server in the measured time.
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
    /// CPU that neither of them used.
    pub(crate) others_cpu: Duration,
    /// Each answer's time since its request, in units of 100 ns, ascending.
    latencies: Vec<u32>,
}

impl Loaded {
    /// CPU of the server per request, in us.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.answers.max(1) as f64
    }

    /// The latency that `share` of the requests did not exceed, in us.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        let rank = (self.latencies.len() as f64 * share).ceil() as usize;
        let at = rank.clamp(1, self.latencies.len().max(1)) - 1;
        self.latencies.get(at).map_or(f64::NAN, |tenths| f64::from(*tenths) / 10.0)
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy = |cpu: Duration| cpu.as_secs_f64() * 100.0 / self.seconds;
        write!(
            f,
            "{:.3} us CPU per message, {:.0} messages/s, p50 {:.1} us, p99 {:.0} us, server {:.0} % busy, generator {:.0} %, others {:.0} %",
            self.cpu_us(),
            self.answers as f64 / self.seconds,
            self.quantile_us(0.5),
            self.quantile_us(0.99),
            busy(self.server_cpu),
            busy(self.generator_cpu),
            busy(self.others_cpu),
        )
    }
}

/// Loads the server until every request is answered.
///
/// # Errors
/// A connection that ends, a refusal, a server that falls silent.
pub(crate) fn run(plan: Plan, talk: impl Talk) -> io::Result<Loaded> {
    let spin = if plan.spin { Spin::Micros(u32::MAX) } else { Spin::Off };
    let options = ShardOptions { cpu: Some(plan.cpu), spin, ..ShardOptions::new("load") };
    let (tell, told) = mpsc::channel();
    let thread = start_shard(options, move |env: RealEnv| async move {
        let line = |_| Line {
            conn: env.net().connect(plan.to),
            out: None,
            pending: Vec::new(),
            ready: false,
            free: (0..plan.inflight).rev().collect(),
            sent: vec![Mono(0); plan.inflight],
        };
        let lines = (0..plan.connections).map(line).collect();
        let now = env.now().mono;
        let done = Loaded { latencies: Vec::with_capacity(LATENCIES), ..Loaded::default() };
        let heard = Heard::default();
        Ok::<_, Infallible>(Generator {
            env,
            plan,
            talk,
            lines,
            heard,
            started: None,
            last: now,
            begun: None,
            done,
            tell,
            failed: None,
        })
    })?;
    thread.join().map_err(|_| io::Error::other("the generator failed"))?;
    let told = told.recv().map_err(|_| io::Error::other("the generator says nothing"))?;
    let mut loaded = told.map_err(io::Error::other)?;
    loaded.latencies.sort_unstable();
    Ok(loaded)
}

/// Room for the latencies of a run; those beyond are left out (of millions, the first ones are as good as all).
const LATENCIES: usize = 8 << 20;

struct Line {
    conn: ConnId,
    /// `None` while it is being sent, or not up yet.
    out: Option<Outbox>,
    /// Said by the protocol itself, not sent yet.
    pending: Vec<u8>,
    ready: bool,
    free: Vec<usize>,
    sent: Vec<Mono>,
}

struct Generator<T> {
    env: RealEnv,
    plan: Plan,
    talk: T,
    lines: Vec<Line>,
    heard: Heard,
    /// When all connections were ready.
    started: Option<Mono>,
    last: Mono,
    /// When the measured time began, and what was used until then.
    begun: Option<Began>,
    done: Loaded,
    tell: mpsc::Sender<Result<Loaded, String>>,
    failed: Option<String>,
}

#[derive(Clone, Copy)]
struct Began {
    at: Mono,
    usage: Usage,
    process_ns: u64,
    own_ns: u64,
}

impl<T: Talk> Generator<T> {
    fn measuring(&self) -> bool {
        self.begun.is_some() && self.done.seconds == 0.0
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        self.last = now.mono;
        let measuring = self.measuring();
        let at = self.lines.iter().position(|line| line.conn == conn).expect("one of ours");
        let line = &mut self.lines[at];
        self.heard.answered.clear();
        self.heard.ready = line.ready;
        if let Err(fault) = self.talk.received(at, bytes, &mut line.pending, &mut self.heard) {
            self.failed.get_or_insert(fault);
        }
        line.ready = self.heard.ready;
        for slot in self.heard.answered.drain(..) {
            if measuring {
                self.done.answers += 1;
                let tenths = now.mono.since(line.sent[slot]) / 100;
                if self.done.latencies.len() < LATENCIES {
                    self.done.latencies.push(u32::try_from(tenths).unwrap_or(u32::MAX));
                }
            }
            line.free.push(slot);
        }
    }

    /// Whether requests are over.
    fn account(&mut self, now: Now) -> bool {
        let Some(started) = self.started else { return false };
        let ns = |span: Duration| u64::try_from(span.as_nanos()).expect("seconds");
        if now.mono.since(started) < ns(self.plan.warmup) {
            return false;
        }
        let began = *self.begun.get_or_insert_with(|| Began {
            at: now.mono,
            usage: Usage::now(self.plan.pid),
            process_ns: process_cpu_ns(),
            own_ns: thread_cpu_ns(),
        });
        let over =
            now.mono.since(began.at) >= ns(self.plan.measured) || self.done.sent >= self.plan.requests_max;
        if over && self.done.seconds == 0.0 && now.mono > began.at {
            self.finish(began, now);
        }
        over
    }

    fn finish(&mut self, began: Began, now: Now) {
        let used = Usage::now(self.plan.pid).since(&began.usage);
        let (process, own) = (process_cpu_ns() - began.process_ns, thread_cpu_ns() - began.own_ns);
        let done = &mut self.done;
        done.seconds = now.mono.since(began.at) as f64 / 1e9;
        done.generator_cpu = Duration::from_nanos(own);
        done.server_cpu = match self.plan.pid {
            Some(_) => used.broker.unwrap_or_default(),
            None => Duration::from_nanos(process.saturating_sub(own)),
        };
        done.others_cpu = used.machine.saturating_sub(done.server_cpu + done.generator_cpu);
    }

    fn send(&mut self, over: bool, now: Now) {
        let may = self.started.is_some() && !over;
        for (at, line) in self.lines.iter_mut().enumerate() {
            let wants = !line.pending.is_empty() || may && !line.free.is_empty();
            let Some(mut out) = wants.then(|| line.out.take()).flatten() else { continue };
            out.bytes().append(&mut line.pending);
            while let Some(slot) = line.free.pop_if(|_| may) {
                self.talk.request(at, slot, out.bytes(), now);
                line.sent[slot] = now.mono;
                self.done.sent += 1;
            }
            self.env.net().send(line.conn, out);
        }
    }

    fn end(&mut self, outcome: Result<Loaded, String>) -> TurnOutcome {
        let _ = self.tell.send(outcome);
        TurnOutcome { deadline: None, stop: true }
    }
}

impl<T: Talk> Reactor for Generator<T> {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Connected { conn, .. } => {
                let at = self.lines.iter().position(|line| line.conn == conn).expect("one of ours");
                let line = &mut self.lines[at];
                line.out = Some(Outbox::default());
                self.talk.greet(at, &mut line.pending);
            }
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => {
                let line = self.lines.iter_mut().find(|line| line.conn == conn).expect("one of ours");
                line.out = Some(out);
            }
            Event::Accepted { .. } => {}
            Event::Closed { reason, .. } => {
                self.failed.get_or_insert(format!("a connection ended: {reason:?}"));
            }
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        if now.mono.since(self.last) > SILENCE_NS {
            self.failed.get_or_insert("the server fell silent".to_owned());
        }
        if let Some(fault) = self.failed.take() {
            return self.end(Err(fault));
        }
        if self.started.is_none() && self.lines.iter().all(|line| line.ready && line.out.is_some()) {
            self.started = Some(now.mono);
        }
        let over = self.account(now);
        if over
            && self.done.seconds > 0.0
            && self.lines.iter().all(|line| line.free.len() == self.plan.inflight)
        {
            let done = std::mem::take(&mut self.done);
            return self.end(Ok(done));
        }
        self.send(over, now);
        TurnOutcome { deadline: Some(now.mono.plus_ms(100)), stop: false }
    }
}

/// A server that says nothing for so long has failed.
const SILENCE_NS: u64 = 20_000_000_000;

/// CPU time of this process, user and system: with the kernel's helpers of its rings, which are threads of it.
fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("not negative")
}
