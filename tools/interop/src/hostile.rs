//! Bytes that no client of ours would send, on live sockets, beside a client that works on undisturbed.
//!
//! Each attack may end in an error answer or a closed connection. What must hold all the while: the process lives,
//! its memory stays bounded, and every send and pull of the healthy client is answered in time.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    cluster::Cluster,
    random::Random,
    record::parse,
    report::Report,
    trouble::Trouble,
    wire::{Head, NewMessage, Wire},
};

mod attacks;

const TOPIC: &str = "HostileTopic";
const GROUP: &str = "HostileGroup";
/// The healthy client's patience per call. Far above what a call takes, far below what a stalled server takes.
const CALL: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
/// What all attacks together may add to a server's resident memory. A lying length is up to 2 GiB.
const GROWTH_MIB_MAX: u64 = 384;

type Attack = fn(&Target, &mut Random) -> Result<(), Trouble>;

const ATTACKS: [(&str, Attack); 9] = [
    ("wrong-lengths", attacks::wrong_lengths),
    ("garbage", attacks::garbage),
    ("deep-json", attacks::deep_json),
    ("lying-headers", attacks::lying_headers),
    ("mutated-frames", attacks::mutated_frames),
    ("frames-that-never-end", attacks::unfinished_frames),
    ("clients-that-never-read", attacks::never_read),
    ("names-no-file-may-have", attacks::names),
    ("numbers-out-of-range", attacks::numbers),
];

/// Runs every attack on the broker and on the name server.
pub(crate) fn run(cluster: &Cluster, report: &Report, wanted: impl Fn(&str) -> bool) -> Result<(), Trouble> {
    let seed = Random::seed();
    println!("  hostile: INTEROP_SEED={seed}");
    cluster.make_topic(TOPIC, 4)?;
    let before = outside(cluster)?;
    for server in ["broker-0", "namesrv-0"] {
        let target = Target::of(cluster, server)?;
        for (name, attack) in ATTACKS {
            let scenario = format!("{server}/{name}");
            if wanted(&scenario) {
                report.scenario("hostile", &scenario, || {
                    beside_a_healthy_client(cluster, &target, attack, seed)
                });
            }
        }
    }
    report.scenario("hostile", "nothing-outside-the-store", || {
        let after = outside(cluster)?;
        if before == after {
            Ok(())
        } else {
            Err(Trouble::Answer(format!("files were {before:?} and are {after:?}")))
        }
    });
    Ok(())
}

/// A server under attack.
struct Target {
    port: u16,
    pid: u32,
    is_broker: bool,
}

impl Target {
    fn of(cluster: &Cluster, server: &str) -> Result<Self, Trouble> {
        let pid = cluster.pid(server).ok_or_else(|| Trouble::Answer(format!("{server} does not run")))?;
        Ok(Self { port: cluster.port(server)?, pid, is_broker: server.starts_with("broker") })
    }

    fn connect(&self) -> Result<TcpStream, Trouble> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .map_err(Trouble::io("connect to the target"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(Trouble::io("set a timeout"))?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(Trouble::io("set a timeout"))?;
        Ok(stream)
    }

    /// Sends bytes on a connection of their own; whatever comes of it is fine.
    fn throw(&self, bytes: &[u8]) -> Result<(), Trouble> {
        self.reaction(bytes, Duration::from_millis(100)).map(|_| ())
    }

    /// Sends bytes that can never become a valid request: they must not be waited for, nor be done.
    fn refused(&self, bytes: &[u8], what: &str) -> Result<(), Trouble> {
        match self.reaction(bytes, CALL)? {
            Reaction::Closed => Ok(()),
            Reaction::Answered(bytes) if Head::of(&bytes).is_some_and(|head| head.code != 0) => Ok(()),
            other => {
                Err(Trouble::Answer(format!("{what}: {other:?} instead of an error or a closed connection")))
            }
        }
    }

    fn reaction(&self, bytes: &[u8], patience: Duration) -> Result<Reaction, Trouble> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(patience)).map_err(Trouble::io("set a timeout"))?;
        if stream.write_all(bytes).is_err() {
            return Ok(Reaction::Closed);
        }
        let mut answer = vec![0; 4096];
        Ok(match stream.read(&mut answer) {
            Ok(0) => Reaction::Closed,
            Ok(length) => Reaction::Answered(answer[..length].to_vec()),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Reaction::Silent,
            Err(_) => Reaction::Closed,
        })
    }

    fn resident_mib(&self) -> Result<u64, Trouble> {
        let path = format!("/proc/{}/status", self.pid);
        let text = fs::read_to_string(&path).map_err(Trouble::io(format!("{path}; has the server died?")))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
        kib.map(|kib| kib / 1024)
            .ok_or_else(|| Trouble::Answer(format!("{path} says no RssAnon: it is a zombie")))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Closed,
    Answered(Vec<u8>),
    Silent,
}

