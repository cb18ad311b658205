//! What a start decides once for all shards: cores, disk, window, addresses; and from it what each shard is given.
//!
//! Everything that can be refused is refused here, before a thread runs or a shard's file is touched.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use rt::BLOCK;
use rt::real::checks::{self, Demand};
use rt::real::cpus::{self, Layout};
use rt::real::{Doorbell, ShardOptions, Spin};
use store::retention::{DeleteWhen, RetentionConfig};
use store::{StoreConfig, WindowBacking};

use super::{NodeError, NodeFacts};
use crate::config::{BrokerConfig, FlushMode};
use crate::disk_choice::DiskChoice;
use crate::start::ShardSetup;

/// Connections that the limit of open files must allow for. Less is no production host; how many more it takes is the
/// operator's choice, up to the bound of `net::connection`.
const CONNECTIONS: u64 = 8_192;
/// Ports below the listen port where old clients send ("VIP channel").
const VIP_BELOW: u16 = 2;
const DEFAULT_NAMESRV_PORT: u16 = 9876;

/// What is decided once for all shards.
pub(super) struct Plan {
    layout: Layout,
    disk: DiskChoice,
    window: Option<PathBuf>,
    name_servers: Vec<SocketAddr>,
    advertised: IpAddr,
    pub(super) facts: NodeFacts,
}

impl Plan {
    /// Looks at the host and the configuration.
    ///
    /// # Errors
    /// What the host does not give, with all of it at once; a path or an address that cannot be used.
    pub(super) fn make(config: &BrokerConfig) -> Result<Self, NodeError> {
        let shards = usize::from(config.shard_count());
        let window_bytes = u64::from(config.window_mib) << 20;
        let missing = checks::check_host(Demand {
            shards: u32::from(config.shard_count()),
            registered_bytes_per_shard: window_bytes,
            connections: CONNECTIONS,
        })
        .err()
        .unwrap_or_default();
        // Too few descriptors only bound the number of connections; a small host runs all the same.
        let (few, fatal): (Vec<_>, Vec<_>) = missing.into_iter().partition(|error| error.code == "E0204");
        few.iter().for_each(|error| tracing::warn!("{error}"));
        if !fatal.is_empty() {
            return Err(NodeError::Host(fatal));
        }
        std::fs::create_dir_all(&config.store_dir).map_err(|source| NodeError::Io {
            op: "create",
            path: config.store_dir.clone(),
            source,
        })?;
        let disk = DiskChoice::make(config, &config.store_dir).map_err(|source| NodeError::Io {
            op: "probe",
            path: config.store_dir.clone(),
            source,
        })?;
        let asked = config.window_dir.as_deref();
        let window = crate::window_place::choose(asked, window_bytes * shards as u64).map_err(|source| {
            NodeError::Io { op: "use", path: asked.map(PathBuf::from).unwrap_or_default(), source }
        })?;
        let layout = match &config.cpus {
            Some(cpus) => Layout::place(Some(shards), &cpus.0),
            None => Layout::place(Some(shards), &cpus::usable().map_err(NodeError::Thread)?),
        };
        let advertised = resolve(config.advertised(), 0)?.ip();
        let name_servers = config
            .namesrv
            .0
            .iter()
            .map(|text| resolve(text, DEFAULT_NAMESRV_PORT))
            .collect::<Result<Vec<_>, _>>()?;
        let facts = NodeFacts {
            shards: (0..config.shard_count())
                .map(|index| {
                    (config.shard_name(index), SocketAddr::new(advertised, config.shard_port(index)))
                })
                .collect(),
            cpus: layout.shards.clone(),
            io_mode: disk.io_mode.1.clone(),
            flush_method: disk.flush_method.1.clone(),
            window: window.describe(config.flush_mode == FlushMode::Async),
        };
        Ok(Self { layout, disk, window: window.directory, name_servers, advertised, facts })
    }

