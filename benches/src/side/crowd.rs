//! A crowd of connections, silent or with parked pulls, and B11: ten thousand of them beside an open loop.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use net::client::{RequestHead, encode};
use net::requests::{GetMaxOffset, RequestHeader};
use net::{Codec, Header};
use ringmq::bench::driver::{self, Lines, Next, Place, Work};
use ringmq::bench::plan::Kind as Load;
use ringmq::bench::receiver::{ALL, Ask, append_pull};
use rt::real::{RealEnv, Spin};
use rt::{Mono, Now};

use crate::figures::Figures;
use crate::topic::Topic;
use crate::usage::Memory;

use super::report::{About, Figure};
use super::scenario::{Scenario, Target};
use super::server::{Flush, Kind, Server, Setup};
use super::{Rival, Side};

/// B11: memory of each connection with a parked pull, and the latency of sends beside them.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    raise_descriptor_limit()?;
    let count = if side.options.quick { 2_000 } else { CONNECTIONS };
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..side.options.pairs {
        theirs.push(beside(side, Kind::Java, count, "--rate=20000/s")?);
        ours.push(beside(side, Kind::Ours, count, "--rate=50000/s")?);
    }
    let rival = Rival::Java.title();
    let title = format!("B11 {count} connections with parked pulls, sends ours 50,000/s, theirs 20,000/s");
    let about = About { scenario: Scenario::B11, title: &title, rival: &rival, headline: true };
    let of = |all: &[(f64, Figures)], pick: &dyn Fn(&(f64, Figures)) -> f64| {
        all.iter().map(pick).collect::<Vec<_>>()
    };
    let memory = Figure { name: "bytes of own memory each", more: false, target: Target::AtMost(8_192.0) };
    side.report.row(about, memory, &of(&theirs, &|one| one.0), &of(&ours, &|one| one.0));
    let p999 = Figure { name: "p99.9 us of a send", more: false, target: Target::None };
    let late = |one: &(f64, Figures)| one.1.percentiles_us[2];
    side.report.row(About { headline: false, ..about }, p999, &of(&theirs, &late), &of(&ours, &late));
    Ok(())
}

fn beside(side: &mut Side, kind: Kind, count: usize, rate: &str) -> io::Result<(f64, Figures)> {
    let server = side.start(kind, &Setup::new(Flush::Async))?;
    if kind == Kind::Java {
        side.warm(&server)?;
    }
    let topic = Topic { broker: server.at, name: "BenchCrowd".into(), queues: 4 };
    topic.create()?;
    let few = memory(&server, &topic, count / 5, 1)?;
    let run = side.run_of(Scenario::B11);
    let load = || super::scenario::load(Load::Produce, &server, run, &["--inflight=1024", rate]);
    let (all, figures) = standing(&server, &topic, (count, 1, 1), load)?;
    server.stop()?;
    let each = all.anonymous.saturating_sub(few.anonymous) as f64 / (count - count / 5) as f64;
    side.report.say(&format!("B11 {} {count} connections: {each:.0} bytes each; {figures}", kind.name()));
    side.judge(kind, &figures);
    Ok((each, figures))
}

/// The broker's memory while `connections` connections exist, each with `pulls` parked pulls.
pub(super) fn memory(server: &Server, topic: &Topic, connections: usize, pulls: usize) -> io::Result<Memory> {
    standing(server, topic, (connections, pulls, 1), || Ok(())).map(|(memory, ())| memory)
}

/// As many bytes at once as when each of `connections` connections parks `pulls` pulls, but of requests that are answered:
/// what all connections share (receive buffers) has been used then, and is not taken for memory of a pull.
pub(super) fn rush(server: &Server, topic: &Topic, connections: usize, pulls: usize) -> io::Result<()> {
    standing(server, topic, (connections, 0, pulls * ASKS_PER_PULL), || Ok(())).map(|_| ())
}

