//! `kill -9` while a pair of members consumes in order, and what must hold (behaviour.md 10).
//!
//! 1. No message is passed over, and none is consumed before one that lies in front of it: `tools/history` judges.
//! 2. No queue has two owners, though the broker that granted it is gone: its locks are remembered.
//! 3. Who owned a queue before a kill has its lock again within [`AGAIN`] of the broker's return; others wait their time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use history::{Attempt, Event, History, Kind, Queue, Reader, Tenure, check};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    random::Random,
    record::{Record, parse},
    report::Report,
    trouble::Trouble,
    wire::{NewMessage, Wire},
};

const TOPIC: &str = "Kill9OrderTopic";
const GROUP: &str = "Kill9OrderGroup";
const QUEUES: u16 = 4;
const CYCLES: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(5);
/// A member believes in a lock so long after its answer.
const BELIEF: Duration = Duration::from_secs(30);
/// Members ask for their locks more often than clients do, who take 20 s.
const RENEW: Duration = Duration::from_millis(500);
/// An owner that asks again is granted its queues at once; here it shares two cores with everything else that runs.
const AGAIN: Duration = Duration::from_secs(10);

/// What everybody writes to.
struct Notes {
    history: Mutex<History>,
    start: Instant,
    attempts: AtomicU32,
    tenures: AtomicU32,
    /// The load is over.
    quiet: AtomicBool,
    /// Everything is over.
    done: AtomicBool,
}

impl Notes {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("a short test")
    }

    fn note(&self, event: Event) {
        self.history.lock().expect("no holder panics").push(event);
    }
}

/// Runs the cycles against the broker `broker-0` of `cluster`; a scenario per cycle.
pub(crate) fn run(suite: &str, cluster: &mut Cluster, report: &Report) -> Result<(), Trouble> {
    let seed = Random::seed();
    println!("  {suite}: INTEROP_SEED={seed}");
    let mut random = Random::new(seed);
    cluster.make_topic(TOPIC, QUEUES)?;
    let address = cluster.addresses().remove(0);
    let broker = cluster.masters().remove(0);
    let notes = Notes {
        history: Mutex::new(History {
            consumed: (0..u32::from(QUEUES)).map(Queue).collect(),
            ..History::default()
        }),
        start: Instant::now(),
        attempts: AtomicU32::new(0),
        tenures: AtomicU32::new(0),
        quiet: AtomicBool::new(false),
        done: AtomicBool::new(false),
    };
    let members = ["one", "two"].map(|name| Member::new(name, &broker, &notes));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&address, &notes));
        for member in &members {
            scope.spawn(|| member.run(&address));
        }
        for cycle in 0..CYCLES {
            report.scenario(suite, &format!("cycle-{cycle}"), || {
                one_cycle(cycle, cluster, &mut random, &members)
            });
        }
        notes.quiet.store(true, Relaxed);
        report.scenario(suite, "everything-was-consumed-in-order", || {
            let outcome = await_end(&address);
            notes.done.store(true, Relaxed);
            outcome
        });
        notes.done.store(true, Relaxed);
    });
    report.scenario(suite, "no-gap-no-swap-one-owner", || {
        for reader in [Reader(100), Reader(101)] {
            drain(&address, reader, &notes)?;
            cluster.obey("stop broker-0")?;
            cluster.obey("start broker-0")?;
        }
        let history = notes.history.lock().expect("no holder panics");
        let summary = check(&history);
        let tenures = notes.tenures.load(Relaxed);
        println!("  {suite}: {} messages in order under {tenures} ownerships", summary.stored);
        match summary.findings.first() {
            None => Ok(()),
            Some(first) => {
                Err(Trouble::Answer(format!("{} findings, such as {first}", summary.findings.len())))
            }
        }
    });
    Ok(())
}

