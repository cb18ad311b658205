//! A shard of ours under the same load: in this process, on the same core as the bare server, with a store on the disk.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;

use broker::config::BrokerConfig;
use broker::{Shard, ShardSetup, StartError};
use rt::real::{RealEnv, ShardOptions, Spin, start_shard};
use store::{StoreConfig, WindowBacking};

use super::Options;
use crate::lone_shard::{Control, Place};
use crate::pipeline::Loaded;
use crate::sends::QUEUES;

/// Runs a shard with an empty store under load. The store goes with it.
///
/// # Errors
/// When it does not start or does not answer.
pub(super) fn measure(options: &Options) -> io::Result<Loaded> {
    let place = Place::new(options.dir.clone(), "bare")?;
    let at = free_address()?;
    let setup = setup_in(&place, at);
    let (control, stop) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    // As the bare server: it sleeps in the ring when there is nothing to do, or never.
    let spin = if options.spin { Spin::Micros(u32::MAX) } else { Spin::Off };
    let shard = ShardOptions { cpu: Some(options.server_cpu), spin, ..ShardOptions::new("shard") };
    let thread = start_shard(shard, move |env: RealEnv| async move {
        let (shard, _) = Shard::open(env, setup, Box::new(Control(stop))).await?;
        let _ = tell.send(());
        Ok::<_, StartError>(shard)
    })?;
    let loaded = match told.recv() {
        Ok(()) => options.load(at),
        Err(_) => Err(io::Error::other("the shard did not start")),
    };
    let _ = control.send(());
    thread.doorbell().ring();
    thread.join().map_err(io::Error::other)?;
    loaded
}

fn setup_in(place: &Place, at: SocketAddr) -> ShardSetup {
    let config = BrokerConfig {
        name: "bare".to_owned(),
        shards: Some(1),
        advertise: Some("127.0.0.1".to_owned()),
        default_queues: QUEUES,
        ..BrokerConfig::default()
    };
    let store = StoreConfig {
        window: WindowBacking::Named(place.window.clone()),
        // Zeroed before the first send: a broker that runs for longer has it ready, too.
        zeroing_part_bytes: 1 << 30,
        ..StoreConfig::new(place.dir.join("shard-0"))
    };
    ShardSetup { index: 0, config, store, listen: vec![at], advertised: at, name_servers: Vec::new() }
}

fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
