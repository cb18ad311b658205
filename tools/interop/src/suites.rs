//! Every suite there is, and running the chosen ones.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use crate::{
    artifacts::Workshop,
    cli,
    client::converse,
    cluster::{BrokerPlan, CLUSTER, Cluster, Make, Plan},
    hostile, kill9, mqadmin,
    program::{CODECS, JAVA_CLIENTS, Program},
    report::{Report, Tally},
    sql,
    trouble::Trouble,
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Whose brokers the clients meet.
    pub brokers: Make,
    /// Whose name servers.
    pub name_servers: Make,
    /// Only suites whose name contains one of these; all if empty.
    pub suites: Vec<String>,
    /// Only scenarios whose name contains one of these; all if empty.
    pub scenarios: Vec<String>,
    /// Suites at a time.
    pub jobs: usize,
}

/// No suite takes longer, or it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// More failures than this are not the races of a client program with itself.
const SECOND_CHANCES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Suite {
    /// A client with servers of its own.
    Client(Program),
    /// A Java client at a broker with light queues and idempotent sends.
    Kinds(&'static str),
    /// Java's tool.
    Mqadmin,
    /// Our broker and a Java broker at a name server of this make.
    Mixed(Make),
    /// The commands of our own binary.
    Cli,
    /// `kill -9` again and again.
    Kill9 { disk: &'static str, shards: u16 },
    /// The same while messages are popped.
    Kill9Pop,
    /// The same while two members consume in order.
    Kill9Order,
    /// Malformed bytes beside a healthy client.
    Hostile,
    /// Filters over properties, ours against RocketMQ's evaluator.
    Sql,
}

impl Suite {
    /// The longest first, so that two at a time end together.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for version in JAVA_CLIENTS {
            all.extend(CODECS.map(|codec| Self::Client(Program::Java { version, codec })));
        }
        all.extend([Self::Mixed(Make::Java), Self::Mixed(Make::Ours)]);
        all.extend([
            Self::Client(Program::Go),
            Self::Client(Program::Node),
            Self::Kinds("5.3.3"),
            Self::Kinds("5.5.0"),
            Self::Mqadmin,
            Self::Cli,
            Self::Hostile,
            Self::Kill9Pop,
            Self::Kill9Order,
            Self::Sql,
        ]);
        for disk in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
            all.extend([1, 2].map(|shards| Self::Kill9 { disk, shards }));
        }
        all
    }

    fn name(self) -> String {
        match self {
            Self::Client(program) => program.name(),
            Self::Kinds(version) => format!("kinds-{version}"),
            Self::Mqadmin => "mqadmin".to_owned(),
            Self::Mixed(Make::Java) => "mixed-at-java-name-server".to_owned(),
            Self::Mixed(Make::Ours) => "mixed-at-our-name-server".to_owned(),
            Self::Cli => "cli".to_owned(),
            Self::Kill9 { disk, shards } => {
                format!("kill9-{}-{shards}", disk.to_lowercase().replace("_flush", ""))
            }
            Self::Kill9Pop => "kill9-pop".to_owned(),
            Self::Kill9Order => "kill9-order".to_owned(),
            Self::Hostile => "hostile".to_owned(),
            Self::Sql => "sql".to_owned(),
        }
    }

    /// Whether a failed scenario is asked a second time, on new servers: client programs race with themselves (the Go
    /// client drops an offset that was set before its first rebalance, Java's loses a heartbeat that meets another).
    /// What proves a promise of ours is never asked twice.
    fn is_a_foreign_program(self) -> bool {
        matches!(self, Self::Client(_) | Self::Kinds(_) | Self::Mixed(_) | Self::Mqadmin)
    }

    fn run(self, it: &Run<'_>) -> Result<(), Trouble> {
        match self {
            Self::Client(program) => it.client(program),
            Self::Kinds(version) => it.kinds(version),
            Self::Mqadmin => it.mqadmin(),
            Self::Mixed(name_server) => it.mixed(name_server),
            Self::Cli => it.cli(),
            Self::Kill9 { disk, shards } => it.kill9(disk, shards),
            Self::Kill9Pop => it.kill9_pop(),
            Self::Kill9Order => it.kill9_order(),
            Self::Hostile => it.hostile(),
            Self::Sql => sql::run(it.suite, it.workshop, &it.home, it.report),
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
                    let run =
                        Run { suite: &name, workshop, selection, report: &report, home: scratch.join(&name) };
                    if let Err(trouble) = suite.run(&run) {
                        report.fail(&name, "suite", &trouble.to_string());
                    }
                }
            });
        }
    });
    ask_again(&report, workshop, selection, &scratch);
    let failures = report.failures();
    if failures.is_empty() {
        let _ = std::fs::remove_dir_all(&scratch); // a leftover in the temporary folder harms nobody
    } else {
        println!("  logs and stores of this run: {}", scratch.display());
        failures.iter().for_each(|failure| println!("  failed: {failure}"));
    }
    report.tally()
}

