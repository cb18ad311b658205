//! The machines: a name server and the two shards of a node, each of which may end and come back.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use broker::config::{DelayLevels, Span};
use history::{Event, History, Queue};
use namesrv::NameServer;
use namesrv::config::NamesrvConfig;
use rt::sim::{Crash, SimDisk, SimMachine};
use store::FlushMode;
use testbed::{Host, Setup, WindowFile, World, create_topic};

use crate::life::Life;
use crate::random::Random;

/// Plain messages and half messages; a group consumes all of it by pulling.
pub(crate) const PULLED: &str = "P";
/// Plain messages; a group consumes them in order.
pub(crate) const ORDERED: &str = "O";
/// Parked and plain messages; a group consumes all of it on the first shard by popping.
pub(crate) const POPPED: &str = "T";
/// How often a message is tried again.
pub(crate) const RETRIES_MAX: u32 = 3;
/// Waiting times of the delay levels; a message that is tried again begins with the third.
pub(crate) const DELAYS_MS: [u64; 6] = [1_000, 1_000, 1_000, 2_000, 4_000, 8_000];
/// Queues of each, on every shard.
pub(crate) const QUEUES: u32 = 2;
pub(crate) const SHARDS: usize = 2;

const NAME_SERVER: [u8; 4] = [10, 0, 1, 1];
const SHARD_IPS: [[u8; 4]; SHARDS] = [[10, 0, 0, 1], [10, 0, 0, 2]];

/// The cluster and what is known of it.
pub(crate) struct Cluster<'w> {
    pub(crate) world: &'w World,
    pub(crate) random: Random,
    pub(crate) history: History,
    pub(crate) life: Life,
    /// Whether acknowledged means flushed.
    pub(crate) sync: bool,
    /// Whether a message that is sent again with its unique key is stored once.
    pub(crate) dedup: bool,
    shards: Vec<ShardPlace>,
    name_server: Option<SimMachine>,
    attempts: u64,
    tenures: u64,
}

/// Where a shard runs, or may run again.
struct ShardPlace {
    setup: Setup,
    window: WindowFile,
    host: Option<Host>,
    /// What the next boot finds.
    disk: Option<SimDisk>,
}

impl<'w> Cluster<'w> {
    /// Starts everything and makes the topics.
    pub(crate) fn start(world: &'w World, seed: u64, life: Life) -> Self {
        let mut random = Random::new(seed);
        // Any second of a minute: slots of timers end with it.
        world.run_ms(random.below(60_000));
        let sync = random.percent(50);
        let dedup = random.percent(50);
        let shards = (0..SHARDS).map(|index| ShardPlace::new(index, sync, dedup, life)).collect();
        let history = History { retries_max: RETRIES_MAX, ..History::default() };
        let mut cluster = Self {
            world,
            random,
            history,
            life,
            sync,
            dedup,
            shards,
            name_server: None,
            attempts: 0,
            tenures: 0,
        };
        cluster.start_name_server();
        for shard in 0..SHARDS {
            cluster.boot(shard);
            let host = cluster.shards[shard].host.as_ref().unwrap();
            let mut admin = world.connect_local(host);
            for topic in life.topics() {
                admin.must(&create_topic(topic, i32::try_from(QUEUES).unwrap()), b"");
            }
            admin.close();
        }
        let is_consumed = |(topic, shard, _): &(&str, usize, u32)| *topic != POPPED || *shard == 0;
        let consumed = every_queue(life).filter(is_consumed);
        cluster.history.consumed.extend(consumed.map(|(topic, shard, id)| queue(topic, shard, id)));
        cluster
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.history.push(event);
    }

    /// A number that no message has yet.
    pub(crate) fn next_attempt(&mut self) -> history::Attempt {
        self.attempts += 1;
        history::Attempt(self.attempts)
    }

    /// An ownership that nobody had yet.
    pub(crate) fn next_tenure(&mut self) -> history::Tenure {
        self.tenures += 1;
        history::Tenure(self.tenures)
    }

    /// The name of a shard, as clients call it.
    pub(crate) fn broker_name(&self, shard: usize) -> String {
        let place = &self.shards[shard];
        place.setup.config.shard_name(place.setup.index)
    }

