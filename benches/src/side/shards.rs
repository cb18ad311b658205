//! B14: two shards on two cores, the generator sharing both; and one shard on one core with the generator sharing it.
//!
//! Where generator and shards share cores, the rate says little and the CPU per message all: what a second shard costs the
//! first.

use std::io;

use ringmq::bench::plan::Kind as Load;

use crate::figures::Figures;

use super::Side;
use super::report::{About, Figure};
use super::scenario::{Scenario, Target};
use super::server::{Flush, Kind, Setup};

/// Measures one and two shards in turns.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..side.options.pairs {
        one.push(with(side, 1)?);
        two.push(with(side, 2)?);
    }
    let rate = |all: &[Figures]| all.iter().map(Figures::rate).collect::<Vec<_>>();
    let cpu = |all: &[Figures]| {
        all.iter().map(|one| one.cpu_per_message_us().unwrap_or(f64::NAN)).collect::<Vec<_>>()
    };
    let title = "B14 two shards beside one, generator on the same cores, 4 x 64 each, 1 KiB";
    let about = About { scenario: Scenario::B14, title, rival: "one shard of ours", headline: true };
    let figure = Figure { name: "messages/s", more: true, target: Target::None };
    side.report.row(about, figure, &rate(&one), &rate(&two));
    let about = About { headline: false, ..about };
    let figure = Figure { name: "broker CPU us/message", more: false, target: Target::None };
    side.report.row(about, figure, &cpu(&one), &cpu(&two));
    let efficiency: Vec<f64> = cpu(&one).iter().zip(cpu(&two)).map(|(one, two)| one / two * 100.0).collect();
    let figure = Figure { name: "scaling efficiency by CPU, %", more: true, target: Target::None };
    side.report.row(about, figure, &[], &efficiency);
    Ok(())
}

fn with(side: &mut Side, shards: usize) -> io::Result<Figures> {
    let setup = Setup { shards, ..Setup::new(Flush::Async) };
    let server = side.start(Kind::Ours, &setup)?;
    let first = side.options.broker_cpu;
    let cpus = (first..first + shards).map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",");
    let cpus = format!("--cpus={cpus}");
    let own = ["--connections=4", "--inflight=64", &cpus];
    let figures = super::scenario::load(Load::Produce, &server, side.run_of(Scenario::B14), &own)?;
    server.stop()?;
    side.report.say(&format!("B14 {shards} shards: {figures}"));
    side.judge(Kind::Ours, &figures);
    Ok(figures)
}