/// Runs the few failed scenarios of foreign programs once more by themselves, and says so.
fn ask_again(report: &Report, workshop: &Workshop, selection: &Selection, scratch: &Path) {
    let failures = report.failures();
    if failures.len() > SECOND_CHANCES {
        return;
    }
    for suite in Suite::all().into_iter().filter(|suite| suite.is_a_foreign_program()) {
        let name = suite.name();
        let failed: Vec<_> = failures.iter().filter(|failure| failure.suite == name).collect();
        if failed.is_empty() || failed.iter().any(|failure| failure.scenario == "suite") {
            continue;
        }
        failed.iter().for_each(|failure| println!("  AGAIN {failure}"));
        let scenarios = failed.iter().map(|failure| without_version(&failure.scenario).to_owned()).collect();
        let selection = Selection { scenarios, ..selection.clone() };
        let home = scratch.join(format!("{name}-again"));
        report.forget(&name);
        let run = Run { suite: &name, workshop, selection: &selection, report, home };
        if let Err(trouble) = suite.run(&run) {
            report.fail(&name, "suite", &trouble.to_string());
        }
    }
}

/// The name that the client program knows: the mixed suites put its version before it.
fn without_version(scenario: &str) -> &str {
    match scenario.split_once('/') {
        Some((version, name)) if JAVA_CLIENTS.contains(&version) => name,
        _ => scenario,
    }
}

/// One suite being run.
struct Run<'a> {
    suite: &'a str,
    workshop: &'a Workshop,
    selection: &'a Selection,
    report: &'a Report,
    home: PathBuf,
}