    /// Where clients find a shard that runs.
    pub(crate) fn address(&self, shard: usize) -> Option<SocketAddr> {
        self.host(shard).map(|host| host.address)
    }

    pub(crate) fn host(&self, shard: usize) -> Option<&Host> {
        self.shards[shard].host.as_ref()
    }

    pub(crate) fn boot(&mut self, shard: usize) {
        let place = &mut self.shards[shard];
        assert!(place.host.is_none(), "it runs");
        let setup = place.setup.clone().window(&place.window);
        place.host = Some(self.world.boot_from(place.disk.take().unwrap_or_default(), &setup));
    }

    pub(crate) fn crash(&mut self, shard: usize, kind: Crash) {
        let place = &mut self.shards[shard];
        let Some(host) = place.host.take() else { return };
        place.disk = Some(host.crash(kind));
        if kind != Crash::Process {
            // Memory does not outlive the system.
            place.window = WindowFile::new();
        }
    }

    pub(crate) fn stop(&mut self, shard: usize) {
        let Some(host) = self.shards[shard].host.take() else { return };
        self.shards[shard].disk = Some(host.stop(self.world));
    }

    /// Carries what the shards tell each other.
    pub(crate) fn deliver(&self) {
        for from in 0..SHARDS {
            for message in self.host(from).map(Host::heard).unwrap_or_default() {
                (0..SHARDS).filter(|to| *to != from).filter_map(|to| self.host(to)).for_each(|host| {
                    host.tell(message.clone());
                });
            }
        }
    }

    pub(crate) fn start_name_server(&mut self) {
        if self.name_server.is_some() {
            return;
        }
        let machine = self.world.sim.machine(NAME_SERVER, SimDisk::new());
        let env = machine.env();
        let config = NamesrvConfig { kv_file: Path::new("/kv.json").to_owned(), ..NamesrvConfig::default() };
        let opened = NameServer::open(env.clone(), config, Arc::new(AtomicBool::new(false)));
        let server = self.world.sim.block_on(opened).unwrap();
        env.drive(&Rc::new(RefCell::new(server)));
        self.name_server = Some(machine);
    }

    pub(crate) fn crash_name_server(&mut self) {
        if let Some(machine) = self.name_server.take() {
            let _ = machine.crash(Crash::Process);
        }
    }
}

impl ShardPlace {
    fn new(index: usize, sync: bool, dedup: bool, life: Life) -> Self {
        let mut setup =
            Setup { ip: SHARD_IPS[index], index: u16::try_from(index).unwrap(), ..Setup::default() };
        setup.config.shards = Some(u16::try_from(SHARDS).unwrap());
        if dedup {
            setup.config.dedup_window = Span(Some(600_000));
            setup.config.dedup_count = 10_000;
        }
        if life == Life::Groups {
            setup.config.delay_levels = DelayLevels(DELAYS_MS.to_vec());
        }
        setup.config.transaction_timeout_ms = 1_000;
        setup.config.transaction_check_ms = 2_000;
        setup.store.shard = setup.index;
        setup.store.shards = u16::try_from(SHARDS).unwrap();
        setup.store.flush_mode = if sync { FlushMode::Sync } else { FlushMode::Async };
        setup.name_servers = vec![SocketAddr::from((NAME_SERVER, 9876))];
        Self { setup, window: WindowFile::new(), host: None, disk: None }
    }
}

/// The number of a queue in the history.
pub(crate) fn queue(topic: &str, shard: usize, id: u32) -> Queue {
    let topics = [PULLED, POPPED, ORDERED];
    let topic = topics.iter().position(|one| *one == topic).expect("a topic of ours");
    Queue(((topic * SHARDS + shard) * QUEUES as usize) as u32 + id)
}

/// Every queue: topic, shard, id.
pub(crate) fn every_queue(life: Life) -> impl Iterator<Item = (&'static str, usize, u32)> {
    life.topics()
        .into_iter()
        .flat_map(|topic| (0..SHARDS).flat_map(move |shard| (0..QUEUES).map(move |id| (topic, shard, id))))
}
