//! `side-by-side`: rivals and ours in turns on one core, the generator on another, targets beside ratios.
//!
//! A-B-A-B: a broker that speaks RocketMQ's protocol is started and warmed once per flush mode and then stands still
//! (SIGSTOP) while ours has its turn; ours, NATS and Redis start each turn empty. All are pinned, with everything they
//! start, to the same core. A rival that cannot be installed is named and left out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ringmq::bench::units::duration as seconds;

use crate::bare;
use crate::figures::Figures;

use self::report::{Pair, Report};
use self::rivals::Rival;
use self::scenario::{Run, Scenario};
use self::server::{Flush, Kind, Server, Workshop};

mod chart;
mod footprint;
mod java;
mod machine;
mod process;
mod report;
mod rivals;
mod scenario;
mod server;

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
    /// Also measures start, restart, idleness, and the memory of connections and parked pulls.
    #[arg(long)]
    footprint: bool,
    /// Only that.
    #[arg(long, conflicts_with = "scenario")]
    footprint_only: bool,
    /// Core of the brokers.
    #[arg(long, default_value_t = 0)]
    broker_cpu: usize,
    /// Core of the generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// MiB of the Java broker's heap.
    #[arg(long, default_value_t = 2048)]
    heap_mib: u32,
    /// Name of the result; its folder is benches/results/DATE-NAME.
    #[arg(long)]
    name: Option<String>,
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
    if options.scenario.is_empty() && !options.footprint_only {
        options.scenario = Scenario::ALL.to_vec();
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
    let report = Report::default();
    let mut side = Side {
        options,
        workshop,
        report,
        configurations: Vec::new(),
        disturbed: 0,
        valid: true,
        left_out: Vec::new(),
    };
    side.install(&target);
    for flush in [Flush::Async, Flush::Sync] {
        for rival in side.options.rivals.clone() {
            side.scenarios(rival, flush)?;
        }
    }
    if side.options.footprint || side.options.footprint_only {
        footprint::measure(&side.workshop, side.options.quick, &mut side.report)?;
    }
    side.publish()
}

struct Side {
    options: Options,
    workshop: Workshop,
    report: Report,
    /// Configuration files of the servers, each once.
    configurations: Vec<String>,
    /// Runs during which something else used too much of the machine.
    disturbed: usize,
    valid: bool,
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

    /// All scenarios of one flush mode against one rival.
    fn scenarios(&mut self, rival: Rival, flush: Flush) -> io::Result<()> {
        let chosen = self.options.scenario.iter().copied();
        let chosen: Vec<Scenario> =
            chosen.filter(|scenario| scenario.flush() == flush && rival.plays(*scenario)).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let standing = match rival.kind() {
            Some(kind) => match self.start(kind, flush) {
                Ok(server) => Some(server),
                Err(error) => {
                    self.leave_out(&format!("{} does not start, left out: {error}", rival.word()));
                    return Ok(());
                }
            },
            None => {
                self.remember(rival.word(), flush, &rival.configuration(flush).unwrap_or_default());
                None
            }
        };
        for scenario in chosen {
            let Some(pairs) = self.pairs(scenario, rival, standing.as_ref())? else { continue };
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
            server.thaw();
            let warming = Run { warmup: Duration::ZERO, duration: warm, ..self.run_of() };
            if let Err(error) = scenario.run(server, warming) {
                self.leave_out(&format!("{title}: {name} fails: {error}"));
                return Ok(None);
            }
        }
        let mut pairs = Vec::new();
        for pair in 0..self.options.pairs {
            let theirs = match standing {
                Some(server) => {
                    server.thaw();
                    let theirs = scenario.run(server, self.run_of());
                    server.freeze();
                    theirs
                }
                None => rival.turn(&self.workshop.dir, self.workshop.cpu, scenario, self.run_of()),
            };
            let theirs = match theirs {
                Ok(theirs) => theirs,
                Err(error) => {
                    self.leave_out(&format!("{title}, pair {pair}: {name} fails: {error}"));
                    return Ok(None);
                }
            };
            self.report.say(&format!("{title}, pair {pair}, {name}: {theirs}"));
            let ours = self.ours(scenario)?;
            self.report.say(&format!("{title}, pair {pair}, ringmq: {ours}"));
            let disturbed =
                [&theirs, &ours].into_iter().filter(|run| run.others_percent > OTHERS_MAX).count();
            self.disturbed += disturbed;
            self.valid &= theirs.faults.is_empty() && ours.faults.is_empty();
            pairs.push((theirs, ours));
        }
        Ok(Some(pairs))
    }

