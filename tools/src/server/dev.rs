//! `ringmq dev`: everything in one process, on loopback, with a store that goes when it stops.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use broker::Node;
use broker::config::{BrokerConfig, Host};
use namesrv::config::NamesrvConfig;
use settings::{Entry, Origin, Resolved, environment, override_entry};

use super::{broker as node, log, namesrv as name_server, wait_for_stop};
use crate::cli::Dev;
use crate::failure::Failure;
use crate::output::line;
use crate::sources;

/// What `dev` sets before environment and flags: small enough for a laptop, and gone afterwards.
const SETTINGS: &[(&str, &str)] = &[
    ("cluster", "DefaultCluster"),
    ("name", "broker-dev"),
    ("listen.address", "127.0.0.1"),
    ("listen.advertise", "127.0.0.1"),
    ("store.window_mib", "32"),
    ("store.segment_bytes", "67108864"),
    ("admin.remote_config", "true"),
    // Few descriptors are fine on a laptop.
    ("log.filter", "warn,broker::node=error"),
];

/// Runs it.
///
/// # Errors
/// What keeps the servers from running.
pub(crate) fn command(command: Dev) -> Result<(), Failure> {
    let signals = crate::signals::stops()?;
    let store = Store::make(command.store.as_deref())?;
    let resolved = configuration(&command, &store.path)?;
    sources::print_notes(&resolved);
    let config = resolved.config;
    log::start(&config.log_filter, node::look(config.log_format))?;
    free(command.namesrv_port)?;
    for shard in 0..config.shard_count() {
        free(config.shard_port(shard))?;
        if config.listen_vip {
            free(config.shard_port(shard) - 2)?;
        }
    }
    let names = NamesrvConfig {
        listen_address: Ipv4Addr::LOCALHOST.into(),
        listen_port: command.namesrv_port,
        kv_file: store.path.join("namesrv").join("kvConfig.json"),
        remote_config: true,
        ..NamesrvConfig::default()
    };
    let failed = |error: namesrv::StartError| {
        Failure::Server(format!("error[E0221]: the name server does not run: {error}"))
    };
    let name_server = namesrv::start(names, None).map_err(failed)?;
    let started = Node::start(&config).map_err(|error| node::failed(&error));
    let outcome = started.and_then(|node| {
        let announced = announce(&name_server, &node, &config, &store);
        if announced.is_ok() {
            wait_for_stop(signals, || node.is_ending() || name_server.is_finished());
        }
        node.stop();
        announced.and(node.join().map_err(|error| node::failed(&error)))
    });
    name_server.stop();
    outcome.and(name_server.join().map_err(failed))
}

fn configuration(command: &Dev, store: &Path) -> Result<Resolved<BrokerConfig>, Failure> {
    let of_dev =
        |key: &str, value: String| Entry { key: key.to_owned(), value, origin: Origin::Found("ringmq dev") };
    let mut entries: Vec<Entry> =
        SETTINGS.iter().map(|(key, value)| of_dev(key, (*value).to_owned())).collect();
    entries.push(of_dev("namesrv", format!("127.0.0.1:{}", command.namesrv_port)));
    entries.push(of_dev("listen.port", command.port.to_string()));
    entries.push(of_dev("store.dir", store.display().to_string()));
    entries.extend(command.shards.map(|shards| of_dev("shards", shards.to_string())));
    entries.extend(environment::<BrokerConfig>(sources::variables(), sources::NO_KEYS));
    for pair in &command.set {
        entries.push(override_entry(pair, "--set")?);
    }
    Ok(broker::config::load(&entries, &Host::read())?)
}

fn announce(
    names: &namesrv::Running,
    node: &Node,
    config: &BrokerConfig,
    store: &Store,
) -> Result<(), Failure> {
    line(&name_server::boot_line(names))?;
    for boot_line in node::boot_lines(node, config) {
        line(&boot_line)?;
    }
    let facts = node.facts();
    let kept = if store.temporary { "temporary, removed at the end" } else { "kept" };
    let cpus: Vec<String> = facts.cpus.iter().map(usize::to_string).collect();
    let mode = match config.flush_mode {
        broker::config::FlushMode::Async => "async: survives kill -9",
        broker::config::FlushMode::Sync => "sync: survives a power cut",
    };
    line("")?;
    line(&format!("name server   {}", names.address()))?;
    for (name, address) in &facts.shards {
        line(&format!("broker        {address}  {name}"))?;
    }
    line(&format!("store         {}  ({kept})", store.path.display()))?;
    line(&format!("shards        {}  on CPU {}", facts.shards.len(), cpus.join(", ")))?;
    line(&format!("I/O           {}", facts.io_mode))?;
    line(&format!("flush         {mode}; {}", facts.flush_method))?;
    line(&format!("log window    {}", facts.window))?;
    line("")?;
    line(&format!(
        "try           echo hello | ringmq produce TopicTest -n {0} && ringmq consume TopicTest --from earliest --no-follow -n {0}",
        names.address()
    ))?;
    line("stop          Ctrl-C")?;
    Ok(())
}

/// Says which port is taken before anything starts, and how to have another.
fn free(port: u16) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).map(drop).map_err(|error| {
        Failure::Server(format!(
            "error[E0214]: {address} cannot be used: {error}\n  fix    stop what listens there, or choose other ports: ringmq \
             dev --namesrv-port PORT --port PORT"
        ))
    })
}

/// The directory of the store.
struct Store {
    path: PathBuf,
    temporary: bool,
}

impl Store {
    fn make(given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = given {
            fs::create_dir_all(path).map_err(|error| cannot_make(path, &error))?;
            let path = path.canonicalize().map_err(|error| cannot_make(path, &error))?;
            return Ok(Self { path, temporary: false });
        }
        let path = std::env::temp_dir().join(format!("ringmq-dev-{}", std::process::id()));
        // Fails if somebody else prepared it.
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| cannot_make(&path, &error))?;
        Ok(Self { path, temporary: true })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("{} could not be removed: {error}", self.path.display());
        }
    }
}

fn cannot_make(path: &Path, error: &io::Error) -> Failure {
    Failure::Server(format!(
        "error[E0215]: cannot make the store directory {}: {error}\n  fix    give another with --store DIR",
        path.display()
    ))
}
