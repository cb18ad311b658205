//! B12: from kill -9 with 4 GiB of log to the first acknowledgement, and the worst latency while segments roll.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use net::client::{Client, ClientOptions};
use net::requests::SendMessageV2;
use ringmq::bench::plan::Kind as Load;

use crate::figures::Figures;
use crate::topic::Topic;

use super::report::{About, Figure};
use super::scenario::{Run, Scenario, Target};
use super::server::{Flush, Kind, Server, Setup};
use super::{Rival, Side};

/// Measures both.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let mib = if side.options.quick { 256 } else { LOG_MIB };
    let (mut java, mut ours) = (filled(side, Kind::Java, mib)?, filled(side, Kind::Ours, mib)?);
    let (mut theirs, mut own) = (Vec::new(), Vec::new());
    for _ in 0..side.options.pairs {
        java.thaw();
        let (server, took) = java.crash(|at| is_acknowledged(at, NAME))?;
        server.freeze();
        java = server;
        theirs.push(took.as_secs_f64());
        let (server, took) = ours.crash(|at| is_acknowledged(at, NAME))?;
        ours = server;
        own.push(took.as_secs_f64());
        side.report.say(&format!("B12 recovery of {mib} MiB: java {:?} s, ringmq {took:?}", theirs.last()));
    }
    java.stop()?;
    ours.stop()?;
    let title = format!("B12 kill -9 with a log of {mib} MiB");
    let rival = Rival::Java.title();
    let about = About { scenario: Scenario::B12, title: &title, rival: &rival, headline: true };
    let figure = Figure { name: "s to the first acknowledgement", more: false, target: Target::Times(10.0) };
    side.report.row(about, figure, &theirs, &own);
    rolls(side)
}

/// Sends while the log goes on to new segments of 256 MiB, the oldest too old to be kept.
fn rolls(side: &mut Side) -> io::Result<()> {
    let mut setup = Setup::new(Flush::Async);
    setup.ours.push(format!("store.segment_bytes={ROLL_BYTES}"));
    setup.java.push(format!("mappedFileSizeCommitLog={ROLL_BYTES}"));
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..side.options.pairs {
        theirs.push(rolled(side, Kind::Java, &setup, "--rate=20000/s")?);
        ours.push(rolled(side, Kind::Ours, &setup, "--rate=100000/s")?);
    }
    let rival = Rival::Java.title();
    let title = "B12 segments of 256 MiB roll, ours 100,000/s, theirs 20,000/s";
    let about = About { scenario: Scenario::B12, title, rival: &rival, headline: false };
    let of = |all: &[Figures], at: usize| all.iter().map(|one| one.percentiles_us[at]).collect::<Vec<_>>();
    let worst = Figure { name: "worst us", more: false, target: Target::AtMost(2_000.0) };
    side.report.row(about, worst, &of(&theirs, 3), &of(&ours, 3));
    let p999 = Figure { name: "p99.9 us", more: false, target: Target::None };
    side.report.row(about, p999, &of(&theirs, 2), &of(&ours, 2));
    Ok(())
}

fn rolled(side: &mut Side, kind: Kind, setup: &Setup, rate: &str) -> io::Result<Figures> {
    let server = side.start(kind, setup)?;
    if kind == Kind::Java {
        side.warm(&server)?;
    }
    let run = side.run_of(Scenario::B12);
    let figures = super::scenario::load(Load::Produce, &server, run, &["--inflight=1024", rate])?;
    server.stop()?;
    side.report.say(&format!("B12 rolls, {}: {figures}", kind.name()));
    side.judge(kind, &figures);
    Ok(figures)
}

fn filled(side: &mut Side, kind: Kind, mib: u64) -> io::Result<Server> {
    let server = side.start(kind, &Setup::new(Flush::Async))?;
    fill(side, &server, mib)?;
    if kind == Kind::Java {
        server.freeze();
    }
    Ok(server)
}

/// Stores `mib` MiB of bodies in a topic that stays.
///
/// # Errors
/// When the broker fails.
pub(super) fn fill(side: &Side, server: &Server, mib: u64) -> io::Result<Figures> {
    Topic { broker: server.at, name: NAME.into(), queues: 4 }.create()?;
    let run = Run {
        warmup: Duration::ZERO,
        duration: Duration::from_secs(600),
        max_mib: mib,
        ..side.run_of(Scenario::B12)
    };
    let topic = format!("--topic={NAME}");
    let own = [&topic, "--topic-exists", "--batch=32", "--connections=4", "--inflight=8"];
    let figures = super::scenario::load(Load::Batch, server, run, &own)?;
    if figures.faults.is_empty() { Ok(figures) } else { Err(io::Error::other(figures.faults.join("; "))) }
}

/// Whether a message for `topic` is acknowledged now.
pub(super) fn is_acknowledged(at: SocketAddr, topic: &str) -> bool {
    let patient = Duration::from_secs(2);
    let options =
        ClientOptions { call_timeout: patient, connect_timeout: patient, ..ClientOptions::default() };
    let Ok(mut client) = Client::connect(at, options) else { return false };
    let header = SendMessageV2 {
        producer_group: "benches",
        topic,
        default_topic: "TBW102",
        default_queues: 4,
        queue_id: 0,
        sys_flag: 0,
        born_at_ms: 1_700_000_000_000,
        flag: 0,
        properties: Some(""),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        max_reconsume_times: None,
        batch: Some(false),
        broker_name: None,
    };
    client.call(&header, b"after the crash").and_then(|answer| answer.success()).is_ok()
}

/// Topic of what is stored before a scenario.
pub(super) const NAME: &str = "BenchStored";
const LOG_MIB: u64 = 4 << 10;
const ROLL_BYTES: u64 = 256 << 20;