    /// What shard `index` is started with.
    pub(super) fn setup(&self, config: &BrokerConfig, index: u16) -> ShardSetup {
        let port = config.shard_port(index);
        let mut listen = vec![SocketAddr::new(config.listen_address, port)];
        if config.listen_vip {
            listen.push(SocketAddr::new(config.listen_address, port - VIP_BELOW));
        }
        ShardSetup {
            index,
            config: config.clone(),
            store: self.store(config, index),
            listen,
            advertised: SocketAddr::new(self.advertised, port),
            name_servers: self.name_servers.clone(),
        }
    }

    fn store(&self, config: &BrokerConfig, index: u16) -> StoreConfig {
        let dir = config.store_dir.join(format!("shard-{index}"));
        let window = match &self.window {
            Some(place) => {
                WindowBacking::Named(place.join(crate::window_place::file_name(&config.store_dir, index)))
            }
            None => WindowBacking::Private,
        };
        StoreConfig {
            shard: index,
            shards: config.shard_count(),
            window,
            window_bytes: (config.window_mib as usize) << 20,
            window_huge: true,
            segment_bytes: config.segment_bytes.next_multiple_of(BLOCK as u64),
            flush_mode: match config.flush_mode {
                FlushMode::Async => store::FlushMode::Async,
                FlushMode::Sync => store::FlushMode::Sync,
            },
            flush_method: self.disk.flush_method.0,
            io_mode: self.disk.io_mode.0,
            flush_chunk_bytes: (self.disk.flush_chunk_kib.0 as usize) << 10,
            flush_interval: Duration::from_millis(u64::from(config.flush_interval_ms)),
            max_message_bytes: config.message_bytes_max,
            cold_cache_bytes: (config.cold_cache_mib as usize) << 20,
            retention: retention(config),
            retention_interval: Duration::from_millis(u64::from(config.retention_interval_ms)),
            ..StoreConfig::new(dir)
        }
    }

    /// How the thread of shard `index` runs.
    pub(super) fn options(&self, config: &BrokerConfig, index: u16, doorbell: Doorbell) -> ShardOptions {
        ShardOptions {
            cpu: self.layout.shards.get(usize::from(index)).copied(),
            spin: spin(config.spin_us),
            doorbell: Some(doorbell),
            ..ShardOptions::new(format!("shard-{index}"))
        }
    }
}

fn spin(us: Option<i32>) -> Spin {
    match us.map(u32::try_from) {
        None => Spin::Auto,
        Some(Ok(0)) => Spin::Off,
        Some(Ok(us)) => Spin::Micros(us),
        Some(Err(_)) => Spin::Micros(u32::MAX),
    }
}

fn retention(config: &BrokerConfig) -> RetentionConfig {
    let ratio = |percent: u32| f64::from(percent) / 100.0;
    RetentionConfig {
        reserved_hours: config.retention_hours,
        delete_when: match config.retention_window.0.as_slice() {
            [] => DeleteWhen::Steady,
            hours => DeleteWhen::Hours(hours.to_vec()),
        },
        max_used_ratio: ratio(config.disk_percent_max),
        clean_forcibly_ratio: ratio(config.disk_percent_force),
        clean_forcibly: config.retention_forced,
        warning_ratio: ratio(config.disk_percent_refuse),
        ..RetentionConfig::default()
    }
}

fn resolve(text: &str, default_port: u16) -> Result<SocketAddr, NodeError> {
    let failed = |source| NodeError::Address { text: text.to_owned(), source };
    let found = match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => text.to_socket_addrs(),
        _ => (text, default_port).to_socket_addrs(),
    };
    let mut all = found.map_err(failed)?;
    all.next().ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no address of that name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_never_sleeps_and_zero_always_does() {
        let spins = [None, Some(0), Some(50), Some(-1)].map(spin);
        assert_eq!(spins, [Spin::Auto, Spin::Off, Spin::Micros(50), Spin::Micros(u32::MAX)]);
    }
}
