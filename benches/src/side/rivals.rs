//! [`Rival`]: who is compared with, where it comes from, and how it is run.
//!
//! Rivals that speak RocketMQ's protocol stand the whole time (a JVM has to be warm) and are suspended while others have
//! their turn; NATS and Redis start in milliseconds, so each of their turns begins with an empty server, as ours does.

mod nats;
mod redis;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clock;
use crate::figures::Figures;
use crate::pipeline::{self, Loaded, Plan};
use crate::sends::SIZE;

use super::java;
use super::process::Process;
use super::scenario::{Run, Scenario};
use super::server::{Flush, Kind};

/// Who.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rival {
    /// Apache RocketMQ, from Maven.
    Java,
    /// rocketmq-rust, from crates. Built only when asked for: it takes a quarter of an hour.
    RocketmqRust,
    /// NATS JetStream with a file store, from Debian packages.
    Nats,
    /// Redis Streams with an append-only file, from Debian packages.
    Redis,
}

/// The version of rocketmq-rust.
const RUST_VERSION: &str = "1.0.0";
/// Longest time that its build may take.
const RUST_BUILD: Duration = Duration::from_secs(25 * 60);
/// Redis keeps its streams in memory.
const REDIS_MIB_MAX: u64 = 3 << 10;

impl Rival {
    /// Those that a comparison takes unless told.
    pub(crate) const USUAL: [Self; 3] = [Self::Java, Self::Nats, Self::Redis];

    /// For tables.
    pub(crate) fn title(self) -> String {
        match self {
            Rival::Java => format!("RocketMQ {}", java::VERSION),
            Rival::RocketmqRust => format!("rocketmq-rust {RUST_VERSION}"),
            Rival::Nats => format!("NATS JetStream {}, file", version("nats-server", "-v")),
            Rival::Redis => format!("Redis Streams {}", version("redis-server", "--version")),
        }
    }

    /// Whether the scenario means anything for it.
    pub(crate) fn plays(self, scenario: Scenario) -> bool {
        match self {
            Rival::Java => true,
            // It closes connections on much else.
            Rival::RocketmqRust => {
                matches!(scenario, Scenario::B1 | Scenario::B2 | Scenario::B3 | Scenario::B4 | Scenario::B7)
            }
            // 2.9 cannot flush each message.
            Rival::Nats => scenario.closed_loop().is_some() && scenario.setup().flush == Flush::Async,
            Rival::Redis => scenario.closed_loop().is_some(),
        }
    }

    /// Which server it is, if it speaks RocketMQ's protocol.
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Rival::Java => Some(Kind::Java),
            Rival::RocketmqRust => Some(Kind::Rust),
            Rival::Nats | Rival::Redis => None,
        }
    }

    /// Makes sure that it can be started.
    ///
    /// # Errors
    /// Why it is left out, as a sentence.
    pub(crate) fn install(self, target: &Path) -> Result<(), String> {
        match self {
            Rival::Java => java::classpath(target).map(drop).map_err(|error| error.to_string()),
            Rival::RocketmqRust => install_rust(target),
            Rival::Nats => install_package("nats-server"),
            Rival::Redis => install_package("redis-server"),
        }
    }

    /// One turn of a rival that speaks a protocol of its own: start, load, stop.
    ///
    /// # Errors
    /// When it does not start or refuses.
    pub(crate) fn turn(self, dir: &Path, cpu: usize, scenario: Scenario, run: Run) -> io::Result<Figures> {
        let dir = dir.join(self.word());
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let at = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut process = self.start(&dir, cpu, at, scenario.setup().flush)?;
        wait_until_it_listens(&mut process, at)?;
        let shape = scenario.closed_loop().expect("asked only for scenarios that it plays");
        let most = if self == Rival::Redis { run.max_mib.min(REDIS_MIB_MAX) } else { run.max_mib };
        let plan = Plan {
            to: at,
            cpu: run.cpu,
            connections: shape.connections,
            inflight: shape.inflight,
            spin: shape.spin,
            warmup: run.warmup,
            measured: run.duration,
            pid: Some(process.pid()),
            requests_max: most << 10,
        };
        let loaded = match self {
            Rival::Redis => pipeline::run(plan, redis::Xadd::new(shape.connections)),
            _ => pipeline::run(plan, nats::Publish::new(shape.connections)),
        };
        // A store of gigabytes is saved for seconds; nothing of it is needed any more.
        drop(process);
        let _ = fs::remove_dir_all(&dir);
        Ok(figures(&loaded?))
    }

    /// What it runs with, for the record; those of [`Kind`] have files.
    pub(crate) fn configuration(self, flush: Flush) -> Option<String> {
        match self {
            Rival::Nats => Some(nats::configuration()),
            Rival::Redis => Some(redis::configuration(flush)),
            Rival::Java | Rival::RocketmqRust => None,
        }
    }

    /// Short and fit for a path.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Rival::Java => "java",
            Rival::RocketmqRust => "rocketmq-rust",
            Rival::Nats => "nats",
            Rival::Redis => "redis",
        }
    }

    fn start(self, dir: &Path, cpu: usize, at: SocketAddr, flush: Flush) -> io::Result<Process> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &cpu.to_string()]);
        let command = match self {
            Rival::Redis => redis::command(pinned, dir, at, flush),
            _ => nats::command(pinned, dir, at),
        };
        Process::start(self.word(), command, &dir.join("server.log"))
    }
}

