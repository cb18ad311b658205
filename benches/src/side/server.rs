//! [`Server`]: a name server and a broker of either kind, started the same way and asked the same questions.
//!
//! `setup` says how they differ in their files, `commands` how in their command lines; nothing else does.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use net::client::{Client, ClientOptions};
use net::requests::GetBrokerClusterInfo;

use crate::clock;

use super::process::Process;

mod commands;
mod setup;

pub(crate) use setup::{Flush, Kind, Setup};

/// What servers are started from.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    /// Stores, logs and configurations of servers; emptied by each start.
    pub(crate) dir: PathBuf,
    /// The release binary of this tree.
    pub(crate) ringmq: PathBuf,
    /// Class path of the Java servers; empty if they are not wanted.
    pub(crate) classpath: String,
    /// Directory of the binaries of rocketmq-rust.
    pub(crate) rust: PathBuf,
    /// Core of the servers.
    pub(crate) cpu: usize,
    /// MiB of the Java broker's heap.
    pub(crate) heap_mib: u32,
}

/// A running pair of name server and broker.
#[derive(Debug)]
pub(crate) struct Server {
    /// Which it is.
    pub(crate) kind: Kind,
    setup: Setup,
    dir: PathBuf,
    workshop: Workshop,
    namesrv: Process,
    broker: Process,
    names: SocketAddr,
    /// Where the broker listens.
    pub(crate) at: SocketAddr,
    /// The broker's configuration file, as written.
    pub(crate) configuration: String,
    /// From starting the broker to a connection, and to its being registered.
    pub(crate) started_in: (Duration, Duration),
}

impl Workshop {
    /// Starts name server and broker with an empty store, and waits until the broker is registered.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(crate) fn start(&self, kind: Kind, setup: &Setup) -> io::Result<Server> {
        let dir = self.dir.join(kind.name());
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let (names, at) = free_ports()?;
        let namesrv_file = dir.join("namesrv.conf");
        fs::write(&namesrv_file, kind.namesrv_configuration(&dir, names))?;
        let configuration = kind.broker_configuration(&dir, at, names, setup, self.cpu);
        fs::write(dir.join(kind.broker_file()), &configuration)?;
        let command = self.namesrv_command(kind, &dir, &namesrv_file, names);
        let namesrv = Process::start("the name server", command, &dir.join("namesrv.log"))?;
        wait_for(kind.look_every(), || TcpStream::connect(names).is_ok())?;
        let (broker, started_in) = self.start_broker((kind, setup), &dir, names, at)?;
        let (workshop, setup) = (self.clone(), setup.clone());
        Ok(Server { kind, setup, dir, workshop, namesrv, broker, names, at, configuration, started_in })
    }

    fn start_broker(
        &self,
        (kind, setup): (Kind, &Setup),
        dir: &Path,
        names: SocketAddr,
        at: SocketAddr,
    ) -> io::Result<(Process, (Duration, Duration))> {
        let log = dir.join("broker.log");
        let command = self.broker_command(kind, setup, dir, names);
        let began = clock::now();
        let mut broker = Process::start("the broker", command, &log)?;
        let look = kind.look_every();
        let mut told = |ready: &mut dyn FnMut() -> bool| {
            let outcome = wait_for(look, || broker.check().is_err() || ready());
            outcome.and_then(|()| broker.check()).map_err(|error| with_log(&error, &log))?;
            Ok::<_, io::Error>(began.elapsed())
        };
        let listening = told(&mut || TcpStream::connect(at).is_ok())?;
        let mut client = None;
        let registered = told(&mut || is_registered(kind, names, &mut client))?;
        Ok((broker, (listening, registered)))
    }
}

impl Server {
    /// Number of the broker's process.
    pub(crate) fn pid(&self) -> u32 {
        self.broker.pid()
    }

    /// Both stand still until [`Server::thaw`], so that they do not disturb the other kind's turn.
    pub(crate) fn freeze(&self) {
        self.namesrv.freeze();
        self.broker.freeze();
    }

    /// Both go on.
    pub(crate) fn thaw(&self) {
        self.namesrv.thaw();
        self.broker.thaw();
    }

