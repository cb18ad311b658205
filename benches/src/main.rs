//! Side-by-side runs, and what a turn of the ring costs. The load generator is `ringmq bench`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bare;
mod clock;
mod echo;
mod figures;
#[cfg(test)]
mod hot_path;
mod lone_shard;
mod micro;
mod path;
mod pipeline;
mod sends;
mod side;
mod topic;
mod usage;

#[derive(Debug, Parser)]
#[command(name = "benches", about = "Comparisons of RingMQ with other brokers, and with the bare machine")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// What the pump costs over a bare io_uring loop: 1 KiB in, 128 B out.
    Echo(echo::Options),
    /// The physical bound: a bare ring server under the load of B1, and a shard beside it.
    Bare(bare::Options),
    /// Every primitive of the hot path, with its budget.
    Micro(micro::Options),
    /// A shard without sockets and disk, for counting its instructions.
    Path(path::Options),
    /// The Java broker and ours in turns, with the targets beside.
    SideBySide(Box<side::Options>),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().benchmark {
        Benchmark::Echo(options) => echo::run(&options).map(|()| ExitCode::SUCCESS),
        Benchmark::Bare(options) => bare::run(&options).map(|()| ExitCode::SUCCESS),
        Benchmark::Micro(options) => micro::run(&options).map(|()| ExitCode::SUCCESS),
        Benchmark::Path(options) => path::run(&options).map(|()| ExitCode::SUCCESS),
        Benchmark::SideBySide(options) => side::run(*options).map(|valid| ExitCode::from(u8::from(!valid))),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}
