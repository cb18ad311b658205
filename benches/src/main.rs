//! Micro-benchmarks and side-by-side runs.

mod echo;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "benches", about = "Micro-benchmarks of RingMQ")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// What the pump costs over a bare io_uring loop: 1 KiB in, 128 B out.
    Echo(echo::Options),
}

fn main() -> std::io::Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::Echo(options) => echo::run(&options),
    }
}
