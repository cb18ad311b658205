//! Disks that say no, files that are not what was written, directories that belong to somebody else.

use std::time::Duration;

use rt::sim::{Corruption, FaultRule, OpKind, Random, SimDisk, SimEnv, SimMachine, Simulation};
use rt::{Env, WindowIdentity};
use store::{Appended, Refusal, Store, StoreConfig, StoreError, Unusable};

use crate::life::{EIO, body_of, message};
use crate::settings::{Promise, Settings, WindowFile};

const ENOSPC: i32 = 28;
const IP: [u8; 4] = [10, 0, 0, 1];

/// A machine with an open store.
struct Bench {
    sim: Simulation,
    machine: SimMachine,
    store: Store<SimEnv>,
    window: WindowFile,
    settings: Settings,
}

impl Bench {
    fn new(promise: Promise) -> Self {
        Self::on(SimDisk::new(), promise)
    }

    fn on(disk: SimDisk, promise: Promise) -> Self {
        let (sim, window, settings) = (Simulation::new(1), WindowFile::new(), Settings::new(promise));
        let machine = sim.machine(IP, disk);
        let opened = sim.block_on(Store::open(machine.env(), settings.config(&window)));
        let (store, _) = opened.expect("a new store opens");
        Self { sim, machine, store, window, settings }
    }

    fn config(&self) -> StoreConfig {
        self.settings.config(&self.window)
    }

    fn send(&mut self, number: u64) -> Result<Appended, StoreError> {
        let body = body_of(number, 600);
        let message = message((0, 0), &body);
        let queue = self.store.queue(message.topic, message.queue_id);
        let sent = self.store.append(queue, &message, 1);
        self.store.end_of_turn(self.machine.env().now());
        sent
    }

    /// Turns until `time` has passed.
    fn run(&mut self, time: Duration) {
        let env = self.machine.env();
        let end = env.now().mono.0 + time.as_nanos() as u64;
        while env.now().mono.0 < end {
            self.sim.run_for(Duration::from_micros(200));
            self.store.end_of_turn(env.now());
        }
    }

    fn is_answered(&self, sent: &Appended) -> bool {
        sent.end <= self.store.acknowledgeable()
    }

    fn body_at(&self, sent: &Appended) -> Option<Vec<u8>> {
        let slice = self.sim.block_on(self.store.record_at(sent.at)).expect("what is durable is read")?;
        match store::record::parse(&slice) {
            Ok(store::record::Parsed::Record(record)) => Some(record.body().to_vec()),
            _ => None,
        }
    }

    /// Stops in an orderly way and returns the disk.
    fn close(self) -> (SimDisk, WindowFile, Settings) {
        self.sim.block_on(self.store.close()).expect("a healthy store closes");
        (self.machine.disk().snapshot(), self.window, self.settings)
    }
}

type Opened = Result<(Store<SimEnv>, store::RecoveryReport), StoreError>;

fn reopen(disk: &SimDisk, config: StoreConfig) -> (Simulation, SimMachine, Opened) {
    let sim = Simulation::new(2);
    let machine = sim.machine(IP, disk.snapshot());
    let opened = sim.block_on(Store::open(machine.env(), config));
    (sim, machine, opened)
}

fn fail_once(kind: OpKind, errno: i32) -> FaultRule {
    FaultRule::once(kind, "/commitlog/", errno)
}

#[test]
fn the_first_failed_write_or_flush_is_final_and_what_is_durable_is_still_read() {
    for (promise, kind) in [
        (Promise::SyncFdatasync, OpKind::Write),
        (Promise::SyncFdatasync, OpKind::Flush),
        (Promise::SyncDsync, OpKind::DurableWrite),
        (Promise::AsyncNamed, OpKind::Write),
        (Promise::AsyncNamed, OpKind::Flush),
        (Promise::AsyncPrivate, OpKind::Write),
    ] {
        let mut bench = Bench::new(promise);
        let safe = bench.send(1).unwrap();
        bench.run(Duration::from_millis(50));
        assert!(bench.is_answered(&safe), "{promise:?}");
        bench.machine.disk().inject(fail_once(kind, EIO));
        let lost = bench.send(2).unwrap();
        let answered_at_once = bench.is_answered(&lost);
        bench.run(Duration::from_millis(50));
        if promise != Promise::AsyncNamed {
            assert!(
                !answered_at_once && !bench.is_answered(&lost),
                "{promise:?} {kind:?} answered a lost message"
            );
        }
        assert!(matches!(bench.store.refusal(), Some(Refusal::Failed { .. })), "{promise:?} {kind:?}");
        assert!(matches!(bench.send(3), Err(StoreError::Refused(Refusal::Failed { .. }))));
        let flushes = bench.machine.disk().statistics().flushes;
        bench.run(Duration::from_millis(50));
        assert_eq!(bench.machine.disk().statistics().flushes, flushes, "a failed log is not flushed again");
        assert_eq!(bench.body_at(&safe), Some(body_of(1, 600)));
    }
}

