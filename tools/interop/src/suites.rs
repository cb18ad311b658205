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
    cluster::{BrokerPlan, CLUSTER, Cluster, Make, Plan},
    kill9, mqadmin,
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

pub(crate) const JAVA_CLIENTS: [&str; 3] = ["4.9.8", "5.3.3", "5.5.0"];
pub(crate) const CODECS: [&str; 2] = ["JSON", "ROCKETMQ"];

/// No suite takes longer, or it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(420);

/// A client program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Java { version: &'static str, codec: &'static str },
    Go,
    Node,
}

impl Program {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Java { version, codec } => format!("java-{version}-{}", codec.to_lowercase()),
            Self::Go => "go-2.1.2".to_owned(),
            Self::Node => "node-3.12.0".to_owned(),
        }
    }

    /// Builds what is not built yet; the options that describe the servers are still to be added.
    pub(crate) fn command(self, workshop: &Workshop, home: &Path) -> Result<Command, Trouble> {
        match self {
            Self::Java { version, codec } => {
                let classpath = workshop.java_client(version)?;
                let mut command = java(home, 768);
                command.arg(format!("-Drocketmq.serialize.type={codec}"));
                command.arg("-cp").arg(classpath).arg("interop.Main");
                Ok(command)
            }
            Self::Go => {
                let mut command = Command::new(workshop.go_client()?);
                command.env("HOME", home); // broadcasting offsets are kept there
                Ok(command)
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(workshop.node_client()?.join("main.js")).env("HOME", home);
                Ok(command)
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Suite {
    Client(Program),
    Mqadmin,
    /// Our broker and a Java broker at a name server of this make.
    Mixed(Make),
    /// `kill -9` again and again.
    Kill9 {
        flush: Flush,
        shards: u16,
    },
}

/// `flushDiskType`.
#[derive(Clone, Copy, Debug)]
enum Flush {
    Async,
    Sync,
}

impl Suite {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for version in JAVA_CLIENTS {
            all.extend(CODECS.map(|codec| Self::Client(Program::Java { version, codec })));
        }
        all.extend([Self::Client(Program::Go), Self::Client(Program::Node), Self::Mqadmin]);
        all.extend([Self::Mixed(Make::Java), Self::Mixed(Make::Ours)]);
        for (flush, shards) in [(Flush::Async, 1), (Flush::Async, 2), (Flush::Sync, 1), (Flush::Sync, 2)] {
            all.push(Self::Kill9 { flush, shards });
        }
        all
    }

    fn name(self) -> String {
        match self {
            Self::Client(program) => program.name(),
            Self::Mqadmin => "mqadmin".to_owned(),
            Self::Mixed(Make::Java) => "mixed-at-java-name-server".to_owned(),
            Self::Mixed(Make::Ours) => "mixed-at-our-name-server".to_owned(),
            Self::Kill9 { flush: Flush::Async, shards } => format!("kill9-async-{shards}"),
            Self::Kill9 { flush: Flush::Sync, shards } => format!("kill9-sync-{shards}"),
        }
    }

    fn run(self, it: &Run<'_>) -> Result<(), Trouble> {
        match self {
            Self::Client(program) => it.client(&self.name(), program),
            Self::Mqadmin => it.mqadmin(),
            Self::Mixed(name_server) => it.mixed(&self.name(), name_server),
            Self::Kill9 { flush, shards } => it.kill9(&self.name(), flush, shards),
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
    fn client(&self, suite: &str, program: Program) -> Result<(), Trouble> {
        let mut cluster = Cluster::start(self.workshop, &Plan::usual(self.selection.servers), &self.home)?;
        let mut command = program.command(self.workshop, &self.home)?;
        self.describe(&mut command, &cluster);
        converse(suite, command, &mut cluster, PATIENCE, &self.log(), self.report)
    }

    fn mqadmin(&self) -> Result<(), Trouble> {
        let cluster = Cluster::start(self.workshop, &Plan::usual(self.selection.servers), &self.home)?;
        mqadmin::run(self.workshop, &cluster, &self.home, self.report, |name| self.wanted(name))
    }

    /// Against the oracle, both brokers are Java's: that validates the scenarios.
    fn mixed(&self, suite: &str, name_server: Make) -> Result<(), Trouble> {
        let as_selected = |make| if self.selection.servers == Make::Java { Make::Java } else { make };
        let broker = |make, shards| BrokerPlan { make, shards, extra: String::new() };
        let plan = Plan {
            name_servers: vec![as_selected(name_server)],
            brokers: vec![broker(as_selected(Make::Ours), 2), broker(Make::Java, 1)],
        };
        let mut cluster = Cluster::start(self.workshop, &plan, &self.home)?;
        for (version, codec) in [("4.9.8", "JSON"), ("5.5.0", "ROCKETMQ")] {
            let mut command = Program::Java { version, codec }.command(self.workshop, &self.home)?;
            self.describe(&mut command, &cluster);
            command.args(["--set", "mixed", "--prefix", &format!("{version}/")]);
            converse(
                suite,
                command,
                &mut cluster,
                PATIENCE,
                &self.home.join(format!("client-{version}.log")),
                self.report,
            )?;
        }
        Ok(())
    }

    fn kill9(&self, suite: &str, flush: Flush, shards: u16) -> Result<(), Trouble> {
        let extra = match flush {
            Flush::Async => "flushDiskType=ASYNC_FLUSH\n",
            Flush::Sync => "flushDiskType=SYNC_FLUSH\n",
        };
        let make = self.selection.servers;
        let broker = BrokerPlan { make, shards, extra: extra.to_owned() };
        let mut cluster = Cluster::start(
            self.workshop,
            &Plan { name_servers: vec![make], brokers: vec![broker] },
            &self.home,
        )?;
        // Java writes its offsets every five seconds, and its oracle run need not take as many starts of a JVM.
        let trial = match make {
            Make::Ours => kill9::Trial { cycles: 10, offset_age_max: Duration::from_millis(1200) },
            Make::Java => kill9::Trial { cycles: 3, offset_age_max: Duration::from_secs(6) },
        };
        kill9::run(suite, trial, &mut cluster, self.report)
    }

    fn wanted(&self, scenario: &str) -> bool {
        let only = &self.selection.scenarios;
        only.is_empty() || only.iter().any(|part| scenario.contains(part.as_str()))
    }

    /// The options that every client program takes.
    fn describe(&self, command: &mut Command, cluster: &Cluster) {
        let servers = if self.selection.servers == Make::Ours { "ours" } else { "java" };
        command.args(["--namesrv", &cluster.name_servers(), "--cluster", CLUSTER, "--servers", servers]);
        command.args([
            "--brokers",
            &cluster.masters().len().to_string(),
            "--masters",
            &cluster.addresses().join(";"),
        ]);
        if !self.selection.scenarios.is_empty() {
            command.args(["--only", &self.selection.scenarios.join(",")]);
        }
    }

    fn log(&self) -> PathBuf {
        Path::join(&self.home, "client.log")
    }
}
