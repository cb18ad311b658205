//! `side-by-side`: rivals and ours in turns on one core, the generator on another, targets beside ratios.
//!
//! A-B-A-B: a broker that speaks RocketMQ's protocol is started and warmed once per scenario and then stands still
//! (SIGSTOP) while ours has its turn; ours, NATS and Redis start each turn empty. All are pinned, with everything they
//! start, to the same core. A rival that cannot be installed is named and left out. Results go into a [`set::Set`] after each
//! scenario, so that a run that is ended keeps what it measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ringmq::bench::units::duration as seconds;

use crate::bare;
use crate::clock;
use crate::figures::{Figures, OTHERS_MAX};

use self::report::{Pair, Report};
use self::rivals::Rival;
use self::scenario::{Plan, Run, Scenario, Turn};
use self::server::{Kind, Server, Setup, Workshop};
use self::set::Set;

mod cold;
mod crowd;
mod footprint;
mod java;
mod knobs;
mod machine;
mod process;
mod recovery;
mod report;
mod rivals;
mod scale;
mod scenario;
mod server;
mod set;
mod shards;
mod timers;

/// Options of `benches side-by-side`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Which scenarios; all if none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Whom to compare with; rocketmq-rust only when named, its build takes a quarter of an hour.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Rival::USUAL)]
    rivals: Vec<Rival>,
    /// Pairs of runs per scenario and rival.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Measured time of a run.
    #[arg(long, default_value = "10s", value_parser = seconds)]
    seconds: Duration,
    /// Load before the measured time of a run.
    #[arg(long, default_value = "3s", value_parser = seconds)]
    warmup: Duration,
    /// Load on the fresh JVM before the first run of each scenario.
    #[arg(long, default_value = "25s", value_parser = seconds)]
    java_warmup: Duration,
    /// One short pair of everything: checks that it works, the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Measures nothing: makes the tables of the set anew.
    #[arg(long, conflicts_with_all = ["quick", "scenario"])]
    tables: bool,
    /// Core of the brokers.
    #[arg(long, default_value_t = 0)]
    broker_cpu: usize,
    /// Core of the generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// MiB of the Java broker's heap.
    #[arg(long, default_value_t = 2048)]
    heap_mib: u32,
    /// Set of results that this run adds to: benches/results/DATE-NAME, made if there is none
    #[arg(long, alias = "name", default_value = "side-by-side")]
    into: String,
    /// Leaves the README as it is.
    #[arg(long)]
    no_readme: bool,
    /// Directory for stores and logs, on the filesystem to be measured [default: in the target directory].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Takes this binary instead of building one.
    #[arg(long)]
    ringmq: Option<PathBuf>,
}

/// Runs the comparison; true if no run was invalid.
///
/// # Errors
/// When something cannot be built, started or reached. Servers are ended in any case.
pub(crate) fn run(mut options: Options) -> io::Result<bool> {
    if options.quick {
        options.pairs = 1;
        options.seconds = options.seconds.min(Duration::from_secs(3));
        options.warmup = Duration::from_secs(1);
        options.java_warmup = Duration::from_secs(4);
    }
    if options.scenario.is_empty() {
        options.scenario = Scenario::all().to_vec();
    }
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    if options.tables {
        let mut set = Set::open(tree, &options.into)?;
        return set.remake().and_then(|()| set.readme()).map(|()| true);
    }
    process::end_servers_with_us()?;
    let target = target_dir()?;
    let workshop = Workshop {
        dir: options.dir.clone().unwrap_or_else(|| target.join("side-by-side")),
        ringmq: options.ringmq.clone().map_or_else(|| build(&target), Ok)?,
        classpath: String::new(),
        rust: rivals::rust_binaries(&target),
        cpu: options.broker_cpu,
        heap_mib: options.heap_mib,
    };
    fs::create_dir_all(&workshop.dir)?;
    let room = left_mib(&workshop.dir);
    if room < ROOM_MIB_MIN && !options.quick {
        return Err(io::Error::other(format!(
            "{}: {room} MiB before brokers delete or refuse for lack of space ({FULL_PERCENT} % full): make room, or \
             choose another --dir",
            workshop.dir.display()
        )));
    }
    // What means nothing does not go into the tree.
    let place = if options.quick { workshop.dir.clone() } else { tree.to_owned() };
    let set = Set::open(&place, &options.into)?;
    let mut side = Side {
        options,
        workshop,
        set,
        report: Report::default(),
        configurations: Vec::new(),
        took: Vec::new(),
        valid: true,
        judged: (0, 0, false),
        left_out: Vec::new(),
    };
    side.install(&target);
    for scenario in side.options.scenario.clone() {
        let began = clock::now();
        if let Err(error) = side.scenario(scenario) {
            side.leave_out(&format!("{}: {error}", scenario.title()));
            side.valid = false;
        }
        side.took.push((scenario.word(), began.elapsed()));
        side.publish()?;
    }
    println!("\nwritten to {}", side.set.dir().display());
    if !side.valid {
        println!("INVALID: a run lost messages, broke a rule or did not end; see above");
    }
    Ok(side.valid)
}

