//! `side-by-side`: rivals and ours in turns on one core, the generator on another, targets beside ratios.
//!
//! A-B-A-B: a broker that speaks RocketMQ's protocol is started and warmed once per scenario and then stands still
//! (SIGSTOP) while ours has its turn; ours, NATS and Redis start each turn empty. All are pinned, with everything they
//! start, to the same core. A rival that cannot be installed is named and left out. Results go into a [`set::Set`] after each
//! scenario, so that a run that is ended keeps what it measured.
//!
//! `turns` are the paired scenarios; those of several loads have modules of their own. `record` is what is kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringmq::bench::units::duration as seconds;

use crate::clock;
use crate::figures::Figures;

use self::report::Report;
use self::rivals::Rival;
use self::scenario::{Plan, Run, Scenario, Turn};
use self::server::{Kind, Server, Setup, Workshop};
use self::set::Set;

mod build;
mod cold;
mod crowd;
mod footprint;
mod java;
mod knobs;
mod machine;
mod process;
mod record;
mod recovery;
mod report;
mod rivals;
mod room;
mod scale;
mod scenario;
mod server;
mod set;
mod shards;
mod timers;
mod turns;

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
    let target = build::target_dir()?;
    let workshop = Workshop {
        dir: options.dir.clone().unwrap_or_else(|| target.join("side-by-side")),
        ringmq: options.ringmq.clone().map_or_else(|| build::release(&target), Ok)?,
        classpath: String::new(),
        rust: rivals::rust_binaries(&target),
        cpu: options.broker_cpu,
        heap_mib: options.heap_mib,
    };
    fs::create_dir_all(&workshop.dir)?;
    if !options.quick {
        room::check(&workshop.dir)?;
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

    /// Load on a fresh JVM, for those scenarios that are told in modules of their own.
    fn warm(&mut self, server: &Server) -> io::Result<()> {
        let run =
            Run { warmup: Duration::ZERO, duration: self.options.java_warmup, ..self.run_of(Scenario::B1) };
        Scenario::B1.run(server, Turn::Theirs, run).map(drop)
    }

    /// A rival's failure is its own: it is told, and the rest goes on.
    fn leave_out(&mut self, line: &str) {
        self.report.say(line);
        // A server's log may be behind the sentence.
        self.left_out.push(line.lines().next().unwrap_or_default().to_owned());
    }

    fn start(&mut self, kind: Kind, setup: &Setup) -> io::Result<Server> {
        let server = self.workshop.start(kind, setup)?;
        self.remember(kind.name(), &server.configuration);
        Ok(server)
    }

    fn run_of(&self, scenario: Scenario) -> Run {
        let least = if self.options.quick { Duration::ZERO } else { scenario.least() };
        Run {
            cpu: self.options.load_cpu,
            warmup: self.options.warmup,
            duration: self.options.seconds.max(least),
            max_mib: room::bodies_mib(&self.workshop.dir),
        }
    }
}

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
