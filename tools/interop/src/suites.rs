//! Every suite there is, and running the chosen ones.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use crate::{
    artifacts::{Workshop, java},
    client::converse,
    cluster::{CLUSTER, Cluster, Make, Plan},
    report::{Report, Tally},
    trouble::Trouble,
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Whose servers the clients meet.
    pub servers: Make,
    /// Only suites whose name contains one of these; all if empty.
    pub suites: Vec<String>,
    /// Only scenarios whose name contains one of these; all if empty.
    pub scenarios: Vec<String>,
    /// Suites at a time.
    pub jobs: usize,
}

const JAVA_CLIENTS: [&str; 3] = ["4.9.8", "5.3.3", "5.5.0"];
const CODECS: [&str; 2] = ["JSON", "ROCKETMQ"];

/// No suite takes longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(420);

#[derive(Clone, Debug)]
enum Suite {
    Java { version: &'static str, codec: &'static str },
}

impl Suite {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for version in JAVA_CLIENTS {
            all.extend(CODECS.map(|codec| Self::Java { version, codec }));
        }
        all
    }

    fn name(&self) -> String {
        match self {
            Self::Java { version, codec } => format!("java-{version}-{}", codec.to_lowercase()),
        }
    }

    fn run(&self, it: &Run<'_>) -> Result<(), Trouble> {
        match self {
            Self::Java { version, codec } => it.java(&self.name(), version, codec),
        }
    }
}

/// Runs the chosen suites, prints a line per scenario, and returns the sum.
#[must_use]
pub fn run(workshop: &Workshop, selection: &Selection) -> Tally {
    let report = Report::default();
    let scratch = std::env::temp_dir().join(format!("ringmq-interop-{}", std::process::id()));
    let chosen = |suite: &Suite| {
        selection.suites.is_empty()
            || selection.suites.iter().any(|wanted| suite.name().contains(wanted.as_str()))
    };
    let waiting: Mutex<VecDeque<Suite>> = Mutex::new(Suite::all().into_iter().filter(chosen).collect());
    std::thread::scope(|scope| {
        for _ in 0..selection.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(suite) = waiting.lock().expect("no holder panics").pop_front() else { return };
                    let name = suite.name();
                    let run = Run { workshop, selection, report: &report, home: scratch.join(&name) };
                    if let Err(trouble) = suite.run(&run) {
                        report.fail(&name, "suite", &trouble.to_string());
                    }
                }
            });
        }
    });
    let failures = report.failures();
    if failures.is_empty() {
        let _ = std::fs::remove_dir_all(&scratch); // a leftover in the temporary folder harms nobody
    } else {
        println!("  logs and stores of this run: {}", scratch.display());
        failures.iter().for_each(|failure| println!("  failed: {failure}"));
    }
    report.tally()
}

/// One suite being run.
struct Run<'a> {
    workshop: &'a Workshop,
    selection: &'a Selection,
    report: &'a Report,
    home: PathBuf,
}

impl Run<'_> {
    fn java(&self, suite: &str, version: &str, codec: &str) -> Result<(), Trouble> {
        let classpath = self.workshop.java_client(version)?;
        let mut cluster = Cluster::start(self.workshop, &Plan::usual(self.selection.servers), &self.home)?;
        let mut command = java(&self.home, 768);
        command.arg(format!("-Drocketmq.serialize.type={codec}"));
        command.arg("-cp").arg(classpath).arg("interop.Main");
        self.describe(&mut command, &cluster);
        converse(suite, command, &mut cluster, PATIENCE, &self.log(), self.report)
    }

    /// The options that every client program takes.
    fn describe(&self, command: &mut Command, cluster: &Cluster) {
        let servers = if self.selection.servers == Make::Ours { "ours" } else { "java" };
        command.args(["--namesrv", &cluster.name_servers(), "--cluster", CLUSTER, "--servers", servers]);
        command.args(["--brokers", &cluster.masters().len().to_string()]);
        if !self.selection.scenarios.is_empty() {
            command.args(["--only", &self.selection.scenarios.join(",")]);
        }
    }

    fn log(&self) -> PathBuf {
        Path::join(&self.home, "client.log")
    }
}
