//! `--check`: is this host ready for this configuration? Looks, measures nothing, changes nothing.
//!
//! What the runtime itself needs is asked of `rt`; here is what the configuration asks of disks, ports and names.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use broker::DiskChoice;
use broker::config::{BrokerConfig, IoMode};
use namesrv::config::NamesrvConfig;
use rt::real::checks::{Demand, check_host};
use rt::real::device;
use rustix::fs::{Access, access, statvfs};
use settings::{Resolved, Settings};

use crate::config_command::origin_rows;
use crate::failure::Failure;
use crate::output::{Format, Rows, line};
use crate::sources;

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing looked at.
#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    what: String,
    found: String,
    wanted: String,
    fix: &'static str,
}

impl Finding {
    fn judge(
        fine: bool,
        otherwise: Verdict,
        what: impl Into<String>,
        found: String,
        wanted: String,
        fix: &'static str,
    ) -> Self {
        let verdict = if fine { Verdict::Ok } else { otherwise };
        Self { verdict, what: what.into(), found, wanted, fix: if fine { "" } else { fix } }
    }
}

/// `ringmq broker --check`
///
/// # Errors
/// [`Failure::Checks`] if something would keep the broker from running.
pub(crate) fn broker(resolved: &Resolved<BrokerConfig>, output: Format) -> Result<(), Failure> {
    let config = &resolved.config;
    let mut findings = host(config.shard_count());
    findings.push(shared_memory(config));
    findings.extend(directory(&config.store_dir, config.io_mode));
    findings.extend(disk_choice(config));
    findings.push(disk(config));
    for shard in 0..config.shard_count() {
        let port = config.shard_port(shard);
        findings.push(free_port(SocketAddr::new(config.listen_address, port)));
        if config.listen_vip {
            findings.push(free_port(SocketAddr::new(config.listen_address, port - 2)));
        }
    }
    findings.push(advertised(config));
    findings.extend(config.namesrv.0.iter().map(|server| name_server(server)));
    report(resolved, &findings, output)
}

/// `ringmq namesrv --check`
///
/// # Errors
/// [`Failure::Checks`] if something would keep the name server from running.
pub(crate) fn namesrv(resolved: &Resolved<NamesrvConfig>, output: Format) -> Result<(), Failure> {
    let config = &resolved.config;
    let mut findings = host(1);
    if let Some(parent) = config.kv_file.parent() {
        findings.extend(directory(parent, IoMode::Buffered));
    }
    findings.push(free_port(SocketAddr::new(config.listen_address, config.listen_port)));
    report(resolved, &findings, output)
}

fn report<C: Settings>(resolved: &Resolved<C>, findings: &[Finding], output: Format) -> Result<(), Failure> {
    if output == Format::Table {
        sources::print_notes(resolved);
        origin_rows(resolved, true).print(output)?;
        line("")?;
    }
    let mut rows = Rows::new(&["verdict", "what", "found", "wanted", "fix"]);
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        rows.push(vec![
            verdict.into(),
            finding.what.clone().into(),
            finding.found.clone().into(),
            finding.wanted.clone().into(),
            finding.fix.into(),
        ]);
    }
    rows.print(output)?;
    if findings.iter().any(|finding| finding.verdict == Verdict::Fail) {
        Err(Failure::Checks)
    } else {
        Ok(())
    }
}

/// Kernel, io_uring, locked memory, descriptors: what [`check_host`] would refuse.
fn host(shards: u16) -> Vec<Finding> {
    let demand =
        Demand { shards: u32::from(shards), registered_bytes_per_shard: 0, connections: CONNECTIONS };
    let failures = check_host(demand).err().unwrap_or_default();
    if failures.is_empty() {
        let found = "as needed".to_owned();
        let what = "kernel, io_uring, memlock, descriptors";
        return vec![Finding::judge(true, Verdict::Ok, what, found.clone(), found, "")];
    }
    failures
        .into_iter()
        .map(|error| {
            // Too few descriptors only bound the number of connections.
            let verdict = if error.code == "E0204" { Verdict::Warn } else { Verdict::Fail };
            Finding::judge(false, verdict, error.what, error.now, error.needed, error.fix)
        })
        .collect()
}

/// Connections that a server should be able to hold without raising any limit by hand.
const CONNECTIONS: u64 = 50_000;
const MIB: u64 = 1 << 20;

fn shared_memory(config: &BrokerConfig) -> Finding {
    let need = u64::from(config.shard_count()) * u64::from(config.window_mib) * MIB;
    let free = statvfs("/dev/shm").map(|space| space.f_bavail * space.f_frsize);
    Finding::judge(
        free.is_ok_and(|free| free >= need),
        Verdict::Warn,
        "shared memory (/dev/shm)",
        free.map_or_else(|error| error.to_string(), |free| format!("{} MiB free", free / MIB)),
        format!("{} MiB for the log windows", need / MIB),
        "mount -o remount,size=... /dev/shm, or lower store.window_mib",
    )
}