#[test]
fn a_full_disk_refuses_before_a_record_is_cut_and_heals_when_there_is_room() {
    let mut bench = Bench::new(Promise::SyncFdatasync);
    bench.run(Duration::from_millis(20));
    bench.machine.disk().inject(FaultRule::forever(OpKind::Allocate, "/commitlog/", ENOSPC));
    let mut sent = Vec::new();
    let refusal = loop {
        match bench.send(sent.len() as u64) {
            Ok(one) => sent.push(one),
            Err(StoreError::Refused(refusal @ Refusal::DiskFull { .. })) => break refusal,
            Err(StoreError::Refused(Refusal::WindowFull { .. } | Refusal::SegmentNotReady)) => {}
            Err(other) => panic!("{other}"),
        }
        bench.run(Duration::from_millis(1));
        assert!(sent.len() < 10_000, "never refused");
    };
    assert!(refusal.to_string().contains("segment"));
    bench.run(Duration::from_millis(20));
    for (number, one) in sent.iter().enumerate() {
        assert!(bench.is_answered(one));
        assert_eq!(bench.body_at(one), Some(body_of(number as u64, 600)));
    }
    bench.machine.disk().heal();
    bench.run(Duration::from_secs(5));
    assert_eq!(bench.store.refusal(), None);
    bench.send(1).unwrap();
}

#[test]
fn a_clean_stop_is_noted_and_the_next_start_reads_nothing_of_the_log() {
    for promise in [Promise::SyncFdatasync, Promise::AsyncNamed] {
        let mut bench = Bench::new(promise);
        let sent: Vec<_> = (0..200)
            .filter_map(|number| {
                bench.run(Duration::from_millis(1));
                bench.send(number).ok()
            })
            .collect();
        let end = sent[sent.len() - 1].end;
        let (disk, window, settings) = bench.close();
        assert!(!window.path.exists(), "the window is given up");
        let (sim, _machine, opened) = reopen(&disk, settings.config(&window));
        let (mut store, report) = opened.unwrap();
        assert!(report.clean && report.end == end, "{report:?}");
        assert_eq!((report.scanned_bytes, report.numbering_skipped), (0, false), "{promise:?}");
        let (body, queue) = (body_of(7, 10), store.queue("Orders", 0));
        let next = store.append(queue, &message((0, 0), &body), 1).unwrap();
        assert_eq!(next.queue_offset.get(), sent.len() as u64);
        drop(sim);
    }
}

#[test]
fn damage_below_the_checkpoint_is_reported_and_nothing_is_written() {
    let mut bench = Bench::new(Promise::SyncFdatasync);
    let mut sent = Vec::new();
    while sent.len() < 300 {
        bench.run(Duration::from_millis(1));
        sent.extend(bench.send(sent.len() as u64));
    }
    let (disk, window, settings) = bench.close();
    // The queues forget, so that the log is walked from its beginning.
    let broken = disk.snapshot();
    for file in broken.files().iter().filter(|file| file.starts_with("/store/queues/")) {
        let len = broken.contents(file).unwrap().len();
        if len > 0 {
            broken.corrupt(file, 0, len, Corruption::Zeros);
        }
    }
    let victim = &sent[10];
    broken.corrupt("/store/commitlog/00000000000000000000", victim.at.get() + 60, 1, Corruption::FlipBit);
    let log = || -> Vec<_> {
        let names = broken.files().into_iter().filter(|name| name.contains("commitlog/0"));
        names.map(|name| (broken.contents(&name), name)).collect()
    };
    let before = log();
    let sim = Simulation::new(3);
    let machine = sim.machine(IP, broken.clone());
    match sim.block_on(Store::open(machine.env(), settings.config(&window))) {
        Ok((mut store, report)) => {
            assert_eq!(report.damage.map(|(at, _)| at), Some(victim.at), "{report:?}");
            assert!(matches!(store.refusal(), Some(Refusal::Failed { .. })));
            let (body, queue) = (body_of(7, 10), store.queue("Orders", 0));
            assert!(matches!(store.append(queue, &message((0, 0), &body), 1), Err(StoreError::Refused(_))));
        }
        Err(error) => assert!(matches!(error, StoreError::Queues(_)), "{error}"),
    }
    assert_eq!(log(), before, "the log is evidence");
}