/// Where the binaries of rocketmq-rust are.
pub(crate) fn rust_binaries(target: &Path) -> PathBuf {
    target.join(format!("rocketmq-rust-{RUST_VERSION}")).join("bin")
}

fn figures(loaded: &Loaded) -> Figures {
    Figures {
        seconds: loaded.seconds,
        messages: loaded.answers,
        requests: loaded.answers,
        bytes_per_second: loaded.answers as f64 * SIZE as f64 / loaded.seconds,
        broker_cpu: Some(loaded.server_cpu.as_secs_f64()),
        own_cpu: loaded.generator_cpu.as_secs_f64(),
        others_percent: loaded.others_cpu.as_secs_f64() * 100.0 / loaded.seconds,
        percentiles_us: [0.5, 0.99, 0.999, 1.0].map(|share| loaded.quantile_us(share)),
        ..Figures::default()
    }
}

fn wait_until_it_listens(process: &mut Process, at: SocketAddr) -> io::Result<()> {
    let began = clock::now();
    while TcpStream::connect(at).is_err() {
        process.check()?;
        if began.elapsed() > Duration::from_secs(30) {
            return Err(io::Error::other("a rival does not listen"));
        }
        clock::pause(Duration::from_millis(2));
    }
    Ok(())
}

/// The first word with a dot of what the program says about itself.
fn version(program: &str, flag: &str) -> String {
    let said = Command::new(program).arg(flag).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let word = text.split_whitespace().find(|word| word.contains('.')).unwrap_or("of unknown version");
    word.trim_start_matches(|letter: char| !letter.is_ascii_digit()).to_owned()
}

fn install_package(package: &str) -> Result<(), String> {
    let present = || Command::new(package).arg("--version").output().is_ok_and(|ran| ran.status.success());
    if present() {
        return Ok(());
    }
    println!("installing {package} from the Debian packages");
    let apt = |words: &[&str]| {
        // Its service must not start: we start it ourselves, pinned and empty.
        let ran = Command::new("apt-get")
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1")
            .output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    let install = ["install", "-y", "-q", package];
    if (apt(&install) || apt(&["update", "-q"]) && apt(&install)) && present() {
        Ok(())
    } else {
        Err(format!("apt-get install {package} failed: install it by hand"))
    }
}

fn install_rust(target: &Path) -> Result<(), String> {
    let bin = rust_binaries(target);
    let both =
        || ["rocketmq-namesrv-rust", "rocketmq-broker-rust"].iter().all(|name| bin.join(name).is_file());
    if both() {
        return Ok(());
    }
    println!("building rocketmq-rust {RUST_VERSION}, {} minutes at most", RUST_BUILD.as_secs() / 60);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new("timeout");
    command.arg(RUST_BUILD.as_secs().to_string()).arg(cargo).args(["install", "--locked", "--root"]);
    command.arg(bin.parent().unwrap_or(target)).arg("--target-dir").arg(target.join("rocketmq-rust-build"));
    command.args(["rocketmq-namesrv", "rocketmq-broker"].map(|name| format!("{name}@{RUST_VERSION}")));
    match command.status() {
        Ok(status) if status.success() && both() => Ok(()),
        Ok(status) => Err(format!("cargo install of rocketmq-rust {RUST_VERSION} ended with {status}")),
        Err(error) => Err(format!("timeout, which bounds the build, cannot be run: {error}")),
    }
}
