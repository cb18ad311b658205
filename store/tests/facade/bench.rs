//! A machine with an open store.

use std::net::SocketAddr;
use std::time::Duration;

use rt::Env;
use rt::sim::{Crash, SimDisk, SimEnv, SimMachine, Simulation};
use store::record::{Parsed, parse};
use store::{
    Appended, FlushMode, NewMessage, QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus,
    RecoveryReport, Store, StoreConfig, StoreError,
};

pub(crate) struct Bench {
    pub(crate) sim: Simulation,
    pub(crate) machine: SimMachine,
    pub(crate) store: Store<SimEnv>,
    pub(crate) report: RecoveryReport,
    config: StoreConfig,
}

pub(crate) const SEGMENT: u64 = 80 << 10;

/// Small segments, a window of two of them, flushes before answers.
pub(crate) fn small() -> StoreConfig {
    let mut config = StoreConfig::new("/store".into());
    config.max_message_bytes = 4096;
    config.segment_bytes = SEGMENT;
    config.window_bytes = 2 * SEGMENT as usize;
    config.flush_mode = FlushMode::Sync;
    config.zeroing_pause = Duration::ZERO;
    config.zeroing_part_bytes = 16 << 10;
    config.retention_interval = Duration::from_millis(100);
    config
}

/// A message as tests send it: queue 0 unless changed.
pub(crate) fn message<'a>(topic: &'a str, body: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id: 0,
        body,
        properties: b"",
        flag: 0,
        sys_flag: 0,
        born_at_ms: 1,
        born_host: SocketAddr::from(([10, 0, 0, 2], 4000)),
        store_host: SocketAddr::from(([10, 0, 0, 1], 10911)),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        tags_code: 0,
        keys: b"",
        unique_key: b"",
    }
}

/// Body number `number`, `len` bytes behind its number.
pub(crate) fn body_of(number: u64, len: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.extend((0..len).map(|at| (at as u64 ^ number) as u8));
    body
}

pub(crate) fn body_in(record: &[u8]) -> Vec<u8> {
    match parse(record) {
        Ok(Parsed::Record(record)) => record.body().to_vec(),
        other => panic!("no record: {other:?}"),
    }
}

impl Bench {
    pub(crate) fn new(config: StoreConfig) -> Self {
        Self::on(SimDisk::new(), config, 1)
    }

    pub(crate) fn on(disk: SimDisk, config: StoreConfig, seed: u64) -> Self {
        let sim = Simulation::new(seed);
        let machine = sim.machine([10, 0, 0, 1], disk);
        let opened = sim.block_on(Store::open(machine.env(), config.clone()));
        let (store, report) = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(report.damage, None, "seed {seed}");
        Self { sim, machine, store, report, config }
    }

    /// The machine dies and starts again.
    pub(crate) fn crash(self, kind: Crash, seed: u64) -> Self {
        let disk = self.machine.crash(kind);
        drop(self.store);
        Self::on(disk, self.config, seed)
    }

    /// An orderly stop and a start.
    pub(crate) fn restart(self, seed: u64) -> Self {
        self.sim.block_on(self.store.close()).expect("a healthy store closes");
        let disk = self.machine.disk().snapshot();
        let bench = Self::on(disk, self.config, seed);
        assert!(bench.report.clean);
        bench
    }

    pub(crate) fn unix_ms(&self) -> i64 {
        self.machine.env().now().unix_ms
    }

    /// Appends now, or waits until there is room.
    pub(crate) fn send(&mut self, message: &NewMessage<'_>, now_unix_ms: i64) -> Appended {
        for _ in 0..100_000 {
            let queue = self.store.queue(message.topic, message.queue_id);
            let sent = self.store.append(queue, message, now_unix_ms);
            match sent {
                Ok(sent) => {
                    self.store.end_of_turn(self.machine.env().now());
                    return sent;
                }
                Err(StoreError::Refused(_)) => self.run(Duration::from_micros(200)),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("refused for ever: {:?}", self.store.refusal());
    }

    /// Turns until `time` has passed.
    pub(crate) fn run(&mut self, time: Duration) {
        let env = self.machine.env();
        let end = env.now().mono.0 + time.as_nanos() as u64;
        while env.now().mono.0 < end {
            self.sim.run_for(Duration::from_micros(200));
            self.store.end_of_turn(env.now());
        }
    }

    /// As [`Bench::run`], in turns that are far apart.
    pub(crate) fn idle(&mut self, time: Duration) {
        let env = self.machine.env();
        let end = env.now().mono.0 + time.as_nanos() as u64;
        while env.now().mono.0 < end {
            self.sim.run_for(Duration::from_millis(20));
            self.store.end_of_turn(env.now());
        }
    }

    /// Turns until everything sent may be answered.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            if self.store.acknowledgeable() == self.store.end() {
                return;
            }
            self.run(Duration::from_micros(200));
        }
        panic!("never flushed: {:?}", self.store.refusal());
    }

    pub(crate) fn hot(&self, queue: QueueRef, from: QueueOffset) -> (ReadStatus, ReadBatch) {
        let mut batch = ReadBatch::default();
        let status = self.store.read_hot(queue, from, LIMITS, |_| true, &mut batch);
        (status, batch)
    }

    pub(crate) fn cold(&self, queue: QueueRef, from: QueueOffset) -> (ReadStatus, ReadBatch) {
        self.sim.block_on(self.store.read_cold(queue, from, LIMITS, |_| true)).expect("it can be read")
    }

    /// Every message of a queue from its minimum on: offset, body.
    pub(crate) fn all(&self, queue: QueueRef) -> Vec<(u64, Vec<u8>)> {
        let range = self.store.offsets(queue);
        let (mut from, mut found) = (range.min, Vec::new());
        while from < range.max {
            let (_, batch) = self.cold(queue, from);
            for slice in &batch.slices {
                let mut rest = &slice[..];
                while !rest.is_empty() {
                    let Ok(Parsed::Record(record)) = parse(rest) else { panic!("no record at {from}") };
                    found.push((record.queue_offset().get(), record.body().to_vec()));
                    rest = &rest[record.bytes().len()..];
                }
            }
            assert!(batch.next > from, "a read moves on");
            from = batch.next;
        }
        found
    }
}

const LIMITS: ReadLimits = ReadLimits { count: 32, bytes: 1 << 20, scan: 64 };
