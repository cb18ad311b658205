//! Commands for people who work on RingMQ: `cargo xtask test` runs every test there is.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod arguments;
mod steps;

use arguments::Arguments;

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) if arguments.capture => steps::capture(&arguments),
        Ok(arguments) => steps::test(&arguments),
        Err(usage) => {
            eprintln!("{usage}");
            ExitCode::from(2)
        }
    }
}
