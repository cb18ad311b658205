//! Machines with a broker shard on them, and how they start, stop and crash.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker::config::BrokerConfig;
use broker::{PeerLink, PeerMessage, Shard, ShardSetup};
use net::Codec;
use rt::Env;
use rt::sim::{Crash, SimDisk, SimEnv, SimMachine, Simulation};
use store::{FlushMode, StoreConfig, WindowBacking};

use crate::{Client, create_topic};

const BROKER: [u8; 4] = [10, 0, 0, 1];
const CLIENTS: [u8; 4] = [10, 0, 0, 9];

/// One simulation with a machine full of clients.
pub struct World {
    pub sim: Simulation,
    clients: SimMachine,
}

/// What a broker is started with.
#[derive(Clone)]
pub struct Setup {
    pub ip: [u8; 4],
    pub index: u16,
    pub config: BrokerConfig,
    pub store: StoreConfig,
    pub name_servers: Vec<SocketAddr>,
}

/// A running broker.
pub struct Host {
    machine: SimMachine,
    env: SimEnv,
    pub address: SocketAddr,
    post: Rc<RefCell<Post>>,
}

/// Messages between shards, delivered by the test's own hand.
#[derive(Default)]
struct Post {
    incoming: VecDeque<PeerMessage>,
    broadcast: Vec<PeerMessage>,
}

struct Link(Rc<RefCell<Post>>);

impl World {
    pub fn new(seed: u64) -> Self {
        let sim = Simulation::new(seed);
        let clients = sim.machine(CLIENTS, SimDisk::new());
        Self { sim, clients }
    }

    /// A broker on a new machine with an empty disk.
    pub fn boot(&self, setup: &Setup) -> Host {
        self.boot_from(SimDisk::new(), setup)
    }

    /// As [`World::boot`], with the topic "T" of so many queues.
    pub fn boot_with_topic(&self, setup: &Setup, queues: i32) -> Host {
        let host = self.boot(setup);
        self.connect_local(&host).must(&create_topic("T", queues), b"");
        host
    }

    /// A broker on a machine that boots from `disk`.
    pub fn boot_from(&self, disk: SimDisk, setup: &Setup) -> Host {
        Host::start(self, self.sim.machine(setup.ip, disk), setup)
    }

    /// A client on another machine than the broker.
    pub fn connect(&self, host: &Host) -> Client<'_> {
        self.connect_with(host, Codec::Json)
    }

    pub fn connect_with(&self, host: &Host, codec: Codec) -> Client<'_> {
        Client::connect(&self.sim, &self.clients.env(), host.address, codec)
    }

    /// As [`World::connect`], if anybody answers there.
    pub fn try_connect(&self, to: SocketAddr) -> Option<Client<'_>> {
        Client::try_connect(&self.sim, &self.clients.env(), to, Codec::Json).ok()
    }

    /// A client on the broker's own machine: an administrator.
    pub fn connect_local(&self, host: &Host) -> Client<'_> {
        Client::connect(&self.sim, &host.machine.env(), host.address, Codec::Json)
    }

    pub fn run_ms(&self, ms: u64) {
        self.sim.run_for(Duration::from_millis(ms));
    }

    /// The wall clock of the clients' machine.
    pub fn unix_ms(&self) -> i64 {
        self.clients.env().now().unix_ms
    }

    pub fn now_ms(&self) -> u64 {
        self.sim.now().as_ms()
    }
}

impl Default for Setup {
    fn default() -> Self {
        let config = BrokerConfig {
            name: "broker-a".to_owned(),
            shards: Some(1),
            advertise: Some("10.0.0.1".to_owned()),
            message_bytes_max: MESSAGE_BYTES_MAX,
            ..BrokerConfig::default()
        };
        let store = StoreConfig {
            window_bytes: 1 << 20,
            segment_bytes: 1 << 20,
            max_message_bytes: MESSAGE_BYTES_MAX,
            zeroing_pause: Duration::ZERO,
            ..StoreConfig::new("/store".into())
        };
        Self { ip: BROKER, index: 0, config, store, name_servers: Vec::new() }
    }
}

/// Bodies up to this fit the small windows of tests.
const MESSAGE_BYTES_MAX: u32 = 64 << 10;

impl Setup {
    /// A sync flush broker.
    pub fn sync() -> Self {
        let mut setup = Self::default();
        setup.store.flush_mode = FlushMode::Sync;
        setup
    }

    /// With changes of the configuration.
    pub fn with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let mut setup = Self::default();
        change(&mut setup.config);
        setup
    }

    /// With a window that outlives the process.
    pub fn window(mut self, file: &WindowFile) -> Self {
        self.store.window = WindowBacking::Named(file.path.clone());
        self
    }
}

impl Host {
    fn start(world: &World, machine: SimMachine, setup: &Setup) -> Self {
        let env = machine.env();
        let address = SocketAddr::from((setup.ip, setup.config.shard_port(setup.index)));
        let post = Rc::new(RefCell::new(Post::default()));
        let shard_setup = ShardSetup {
            index: setup.index,
            config: setup.config.clone(),
            store: setup.store.clone(),
            listen: vec![address],
            advertised: address,
            name_servers: setup.name_servers.clone(),
        };
        let opened = world.sim.block_on(Shard::open(env.clone(), shard_setup, Box::new(Link(post.clone()))));
        let (shard, _report) = opened.unwrap();
        env.drive(&Rc::new(RefCell::new(shard)));
        Self { machine, env, address, post }
    }

    pub fn disk(&self) -> &SimDisk {
        self.machine.disk()
    }

    /// Ends the machine; the disk is what the next boot finds.
    pub fn crash(self, kind: Crash) -> SimDisk {
        self.machine.crash(kind)
    }

    /// Stops its threads until [`Host::resume`].
    pub fn pause(&self) {
        self.machine.pause();
    }

    pub fn resume(&self) {
        self.machine.resume();
    }

    /// Posts a message of another shard, or of the node.
    pub fn tell(&self, message: PeerMessage) {
        self.post.borrow_mut().incoming.push_back(message);
        self.env.kick();
    }

    /// What it told the other shards since the last call.
    pub fn heard(&self) -> Vec<PeerMessage> {
        std::mem::take(&mut self.post.borrow_mut().broadcast)
    }

    pub fn is_running(&self) -> bool {
        self.env.is_driven()
    }

    /// Stops in an orderly way, waits for the end and returns the disk.
    pub fn stop(self, world: &World) -> SimDisk {
        self.tell(PeerMessage::Stop);
        assert!(world.sim.run_until(Duration::from_secs(30), || !self.is_running()), "it did not stop");
        self.machine.crash(Crash::Process)
    }
}

impl PeerLink for Link {
    fn broadcast(&mut self, message: PeerMessage) {
        self.0.borrow_mut().broadcast.push(message);
    }

    fn receive(&mut self) -> Option<PeerMessage> {
        self.0.borrow_mut().incoming.pop_front()
    }
}

/// A window's file in shared memory, gone with the value.
pub struct WindowFile {
    path: PathBuf,
}

impl WindowFile {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let shared = PathBuf::from("/dev/shm");
        let directory = if shared.is_dir() { shared } else { std::env::temp_dir() };
        Self { path: directory.join(format!("ringmq-broker-test-{}-{number}", std::process::id())) }
    }
}

impl Default for WindowFile {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WindowFile {
    fn drop(&mut self) {
        let _perhaps_none = std::fs::remove_file(&self.path);
    }
}
