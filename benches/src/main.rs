//! Load generators and side-by-side runs.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod clock;
mod e2e;
mod echo;
#[cfg(test)]
mod hot_path;
mod load;
mod options;
mod phases;
mod pull;
mod records;
mod send;
mod side;
mod tally;
mod template;
mod topic;
mod usage;

#[derive(Debug, Parser)]
#[command(name = "benches", about = "Load generators of RingMQ, and comparisons with the Java broker")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// What the pump costs over a bare io_uring loop: 1 KiB in, 128 B out.
    Echo(echo::Options),
    /// Sends in a closed loop, pipelined.
    Send(send::Options),
    /// Pulls of the hot tail, one in flight per consumer.
    Pull(pull::Options),
    /// From intended send to delivery, at a fixed rate.
    E2e(e2e::Options),
    /// The Java broker and ours in turns, with the targets beside.
    SideBySide(Box<side::Options>),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().benchmark {
        Benchmark::Echo(options) => echo::run(&options).map(|()| ExitCode::SUCCESS),
        Benchmark::Send(options) => send::run(&options).map(print),
        Benchmark::Pull(options) => pull::run(&options).map(print),
        Benchmark::E2e(options) => e2e::run(&options).map(print),
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

fn print(figures: tally::Figures) -> ExitCode {
    println!("{figures}");
    if figures.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