/// A kill in the middle of the work; now and then a member leaves before, so that the other takes over.
fn one_cycle(
    cycle: u32,
    cluster: &mut Cluster,
    random: &mut Random,
    members: &[Member<'_>],
) -> Result<(), Trouble> {
    members[1].rests.store(cycle % 2 == 1, Relaxed);
    sleep(Duration::from_millis(800 + random.below(1_500)));
    let owned: Vec<BTreeSet<i32>> = members.iter().map(Member::owned).collect();
    let late = &members[usize::try_from(random.below(2)).expect("one of two")];
    cluster.obey("kill broker-0")?;
    late.is_late.store(true, Relaxed);
    sleep(Duration::from_millis(random.below(300)));
    cluster.obey("start broker-0")?;
    // The other believes to be alone, and wants all queues.
    sleep(2 * RENEW);
    late.is_late.store(false, Relaxed);
    let start = Instant::now();
    for (member, before) in members.iter().zip(owned) {
        // What it gives up by itself meanwhile it need not have again.
        while before.iter().any(|queue| member.lacks(*queue, start)) {
            if start.elapsed() > AGAIN {
                let what = format!("{} owned {before:?} and has not all of them again", member.name);
                return Err(Trouble::Late { awaited: what, log: None });
            }
            sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// One message after the other to one queue after the other, over all kills.
fn send(address: &str, notes: &Notes) {
    while !notes.quiet.load(Relaxed) {
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else {
            sleep(Duration::from_millis(20));
            continue;
        };
        while !notes.quiet.load(Relaxed) {
            let number = notes.attempts.fetch_add(1, Relaxed);
            let attempt = Attempt(u64::from(number));
            let queue = number % u32::from(QUEUES);
            notes.note(Event::Send { attempt, queue: Queue(queue), kind: Kind::Plain });
            let body = number.to_string();
            let queue_id = i32::try_from(queue).expect("few queues");
            let message =
                NewMessage { topic: TOPIC, queue_id, keys: "", tags: "TagA", body: body.as_bytes() };
            match wire.send_message("Kill9OrderProducers", &message) {
                Ok(sent) => {
                    let offset = u64::try_from(sent.queue_offset).expect("an offset");
                    notes.note(Event::Stored { attempt, offset });
                }
                Err(_) => {
                    notes.note(Event::Unknown { attempt });
                    break;
                }
            }
            sleep(Duration::from_millis(1));
        }
    }
}

/// A member of the group, alive over all kills of its broker.
struct Member<'a> {
    name: &'static str,
    broker: &'a str,
    notes: &'a Notes,
    /// It leaves in an orderly way, and comes back when this is over.
    rests: AtomicBool,
    /// It does not look for a broker that was away before the harness lets it: the other is alone there meanwhile.
    is_late: AtomicBool,
    held: Mutex<BTreeMap<i32, Held>>,
}

/// A queue that it believes to own.
struct Held {
    tenure: Tenure,
    told: Instant,
    next: Option<i64>,
    pending: VecDeque<Record>,
}

impl<'a> Member<'a> {
    fn new(name: &'static str, broker: &'a str, notes: &'a Notes) -> Self {
        let (rests, is_late) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { name, broker, notes, rests, is_late, held: Mutex::default() }
    }

    fn owned(&self) -> BTreeSet<i32> {
        self.held.lock().expect("no holder panics").keys().copied().collect()
    }

    /// Whether it believes to own a queue and was not told so since.
    fn lacks(&self, queue: i32, since: Instant) -> bool {
        self.held.lock().expect("no holder panics").get(&queue).is_some_and(|held| held.told < since)
    }

    fn run(&self, address: &str) {
        while !self.notes.done.load(Relaxed) {
            if self.rests.load(Relaxed) || self.is_late.load(Relaxed) {
                sleep(Duration::from_millis(20));
            } else if self.work(address).is_err() {
                sleep(Duration::from_millis(20)); // the broker is away
            }
        }
    }

    /// Until the connection breaks, or it is to rest.
    fn work(&self, address: &str) -> Result<(), Trouble> {
        let mut wire = Wire::connect_to(address, PATIENCE)?;
        let mut assigned = BTreeSet::new();
        let mut lock_at = Instant::now();
        while !self.notes.done.load(Relaxed) {
            if self.rests.load(Relaxed) {
                self.give_up(&mut wire, &self.owned())?;
                let fields = [("clientID", self.name), ("consumerGroup", GROUP)];
                return wire.succeed(35, &fields, &[]).map(|_| ());
            }
            if Instant::now() >= lock_at {
                lock_at = Instant::now() + RENEW;
                wire.heartbeat(self.name, "Kill9OrderProducers", GROUP, TOPIC)?;
                assigned = share_of(self.name, &members(&mut wire)?);
                let over = self.owned().difference(&assigned).copied().collect();
                self.give_up(&mut wire, &over)?;
                self.lock(&mut wire, &assigned)?;
            }
            for queue in &assigned {
                self.read(&mut wire, *queue)?;
                self.consume(&mut wire, *queue)?;
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// LOCK_BATCH_MQ (41).
    fn lock(&self, wire: &mut Wire, wanted: &BTreeSet<i32>) -> Result<(), Trouble> {
        let answer = wire.succeed(41, &[], &self.batch(wanted))?;
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| Trouble::Answer(format!("the answer to a lock: {error}")))?;
        let granted: BTreeSet<i32> = body["lockOKMQSet"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|queue| i32::try_from(queue["queueId"].as_i64()?).ok())
            .collect();
        let mut held = self.held.lock().expect("no holder panics");
        for queue in wanted {
            if !granted.contains(queue) {
                if let Some(lost) = held.remove(queue) {
                    self.notes.note(Event::Disowned { tenure: lost.tenure });
                }
                continue;
            }
            let mine = held.entry(*queue).or_insert_with(|| Held {
                tenure: Tenure(u64::from(self.notes.tenures.fetch_add(1, Relaxed))),
                told: Instant::now(),
                next: None,
                pending: VecDeque::new(),
            });
            mine.told = Instant::now();
            let at_ms = self.notes.now_ms();
            let until_ms = at_ms + BELIEF.as_millis() as u64;
            let queue = Queue(queue.unsigned_abs());
            self.notes.note(Event::Owned { tenure: mine.tenure, queue, at_ms, until_ms });
        }
        Ok(())
    }

    /// Commits and unlocks (UNLOCK_BATCH_MQ, 42).
    fn give_up(&self, wire: &mut Wire, queues: &BTreeSet<i32>) -> Result<(), Trouble> {
        if queues.is_empty() {
            return Ok(());
        }
        for queue in queues {
            let over = self.held.lock().expect("no holder panics").remove(queue);
            let Some(over) = over else { continue };
            self.notes.note(Event::Disowned { tenure: over.tenure });
            if let Some(next) = over.next {
                wire.commit_offset(GROUP, TOPIC, *queue, next)?;
            }
        }
        wire.succeed(42, &[], &self.batch(queues)).map(|_| ())
    }

    fn batch(&self, queues: &BTreeSet<i32>) -> Vec<u8> {
        let queue = |id: &i32| json!({"brokerName": self.broker, "topic": TOPIC, "queueId": id});
        let queues: Vec<Value> = queues.iter().map(queue).collect();
        let body =
            json!({"clientId": self.name, "consumerGroup": GROUP, "mqSet": queues, "onlyThisBroker": false});
        body.to_string().into_bytes()
    }

    /// Fetches what is next of a queue, if there is nothing.
    fn read(&self, wire: &mut Wire, queue: i32) -> Result<(), Trouble> {
        let (tenure, next) = match self.held.lock().expect("no holder panics").get(&queue) {
            Some(held) if held.pending.is_empty() => (held.tenure, held.next),
            _ => return Ok(()),
        };
        let next = match next {
            Some(next) => next,
            None => wire.consumer_offset(GROUP, TOPIC, queue)?.unwrap_or(0),
        };
        let answer = wire.pull(GROUP, TOPIC, queue, next, 32)?;
        let records = if answer.code == 0 { parse(&answer.body) } else { Some(Vec::new()) };
        let records = records.ok_or_else(|| Trouble::Answer("unreadable records".into()))?;
        if let Some(held) = self.held.lock().expect("no holder panics").get_mut(&queue)
            && held.tenure == tenure
        {
            held.next = Some(next);
            held.pending = records.into();
        }
        Ok(())
    }

    /// Consumes what was fetched, as long as it believes in its lock, and commits.
    fn consume(&self, wire: &mut Wire, queue: i32) -> Result<(), Trouble> {
        let next = {
            let mut all = self.held.lock().expect("no holder panics");
            let Some(held) = all.get_mut(&queue).filter(|held| !held.pending.is_empty()) else {
                return Ok(());
            };
            while held.told.elapsed() < BELIEF
                && let Some(record) = held.pending.pop_front()
            {
                let offset = u64::try_from(record.queue_offset).expect("an offset");
                let mut history = self.notes.history.lock().expect("no holder panics");
                history.push(Event::Consumed { tenure: held.tenure, offset });
                if let Some(attempt) = attempt_of(&record) {
                    history.push(Event::Received { attempt });
                }
                held.next = Some(record.queue_offset + 1);
            }
            held.next
        };
        next.map_or(Ok(()), |next| wire.commit_offset(GROUP, TOPIC, queue, next))
    }
}

/// GET_CONSUMER_LIST_BY_GROUP (38).
fn members(wire: &mut Wire) -> Result<Vec<String>, Trouble> {
    let answer = wire.succeed(38, &[("consumerGroup", GROUP)], &[])?;
    let body: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Trouble::Answer(format!("the members of a group: {error}")))?;
    let ids = body["consumerIdList"].as_array().into_iter().flatten();
    Ok(ids.filter_map(|id| id.as_str().map(str::to_owned)).collect())
}

/// Every `n`th queue for each of `n` members: the strategy `AVG_BY_CIRCLE`.
fn share_of(name: &str, members: &[String]) -> BTreeSet<i32> {
    let mut members = members.to_vec();
    members.sort();
    let Some(mine) = members.iter().position(|one| one == name) else { return BTreeSet::new() };
    (0..i32::from(QUEUES)).filter(|queue| *queue as usize % members.len() == mine).collect()
}

fn attempt_of(record: &Record) -> Option<Attempt> {
    Some(Attempt(str::from_utf8(&record.body).ok()?.parse().ok()?))
}

/// Until the group stands at the end of every queue.
fn await_end(address: &str) -> Result<(), Trouble> {
    let mut wire = Wire::connect_to(address, PATIENCE)?;
    let end = Instant::now() + Duration::from_secs(60);
    for queue in 0..i32::from(QUEUES) {
        loop {
            let max = wire.max_offset(TOPIC, queue)?;
            if wire.consumer_offset(GROUP, TOPIC, queue)? == Some(max) {
                break;
            }
            if Instant::now() > end {
                return Err(Trouble::Late { awaited: format!("offset {max} of queue {queue}"), log: None });
            }
            sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Reads every queue from its beginning to its end.
fn drain(address: &str, reader: Reader, notes: &Notes) -> Result<(), Trouble> {
    notes.note(Event::Drain { reader });
    let mut wire = Wire::connect_to(address, PATIENCE)?;
    for queue in 0..i32::from(QUEUES) {
        let max = wire.max_offset(TOPIC, queue)?;
        let place = Queue(queue.unsigned_abs());
        notes.note(Event::Max { queue: place, offset: u64::try_from(max).expect("an offset") });
        let mut next = 0;
        while next < max {
            let answer = wire.pull("Kill9OrderDrain", TOPIC, queue, next, 32)?;
            let records = parse(&answer.body).filter(|records| !records.is_empty()).ok_or_else(|| {
                Trouble::Answer(format!("pull of queue {queue} at {next} answered {}", answer.code))
            })?;
            for record in records {
                let offset = u64::try_from(record.queue_offset).expect("an offset");
                let attempt = attempt_of(&record);
                notes.note(Event::Read { reader, queue: place, offset, attempt, at_ms: 0 });
                next = record.queue_offset + 1;
            }
        }
    }
    Ok(())
}
