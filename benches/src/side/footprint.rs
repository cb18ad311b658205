//! What a node costs beside its messages: start, restart, idleness, connections, parked pulls.

use std::io;
use std::time::Duration;

use net::client::{RequestHead, encode};
use net::requests::{GetMaxOffset, RequestHeader};
use net::{Codec, Header};
use ringmq::bench::driver::{self, Lines, Next, Place, Work};
use ringmq::bench::plan::Kind as Load;
use ringmq::bench::receiver::{ALL, Ask, append_pull};
use rt::real::{RealEnv, Spin};
use rt::{Mono, Now};

use crate::clock;
use crate::figures::measure as bench;
use crate::topic::Topic;
use crate::usage::{Memory, cpu_time};

use super::report::{Report, number};
use super::server::{Flush, Kind, Server, Workshop};

/// Measures all of it and adds it to `report`.
///
/// # Errors
/// When a server does not start or fails.
pub(crate) fn measure(workshop: &Workshop, quick: bool, report: &mut Report) -> io::Result<()> {
    let idle_for = Duration::from_secs(if quick { 5 } else { 20 });
    let java = workshop.start(Kind::Java, Flush::Async)?;
    let java_start = java.started_in;
    // A JVM compiles for a while after its start.
    clock::pause(idle_for);
    let java_idle = idle(&java, idle_for)?;
    java.stop()?;
    let ours_start = starts(workshop, if quick { 2 } else { 5 })?;
    let mut server = workshop.start(Kind::Ours, Flush::Async)?;
    let ours_idle = idle(&server, idle_for)?;
    report.say(&format!("start: java {java_start:?}, ringmq {ours_start:?} (listening, registered)"));
    report.say(&format!("idle: java {java_idle:?}, ringmq {ours_idle:?}"));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let pair = |java: f64, ours: f64| (number(java), number(ours));
    let listening = (ms(java_start.0), ms(ours_start.0));
    report.single(
        "start, empty store",
        "ms until it listens",
        pair(listening.0, listening.1),
        Some((listening.1, 100.0)),
    );
    report.single(
        "start, empty store",
        "ms until registered",
        pair(ms(java_start.1), ms(ours_start.1)),
        None,
    );

    let connection = connections(&server, if quick { 10_000 } else { 50_000 }, report)?;
    let parked = parked(&server, if quick { 10_000 } else { 50_000 }, report)?;
    let stored = if quick { 10_000 } else { 200_000 };
    let topic = Topic { broker: server.at, name: "BenchRestart".into(), queues: 4 };
    topic.create()?;
    bench(
        Load::Produce,
        &[
            &format!("--broker={}", server.at),
            "--topic=BenchRestart",
            "--topic-exists",
            "--warmup=0s",
            "--inflight=8",
            &format!("--messages={stored}"),
        ],
    )?;
    let before = topic.max_offsets()?;
    let restarted = server.restart()?;
    server = restarted.0;
    if topic.max_offsets()? != before {
        return Err(io::Error::other("offsets changed over a restart"));
    }
    report.say(&format!(
        "restart with {stored} messages: stopped in {:?}, listening in {:?}",
        restarted.1, restarted.2
    ));
    let restart = ms(restarted.2);
    report.single(
        "restart, clean stop",
        "ms until it listens",
        ("-".into(), number(restart)),
        Some((restart, 1_000.0)),
    );
    let private = |idle: &Idle| mebibytes(idle.memory.resident.saturating_sub(idle.memory.shared));
    report.single(
        "idle, one shard",
        "resident MiB beside the window",
        pair(private(&java_idle), private(&ours_idle)),
        Some((private(&ours_idle), 64.0)),
    );
    let cpu = |idle: &Idle| idle.cpu_percent;
    let idle_cpu = (cpu(&ours_idle), 0.5);
    report.single(
        "idle, one shard",
        "percent of a core",
        pair(cpu(&java_idle), cpu(&ours_idle)),
        Some(idle_cpu),
    );
    report.single(
        "idle connection",
        "bytes of user memory",
        ("-".into(), number(connection)),
        Some((connection, 8_192.0)),
    );
    report.single("parked pull", "bytes of user memory", ("-".into(), number(parked)), Some((parked, 200.0)));
    server.stop()
}

/// Median times of some starts with an empty store.
fn starts(workshop: &Workshop, times: usize) -> io::Result<(Duration, Duration)> {
    let mut all = Vec::new();
    for _ in 0..times {
        let server = workshop.start(Kind::Ours, Flush::Async)?;
        all.push(server.started_in);
        server.stop()?;
    }
    all.sort();
    Ok(all[all.len() / 2])
}

