//! Lives through one seed again and says what happened.

use std::process::ExitCode;

use clap::Parser;

/// One seed of the simulated cluster.
#[derive(Parser)]
struct Arguments {
    /// Which.
    seed: u64,
    /// The life of groups whose members come and go.
    #[arg(long)]
    groups: bool,
    /// Every event of the history.
    #[arg(long)]
    history: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = if arguments.groups { sim::run_groups(arguments.seed) } else { sim::run(arguments.seed) };
    if arguments.history {
        run.history.events.iter().for_each(|event| println!("{event:?}"));
    }
    println!("{run}");
    if run.summary.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
