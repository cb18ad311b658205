//! Runs a client program and speaks the line protocol with it.
//!
//! From the program: `@@ PLAN name`, `@@ PASS name ms`, `@@ FAIL name ms why`, `@@ DO kill broker-0`, `@@ END`.
//! To it, after a `DO`: `OK`, or what went wrong. Everything else it prints goes to its log.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use crate::{cluster::Cluster, process::Process, report::Report, trouble::Trouble};

/// Runs `command` to its end, at most for `patience`; every planned scenario ends up in `report`.
pub(crate) fn converse(
    suite: &str,
    mut command: Command,
    cluster: &mut Cluster,
    patience: Duration,
    log: &Path,
    report: &Report,
) -> Result<(), Trouble> {
    let errors = File::create(log).map_err(Trouble::io("open the client's log"))?;
    let mut copy = errors.try_clone().map_err(Trouble::io("clone a log handle"))?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    let mut process = Process::adopt(suite, command, log)?;
    let mut stdin = process.child().stdin.take().expect("piped");
    let stdout = process.child().stdout.take().expect("piped");

    let (lines, incoming) = channel();
    let mut planned = BTreeSet::new();
    let mut reported = 0;
    let mut ended = false;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        while let Ok(line) = incoming.recv_timeout(left()) {
            let _ = writeln!(copy, "{line}"); // the log is for people; a full disk shows elsewhere
            let Some(said) = line.strip_prefix("@@ ") else { continue };
            let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
            let (name, rest_of) = rest.split_once(' ').unwrap_or((rest, ""));
            let (ms, why) = rest_of.split_once(' ').unwrap_or((rest_of, ""));
            match word {
                "PLAN" => _ = planned.insert(rest.to_owned()),
                "PASS" | "FAIL" if !planned.remove(name) => {
                    report.fail(suite, name, "reported, but not planned")
                }
                "PASS" => {
                    report.pass(suite, name, Duration::from_millis(ms.parse().unwrap_or(0)));
                    reported += 1;
                }
                "FAIL" => {
                    report.fail(suite, name, &format!("{why}  (log {})", log.display()));
                    reported += 1;
                }
                "DO" => {
                    let answer = cluster
                        .obey(rest)
                        .map_or_else(|e| e.to_string().replace('\n', " "), |()| "OK".into());
                    let _ = writeln!(copy, "harness: {answer}");
                    if writeln!(stdin, "{answer}").is_err() {
                        break;
                    }
                }
                "END" => {
                    ended = true;
                    break;
                }
                _ => {}
            }
        }
        process.kill();
    });
    for name in planned {
        report.fail(suite, &name, &format!("planned, but never reported (log {})", log.display()));
    }
    if ended && reported > 0 {
        return Ok(());
    }
    Err(Trouble::Late { awaited: format!("the end of {suite}"), log: Some(log.to_owned()) })
}