    /// Stops the broker and starts it again on the same store; how long both took: to end, to take a connection.
    ///
    /// # Errors
    /// When it does not stop cleanly or does not start.
    pub(crate) fn restart(self) -> io::Result<(Self, Duration, Duration)> {
        let Self { kind, setup, dir, workshop, namesrv, broker, names, at, configuration, .. } = self;
        let stopped = broker.stop()?;
        let (broker, started_in) = workshop.start_broker((kind, &setup), &dir, names, at)?;
        let listening = started_in.0;
        let server =
            Self { kind, setup, dir, workshop, namesrv, broker, names, at, configuration, started_in };
        Ok((server, stopped, listening))
    }

    /// Kills the broker (SIGKILL) and starts it again on the same store; how long from its start until `acknowledged`
    /// said so for the first time.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn crash(
        self,
        mut acknowledged: impl FnMut(SocketAddr) -> bool,
    ) -> io::Result<(Self, Duration)> {
        let Self { kind, setup, dir, workshop, namesrv, broker, names, at, configuration, .. } = self;
        // Dropping kills.
        drop(broker);
        let log = dir.join("broker-after-crash.log");
        let command = workshop.broker_command(kind, &setup, &dir, names);
        let began = clock::now();
        let mut broker = Process::start("the broker", command, &log)?;
        wait_for(Duration::from_millis(1), || broker.check().is_err() || acknowledged(at))
            .and_then(|()| broker.check())
            .map_err(|error| with_log(&error, &log))?;
        let took = began.elapsed();
        let started_in = (took, took);
        let server =
            Self { kind, setup, dir, workshop, namesrv, broker, names, at, configuration, started_in };
        Ok((server, took))
    }

    /// Addresses of all its shards, separated by commas.
    pub(crate) fn brokers(&self) -> String {
        let of = |shard: usize| {
            let port = self.at.port() + u16::try_from(shard * 10).expect("few shards");
            SocketAddr::from((self.at.ip(), port)).to_string()
        };
        (0..self.setup.shards).map(of).collect::<Vec<_>>().join(",")
    }

    /// Where its store is.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Stops both and removes what they stored.
    ///
    /// # Errors
    /// When ours does not stop cleanly. A JVM that takes too long is killed: nothing of it is needed any more.
    pub(crate) fn stop(self) -> io::Result<()> {
        let stopped = self.broker.stop().and_then(|_| self.namesrv.stop());
        match (self.kind, stopped) {
            (Kind::Ours, Err(error)) => return Err(error),
            (kind, Err(error)) => println!("{}: {error}; killed", kind.name()),
            (_, Ok(_)) => {}
        }
        fs::remove_dir_all(self.dir.join("store")).or(Ok(()))
    }
}

fn is_registered(kind: Kind, names: SocketAddr, client: &mut Option<Client>) -> bool {
    if client.is_none() {
        *client = Client::connect(names, ClientOptions::default()).ok();
    }
    let Some(known) = client else { return false };
    let Ok(answer) = known.call(&GetBrokerClusterInfo {}, &[]) else {
        *client = None;
        return false;
    };
    String::from_utf8_lossy(&answer.body).contains(&format!("\"{}\"", kind.name()))
}

/// Looks again and again until it is `ready`.
fn wait_for(every: Duration, mut ready: impl FnMut() -> bool) -> io::Result<()> {
    let began: Instant = clock::now();
    while !ready() {
        if began.elapsed() > SLOW {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a server did not become ready"));
        }
        clock::pause(every);
    }
    Ok(())
}

fn with_log(error: &io::Error, log: &Path) -> io::Error {
    let text = fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(12).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    io::Error::other(format!("{error}\n{}", tail.join("\n")))
}

/// A port for a name server and one for a broker with its neighbours, free a moment ago.
fn free_ports() -> io::Result<(SocketAddr, SocketAddr)> {
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |port: u16| TcpListener::bind(local(port)).is_ok();
    (0..200_u16)
        .map(|step| 18_000 + (u16::try_from(std::process::id() % 100).expect("below 100")) * 20 + step * 40)
        .find(|port| [0, 8, 10, 11, 18, 20, 21].iter().all(|aside| free(port + aside)))
        .map(|port| (local(port), local(port + 10)))
        .ok_or_else(|| io::Error::other("no free ports"))
}

/// A cold JVM on a busy machine.
const SLOW: Duration = Duration::from_secs(180);