/// What an idle broker uses.
#[derive(Clone, Copy, Debug)]
struct Idle {
    memory: Memory,
    cpu_percent: f64,
}

fn idle(server: &Server, span: Duration) -> io::Result<Idle> {
    clock::pause(SETTLE);
    let pid = server.pid().to_string();
    let before = cpu_time(&pid)?;
    clock::pause(span);
    let used = cpu_time(&pid)?.saturating_sub(before);
    Ok(Idle {
        memory: Memory::of(server.pid())?,
        cpu_percent: used.as_secs_f64() * 100.0 / span.as_secs_f64(),
    })
}

/// Bytes of the broker's own memory per connection that asked one thing and is silent now.
fn connections(server: &Server, count: usize, report: &mut Report) -> io::Result<f64> {
    raise_descriptor_limit()?;
    let topic = Topic { broker: server.at, name: "BenchIdle".into(), queues: 4 };
    topic.create()?;
    slope("idle connections", count, report, |count| crowd(server, &topic, count, 0))
}

/// Bytes of the broker's own memory per parked pull, on a fixed number of connections.
fn parked(server: &Server, count: usize, report: &mut Report) -> io::Result<f64> {
    let topic = Topic { broker: server.at, name: "BenchParked".into(), queues: 4 };
    topic.create()?;
    slope("parked pulls", count, report, |count| {
        crowd(server, &topic, PARKING_CONNECTIONS, count / PARKING_CONNECTIONS)
    })
}

/// What one more costs: between a fifth of `count` and all of it, so that what is there once is not counted.
fn slope(
    what: &str,
    count: usize,
    report: &mut Report,
    memory: impl Fn(usize) -> io::Result<Memory>,
) -> io::Result<f64> {
    let few = count / 5;
    let (with_few, with_all) = (memory(few)?, memory(count)?);
    let each = with_all.anonymous.saturating_sub(with_few.anonymous) as f64 / (count - few) as f64;
    report.say(&format!("{what}: {few} {with_few:?}, {count} {with_all:?}, {each:.0} bytes each"));
    Ok(each)
}

/// The broker's memory while `connections` connections exist, each with `pulls` parked pulls.
fn crowd(server: &Server, topic: &Topic, connections: usize, pulls: usize) -> io::Result<Memory> {
    let place = Place { lines: vec![server.at; connections], cpu: None, spin: Spin::Off };
    let work = Crowd {
        topic: topic.name.clone(),
        ends: topic.max_offsets()?,
        pulls,
        pid: server.pid(),
        unanswered: connections,
        look_at: None,
        outcome: None,
    };
    let (work, failure) = std::thread::scope(|scope| {
        // A shard pins and names its thread: it gets one of its own.
        let thread = std::thread::Builder::new().name("crowd".into());
        let thread = thread.spawn_scoped(scope, || driver::run("crowd", &place, work))?;
        thread.join().map_err(|_| io::Error::other("the crowd panicked"))?
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    work.outcome.unwrap_or_else(|| Err(io::Error::other("a parked pull was answered")))
}

/// Connects, asks one thing on each connection, parks its pulls, and looks at the broker's memory.
struct Crowd {
    topic: String,
    /// Where nothing is yet, per queue.
    ends: Vec<i64>,
    pulls: usize,
    pid: u32,
    unanswered: usize,
    look_at: Option<Mono>,
    outcome: Option<io::Result<Memory>>,
}

impl Work<RealEnv> for Crowd {
    fn start(&mut self, lines: &mut Lines<RealEnv>, _: Now) {
        let request = GetMaxOffset { topic: &self.topic, queue_id: 0, committed: true };
        let head =
            RequestHead { codec: Codec::Json, code: GetMaxOffset::CODE, opaque: opaque_of(0), oneway: false };
        for line in 0..lines.len() {
            encode(lines.out(line), head, &request, &[]);
        }
    }

    fn answer(&mut self, line: usize, header: &Header<'_>, _: &[u8], lines: &mut Lines<RealEnv>, now: Now) {
        if header.opaque != opaque_of(0) {
            self.look_at = Some(now.mono);
            self.pid = 0;
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
                self.outcome = (self.pid != 0).then(|| Memory::of(self.pid));
                Next::Done
            }
            Some(at) => Next::Until(at),
            None => Next::Until(now.mono.plus_ms(1_000)),
        }
    }
}

/// Number of a request.
fn opaque_of(number: usize) -> i32 {
    i32::try_from(number).expect("few requests")
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn raise_descriptor_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
const PARKING_CONNECTIONS: usize = 100;
const PARKED_MS: i64 = 30_000;