fn beside_a_healthy_client(
    cluster: &Cluster,
    target: &Target,
    attack: Attack,
    seed: u64,
) -> Result<(), Trouble> {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let resident = target.resident_mib()?;
    let address = &cluster.addresses()[0];
    let name_server = cluster.port("namesrv-0")?;
    std::thread::scope(|scope| {
        let _stops_it = OnDrop(&stop); // also if the attack panics
        let healthy = scope.spawn(|| healthy(address, name_server, &stop, &done));
        let outcome = attack(target, &mut Random::new(seed));
        // The client must have worked during the attack and a little after it.
        let so_far = done.load(Ordering::Relaxed);
        let end = Instant::now() + CALL;
        while done.load(Ordering::Relaxed) < so_far + 3 && Instant::now() < end && !healthy.is_finished() {
            sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        let worked = healthy.join().expect("the healthy client does not panic");
        outcome?;
        worked.map_err(|e| Trouble::Answer(format!("the healthy client was disturbed: {e}")))
    })?;
    let grown = target.resident_mib()?.saturating_sub(resident);
    if grown > GROWTH_MIB_MAX {
        return Err(Trouble::Answer(format!("resident memory grew by {grown} MiB")));
    }
    Ok(())
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends, reads back and asks for the route until told to stop.
fn healthy(address: &str, name_server: u16, stop: &AtomicBool, done: &AtomicU64) -> Result<(), Trouble> {
    let mut broker = Wire::connect_to(address, CALL)?;
    let mut routes = Wire::connect(name_server, CALL)?;
    while !stop.load(Ordering::Relaxed) {
        let body = format!("healthy {}", done.load(Ordering::Relaxed));
        let message = NewMessage { topic: TOPIC, queue_id: 0, keys: "", tags: "", body: body.as_bytes() };
        let sent = broker.send_message(GROUP, &message)?;
        // Java shows it a moment later.
        let end = Instant::now() + CALL;
        loop {
            let answer = broker.pull(GROUP, TOPIC, 0, sent.queue_offset, 1)?;
            let records = if answer.code == 0 { parse(&answer.body).unwrap_or_default() } else { vec![] };
            if records.first().is_some_and(|record| record.body == body.as_bytes()) {
                break;
            }
            if Instant::now() > end {
                return Err(Trouble::Answer(format!(
                    "{body} cannot be read: {} {}",
                    answer.code, answer.remark
                )));
            }
        }
        routes.succeed(105, &[("topic", TOPIC)], &[])?;
        done.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(2)); // a client, not a load generator
    }
    Ok(())
}

/// Everything around the servers' folders, and in them beside their stores.
fn outside(cluster: &Cluster) -> Result<Vec<String>, Trouble> {
    let home = cluster.home("broker-0")?;
    let around = home.parent().expect("a server's folder lies in the suite's");
    let mut names = vec![];
    for folder in [Path::new("/tmp/escaped"), around, home] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        names.push(folder.display().to_string());
        names.extend(entries.map_while(Result::ok).map(|entry| entry.path().display().to_string()));
    }
    names.sort();
    Ok(names)
}
