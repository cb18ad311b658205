//! `ringmq`: servers, their configuration, and the tools to use, load and watch them, as a library.
//!
//! Place: the binary is a thin `main`; `benches` drives the load generator ([`mod@bench`]) in its own process, and draws
//! with its [`bars`].
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

mod admin;
pub mod bars;
pub mod bench;
mod cli;
mod client;
mod config_command;
mod consume;
mod failure;
mod io_probe;
mod links;
mod output;
mod produce;
mod quickstart;
mod run_dir;
mod server;
mod signals;
mod size;
mod sources;
mod time;
mod tune;

use cli::{Cli, Command};
use failure::Failure;

/// Runs the command line of this process: what the binary does.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let name =
        Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let done = match links::by_name(&name) {
        Some(command) => {
            command(&arguments.map(|text| text.to_string_lossy().into_owned()).collect::<Vec<_>>())
        }
        None => run(Cli::parse().command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                output::aside(&failure.to_string());
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Namesrv(command) => server::namesrv::command(command),
        Command::Broker(command) => server::broker::command(command),
        Command::Dev(command) => server::dev::command(command),
        Command::Config(command) => config_command::run(command),
        Command::Quickstart(command) => quickstart::run(command),
        Command::Produce(command) => produce::run(&command),
        Command::Consume(command) => consume::run(command),
        Command::Admin(command) => admin::run(command),
        Command::Tune(command) => tune::run(&command),
        Command::IoProbe(options) => io_probe::run(&options),
        Command::Bench(command) => bench::command(command),
        Command::Mqbroker(foreign) => links::mqbroker(&foreign.arguments),
        Command::Mqnamesrv(foreign) => links::mqnamesrv(&foreign.arguments),
        Command::Mqshutdown(foreign) => links::mqshutdown(&foreign.arguments),
    }
}
