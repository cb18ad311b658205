//! One chain of lives.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rt::Env;
use rt::sim::{Crash, FaultRule, OpKind, Random, Repeat, SimDisk, SimEnv, SimMachine, Simulation};
use store::record::{Parsed, parse};
use store::{BatchItem, NewMessage, QueueOffset, ReadLimits, ReadStatus, RecoveryReport, Store};

use crate::model::{Model, QUEUES, Queue, Sent, TOPICS};
use crate::settings::{Settings, WindowFile};

/// Lives in a chain.
const LIVES: u64 = 6;

/// How many crash states were visited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visited {
    pub(crate) states: u64,
    /// Those in which a segment was not zeroed to its end.
    pub(crate) growing: u64,
}

impl Visited {
    fn note(&mut self, disk: &SimDisk) {
        self.states += 1;
        self.growing += u64::from(disk.files().iter().any(|name| name.ends_with(".zeroing")));
    }
}

/// Runs one chain; returns what it visited, or what was wrong.
pub(crate) fn chain(seed: u64, settings: &Settings) -> Result<Visited, String> {
    let random = Random::new(seed);
    let window = WindowFile::new();
    let mut disk = SimDisk::new();
    let mut model = Model::default();
    let mut visited = Visited::default();
    let mut kind = None;
    for life in 0..LIVES {
        let sim = Simulation::new(random.next());
        // Crashes on the way through recovery, each a state of its own.
        while random.chance(25) {
            let machine = sim.machine([10, 0, 0, 1], disk);
            let opening = machine.env();
            let config = settings.config(&window);
            machine.env().spawn(rt::Class::Admin, async move {
                let _half_way = Store::open(opening, config).await;
            });
            sim.run_steps(random.below(120));
            // A process crash must not soften what an earlier power cut may have lost, so the kinds add up.
            let again = crash_kind(&random);
            disk = end(machine, again, &window);
            kind = worse(kind, Some(again));
            visited.note(&disk);
        }
        let machine = sim.machine([10, 0, 0, 1], disk);
        let (store, report) =
            open(&sim, machine.env(), settings, &window).map_err(|e| format!("life {life}: {e}"))?;
        check(&sim, &store, &report, &mut model, kind, settings)
            .map_err(|e| format!("life {life} after {kind:?}: {e}"))?;
        let (machine, store) = if random.chance(25) {
            again(&sim, machine, store, &mut model, settings, &window)
                .map_err(|e| format!("life {life}: {e}"))?
        } else {
            (machine, store)
        };
        if settings.failing_flush {
            machine.disk().inject(FaultRule {
                kind: OpKind::Flush,
                path_contains: "/commitlog/0",
                after: random.below(6),
                repeat: Repeat::Once,
                errno: EIO,
            });
        }
        model = work(&sim, machine.env(), store, model, &random, life);
        let crash = crash_kind(&random);
        disk = end(machine, crash, &window);
        kind = Some(crash);
        visited.note(&disk);
    }
    Ok(visited)
}

fn crash_kind(random: &Random) -> Crash {
    [Crash::Process, Crash::Os, Crash::Power][random.below(3) as usize]
}

fn worse(one: Option<Crash>, other: Option<Crash>) -> Option<Crash> {
    match (one, other) {
        (Some(Crash::Process) | None, other) => other,
        (one, Some(Crash::Process) | None) => one,
        (_, other) => other,
    }
}

fn end(machine: SimMachine, kind: Crash, window: &WindowFile) -> SimDisk {
    let disk = machine.crash(kind);
    if kind != Crash::Process {
        window.lose();
    }
    disk
}

type Opened = (Store<SimEnv>, RecoveryReport);

fn open(sim: &Simulation, env: SimEnv, settings: &Settings, window: &WindowFile) -> Result<Opened, String> {
    let opened = sim.block_on(Store::open(env, settings.config(window)));
    opened.map_err(|error| format!("opening failed: {error}"))
}

/// Compares a recovered store with the model, and the model with what had to survive.
fn check(
    sim: &Simulation,
    store: &Store<SimEnv>,
    report: &RecoveryReport,
    model: &mut Model,
    kind: Option<Crash>,
    settings: &Settings,
) -> Result<(), String> {
    if let Some(damage) = report.damage {
        return Err(format!("took a crash for damage: {damage:?}"));
    }
    let process = kind == Some(Crash::Process);
    model.cut(report.end.get(), |sent| sent.flushed || (sent.answered && (process || settings.is_sync())))?;
    for queue in all_queues() {
        model.compare(queue, &messages(sim, store, queue)?)?;
    }
    Ok(())
}

/// Recovery twice equals recovery once: the process dies right after recovering, and nothing changes.
fn again(
    sim: &Simulation,
    machine: SimMachine,
    store: Store<SimEnv>,
    model: &mut Model,
    settings: &Settings,
    window: &WindowFile,
) -> Result<(SimMachine, Store<SimEnv>), String> {
    let before = store.statistics().max_physical;
    let disk = machine.crash(Crash::Process);
    drop(store);
    let machine = sim.machine([10, 0, 0, 1], disk);
    let (store, report) = open(sim, machine.env(), settings, window)?;
    if report.end != before {
        return Err(format!("recovered twice: the log ends at {} instead of {before}", report.end));
    }
    check(sim, &store, &report, model, Some(Crash::Process), settings)?;
    Ok((machine, store))
}

