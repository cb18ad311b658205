//! The load: so many sends in flight per connection, each answer followed by the next send. Knows of answers only
//! their lengths, so that it costs the same for either server.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use net::Codec;
use rt::real::bare::thread_cpu_ns;
use rt::real::{RealEnv, ShardOptions, Spin, start_shard};
use rt::{ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};
use rustix::time::{ClockId, clock_gettime};

use super::server::frame_bytes;
use crate::sends::Sends;

/// How to load whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) to: SocketAddr,
    pub(super) cpu: usize,
    pub(super) connections: usize,
    pub(super) inflight: usize,
    pub(super) warmup: Duration,
    pub(super) measured: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loaded {
    /// Sends ever; all are answered.
    pub(super) sent: u64,
    /// Answers in the measured time.
    answers: u64,
    seconds: f64,
    /// CPU that this process used in the measured time, the generator's thread left out.
    server_cpu_ns: u64,
    generator_cpu_ns: u64,
}

impl Loaded {
    /// CPU of the server per message, in us.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.server_cpu_ns as f64 / 1e3 / self.answers as f64
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy = |cpu_ns: u64| cpu_ns as f64 / 1e7 / self.seconds;
        write!(
            f,
            "{:.3} us CPU per message, {:.0} messages/s, server {:.0} % busy, generator {:.0} %",
            self.cpu_us(),
            self.answers as f64 / self.seconds,
            busy(self.server_cpu_ns),
            busy(self.generator_cpu_ns),
        )
    }
}

/// Loads the server until every send is answered.
///
/// # Errors
/// A connection that ends, a server that falls silent.
pub(super) fn run(plan: Plan) -> io::Result<Loaded> {
    let options = ShardOptions { cpu: Some(plan.cpu), spin: Spin::Off, ..ShardOptions::new("load") };
    let (tell, told) = mpsc::channel();
    let thread = start_shard(options, move |env: RealEnv| async move {
        let mut lines = Vec::new();
        for _ in 0..plan.connections {
            let conn = env.net().connect(plan.to);
            lines.push(Line { conn, owed: plan.inflight, ..Line::default() });
        }
        let (started, heard) = (env.now().mono, env.now().mono);
        let sends = Sends::new(Codec::Json, "Bare", 1);
        Ok::<_, Infallible>(Generator {
            env,
            plan,
            lines,
            sends,
            started,
            heard,
            done: Loaded::default(),
            begun: None,
            tell,
        })
    })?;
    thread.join().map_err(|_| io::Error::other("the generator failed"))?;
    told.recv().map_err(|_| io::Error::other("the generator says nothing"))?.map_err(io::Error::other)
}

/// One connection.
struct Line {
    conn: ConnId,
    /// `None` while it is being sent, or not up yet.
    out: Option<Outbox>,
    /// Sends that may be made.
    owed: usize,
    /// Bytes of the answer that is coming, and how many of them came.
    head: Vec<u8>,
    missing: usize,
}

impl Default for Line {
    fn default() -> Self {
        let conn = ConnId { index: u32::MAX, generation: 0 };
        Self { conn, out: None, owed: 0, head: Vec::new(), missing: 0 }
    }
}

impl Line {
    /// Counts the answers that end in `bytes`.
    fn answers(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.missing > 0 {
                let taken = self.missing.min(bytes.len());
                self.missing -= taken;
                bytes = &bytes[taken..];
            } else {
                let taken = (4 - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                let Some(whole) = frame_bytes(&self.head) else { break };
                self.missing = whole - self.head.len();
                self.head.clear();
            }
            ended += usize::from(self.missing == 0 && self.head.is_empty());
        }
        ended
    }
}

struct Generator {
    env: RealEnv,
    plan: Plan,
    lines: Vec<Line>,
    sends: Sends,
    started: Mono,
    heard: Mono,
    done: Loaded,
    /// When the measured time began, and the CPU used until then: by the process, by this thread.
    begun: Option<(Mono, u64, u64)>,
    tell: mpsc::Sender<Result<Loaded, String>>,
}

impl Generator {
    fn line(&mut self, conn: ConnId) -> &mut Line {
        self.lines.iter_mut().find(|line| line.conn == conn).expect("one of ours")
    }

    /// Whether sends are over.
    fn account(&mut self, now: Now) -> bool {
        let since = now.mono.since(self.started);
        let warm = u64::try_from(self.plan.warmup.as_nanos()).expect("seconds");
        let measured = u64::try_from(self.plan.measured.as_nanos()).expect("seconds");
        if since < warm {
            self.done.answers = 0;
            return false;
        }
        let (process, own) = (process_cpu_ns(), thread_cpu_ns());
        let (began, process_then, own_then) = *self.begun.get_or_insert((now.mono, process, own));
        if now.mono.since(began) < measured {
            return false;
        }
        if self.done.seconds == 0.0 {
            self.done.seconds = now.mono.since(began) as f64 / 1e9;
            self.done.generator_cpu_ns = own - own_then;
            self.done.server_cpu_ns = (process - process_then).saturating_sub(own - own_then);
        }
        true
    }

    fn end(&mut self, outcome: Result<Loaded, String>) -> TurnOutcome {
        let _ = self.tell.send(outcome);
        TurnOutcome { deadline: None, stop: true }
    }
}

impl Reactor for Generator {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Connected { conn, .. } => self.line(conn).out = Some(Outbox::default()),
            Event::Received { conn, bytes } => {
                self.heard = now.mono;
                let line = self.line(conn);
                let answers = line.answers(bytes);
                line.owed += answers;
                if self.done.seconds == 0.0 {
                    self.done.answers += answers as u64;
                }
            }
            Event::Sent { conn, out } => self.line(conn).out = Some(out),
            Event::Accepted { .. } => {}
            Event::Closed { reason, .. } => {
                let _ = self.tell.send(Err(format!("a connection ended: {reason:?}")));
            }
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        if now.mono.since(self.heard) > SILENCE_NS {
            return self.end(Err("the server fell silent".to_owned()));
        }
        let over = self.account(now);
        let inflight = self.plan.inflight;
        if over && self.lines.iter().all(|line| line.owed == inflight) {
            let done = self.done;
            return self.end(Ok(done));
        }
        for line in &mut self.lines {
            if over || line.owed == 0 {
                continue;
            }
            let Some(mut out) = line.out.take() else { continue };
            for _ in 0..std::mem::take(&mut line.owed) {
                self.sends.append(out.bytes(), now.unix_ms);
                self.done.sent += 1;
            }
            self.env.net().send(line.conn, out);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_however_they_are_cut() {
        let answer = [&[0, 0, 0, 6][..], &[9; 6]].concat();
        let stream = answer.repeat(5);
        for piece in 1..=stream.len() {
            let mut line = Line::default();
            let ended: usize = stream.chunks(piece).map(|bytes| line.answers(bytes)).sum();
            assert_eq!(ended, 5, "pieces of {piece}");
        }
    }
}