/// The broker's memory while they exist, and what `meanwhile` gives after that, while they still do.
fn standing<T>(
    server: &Server,
    topic: &Topic,
    (connections, pulls, asks): (usize, usize, usize),
    meanwhile: impl FnOnce() -> io::Result<T>,
) -> io::Result<(Memory, T)> {
    let (tell, told) = mpsc::channel();
    let done = Arc::new(AtomicBool::new(false));
    let place =
        Place { lines: vec![server.at; connections], cpu: None, spin: Spin::Off, reconnect: Duration::ZERO };
    let work = Crowd {
        topic: topic.name.clone(),
        ends: topic.max_offsets()?,
        pulls,
        asks,
        pid: server.pid(),
        unanswered: connections * asks,
        look_at: None,
        tell,
        done: done.clone(),
    };
    std::thread::scope(|scope| {
        // A shard pins and names its thread: it gets one of its own.
        let thread = std::thread::Builder::new().name("crowd".into());
        // Its end of the channel goes with the work.
        let run = || driver::run("crowd", &place, work).map(|(_, failure)| failure);
        let thread = thread.spawn_scoped(scope, run)?;
        // Hangs up when it fails.
        let found = told.recv().unwrap_or_else(|_| Err(io::Error::other("the crowd did not come together")));
        let outcome = found.and_then(|memory| Ok((memory, meanwhile()?)));
        done.store(true, Ordering::Relaxed);
        let failure = thread.join().map_err(|_| io::Error::other("the crowd panicked"))??;
        failure.map_or(outcome, Err)
    })
}

/// Connects, asks one thing on each connection, parks its pulls, and looks at the broker's memory.
struct Crowd {
    topic: String,
    /// Where nothing is yet, per queue.
    ends: Vec<i64>,
    pulls: usize,
    /// Requests of each connection that are answered at once.
    asks: usize,
    pid: u32,
    unanswered: usize,
    look_at: Option<Mono>,
    /// Where the broker's memory is told.
    tell: mpsc::Sender<io::Result<Memory>>,
    /// It may go.
    done: Arc<AtomicBool>,
}

impl Work<RealEnv> for Crowd {
    fn start(&mut self, lines: &mut Lines<RealEnv>, _: Now) {
        let request = GetMaxOffset { topic: &self.topic, queue_id: 0, committed: true };
        let head =
            RequestHead { codec: Codec::Json, code: GetMaxOffset::CODE, opaque: opaque_of(0), oneway: false };
        for line in 0..lines.len() {
            (0..self.asks).for_each(|_| encode(lines.out(line), head, &request, &[]));
        }
    }

    fn answer(&mut self, line: usize, header: &Header<'_>, _: &[u8], lines: &mut Lines<RealEnv>, now: Now) {
        if header.opaque != opaque_of(0) {
            if self.unanswered > 0 || self.look_at.is_some() {
                self.look_at = Some(now.mono);
                self.pid = 0;
            }
            return;
        }
        for pull in 0..self.pulls {
            let queue = (line + pull) % self.ends.len();
            let ask = Ask {
                codec: Codec::Json,
                group: "benches",
                topic: &self.topic,
                queue: i32::try_from(queue).expect("few queues"),
                from: self.ends[queue],
                filter: ALL,
                sql: false,
                count: 32,
                suspend_ms: PARKED_MS,
            };
            append_pull(lines.out(line), opaque_of(1 + pull), &ask);
        }
        self.unanswered -= 1;
        if self.unanswered == 0 {
            self.look_at = Some(now.mono.plus_ms(u64::try_from(SETTLE.as_millis()).expect("seconds")));
        }
    }

    fn turn(&mut self, _: &mut Lines<RealEnv>, now: Now) -> Next {
        match self.look_at {
            Some(at) if at <= now.mono => {
                self.look_at = None;
                let early = || io::Error::other("a parked pull was answered");
                let found = if self.pid == 0 { Err(early()) } else { Memory::of(self.pid) };
                // Nobody listens any more: then nobody wants it.
                let _ = self.tell.send(found);
            }
            Some(at) => return Next::Until(at),
            None if self.done.load(Ordering::Relaxed) => return Next::Done,
            None => {}
        }
        Next::Until(now.mono.plus_ms(50))
    }
}

/// Number of a request.
fn opaque_of(number: usize) -> i32 {
    i32::try_from(number).expect("few requests")
}

/// As many descriptors as this process may have.
pub(super) fn raise_descriptor_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// How long a server is left alone before its memory is read.
pub(super) const SETTLE: Duration = Duration::from_secs(3);
/// A pull is about twice as long as what is asked instead.
const ASKS_PER_PULL: usize = 2;
const PARKED_MS: i64 = 30_000;
const CONNECTIONS: usize = 10_000;