/// Appends, in batches or alone, until some step; returns what happened.
fn work(
    sim: &Simulation,
    env: SimEnv,
    store: Store<SimEnv>,
    model: Model,
    random: &Random,
    life: u64,
) -> Model {
    let shared = Rc::new(RefCell::new(model));
    let task = produce(env.clone(), store, shared.clone(), Random::new(random.next()), life);
    env.spawn(rt::Class::Pump, task);
    sim.run_steps(random.below(700));
    shared.take()
}

async fn produce(
    env: SimEnv,
    mut store: Store<SimEnv>,
    model: Rc<RefCell<Model>>,
    random: Random,
    life: u64,
) {
    loop {
        if let Some(wrong) = send_some(&env, &mut store, &mut model.borrow_mut(), &random) {
            panic!("life {life}: {wrong}");
        }
        store.end_of_turn(env.now());
        {
            let mut model = model.borrow_mut();
            model.note(store.acknowledgeable().get(), store.statistics().flushed.get());
            for queue in all_queues() {
                if let Some(found) = store.find_queue(TOPICS[queue.0], queue.1) {
                    model.note_seen(queue, store.offsets(found).max.get());
                }
            }
        }
        if random.chance(30) {
            env.sleep(Duration::from_micros(random.below(3_000))).await;
        } else {
            env.yield_now().await;
        }
    }
}

/// A few appends; returns what is wrong with the offsets they got.
fn send_some(env: &SimEnv, store: &mut Store<SimEnv>, model: &mut Model, random: &Random) -> Option<String> {
    for _ in 0..random.below(4) {
        let queue = (random.below(2) as usize, random.below(u64::from(QUEUES)) as u32);
        let count = if random.chance(25) { random.between(2, 6) } else { 1 };
        let bodies: Vec<Vec<u8>> = (0..count).map(|_| body(model, random)).collect();
        let shared = message(queue, &bodies[0]);
        let handle = store.queue(shared.topic, shared.queue_id);
        let mut placed = Vec::new();
        let now = env.now().unix_ms;
        let result = if count == 1 {
            store.append(handle, &shared, now).map(|one| placed.push(one))
        } else {
            let items: Vec<_> = bodies.iter().map(|body| item(body)).collect();
            store.append_batch(handle, &shared, &items, now, &mut placed)
        };
        if result.is_err() {
            continue;
        }
        let unit = (placed[0].at.get(), placed[placed.len() - 1].end.get());
        for (placed, body) in placed.into_iter().zip(bodies) {
            let seen = model.seen.get(&queue).copied().unwrap_or(0);
            if placed.queue_offset.get() < seen {
                return Some(format!(
                    "queue {queue:?} reuses offset {}, readers saw {seen}",
                    placed.queue_offset
                ));
            }
            model.sent.push(Sent { queue, placed, body, unit, answered: false, flushed: false });
        }
    }
    None
}

/// A body that no other message has.
fn body(model: &mut Model, random: &Random) -> Vec<u8> {
    model.bodies += 1;
    let len = if random.chance(10) { random.below(4_000) } else { random.below(300) };
    body_of(model.bodies, len as usize)
}

/// Body number `number`, `len` bytes behind its number.
pub(crate) fn body_of(number: u64, len: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.extend((0..len).map(|at| (at as u64 ^ number) as u8));
    body
}

pub(crate) fn message(queue: Queue, body: &[u8]) -> NewMessage<'_> {
    NewMessage {
        topic: TOPICS[queue.0],
        queue_id: queue.1,
        body,
        properties: b"TAGS\x01a\x02",
        flag: 0,
        sys_flag: 0,
        born_at_ms: 1,
        born_host: SocketAddr::from(([10, 0, 0, 2], 4000)),
        store_host: SocketAddr::from(([10, 0, 0, 1], 10911)),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        tags_code: 97,
        keys: b"",
        unique_key: b"",
    }
}

fn item(body: &[u8]) -> BatchItem<'_> {
    BatchItem { body, properties: b"", flag: 0, tags_code: 0, keys: b"", unique_key: b"" }
}

fn all_queues() -> impl Iterator<Item = Queue> {
    (0..TOPICS.len()).flat_map(|topic| (0..QUEUES).map(move |id| (topic, id)))
}

/// All messages of a queue, read from the files as a consumer reads them.
fn messages(sim: &Simulation, store: &Store<SimEnv>, queue: Queue) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let Some(handle) = store.find_queue(TOPICS[queue.0], queue.1) else { return Ok(Vec::new()) };
    let limits = ReadLimits { count: 32, bytes: 1 << 20, scan: 64 };
    let mut found = Vec::new();
    let mut from = QueueOffset::default();
    loop {
        let read = sim.block_on(store.read_cold(handle, from, limits, |_| true));
        let (status, batch) = read.map_err(|error| format!("reading {queue:?} from {from}: {error}"))?;
        for slice in &batch.slices {
            let mut rest = &slice[..];
            while !rest.is_empty() {
                let Ok(Parsed::Record(record)) = parse(rest) else { return Err("no record".into()) };
                if (record.topic(), record.queue_id()) != (TOPICS[queue.0], queue.1) {
                    return Err(format!("queue {queue:?} holds a record of {}", record.topic()));
                }
                found.push((record.queue_offset().get(), record.body().to_vec()));
                rest = &rest[record.bytes().len()..];
            }
        }
        match status {
            ReadStatus::Found | ReadStatus::NothingMatched | ReadStatus::TooSmall if batch.next > from => {
                from = batch.next;
            }
            ReadStatus::AtEnd | ReadStatus::Empty => return Ok(found),
            status => return Err(format!("reading {queue:?} from {from} ended as {status:?}")),
        }
    }
}

/// `EIO`.
pub(crate) const EIO: i32 = 5;