/// The directory, or the nearest parent that exists: one that would be made is judged by it.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|parent| parent.exists()).map_or_else(
        || PathBuf::from("."),
        |parent| if parent.as_os_str().is_empty() { ".".into() } else { parent.to_owned() },
    )
}

fn directory(path: &Path, mode: IoMode) -> Vec<Finding> {
    let base = existing(path);
    let writable = access(&base, Access::WRITE_OK | Access::EXEC_OK);
    let found = match (&writable, base == path) {
        (Err(error), _) => error.to_string(),
        (Ok(()), true) => "writable".to_owned(),
        (Ok(()), false) => "will be made".to_owned(),
    };
    let what = format!("directory {}", path.display());
    let mut findings = vec![Finding::judge(
        writable.is_ok() && base.is_dir(),
        Verdict::Fail,
        what,
        found,
        "writable".to_owned(),
        "create it for this user",
    )];
    if writable.is_ok()
        && let Ok(facts) = device::probe(&base)
    {
        let otherwise = if mode == IoMode::Direct { Verdict::Fail } else { Verdict::Warn };
        let direct = facts.direct || mode == IoMode::Buffered;
        findings.push(Finding::judge(
            direct,
            otherwise,
            format!("direct I/O ({})", facts.filesystem),
            if facts.direct { "supported" } else { "not supported" }.to_owned(),
            "supported".to_owned(),
            "a filesystem such as XFS or ext4, or store.io_mode = buffered",
        ));
    }
    findings
}

/// What the broker would choose, by the code it chooses with.
fn disk_choice(config: &BrokerConfig) -> Vec<Finding> {
    let Ok(choice) = DiskChoice::make(config, &existing(&config.store_dir)) else { return Vec::new() };
    let finding = |what: &str, found| {
        let wanted = "`ringmq io-probe` says what this disk does".to_owned();
        Finding::judge(true, Verdict::Ok, what, found, wanted, "")
    };
    vec![
        finding("store.io_mode", choice.io_mode.1),
        finding("flush.method", choice.flush_method.1),
        finding("flush.chunk_kib", choice.flush_chunk_kib.1),
    ]
}

fn disk(config: &BrokerConfig) -> Finding {
    let base = existing(&config.store_dir);
    let space = statvfs(&base);
    let need = 2 * config.segment_bytes * u64::from(config.shard_count());
    let (fine, found) = match &space {
        Ok(space) => {
            let free = space.f_bavail * space.f_frsize;
            let used = 100 - (space.f_bavail * 100).checked_div(space.f_blocks.max(1)).unwrap_or(0).min(100);
            (
                free >= need && used < u64::from(config.disk_percent_refuse),
                format!("{} MiB free, {used} % used", free / MIB),
            )
        }
        Err(error) => (false, error.to_string()),
    };
    Finding::judge(
        fine,
        Verdict::Fail,
        "disk space",
        found,
        format!("{} MiB for two segments per shard, below {} % used", need / MIB, config.disk_percent_refuse),
        "free space, or lower store.segment_bytes",
    )
}

fn free_port(address: SocketAddr) -> Finding {
    let bound = TcpListener::bind(address);
    Finding::judge(
        bound.is_ok(),
        Verdict::Fail,
        format!("port {}", address.port()),
        bound.map_or_else(|error| error.to_string(), |_| "free".to_owned()),
        format!("free at {address}"),
        "stop what listens there, or choose another listen.port",
    )
}

/// Clients resolve and dial it; so that it cannot be anybody else, it has to be an address that we can bind.
fn advertised(config: &BrokerConfig) -> Finding {
    let host = config.advertised();
    let address = (host, 0).to_socket_addrs().ok().and_then(|mut all| all.next());
    let ours = address.is_some_and(|address| TcpListener::bind(address).is_ok());
    Finding::judge(
        ours,
        Verdict::Warn,
        "advertised address",
        if address.is_none() { format!("{host}: unknown host") } else { host.to_owned() },
        "an address of this host".to_owned(),
        "set listen.advertise (brokerIP1), unless a NAT forwards it here",
    )
}

fn name_server(server: &str) -> Finding {
    let timeout = std::time::Duration::from_secs(3);
    let dialled = server
        .to_socket_addrs()
        .map_err(|error| error.to_string())
        .and_then(|mut all| all.next().ok_or_else(|| "unknown host".to_owned()))
        .and_then(|address| {
            std::net::TcpStream::connect_timeout(&address, timeout).map_err(|error| error.to_string())
        });
    Finding::judge(
        dialled.is_ok(),
        Verdict::Warn,
        format!("name server {server}"),
        dialled.map_or_else(|error| error, |_| "answers".to_owned()),
        "answers".to_owned(),
        "start it first, or correct namesrv (namesrvAddr)",
    )
}
