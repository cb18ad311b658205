//! Commands for people who work on RingMQ: `cargo xtask test` runs every test there is.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod arguments;
mod instructions;
mod steps;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => match arguments.task {
            Task::Test => steps::test(&arguments),
            Task::Capture => steps::capture(&arguments),
            Task::RecordInstructions => steps::record_instructions(),
        },
        Err(usage) => {
            eprintln!("{usage}");
            ExitCode::from(2)
        }
    }
}