    /// Our turn: an empty store, thrown away after it.
    fn ours(&mut self, scenario: Scenario) -> io::Result<Figures> {
        let server = self.start(Kind::Ours, scenario.flush())?;
        let ours = scenario.run(&server, self.run_of())?;
        server.stop()?;
        Ok(ours)
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
            alone: true,
        };
        let bound = bare::bound(&options)?;
        self.report.say(&bound.to_string());
        self.report.physics(bound.median, pairs);
        Ok(())
    }

    fn start(&mut self, kind: Kind, flush: Flush) -> io::Result<Server> {
        let server = self.workshop.start(kind, flush)?;
        self.remember(kind.name(), flush, &server.configuration);
        Ok(server)
    }

    /// Keeps a configuration for the record.
    fn remember(&mut self, name: &str, flush: Flush, configuration: &str) {
        let configuration = configuration.replace(&self.workshop.dir.display().to_string(), "DIR");
        let text = without_ports(&format!("{name} {flush:?}:\n\n```text\n{configuration}```\n"));
        if !self.configurations.contains(&text) {
            self.configurations.push(text);
        }
    }

    fn run_of(&self) -> Run {
        Run {
            cpu: self.options.load_cpu,
            warmup: self.options.warmup,
            duration: self.options.seconds,
            max_mib: room_mib(&self.workshop.dir),
        }
    }

    fn publish(&self) -> io::Result<bool> {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
        let fallback = if self.options.quick { "quick" } else { "side-by-side" };
        let name = self.options.name.as_deref().unwrap_or(fallback);
        let name = format!("{}-{name}", machine::date());
        let java = format!("-Xms{0}m -Xmx{0}m -XX:+UseG1GC", self.options.heap_mib);
        let about = format!(
            "{}- command: `{}`\n- servers on core {}, generator on core {}; JVM {java}, warmed {:.0} s per scenario\n\
             - {} runs in which others, or the kernel's workers, used over {OTHERS_MAX} % of a core; the medians include them\n{}\n{}",
            machine::describe(&self.workshop.dir, tree),
            command_line(),
            self.options.broker_cpu,
            self.options.load_cpu,
            self.options.java_warmup.as_secs_f64(),
            self.disturbed,
            self.left_out.iter().map(|line| format!("- {line}\n")).collect::<String>(),
            self.configurations.join("\n"),
        );
        println!("\n{}", self.report.table());
        // What means nothing does not go into the tree.
        let place = if self.options.quick { self.workshop.dir.as_path() } else { tree };
        let dir = self.report.write(place, &name, &about)?;
        println!("written to {}", dir.display());
        // A few scenarios are no headline.
        if !self.options.quick && self.options.scenario.len() == Scenario::ALL.len() {
            readme(tree, &name, &self.report.headline())?;
        }
        if !self.valid {
            println!("INVALID: a run lost messages or broke a rule; see above");
        }
        Ok(self.valid)
    }
}

/// Puts the headline table between the marks of the README.
fn readme(benches: &Path, name: &str, table: &str) -> io::Result<()> {
    let file = benches.with_file_name("README.md");
    let text = fs::read_to_string(&file)?;
    let (Some((before, rest)), [begin, end]) = (text.split_once(MARKS[0]), MARKS) else {
        return Err(io::Error::other(format!("README.md has no {}", MARKS[0])));
    };
    let (_, after) =
        rest.split_once(end).ok_or_else(|| io::Error::other(format!("README.md has no {end}")))?;
    fs::write(
        file,
        format!(
            "{before}{begin}\nFrom [benches/results/{name}](benches/results/{name}/table.md).\n\n{table}{end}{after}"
        ),
    )
}

/// Between them stands what `side-by-side` writes.
const MARKS: [&str; 2] = ["<!-- side-by-side -->", "<!-- /side-by-side -->"];

/// Percent of a core that others may use during a run (performance.md 9).
const OTHERS_MAX: f64 = 5.0;

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

/// MiB of bodies a run may store: a third of what is free, at most 12 GiB.
fn room_mib(dir: &Path) -> u64 {
    let free = rustix::fs::statvfs(dir).map_or(0, |facts| facts.f_bavail * facts.f_frsize);
    ((free >> 20) / 3).min(12 << 10)
}

#[cfg(test)]
mod tests {
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
            assert!(Scenario::ALL.iter().any(|scenario| rival.plays(*scenario)), "{rival:?}");
            assert_eq!(rival.kind().is_none(), rival.configuration(Flush::Async).is_some(), "{rival:?}");
        }
        words.dedup();
        assert_eq!(words.len(), <Rival as clap::ValueEnum>::value_variants().len());
    }
}