struct Side {
    options: Options,
    workshop: Workshop,
    set: Set,
    report: Report,
    /// Configuration files of the servers, each once.
    configurations: Vec<String>,
    /// How long each scenario took.
    took: Vec<(String, Duration)>,
    valid: bool,
    /// Runs of a scenario of several loads: how many, how many disturbed, and whether one is worth nothing.
    judged: (usize, usize, bool),
    /// Rivals that could not be installed, and why.
    left_out: Vec<String>,
}

impl Side {
    /// Brings what is missing; who cannot be brought is named and left out.
    fn install(&mut self, target: &Path) {
        let mut present = Vec::new();
        for rival in self.options.rivals.clone() {
            match rival.install(target) {
                Ok(()) => present.push(rival),
                Err(why) => {
                    self.leave_out(&format!("{}: not installed, left out: {why}", rival.word()));
                }
            }
        }
        if present.contains(&Rival::Java) {
            self.workshop.classpath = java::classpath(target).unwrap_or_default();
        }
        self.options.rivals = present;
    }

    fn scenario(&mut self, scenario: Scenario) -> io::Result<()> {
        match scenario.plan() {
            Plan::Paired => self.options.rivals.clone().into_iter().try_for_each(|rival| {
                if rival.plays(scenario) { self.beside(scenario, rival) } else { Ok(()) }
            }),
            Plan::Alone => {
                let ours: Vec<Figures> = (0..self.options.pairs)
                    .map(|pair| self.ours(scenario, pair))
                    .collect::<io::Result<_>>()?;
                self.report.alone(scenario, &ours);
                Ok(())
            }
            Plan::Own => {
                self.judged = (0, 0, false);
                let done = self.own(scenario);
                let (runs, disturbed, invalid) = self.judged;
                self.report.judge(scenario, runs, disturbed, invalid);
                done
            }
        }
    }

    fn own(&mut self, scenario: Scenario) -> io::Result<()> {
        match scenario {
            Scenario::B8 => cold::measure(self),
            Scenario::B10 => scale::measure(self),
            Scenario::B11 => crowd::measure(self),
            Scenario::B12 => recovery::measure(self),
            Scenario::B13 => knobs::measure(self),
            Scenario::B14 => shards::measure(self),
            Scenario::Timers => timers::measure(self),
            _ => footprint::measure(self),
        }
    }

    /// Takes a run of a scenario of several loads into account.
    fn judge(&mut self, kind: Kind, figures: &Figures) {
        let invalid = !figures.faults.is_empty() || kind == Kind::Ours && figures.overloaded;
        self.judged.0 += 1;
        self.judged.1 += usize::from(figures.is_disturbed());
        self.judged.2 |= invalid;
        self.valid &= !invalid;
    }

    /// One scenario beside one rival.
    fn beside(&mut self, scenario: Scenario, rival: Rival) -> io::Result<()> {
        let setup = scenario.setup();
        let standing = match rival.kind() {
            Some(kind) => match self.start(kind, &setup) {
                Ok(server) => Some(server),
                Err(error) => {
                    self.leave_out(&format!("{} does not start, left out: {error}", rival.word()));
                    return Ok(());
                }
            },
            None => {
                let configuration = rival.configuration(setup.flush).unwrap_or_default();
                self.remember(&format!("{} {:?}", rival.word(), setup.flush), &configuration);
                None
            }
        };
        if let Some(pairs) = self.pairs(scenario, rival, standing.as_ref())? {
            self.report.compare(scenario, rival, &pairs);
            if scenario == Scenario::B1 && rival == self.options.rivals[0] {
                self.physics(&pairs)?;
            }
        }
        standing.map_or(Ok(()), Server::stop)
    }