#[test]
fn arbitrary_bytes_as_a_segment_neither_panic_nor_hang_recovery() {
    let mut bench = Bench::new(Promise::SyncFdatasync);
    // Until the segment is zeroed and has its name.
    bench.run(Duration::from_millis(50));
    let (disk, window, settings) = bench.close();
    for seed in 0..60 {
        let random = Random::new(seed);
        let hostile = disk.snapshot();
        let path = "/store/commitlog/00000000000000000000";
        let mut bytes = hostile.contents(path).unwrap();
        // Noise, with magics, fillers and plausible lengths strewn in.
        for _ in 0..random.below(4_000) {
            let at = random.below(bytes.len() as u64 - 8) as usize;
            let word = [0xDAA3_20A7, 0xDAA3_20AB, 0xCBD4_3194, random.below(90_000) as u32, u32::MAX]
                [random.below(5) as usize];
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        bytes[4..8].copy_from_slice(&0xDAA3_20A7u32.to_be_bytes());
        bytes[..4].copy_from_slice(&(random.below(90_000) as u32).to_be_bytes());
        hostile.install(path, &bytes);
        // Without a checkpoint everything is walked.
        hostile.corrupt("/store/store.checkpoint", 0, 8192, Corruption::Zeros);
        let (_sim, _machine, opened) = reopen(&hostile, settings.config(&window));
        let (_, report) = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(report.scanned_records, 0, "seed {seed}");
    }
}

/// Opening must fail with this reason and change nothing.
fn is_refused(disk: &SimDisk, config: StoreConfig, expected: &Unusable) {
    let contents = |disk: &SimDisk| -> Vec<_> {
        disk.files().into_iter().map(|name| (disk.contents(&name), name)).collect()
    };
    let before = contents(disk);
    let sim = Simulation::new(4);
    let machine = sim.machine(IP, disk.clone());
    match sim.block_on(Store::open(machine.env(), config)) {
        Err(StoreError::Unusable { reason, .. }) => assert_eq!(reason, *expected),
        Err(other) => panic!("{other} instead of {expected}"),
        Ok(_) => panic!("opened in spite of {expected}"),
    }
    assert_eq!(contents(disk), before, "{expected}: something was written");
}

#[test]
fn a_directory_that_does_not_fit_is_refused_by_name_before_a_byte_is_written() {
    let bench = Bench::new(Promise::SyncFdatasync);
    let config = bench.config();
    let (disk, _window, _) = bench.close();
    let shards = StoreConfig { shards: 2, ..config.clone() };
    is_refused(&disk.snapshot(), shards, &Unusable::Shards { formatted: 1, configured: 2 });
    let segments = StoreConfig { segment_bytes: 160 << 10, ..config.clone() };
    let expected = Unusable::SegmentBytes { formatted: 80 << 10, configured: 160 << 10 };
    is_refused(&disk.snapshot(), segments, &expected);

    let newer = disk.snapshot();
    let mut superblock = newer.contents("/store/store.superblock").unwrap();
    superblock[11] = 2;
    superblock[4096 + 11] = 2;
    newer.install("/store/store.superblock", &superblock);
    is_refused(&newer, config.clone(), &Unusable::Newer { version: 2, known: 1 });

    let damaged = disk.snapshot();
    damaged.corrupt("/store/store.superblock", 0, 8192, Corruption::Garbage(1));
    is_refused(&damaged, config.clone(), &Unusable::Superblock);

    let one_copy = disk.snapshot();
    one_copy.corrupt("/store/store.superblock", 20, 1, Corruption::FlipBit);
    assert!(reopen(&one_copy, config.clone()).2.is_ok(), "the second copy stands in");

    let foreign = SimDisk::new();
    foreign.install("/store/abort", b"4711");
    is_refused(&foreign, config.clone(), &Unusable::Foreign { found: "abort".into() });
    let java = SimDisk::new();
    java.install("/store/commitlog/00000000000000000000", b"...");
    let expected = Unusable::Foreign { found: "commitlog/00000000000000000000".into() };
    is_refused(&java, config, &expected);
}

#[test]
fn a_window_of_another_store_is_set_aside_by_name() {
    let window = WindowFile::new();
    let backing = rt::Backing::Named(window.path.clone());
    let stranger = WindowIdentity { store_id: [7; 16], shard: 0 };
    drop(rt::Window::create(backing, 64 << 10, stranger, 0).unwrap());
    let sim = Simulation::new(5);
    let machine = sim.machine(IP, SimDisk::new());
    let config = Settings::new(Promise::AsyncNamed).config(&window);
    let (_store, report) = sim.block_on(Store::open(machine.env(), config)).unwrap();
    let aside = report.set_aside.expect("it was not ours");
    assert!(aside.exists() && window.path.exists());
    std::fs::remove_file(aside).unwrap();
}

#[test]
fn a_lock_has_one_holder() {
    let path = WindowFile::new();
    let held = rt::disk::DirLock::take(&path.path).unwrap().expect("nobody has it");
    assert!(rt::disk::DirLock::take(&path.path).unwrap().is_none());
    drop(held);
    assert!(rt::disk::DirLock::take(&path.path).unwrap().is_some());
}
