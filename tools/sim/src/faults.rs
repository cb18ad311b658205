//! What happens to the machines, and when it is over.
//!
//! Faults stay within the promise (reliability.md 4, "fault atlas"): a system crash or power cut only where
//! acknowledged means flushed.

use rt::sim::{Crash, DiskLatency, NetProfile};

use crate::cluster::{Cluster, SHARDS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Connections of clients and name server are reset.
    Reset,
    /// Packets to it or from it are held back.
    CutTo,
    CutFrom,
    Pause,
    Kill,
    SystemCrash,
    PowerCut,
    Stop,
    NameServer,
}

const ALL: [Fault; 9] = [
    Fault::Reset,
    Fault::CutTo,
    Fault::CutFrom,
    Fault::Pause,
    Fault::Kill,
    Fault::SystemCrash,
    Fault::PowerCut,
    Fault::Stop,
    Fault::NameServer,
];

/// Client machine, as the broker's tests place it.
const CLIENTS: [u8; 4] = [10, 0, 0, 9];

/// The faults of one run.
pub(crate) struct Faults {
    enabled: Vec<Fault>,
    /// What is broken: the fault, the shard, and when it ends.
    current: Vec<(Fault, usize, u64)>,
    next_at: u64,
    /// How many times longer faults and the pauses between them are.
    stretch: u64,
    pub(crate) log: Vec<String>,
}

impl Faults {
    /// Chooses what may happen, and how disks and cables behave meanwhile.
    pub(crate) fn choose(cluster: &mut Cluster<'_>) -> Self {
        let sync = cluster.sync;
        let life = cluster.life;
        let random = &mut cluster.random;
        let mut enabled: Vec<Fault> = ALL.into_iter().filter(|_| random.percent(50)).collect();
        enabled.retain(|fault| sync || !matches!(fault, Fault::SystemCrash | Fault::PowerCut));
        let profile = NetProfile {
            delay_ns: (10_000, *random.pick(&[100_000, 2_000_000, 20_000_000])),
            piece_bytes_max: *random.pick(&[16 << 10, 700]),
            loss_percent: *random.pick(&[0, 0, 2, 10]),
            connect_timeout_ns: life.connect_timeout_ns(),
            ..NetProfile::default()
        };
        let latency = DiskLatency {
            flush_ns: (80_000, *random.pick(&[200_000, 5_000_000])),
            spike_ns: *random.pick(&[2_000_000, 100_000_000]),
            ..DiskLatency::default()
        };
        let log = vec![format!("sync {sync}, {enabled:?}, {profile:?}, {latency:?}")];
        cluster.world.sim.network().set_profile(profile);
        (0..SHARDS).filter_map(|shard| cluster.host(shard)).for_each(|host| host.disk().set_latency(latency));
        Self { enabled, current: Vec::new(), next_at: cluster.world.now_ms(), stretch: life.stretch(), log }
    }

    /// Ends what is over and begins something new now and then.
    pub(crate) fn step(&mut self, cluster: &mut Cluster<'_>) {
        let now = cluster.world.now_ms();
        self.end(cluster, |until| until <= now);
        if now < self.next_at || self.enabled.is_empty() {
            return;
        }
        self.next_at = now + self.stretch * (300 + cluster.random.below(2_500));
        let fault = *cluster.random.pick(&self.enabled);
        let shard = usize::try_from(cluster.random.below(SHARDS as u64)).unwrap();
        let busy =
            |other: &(Fault, usize, u64)| other.1 == shard && fault != Fault::NameServer || other.0 == fault;
        if self.current.iter().any(busy) {
            return;
        }
        let until = now + self.stretch * (100 + cluster.random.below(2_000));
        self.begin(cluster, fault, shard);
        self.log.push(format!("{now} ms: {fault:?} of shard {shard} until {until}"));
        self.current.push((fault, shard, until));
    }

    /// Mends everything.
    pub(crate) fn heal(&mut self, cluster: &mut Cluster<'_>) {
        self.end(cluster, |_| true);
        cluster.world.sim.network().heal();
        cluster.world.sim.network().set_profile(NetProfile::default());
        self.log.push(format!("{} ms: healed", cluster.world.now_ms()));
    }

    fn begin(&self, cluster: &mut Cluster<'_>, fault: Fault, shard: usize) {
        if fault == Fault::NameServer {
            return cluster.crash_name_server();
        }
        let network = cluster.world.sim.network();
        let Some(address) = cluster.address(shard) else { return };
        match fault {
            Fault::Reset => network.reset(address.ip(), CLIENTS),
            Fault::CutTo => network.cut(CLIENTS, address.ip()),
            Fault::CutFrom => network.cut(address.ip(), CLIENTS),
            Fault::Pause => cluster.host(shard).unwrap().pause(),
            Fault::Kill => cluster.crash(shard, Crash::Process),
            Fault::SystemCrash => cluster.crash(shard, Crash::Os),
            Fault::PowerCut => cluster.crash(shard, Crash::Power),
            Fault::Stop => cluster.stop(shard),
            Fault::NameServer => unreachable!("it has no shard"),
        }
    }

    fn end(&mut self, cluster: &mut Cluster<'_>, is_over: impl Fn(u64) -> bool) {
        let (over, current) = self.current.drain(..).partition(|(_, _, until)| is_over(*until));
        self.current = current;
        let over: Vec<(Fault, usize, u64)> = over;
        for (fault, shard, _) in over {
            match fault {
                Fault::Reset => {}
                Fault::CutTo | Fault::CutFrom => {
                    // All cables are mended at once; another cut ends a little early.
                    cluster.world.sim.network().heal();
                }
                Fault::Pause => {
                    if let Some(host) = cluster.host(shard) {
                        host.resume();
                    }
                }
                Fault::Kill | Fault::SystemCrash | Fault::PowerCut | Fault::Stop => cluster.boot(shard),
                Fault::NameServer => cluster.start_name_server(),
            }
        }
    }
}