    /// `None` if the rival does not do it.
    fn pairs(
        &mut self,
        scenario: Scenario,
        rival: Rival,
        standing: Option<&Server>,
    ) -> io::Result<Option<Vec<Pair>>> {
        let (title, name) = (scenario.title(), rival.word());
        if let Some(server) = standing {
            let warm = self.options.java_warmup;
            self.report.say(&format!("{title}: warming {name} for {:.0} s", warm.as_secs_f64()));
            let warming = Run { warmup: Duration::ZERO, duration: warm, ..self.run_of(scenario) };
            if let Err(error) = scenario.run(server, Turn::Theirs, warming) {
                self.leave_out(&format!("{title}: {name} fails: {error}"));
                return Ok(None);
            }
        }
        let mut pairs = Vec::new();
        for pair in 0..self.options.pairs {
            let run = self.run_of(scenario);
            let theirs = match standing {
                Some(server) => {
                    server.thaw();
                    let theirs = scenario.run(server, Turn::Theirs, run);
                    server.freeze();
                    theirs
                }
                None => rival.turn(&self.workshop.dir, self.workshop.cpu, scenario, run),
            };
            let theirs = match theirs {
                Ok(theirs) => theirs,
                Err(error) => {
                    self.leave_out(&format!("{title}, pair {pair}: {name} fails: {error}"));
                    return Ok(None);
                }
            };
            self.told(scenario, pair, name, &theirs);
            let ours = self.ours(scenario, pair)?;
            pairs.push((theirs, ours));
        }
        Ok(Some(pairs))
    }

    /// Our turn: an empty store, thrown away after it.
    fn ours(&mut self, scenario: Scenario, pair: usize) -> io::Result<Figures> {
        let server = self.start(Kind::Ours, &scenario.setup())?;
        let ours = scenario.run(&server, Turn::Ours, self.run_of(scenario))?;
        server.stop()?;
        self.told(scenario, pair, "ringmq", &ours);
        Ok(ours)
    }

    /// Load on a fresh JVM, for those scenarios that are told in modules of their own.
    fn warm(&mut self, server: &Server) -> io::Result<()> {
        let run =
            Run { warmup: Duration::ZERO, duration: self.options.java_warmup, ..self.run_of(Scenario::B1) };
        Scenario::B1.run(server, Turn::Theirs, run).map(drop)
    }

    fn told(&mut self, scenario: Scenario, pair: usize, who: &str, figures: &Figures) {
        self.report.say(&format!("{}, pair {pair}, {who}: {figures}", scenario.title()));
        self.valid &= figures.faults.is_empty() && !(who == "ringmq" && figures.overloaded);
    }

    /// A rival's failure is its own: it is told, and the rest goes on.
    fn leave_out(&mut self, line: &str) {
        self.report.say(line);
        // A server's log may be behind the sentence.
        self.left_out.push(line.lines().next().unwrap_or_default().to_owned());
    }

    /// What a ring server must take that does nothing else, beside every result.
    fn physics(&mut self, pairs: &[Pair]) -> io::Result<()> {
        let quick = self.options.quick;
        let options = bare::Options {
            connections: 4,
            inflight: 64,
            seconds: if quick { 0.3 } else { 2.0 },
            warmup: if quick { 0.1 } else { 0.5 },
            pairs: if quick { 1 } else { 3 },
            server_cpu: self.options.broker_cpu,
            load_cpu: self.options.load_cpu,
            dir: None,
            spin: false,
            alone: true,
        };
        let bound = bare::bound(&options)?;
        self.report.say(&bound.to_string());
        self.report.physics(bound.median, pairs);
        Ok(())
    }

    fn start(&mut self, kind: Kind, setup: &Setup) -> io::Result<Server> {
        let server = self.workshop.start(kind, setup)?;
        self.remember(kind.name(), &server.configuration);
        Ok(server)
    }

    /// Keeps a configuration for the record.
    fn remember(&mut self, name: &str, configuration: &str) {
        let configuration = configuration.replace(&self.workshop.dir.display().to_string(), "DIR");
        let text = without_ports(&format!("{name}:\n\n```text\n{configuration}```\n"));
        if !self.configurations.contains(&text) {
            self.configurations.push(text);
        }
    }

    fn run_of(&self, scenario: Scenario) -> Run {
        let least = if self.options.quick { Duration::ZERO } else { scenario.least() };
        Run {
            cpu: self.options.load_cpu,
            warmup: self.options.warmup,
            duration: self.options.seconds.max(least),
            max_mib: room_mib(&self.workshop.dir),
        }
    }

