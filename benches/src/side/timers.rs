//! Pending timers, spread over a week: the memory of a million, the send path beside ten million, and their recovery.

use std::io;
use std::time::Duration;

use ringmq::bench::plan::Kind as Load;

use crate::figures::Figures;
use crate::usage::Memory;

use super::Side;
use super::recovery::is_acknowledged;
use super::report::{About, Figure};
use super::scenario::{Run, Scenario, Target};
use super::server::{Flush, Kind, Server, Setup};

/// Measures ours; nobody is beside it.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let (some, many) = if side.options.quick { (50_000, 200_000) } else { (1_000_000, 10_000_000) };
    let server = side.start(Kind::Ours, &Setup::new(Flush::Async))?;
    let plain = sends(side, &server)?;
    let before = Memory::of(server.pid())?;
    let mut memory = Vec::new();
    let mut stored = 0;
    for count in [some, many] {
        pend(side, &server, count - stored)?;
        stored = count;
        let now = Memory::of(server.pid())?;
        let mib = now.anonymous.saturating_sub(before.anonymous) as f64 / f64::from(1 << 20);
        side.report.say(&format!("timers: {count} pending take {mib:.1} MiB ({before:?}, {now:?})"));
        memory.push((count, mib));
    }
    let beside = sends(side, &server)?;
    let (server, recovery) = server.crash(|at| is_acknowledged(at, "BenchAfter"))?;
    server.stop()?;
    let title = Scenario::Timers.title();
    let about = About { scenario: Scenario::Timers, title, rival: "", headline: true };
    for (at, (count, mib)) in memory.into_iter().enumerate() {
        let target = if at == 0 { Target::AtMost(64.0) } else { Target::None };
        let name = format!("MiB of memory for {count}");
        side.report.row(
            About { headline: at == 0, ..about },
            Figure { name: &name, more: false, target },
            &[],
            &[mib],
        );
    }
    let about = About { headline: false, ..about };
    let cpu = |all: &[Figures]| {
        all.iter().map(|one| one.cpu_per_message_us().unwrap_or(f64::NAN)).collect::<Vec<_>>()
    };
    let grows: Vec<f64> =
        cpu(&plain).iter().zip(cpu(&beside)).map(|(plain, beside)| (beside / plain - 1.0) * 100.0).collect();
    let name = format!("% more CPU of a plain send beside {many}");
    side.report.row(about, Figure { name: &name, more: false, target: Target::AtMost(5.0) }, &[], &grows);
    let name = format!("s to the first acknowledgement after kill -9 with {many}");
    let figure = Figure { name: &name, more: false, target: Target::None };
    side.report.row(about, figure, &[], &[recovery.as_secs_f64()]);
    Ok(())
}

fn sends(side: &mut Side, server: &Server) -> io::Result<Vec<Figures>> {
    let run = Run { max_mib: 3 << 10, ..side.run_of(Scenario::Timers) };
    (0..side.options.pairs)
        .map(|_| {
            let own = ["--connections=4", "--inflight=64"];
            let figures = super::scenario::load(Load::Produce, server, run, &own)?;
            side.report.say(&format!("timers, plain sends: {figures}"));
            side.judge(Kind::Ours, &figures);
            Ok(figures)
        })
        .collect()
}

fn pend(side: &mut Side, server: &Server, count: u64) -> io::Result<()> {
    let run =
        Run { warmup: Duration::ZERO, duration: Duration::from_secs(1_200), ..side.run_of(Scenario::Timers) };
    let messages = format!("--messages={count}");
    let own = [
        "--connections=4",
        "--inflight=64",
        "--rate=max",
        "--consumers=0",
        "--delay=1h..7d",
        "--size=16",
        "--bare",
        &messages,
    ];
    let figures = super::scenario::load(Load::Delay, server, run, &own)?;
    side.report.say(&format!("timers, {count} more: {figures}"));
    if figures.faults.is_empty() { Ok(()) } else { Err(io::Error::other(figures.faults.join("; "))) }
}
