//! What a node costs beside its messages: start, restart, idleness, connections, parked pulls.

use std::io;
use std::time::Duration;

use ringmq::bench::plan::Kind as Load;

use crate::clock;
use crate::figures::measure as bench;
use crate::topic::Topic;
use crate::usage::{Memory, cpu_time};

use super::report::{About, Figure, Report};
use super::scenario::{Scenario, Target};
use super::server::{Flush, Kind, Server, Setup, Workshop};
use super::{Side, crowd};

/// Measures all of it.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let (quick, workshop, report) = (side.options.quick, &side.workshop, &mut side.report);
    let idle_for = Duration::from_secs(if quick { 5 } else { 20 });
    let usual = Setup::new(Flush::Async);
    let java = workshop.start(Kind::Java, &usual)?;
    let java_start = java.started_in;
    // A JVM compiles for a while after its start.
    clock::pause(idle_for);
    let java_idle = idle(&java, idle_for)?;
    java.stop()?;
    let ours_start = starts(workshop, if quick { 2 } else { 5 })?;
    let mut server = workshop.start(Kind::Ours, &usual)?;
    let ours_idle = idle(&server, idle_for)?;
    report.say(&format!("start: java {java_start:?}, ringmq {ours_start:?} (listening, registered)"));
    report.say(&format!("idle: java {java_idle:?}, ringmq {ours_idle:?}"));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut both = Rows { report };
    both.row(
        "start, empty store",
        "ms until it listens",
        Some(ms(java_start.0)),
        ms(ours_start.0),
        Some(100.0),
    );
    both.row("start, empty store", "ms until registered", Some(ms(java_start.1)), ms(ours_start.1), None);
    let private = |idle: &Idle| mebibytes(idle.memory.resident.saturating_sub(idle.memory.shared));
    both.row(
        "idle, one shard",
        "resident MiB beside the window",
        Some(private(&java_idle)),
        private(&ours_idle),
        Some(64.0),
    );
    both.row(
        "idle, one shard",
        "percent of a core",
        Some(java_idle.cpu_percent),
        ours_idle.cpu_percent,
        Some(0.5),
    );

    let connection = connections(&server, if quick { 2_000 } else { 12_000 }, both.report)?;
    both.row("idle connection", "bytes of user memory", None, connection, Some(8_192.0));
    let parked = parked(&server, if quick { 10_000 } else { 50_000 }, both.report)?;
    both.row("parked pull", "bytes of user memory", None, parked, Some(200.0));

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
    both.report.say(&format!(
        "restart with {stored} messages: stopped in {:?}, listening in {:?}",
        restarted.1, restarted.2
    ));
    both.row("restart, clean stop", "ms until it listens", None, ms(restarted.2), Some(1_000.0));
    server.stop()
}

/// Rows of things that are measured once.
struct Rows<'r> {
    report: &'r mut Report,
}

impl Rows<'_> {
    fn row(&mut self, title: &str, figure: &str, java: Option<f64>, ours: f64, at_most: Option<f64>) {
        let rival = java.map_or(String::new(), |_| super::Rival::Java.title());
        let about = About { scenario: Scenario::Footprint, title, rival: &rival, headline: false };
        let target = at_most.map_or(Target::None, Target::AtMost);
        let java: Vec<f64> = java.into_iter().collect();
        self.report.row(about, Figure { name: figure, more: false, target }, &java, &[ours]);
    }
}

/// Median times of some starts with an empty store.
fn starts(workshop: &Workshop, times: usize) -> io::Result<(Duration, Duration)> {
    let mut all = Vec::new();
    for _ in 0..times {
        let server = workshop.start(Kind::Ours, &Setup::new(Flush::Async))?;
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
    clock::pause(crowd::SETTLE);
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
    crowd::raise_descriptor_limit()?;
    let topic = Topic { broker: server.at, name: "BenchIdle".into(), queues: 4 };
    topic.create()?;
    slope("idle connections", count, report, |count| crowd::memory(server, &topic, count, 0))
}

/// Bytes of the broker's own memory per parked pull, on a fixed number of connections.
fn parked(server: &Server, count: usize, report: &mut Report) -> io::Result<f64> {
    let topic = Topic { broker: server.at, name: "BenchParked".into(), queues: 4 };
    topic.create()?;
    crowd::rush(server, &topic, PARKING_CONNECTIONS, count / PARKING_CONNECTIONS)?;
    slope("parked pulls", count, report, |count| {
        crowd::memory(server, &topic, PARKING_CONNECTIONS, count / PARKING_CONNECTIONS)
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

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const PARKING_CONNECTIONS: usize = 100;
