//! `bare`: the physical bound. A ring server that receives, copies, checksums and answers, and nothing else, under the
//! load of scenario B1; and a shard of ours under the same load, in turns.
//!
//! Target (performance.md 8, "physics"): the shard takes at most 1.5 times the CPU of the bare server per message. The
//! bare server writes nothing to a disk and knows neither topics nor queues; what it lacks is the price of a broker.

mod server;
mod shard;
mod talk;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::pipeline::{self, Loaded};

/// Options of `benches bare`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Sends in flight per connection.
    #[arg(long, default_value_t = 64)]
    pub(crate) inflight: usize,
    /// Seconds measured per run.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Seconds of load before them.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warmup: f64,
    /// Pairs of runs.
    #[arg(long, default_value_t = 5)]
    pub(crate) pairs: usize,
    /// Core of the server.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// Core of the generator.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_cpu: usize,
    /// Directory for the shard's store [default: a temporary one].
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Neither server nor generator ever sleeps: with one send in flight, the bound of its latency.
    #[arg(long)]
    pub(crate) spin: bool,
    /// Only the bare server.
    #[arg(long)]
    pub(crate) alone: bool,
}

/// What the shard may cost over the bare server.
pub(crate) const TARGET: f64 = 1.5;

/// Runs the pairs and prints them, then the ratio.
///
/// # Errors
/// A server that does not start or answers wrongly.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    if options.alone {
        println!("{}", bound(options)?);
        return Ok(());
    }
    let mut ratios = Vec::new();
    for pair in 0..options.pairs {
        let bare = server::measure(options)?;
        println!("pair {pair} bare:  {bare}");
        let shard = shard::measure(options)?;
        println!("pair {pair} shard: {shard}");
        ratios.push(shard.cpu_us() / bare.cpu_us());
    }
    if let Some(ratio) = Spread::of(ratios) {
        let Spread { median, least, most } = ratio;
        println!(
            "CPU per message, shard over bare: median {median:.2}, {least:.2} to {most:.2} in {} pairs (target {TARGET})",
            options.pairs
        );
    }
    Ok(())
}

/// The bare server's CPU per message.
///
/// # Errors
/// As [`run`].
pub(crate) fn bound(options: &Options) -> io::Result<Bound> {
    let runs = (0..options.pairs).map(|_| server::measure(options).map(|run| run.cpu_us()));
    let spread = Spread::of(runs.collect::<io::Result<_>>()?);
    let Spread { median, least, most } = spread.ok_or_else(|| io::Error::other("no pair, no figure"))?;
    let what = format!(
        "bare ring server (receive, copy, checksum, answer), {} x {}, 1 KiB: {median:.2} us CPU per message ({least:.2} to \
         {most:.2})",
        options.connections, options.inflight
    );
    Ok(Bound { median, what })
}

/// The least that a message can take, on this machine.
pub(crate) struct Bound {
    /// CPU in us.
    pub(crate) median: f64,
    what: String,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: values[values.len() / 2], least, most })
    }
}

impl Options {
    fn load(&self, to: SocketAddr) -> io::Result<Loaded> {
        let plan = pipeline::Plan {
            to,
            cpu: self.load_cpu,
            connections: self.connections,
            inflight: self.inflight,
            spin: self.spin,
            warmup: Duration::from_secs_f64(self.warmup),
            measured: Duration::from_secs_f64(self.seconds),
            pid: None,
            requests_max: u64::MAX,
        };
        pipeline::run(plan, talk::Frames::new(self.connections))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_answer_every_send_of_a_short_run() {
        let options = Options {
            connections: 2,
            inflight: 16,
            seconds: 0.1,
            warmup: 0.1,
            pairs: 1,
            server_cpu: 0,
            load_cpu: 0,
            dir: None,
            spin: false,
            alone: false,
        };
        run(&options).unwrap();
        assert!(bound(&options).unwrap().to_string().contains("us CPU per message"));
    }
}