impl Run<'_> {
    fn client(&self, program: Program) -> Result<(), Trouble> {
        let mut cluster = self.start(&Plan::usual(self.selection.name_servers, self.selection.brokers))?;
        let mut command = program.command(self.workshop, &self.home)?;
        self.describe(&mut command, &cluster);
        self.converse(command, &mut cluster, "client.log")
    }

    /// One broker: a priority holds within one, and a retry that goes to another is another message.
    fn kinds(&self, version: &'static str) -> Result<(), Trouble> {
        let light = "enableLmq=true\nenableMultiDispatch=true\n";
        let extra = match self.selection.brokers {
            Make::Ours => format!("{light}dedup.window=10m\n"),
            Make::Java => light.to_owned(),
        };
        let mut cluster = self.start(&self.single(1, &extra))?;
        let mut command = Program::Java { version, codec: CODECS[0] }.command(self.workshop, &self.home)?;
        self.describe(&mut command, &cluster);
        command.args(["--set", "kinds"]);
        self.converse(command, &mut cluster, "client.log")
    }

    fn mqadmin(&self) -> Result<(), Trouble> {
        let cluster = self.start(&Plan::usual(self.selection.name_servers, self.selection.brokers))?;
        mqadmin::run(self.workshop, &cluster, &self.home, self.report, |name| self.wanted(name))
    }

    /// Against the oracle, all servers are Java's: that validates the scenarios.
    fn mixed(&self, name_server: Make) -> Result<(), Trouble> {
        let as_selected = |make| if self.selection.brokers == Make::Java { Make::Java } else { make };
        let broker = |make, shards| BrokerPlan { make, shards, extra: String::new() };
        let plan = Plan {
            name_servers: vec![if self.selection.name_servers == Make::Java {
                Make::Java
            } else {
                name_server
            }],
            brokers: vec![broker(as_selected(Make::Ours), 2), broker(Make::Java, 1)],
        };
        let mut cluster = self.start(&plan)?;
        for (version, codec) in [("4.9.8", "JSON"), ("5.5.0", "ROCKETMQ")] {
            let mut command = Program::Java { version, codec }.command(self.workshop, &self.home)?;
            self.describe(&mut command, &cluster);
            command.args(["--set", "mixed", "--prefix", &format!("{version}/")]);
            if version == "4.9.8" {
                command.args(["--calm", "yes"]); // once is enough for the scenario that takes a minute
            }
            self.converse(command, &mut cluster, &format!("client-{version}.log"))?;
        }
        Ok(())
    }

    /// There is no oracle for our own commands, but they work against Java's servers too.
    fn cli(&self) -> Result<(), Trouble> {
        let cluster = self.start(&Plan::usual(self.selection.name_servers, self.selection.brokers))?;
        cli::run(self.workshop, &cluster, &self.home, self.report, |name| self.wanted(name))
    }

    fn kill9(&self, disk: &str, shards: u16) -> Result<(), Trouble> {
        let mut cluster = self.start(&self.single(shards, &format!("flushDiskType={disk}\n")))?;
        // Java writes its offsets every five seconds, and its JVM takes its time to start.
        let trial = match self.selection.brokers {
            Make::Ours => kill9::messages::Trial { cycles: 10, offset_age_max: Duration::from_millis(1200) },
            Make::Java => kill9::messages::Trial { cycles: 3, offset_age_max: Duration::from_secs(6) },
        };
        kill9::messages::run(self.suite, trial, &mut cluster, self.report)
    }

    /// Java's broker comes back too slowly, and its revival takes seconds: it is no oracle for these times.
    fn kill9_pop(&self) -> Result<(), Trouble> {
        if self.selection.brokers == Make::Java {
            return Ok(());
        }
        let mut cluster = self.start(&self.single(2, "flushDiskType=ASYNC_FLUSH\n"))?;
        kill9::pop::run(self.suite, &mut cluster, self.report)
    }

    /// Java's broker forgets its locks: it is no oracle for what holds over a restart.
    fn kill9_order(&self) -> Result<(), Trouble> {
        if self.selection.brokers == Make::Java {
            return Ok(());
        }
        let mut cluster = self.start(&self.single(1, "flushDiskType=ASYNC_FLUSH\n"))?;
        kill9::order::run(self.suite, &mut cluster, self.report)
    }

    fn hostile(&self) -> Result<(), Trouble> {
        let cluster = self.start(&self.single(1, ""))?;
        hostile::run(&cluster, self.report, |name| self.wanted(name))
    }

    /// One name server and one broker.
    fn single(&self, shards: u16, extra: &str) -> Plan {
        let broker = BrokerPlan { make: self.selection.brokers, shards, extra: extra.to_owned() };
        Plan { name_servers: vec![self.selection.name_servers], brokers: vec![broker] }
    }

    fn start(&self, plan: &Plan) -> Result<Cluster, Trouble> {
        Cluster::start(self.workshop, plan, &self.home)
    }

    fn converse(&self, command: Command, cluster: &mut Cluster, log: &str) -> Result<(), Trouble> {
        converse(self.suite, command, cluster, PATIENCE, &Path::join(&self.home, log), self.report)
    }

    /// The options that every client program takes.
    fn describe(&self, command: &mut Command, cluster: &Cluster) {
        let servers = if self.selection.brokers == Make::Ours { "ours" } else { "java" };
        command.args(["--namesrv", &cluster.name_servers(), "--cluster", CLUSTER, "--servers", servers]);
        command.args(["--brokers", &cluster.masters().len().to_string()]);
        command.args(["--masters", &cluster.addresses().join(";")]);
        if !self.selection.scenarios.is_empty() {
            command.args(["--only", &self.selection.scenarios.join(",")]);
        }
    }

    fn wanted(&self, scenario: &str) -> bool {
        let only = &self.selection.scenarios;
        only.is_empty() || only.iter().any(|part| scenario.contains(part.as_str()))
    }
}
