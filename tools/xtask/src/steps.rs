//! The steps of `cargo xtask test` and their sum.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::Arc,
};

use interop::{Make, Tally, Workshop};

use crate::arguments::{Arguments, Step};
use crate::instructions;

/// Runs the chosen steps, all of them even if one fails; the last line is the sum.
pub(crate) fn test(arguments: &Arguments) -> ExitCode {
    let mut sum = Tally::default();
    let mut failed = Vec::new();
    for (name, step) in Step::ALL.into_iter().filter(|(_, step)| arguments.steps.contains(step)) {
        println!("== {name}");
        let tally = match step {
            Step::Fmt => checked(&["fmt", "--all", "--check"]),
            Step::Clippy => checked(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Step::Tests => cargo_tests(),
            Step::Docs => docs(),
            Step::Instructions => instructions(),
            Step::Interop => interop(arguments),
        };
        println!("== {name}: {} passed, {} failed\n", tally.passed, tally.failed);
        if tally.failed > 0 || tally.passed == 0 {
            failed.push(name);
        }
        sum.passed += tally.passed;
        sum.failed += tally.failed;
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(" "));
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One cargo command that either passes or fails as a whole.
fn checked(args: &[&str]) -> Tally {
    one(cargo().args(args).status().is_ok_and(|status| status.success()))
}

fn docs() -> Tally {
    let mut command = cargo();
    command
        .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings");
    one(command.status().is_ok_and(|status| status.success()))
}

/// All tests of the workspace, counted from the lines cargo prints per test program.
fn cargo_tests() -> Tally {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return one(false) };
    let mut tally = Tally::default();
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for line in lines.map_while(Result::ok) {
        println!("{line}");
        if let Some(counts) = line.strip_prefix("test result: ") {
            tally.passed += count(counts, "passed");
            tally.failed += count(counts, "failed");
        }
    }
    let ended_well = child.wait().is_ok_and(|status| status.success());
    // A program that does not compile or dies without a result line is a failure too.
    if !ended_well && tally.failed == 0 {
        tally.failed = 1;
    }
    tally
}

/// The number before `word` in `ok. 12 passed; 0 failed; ...`.
fn count(line: &str, word: &str) -> usize {
    let part = line.split(['.', ';']).find(|part| part.trim_end().ends_with(word));
    part.and_then(|part| part.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn instructions() -> Tally {
    match instructions::check(&root(), &target()) {
        Ok((passed, failed)) => Tally { passed, failed },
        Err(trouble) => {
            println!("{trouble}");
            one(false)
        }
    }
}

/// Writes down what the hot paths cost now.
pub(crate) fn record_instructions() -> ExitCode {
    match instructions::record(&root(), &target()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

fn interop(arguments: &Arguments) -> Tally {
    let workshop = workshop(arguments);
    if arguments.selection.name_servers == Make::Ours && arguments.binary.is_none() {
        let built = checked(&["build", "--package", "ringmq", "--profile", &arguments.profile]);
        if built.failed > 0 {
            return built;
        }
    }
    interop::run(&workshop, &arguments.selection)
}

/// Records fixtures for `net` from clients that talk to the Java servers.
pub(crate) fn capture(arguments: &Arguments) -> ExitCode {
    let folder = root().join("net/tests/fixtures/captured");
    match interop::capture(&workshop(arguments), &folder, &arguments.selection.suites) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

fn workshop(arguments: &Arguments) -> Workshop {
    let profile = arguments.profile.as_str();
    let folder = if profile == "dev" { "debug" } else { profile };
    Workshop {
        sources: root().join("tools/interop"),
        products: target().join("interop"),
        ringmq: arguments.binary.clone().unwrap_or_else(|| target().join(folder).join("ringmq")),
        made: Arc::default(),
    }
}

fn one(passed: bool) -> Tally {
    Tally { passed: usize::from(passed), failed: usize::from(!passed) }
}

/// The cargo that started us, in the workspace.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("xtask lies two folders below the workspace").to_owned()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_read_from_cargos_result_line() {
        let line = "FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(count(line, "passed"), 12);
        assert_eq!(count(line, "failed"), 3);
    }
}
