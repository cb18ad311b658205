//! Records, segments and every other file of a store.

use std::net::SocketAddr;
use std::time::Duration;

use rt::Env;
use rt::sim::{Crash, SimDisk, SimEnv, Simulation};
use store::record::{Cover, Parsed, parse, stated_bytes};
use store::{NewMessage, PhysicalOffset, Store, StoreConfig};

/// A record that parses lies inside its bytes, can be asked for everything, and verified.
pub(crate) fn record(data: &[u8]) {
    let stated = stated_bytes(data);
    let Ok(Parsed::Record(record)) = parse(data) else { return };
    assert_eq!(stated.map(|bytes| bytes as usize), Some(record.bytes().len()));
    assert!(record.bytes().len() <= data.len());
    let parts = record.body().len() + record.topic().len() + record.properties().len();
    assert!(parts < record.bytes().len() && !record.topic().is_empty());
    let _any_value = (
        (record.queue_id(), record.flag(), record.queue_offset(), record.sys_flag(), record.is_continued()),
        (record.born_at_ms(), record.born_host(), record.stored_at_ms(), record.store_host()),
        (record.reconsume_times(), record.prepared_transaction_offset()),
    );
    for cover in [Cover::Whole, Cover::AsJava] {
        // Where it says it lies and elsewhere: only one of the two can be right.
        let here = record.verify(record.physical_offset(), cover);
        let elsewhere = record.verify(PhysicalOffset::new(record.physical_offset().get() ^ 1), cover);
        assert!(elsewhere.is_err(), "{here:?}");
    }
}

/// The bytes as the first segment of a store that crashed or (first byte odd) was closed: it opens or says why not,
/// and what one recovery made of it the next one finds.
pub(crate) fn segment(data: &[u8]) {
    let Some((kind, content)) = data.split_first() else { return };
    let disk = if kind % 2 == 0 { crashed_store() } else { closed_store() };
    let path = first_segment(&disk);
    let mut bytes = vec![0; SEGMENT_BYTES];
    let length = content.len().min(SEGMENT_BYTES);
    bytes[..length].copy_from_slice(&content[..length]);
    disk.install(&path, &bytes);
    recover(disk);
}

/// Bytes over a place in one of a store's files: byte 0 chooses the store, byte 1 the file, two bytes the place.
pub(crate) fn store_file(data: &[u8]) {
    let Some((&[kind, file, low, high], overlay)) = data.split_first_chunk::<4>() else { return };
    let disk = if kind % 2 == 0 { crashed_store() } else { closed_store() };
    let files = disk.files();
    let path = &files[usize::from(file) % files.len()];
    let mut bytes = disk.contents(path).unwrap_or_default();
    let at = usize::from(u16::from_le_bytes([low, high])).min(bytes.len());
    // Kind 2 and 3 shorten the file, or make it longer.
    if kind % 4 >= 2 {
        bytes.truncate(at);
        bytes.extend_from_slice(overlay);
    } else {
        let length = overlay.len().min(bytes.len() - at);
        bytes[at..at + length].copy_from_slice(&overlay[..length]);
    }
    disk.install(path, &bytes);
    recover(disk);
}

fn recover(disk: SimDisk) {
    let sim = Simulation::new(1);
    let Some((disk, first)) = open_and_crash(&sim, disk) else { return };
    let (_, second) = open_and_crash(&sim, disk).expect("a store that opened opens again");
    assert_eq!(second.end, first.end, "recovery finds what recovery left");
    assert_eq!(second.queues.len(), first.queues.len());
    for (before, after) in first.queues.iter().zip(&second.queues) {
        assert_eq!((&after.topic, after.queue_id, after.min), (&before.topic, before.queue_id, before.min));
        // Numbering goes on behind what was reserved when a process died whose window nobody can read.
        assert!(after.max >= before.max, "an offset would be used twice: {before:?} then {after:?}");
    }
}

/// What a recovered store says about itself.
struct Facts {
    end: PhysicalOffset,
    queues: Vec<Queue>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Queue {
    topic: String,
    queue_id: u32,
    min: u64,
    max: u64,
}

/// Opens, looks, and lets the process die. `None` if it is refused.
fn open_and_crash(sim: &Simulation, disk: SimDisk) -> Option<(SimDisk, Facts)> {
    let machine = sim.machine(ADDRESS, disk);
    let opened = sim.block_on_within(A_MINUTE, Store::open(machine.env(), config()));
    let store = match opened.expect("opening ends") {
        Ok((store, _report)) => store,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let mut queues = Vec::new();
    store.for_each_queue(|topic, queue_id, queue| {
        let range = store.offsets(queue);
        queues.push(Queue { topic: topic.to_owned(), queue_id, min: range.min.get(), max: range.max.get() });
    });
    queues.sort();
    let facts = Facts { end: store.end(), queues };
    drop(store);
    Some((machine.crash(Crash::Process), facts))
}

/// The log of a small store: for seeds.
#[must_use]
pub fn log_of_a_store() -> Vec<u8> {
    let disk = crashed_store();
    let mut bytes = disk.contents(first_segment(&disk)).expect("a store has a segment");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    bytes
}

fn crashed_store() -> SimDisk {
    thread_local!(static DISK: SimDisk = with_store(|sim, store| {
        sim.run_for(Duration::from_millis(50));
        drop(store);
    }));
    DISK.with(SimDisk::snapshot)
}

fn closed_store() -> SimDisk {
    thread_local!(static DISK: SimDisk = with_store(|sim, store| {
        sim.block_on(store.close()).expect("nothing is wrong with the disk");
    }));
    DISK.with(SimDisk::snapshot)
}

fn with_store(end: impl FnOnce(&Simulation, Store<SimEnv>)) -> SimDisk {
    let sim = Simulation::new(7);
    let machine = sim.machine(ADDRESS, SimDisk::new());
    let env = machine.env();
    let (mut store, _) = sim.block_on(Store::open(env.clone(), config())).expect("an empty disk");
    for number in 0..6_u32 {
        let queue = store.queue("T", number % 2);
        let body = vec![b'a'; 10 + 40 * number as usize];
        let message = NewMessage {
            topic: "T",
            queue_id: number % 2,
            body: &body,
            properties: b"KEYS\x01k\x02UNIQ_KEY\x01U\x02",
            flag: 0,
            sys_flag: 0,
            born_at_ms: 1,
            born_host: SocketAddr::from((ADDRESS, 1)),
            store_host: SocketAddr::from((ADDRESS, 10911)),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            tags_code: 0,
            keys: b"k",
            unique_key: b"U",
        };
        store.append(queue, &message, env.now().unix_ms).expect("room for a few messages");
        store.end_of_turn(env.now());
        sim.run_for(Duration::from_millis(20));
    }
    end(&sim, store);
    machine.crash(Crash::Process)
}

fn first_segment(disk: &SimDisk) -> String {
    let files = disk.files();
    files.into_iter().find(|path| path.contains("commitlog/0")).expect("a store has a segment")
}

fn config() -> StoreConfig {
    let mut config = StoreConfig::new("/store".into());
    config.max_message_bytes = 4096;
    config.segment_bytes = SEGMENT_BYTES as u64;
    config.window_bytes = 2 * SEGMENT_BYTES;
    config.unflushed_bytes_max = 64 << 10;
    config.zeroing_pause = Duration::ZERO;
    config
}

const SEGMENT_BYTES: usize = 80 << 10;
const ADDRESS: [u8; 4] = [10, 0, 0, 1];
const A_MINUTE: Duration = Duration::from_secs(60);
