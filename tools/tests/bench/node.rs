//! A node to load, and runs of `ringmq bench` against it that are watched while they last.

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::ringmq::{Place, Said, said};
use crate::server::{Server, dev, ports};

/// A node and a place to run things against it.
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) server: Server,
    pub(crate) namesrv: String,
    pub(crate) broker: String,
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, &[])
    }

    pub(crate) fn with(name: &str, more: &[&str]) -> Self {
        let place = Place::new(name);
        let (names, port) = ports();
        let server = dev(&place, names, port, &[&["--shards", "2"], more].concat());
        Self { place, server, namesrv: format!("127.0.0.1:{names}"), broker: format!("127.0.0.1:{port}") }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.ringmq();
        command.arg("bench").args(arguments).args(["-n", &self.namesrv]);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().unwrap())
    }

    /// A run whose host may be busy: it is whole, and INVALID at worst.
    pub(crate) fn measured(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
        let run = self.run(&all);
        assert!(matches!(run.code, Some(0 | 3)), "{arguments:?}: {:?}\n{}\n{}", run.code, run.out, run.err);
        let summary: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(summary["schema"], "ringmq-bench/1");
        assert_eq!(summary["valid"] == true, run.code == Some(0), "{}", run.out);
        summary
    }

    pub(crate) fn topics(&self) -> String {
        let list = self.place.run(&["admin", "topic", "list", "--output", "tsv", "-n", &self.namesrv]);
        list.out.lines().filter(|line| line.contains("ringmq-bench")).collect()
    }
}

/// A run that prints while it lasts.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that is as `wanted`; those before it are gone.
    pub(crate) fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        self.lines.by_ref().map(Result::unwrap).find(|line| wanted(line)).unwrap()
    }

    pub(crate) fn interrupt(&self) {
        interrupt(self.child.id());
    }

    /// Its exit code, the lines that were not read yet, and what it said on standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let rest = self.lines.map(Result::unwrap).collect();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), rest, errors)
    }
}

pub(crate) const SMALL: [&str; 2] = ["--warmup=100ms", "--duration=400ms"];

pub(crate) fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    more.iter().copied().chain(SMALL).collect()
}

pub(crate) fn interrupt(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}