    /// Writes what was found so far.
    fn publish(&mut self) -> io::Result<()> {
        println!("\n{}", self.report.table());
        let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
        let java = format!("-Xms{0}m -Xmx{0}m -XX:+UseG1GC", self.options.heap_mib);
        let took = self.took.iter().map(|(word, took)| format!("{word} {:.0} s", took.as_secs_f64()));
        let about = format!(
            "{}- command: `{}`\n- servers on core {}, generator on core {}; JVM {java}, warmed {:.0} s per scenario\n\
             - disturbed: runs in which others, or the kernel's workers, used over {OTHERS_MAX} % of a core; the medians include them\n\
             - took: {}\n{}\n{}",
            machine::describe(&self.workshop.dir, tree),
            command_line(),
            self.options.broker_cpu,
            self.options.load_cpu,
            self.options.java_warmup.as_secs_f64(),
            took.collect::<Vec<_>>().join(", "),
            self.left_out.iter().map(|line| format!("- {line}\n")).collect::<String>(),
            self.configurations.join("\n"),
        );
        self.set.add(self.report.take());
        self.set.write(&self.report.raw, &about)?;
        if !self.options.quick && !self.options.no_readme {
            self.set.readme()?;
        }
        Ok(())
    }
}

/// The command as somebody would type it in the tree.
fn command_line() -> String {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    format!("cargo run --release -p benches -- {arguments}")
}

/// Ports differ from run to run and mean nothing.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() == 5 { "PORT" } else { &digits });
        digits.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    out
}

/// The cargo target directory this binary lies in.
fn target_dir() -> io::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.ancestors().nth(2).map(Path::to_owned);
    target.ok_or_else(|| {
        io::Error::other("benches does not lie in a target directory: give --dir and --ringmq")
    })
}

/// Builds the release binary that is measured.
fn build(target: &Path) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "-q", "-p", "ringmq", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if status.success() {
        Ok(target.join("release").join("ringmq"))
    } else {
        Err(io::Error::other(format!("cargo build: {status}")))
    }
}

/// MiB of bodies a run may store: three quarters of what is left, at most 12 GiB.
fn room_mib(dir: &Path) -> u64 {
    (left_mib(dir) / 4 * 3).clamp(ROOM_MIB_MIN / 4, 12 << 10)
}

/// MiB before brokers begin to delete.
fn left_mib(dir: &Path) -> u64 {
    let Ok(facts) = rustix::fs::statvfs(dir) else { return 0 };
    // As `df` and the brokers reckon: what only root may use is no room.
    let used = facts.f_blocks - facts.f_bfree;
    let limit = (used + facts.f_bavail) / 100 * FULL_PERCENT;
    (limit.saturating_sub(used) * facts.f_frsize) >> 20
}

/// Brokers delete the oldest segments by force beyond 85 % and refuse messages beyond 90 %.
const FULL_PERCENT: u64 = 84;
/// Less than this is no room for a comparison.
const ROOM_MIB_MIN: u64 = 2 << 10;

#[cfg(test)]
mod tests {
    use super::server::Flush;
    use super::set::MARKS;
    use super::*;

    #[test]
    fn the_readme_has_the_marks_that_the_headline_goes_between() {
        let text = include_str!("../../README.md");
        let (_, rest) = text.split_once(MARKS[0]).unwrap();
        let (table, _) = rest.split_once(MARKS[1]).unwrap();
        assert!(table.contains("| RingMQ"), "{table}");
    }

    #[test]
    fn every_rival_has_a_scenario_and_a_word_of_its_own() {
        let mut words: Vec<_> =
            <Rival as clap::ValueEnum>::value_variants().iter().map(|rival| rival.word()).collect();
        for rival in <Rival as clap::ValueEnum>::value_variants() {
            assert!(Scenario::all().iter().any(|scenario| rival.plays(*scenario)), "{rival:?}");
            assert_eq!(rival.kind().is_none(), rival.configuration(Flush::Async).is_some(), "{rival:?}");
        }
        words.dedup();
        assert_eq!(words.len(), <Rival as clap::ValueEnum>::value_variants().len());
    }

    #[test]
    fn every_paired_scenario_has_a_load_and_a_figure() {
        for scenario in Scenario::all().iter().filter(|scenario| scenario.plan() != Plan::Own) {
            assert!(!scenario.measures(Rival::Java).is_empty(), "{scenario:?}");
            for turn in [Turn::Theirs, Turn::Ours] {
                assert!(!scenario.load(turn).1.is_empty(), "{scenario:?}");
            }
        }
    }
}
