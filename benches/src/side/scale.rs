//! B10: a broker with 64 to 100,000 queues: throughput, memory, files, recovery.

use std::fs;
use std::io;
use std::time::Duration;

use ringmq::bench::plan::Kind as Load;

use crate::figures::Figures;
use crate::topic::Topic;
use crate::usage::Memory;

use super::recovery::is_acknowledged;
use super::report::{About, Figure};
use super::scenario::{Scenario, Target};
use super::server::{Flush, Kind, Setup};
use super::{Rival, Side};

/// What one size gave.
struct Sized {
    figures: Figures,
    /// Resident beside the window, MiB.
    resident: f64,
    descriptors: f64,
    recovery: Duration,
}

/// A figure and how it is read.
type Read<'f> = (&'f str, bool, &'f dyn Fn(&Sized) -> f64);

/// Measures all sizes.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let sizes: &[usize] = if side.options.quick { &[64, 1_000] } else { &[64, 1_000, 10_000, 100_000] };
    let mut ours: Vec<(usize, Vec<Sized>)> = sizes.iter().map(|size| (*size, Vec::new())).collect();
    for _ in 0..side.options.pairs {
        for (queues, all) in &mut ours {
            all.push(one(side, Kind::Ours, *queues, &[])?);
        }
    }
    // A file a queue, mapped: the kernel's limit of maps ends Java's before 65,000.
    let shared = if side.options.quick { 1_000 } else { 10_000 };
    let theirs = [one(side, Kind::Java, 64, &[])?, one(side, Kind::Java, shared, &[])?];
    let zipf = one(side, Kind::Ours, sizes[sizes.len() - 1], &["--spread=zipf:1"])?;
    let base: Vec<f64> = ours[0].1.iter().map(|sized| sized.figures.rate()).collect();
    let java = Rival::Java.title();
    for (queues, all) in &ours {
        let title = format!("B10 {queues} queues, send 4 x 64, 1 KiB");
        let beside: Vec<&Sized> = match *queues {
            64 => vec![&theirs[0]],
            queues if queues == shared => vec![&theirs[1]],
            _ => Vec::new(),
        };
        let rival = if beside.is_empty() { "" } else { java.as_str() };
        let about = About { scenario: Scenario::B10, title: &title, rival, headline: *queues == 100_000 };
        rows(side, about, &beside, &all.iter().collect::<Vec<_>>());
        if *queues != 64 {
            let share: Vec<f64> =
                all.iter().zip(&base).map(|(sized, base)| sized.figures.rate() / base * 100.0).collect();
            let figure = Figure { name: "% of the rate with 64", more: true, target: Target::AtLeast(90.0) };
            side.report.row(About { headline: false, ..about }, figure, &[], &share);
        }
    }
    let title = format!("B10 {} queues by Zipf's law, send 4 x 64, 1 KiB", sizes[sizes.len() - 1]);
    let about = About { scenario: Scenario::B10, title: &title, rival: "", headline: false };
    rows(side, about, &[], &[&zipf]);
    Ok(())
}

fn rows(side: &mut Side, about: About<'_>, theirs: &[&Sized], ours: &[&Sized]) {
    let figures: [Read<'_>; 5] = [
        ("messages/s", true, &|sized| sized.figures.rate()),
        ("broker CPU us/message", false, &|sized| sized.figures.cpu_per_message_us().unwrap_or(f64::NAN)),
        ("resident MiB beside the window", false, &|sized| sized.resident),
        ("open files", false, &|sized| sized.descriptors),
        ("s to the first acknowledgement after kill -9", false, &|sized| sized.recovery.as_secs_f64()),
    ];
    for (at, (name, more, of)) in figures.into_iter().enumerate() {
        let about = About { headline: about.headline && at == 0, ..about };
        let of = |all: &[&Sized]| all.iter().map(|sized| of(sized)).collect::<Vec<_>>();
        side.report.row(about, Figure { name, more, target: Target::None }, &of(theirs), &of(ours));
    }
}

fn one(side: &mut Side, kind: Kind, queues: usize, more: &[&str]) -> io::Result<Sized> {
    let server = side.start(kind, &Setup::new(Flush::Async))?;
    if kind == Kind::Java {
        side.warm(&server)?;
    }
    let topics = queues.div_ceil(QUEUES_PER_TOPIC);
    for number in 0..topics {
        let name = if topics == 1 { NAME.to_owned() } else { format!("{NAME}-{number}") };
        let queues = u32::try_from(queues / topics).expect("few queues");
        Topic { broker: server.at, name, queues }.create()?;
    }
    let own = [
        format!("--topic={NAME}"),
        format!("--topics={topics}"),
        "--topic-exists".to_owned(),
        "--connections=4".to_owned(),
        "--inflight=64".to_owned(),
    ];
    let own: Vec<&str> = own.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let figures = super::scenario::load(Load::Produce, &server, side.run_of(Scenario::B10), &own)?;
    let memory = Memory::of(server.pid())?;
    let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid()))?.count() as f64;
    let (server, recovery) = server.crash(|at| is_acknowledged(at, "BenchAfter"))?;
    server.stop()?;
    let resident = memory.resident.saturating_sub(memory.shared) as f64 / f64::from(1 << 20);
    side.report.say(&format!(
        "B10 {} {queues} queues: {resident:.0} MiB, {descriptors} files, recovered in {recovery:?}; {figures}",
        kind.name()
    ));
    side.judge(kind, &figures);
    Ok(Sized { figures, resident, descriptors, recovery })
}

const NAME: &str = "BenchScale";
const QUEUES_PER_TOPIC: usize = 1_000;
