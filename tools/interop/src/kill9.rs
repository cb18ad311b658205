//! `kill -9` at random moments, and what must hold afterwards.
//!
//! Each cycle starts the broker, loads it from several connections with messages and batches of mixed sizes, commits
//! consumer offsets, and kills it. After the restart every queue is read. What must hold (reliability.md 1):
//!
//! 1. Everything acknowledged, and everything once read, is at its (queue, offset) with its body.
//! 2. Offsets of a queue have no gap, and none is ever given to two messages.
//! 3. Nothing is there that was not sent, and nothing twice: no send is repeated here.
//! 4. A committed consumer offset is at most a second old.
//! 5. What waits keeps waiting, and comes: [`waiting`].

mod waiting;

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use self::waiting::Waiting;
use crate::{
    cluster::Cluster,
    random::Random,
    record::{Record, parse},
    report::Report,
    trouble::Trouble,
    wire::{NewMessage, Sent, Wire, batch_item},
};

const TOPIC: &str = "Kill9Topic";
const GROUP: &str = "Kill9Group";
const QUEUES: u16 = 4;
/// Connections per shard.
const SENDERS: usize = 2;
/// Per connection and cycle, so that reading it all back stays cheap.
const BYTES_PER_CYCLE: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// One run of cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) cycles: u32,
    /// How old a consumer offset may be after a crash.
    pub(crate) offset_age_max: Duration,
}

/// Runs the trial against the broker `broker-0` of `cluster`; a scenario per cycle.
pub(crate) fn run(suite: &str, trial: Trial, cluster: &mut Cluster, report: &Report) -> Result<(), Trouble> {
    let seed = Random::seed();
    println!("  {suite}: INTEROP_SEED={seed}");
    let mut random = Random::new(seed);
    cluster.make_topic(TOPIC, QUEUES)?;
    cluster.make_topic(waiting::TOPIC, 1)?;
    let waiting: Vec<Mutex<Waiting>> = cluster.addresses().iter().map(|_| Mutex::default()).collect();
    let mut ledger = Ledger::default();
    for cycle in 0..trial.cycles {
        let start = Instant::now();
        let outcome = one_cycle(trial, cluster, &mut random, &mut ledger, &waiting);
        match outcome {
            Ok(()) => report.pass(suite, &format!("cycle-{cycle}"), start.elapsed()),
            Err(trouble) => {
                report.fail(suite, &format!("cycle-{cycle}"), &format!("{trouble} (INTEROP_SEED={seed})"));
                return Ok(()); // what follows a loss is only noise
            }
        }
    }
    report.scenario(suite, "everything-that-waited-comes", || {
        for (address, waiting) in cluster.addresses().iter().zip(&waiting) {
            let came = waiting.lock().expect("no holder panics").settle(address)?;
            println!("  {suite}: {came} timers, delays and commits at {address}");
        }
        Ok::<(), Trouble>(())
    });
    report.scenario(suite, "everything-is-there-in-the-end", || {
        cluster.obey("stop broker-0")?;
        cluster.obey("start broker-0")?;
        let addresses = cluster.addresses();
        (0..addresses.len()).try_for_each(|shard| ledger.read_back(shard, &addresses[shard], true))?;
        println!(
            "  {suite}: {} messages in {} queues",
            ledger.known.len(),
            QUEUES as usize * addresses.len()
        );
        Ok::<(), Trouble>(())
    });
    Ok(())
}

fn one_cycle(
    trial: Trial,
    cluster: &mut Cluster,
    random: &mut Random,
    ledger: &mut Ledger,
    waiting: &[Mutex<Waiting>],
) -> Result<(), Trouble> {
    let addresses = cluster.addresses();
    let serial = ledger.serial;
    ledger.serial += 1 << 32;
    let acknowledged: Mutex<Vec<(Place, u64)>> = Mutex::default();
    let mut commits: Vec<Commits> = Vec::new();
    let wait = Duration::from_millis(150 + random.below(900));
    let mut killed = Instant::now();
    std::thread::scope(|scope| -> Result<(), Trouble> {
        for (shard, address) in addresses.iter().enumerate() {
            for sender in 0..SENDERS {
                let mut load = Load {
                    shard,
                    serial: serial + ((shard * SENDERS + sender) as u64) * (1 << 24),
                    random: Random::new(random.next()),
                    acknowledged: &acknowledged,
                };
                scope.spawn(move || load.run(address));
            }
            let random = Random::new(random.next());
            scope.spawn(move || Waiting::send(&waiting[shard], address, random));
        }
        let committers: Vec<_> = addresses
            .iter()
            .map(|address| scope.spawn(|| Commits::run(address, ledger.committed + 1)))
            .collect();
        sleep(wait);
        cluster.obey("kill broker-0")?;
        killed = Instant::now();
        commits =
            committers.into_iter().map(|thread| thread.join().expect("a committer does not panic")).collect();
        Ok(())
    })?;
    // Every third time it is killed again while it recovers.
    for _ in 0..random.below(3) / 2 + u64::from(random.below(4) == 0) {
        cluster.launch("broker-0")?;
        sleep(Duration::from_millis(random.below(200)));
        cluster.obey("kill broker-0")?;
    }
    cluster.obey("start broker-0")?;
    for (place, hash) in acknowledged.into_inner().expect("no holder panics") {
        ledger.learn(place, hash, "acknowledged")?;
    }
    for (shard, address) in addresses.iter().enumerate() {
        ledger.read_back(shard, address, false)?;
        commits[shard].check(address, killed, trial.offset_age_max)?;
    }
    ledger.committed = commits.iter().map(Commits::last).max().unwrap_or(0).max(ledger.committed);
    Ok(())
}

/// Shard, queue id, queue offset.
type Place = (usize, i32, i64);

/// What must be there for ever.
#[derive(Debug, Default)]
struct Ledger {
    known: HashMap<Place, u64>,
    /// Bodies that were read, by their hash, to notice a second copy.
    bodies: HashMap<u64, Place>,
    /// Per shard and queue, where the reading of the next cycle starts.
    read_to: HashMap<(usize, i32), i64>,
    serial: u64,
    committed: i64,
}

impl Ledger {
    fn learn(&mut self, place: Place, hash: u64, how: &str) -> Result<(), Trouble> {
        match self.known.insert(place, hash) {
            Some(before) if before != hash => {
                Err(Trouble::Answer(format!("{place:?} was one message and is now {how} as another")))
            }
            _ => Ok(()),
        }
    }

    /// Reads every queue of a shard, `whole` or from where the cycle before the last one ended.
    fn read_back(&mut self, shard: usize, address: &str, whole: bool) -> Result<(), Trouble> {
        let mut wire = Wire::connect_to(address, PATIENCE)?;
        for queue_id in 0..i32::from(QUEUES) {
            let key = (shard, queue_id);
            let from = if whole { 0 } else { self.read_to.get(&key).copied().unwrap_or(0) };
            let max = wire.max_offset(TOPIC, queue_id)?;
            let mut next = from;
            while next < max {
                for record in pull(&mut wire, queue_id, next)? {
                    if record.queue_offset != next || record.queue_id != queue_id {
                        return Err(Trouble::Answer(format!(
                            "queue {key:?} has {record:?} where offset {next} should be"
                        )));
                    }
                    self.check(shard, &record)?;
                    next += 1;
                }
            }
            let lost = self.known.keys().filter(|place| (place.0, place.1) == key && place.2 >= max).min();
            if let Some(lost) = lost {
                return Err(Trouble::Answer(format!(
                    "lost: {lost:?} was acknowledged, but the queue ends at {max}"
                )));
            }
            self.read_to.insert(key, from.max(max - 64)); // a little is read twice
        }
        Ok(())
    }

    fn check(&mut self, shard: usize, record: &Record) -> Result<(), Trouble> {
        let place = (shard, record.queue_id, record.queue_offset);
        if !genuine(&record.body) {
            return Err(Trouble::Answer(format!(
                "{place:?} holds {} bytes that nobody sent",
                record.body.len()
            )));
        }
        let hash = hash(&record.body);
        self.learn(place, hash, "read")?;
        match self.bodies.insert(hash, place) {
            Some(other) if other != place => {
                Err(Trouble::Answer(format!("one message at {other:?} and at {place:?}")))
            }
            _ => Ok(()),
        }
    }
}

fn pull(wire: &mut Wire, queue_id: i32, offset: i64) -> Result<Vec<Record>, Trouble> {
    let answer = wire.pull(GROUP, TOPIC, queue_id, offset, 32)?;
    if answer.code != 0 {
        return Err(Trouble::Answer(format!(
            "pull of queue {queue_id} at {offset}: {} '{}'",
            answer.code, answer.remark
        )));
    }
    match parse(&answer.body) {
        Some(records) if !records.is_empty() => Ok(records),
        _ => Err(Trouble::Answer(format!("pull of queue {queue_id} at {offset}: unreadable records"))),
    }
}

/// One sending connection.
struct Load<'a> {
    shard: usize,
    serial: u64,
    random: Random,
    acknowledged: &'a Mutex<Vec<(Place, u64)>>,
}

impl Load<'_> {
    /// Sends bursts and collects their answers until the connection breaks, which is the kill.
    fn run(&mut self, address: &str) {
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return };
        let mut bytes = 0;
        while bytes < BYTES_PER_CYCLE {
            let mut open: HashMap<i32, Vec<u64>> = HashMap::new();
            for _ in 0..=self.random.below(24) {
                let Some((opaque, hashes, sent)) = self.send(&mut wire) else { return };
                open.insert(opaque, hashes);
                bytes += sent;
            }
            while !open.is_empty() {
                let Ok(answer) = wire.receive() else { return };
                let Some(hashes) = open.remove(&answer.opaque) else { continue };
                if answer.code != 0 {
                    continue; // refused, for instance while it stops: not acknowledged
                }
                let Some(sent) = Sent::of(&answer) else { continue };
                let mut acknowledged = self.acknowledged.lock().expect("no holder panics");
                for (i, hash) in hashes.into_iter().enumerate() {
                    let queue_id = i32::try_from(sent.queue_id).unwrap_or(-1);
                    acknowledged.push(((self.shard, queue_id, sent.queue_offset + i as i64), hash));
                }
            }
        }
        // Enough sent; keep the connection until the kill.
        let _ = wire.receive();
    }

    /// One message or one batch; opaque, hashes of the bodies, bytes.
    fn send(&mut self, wire: &mut Wire) -> Option<(i32, Vec<u64>, usize)> {
        let queue_id = i32::try_from(self.random.below(u64::from(QUEUES))).ok()?;
        let count = if self.random.below(4) == 0 { 2 + self.random.below(14) } else { 1 };
        let bodies: Vec<Vec<u8>> = (0..count).map(|_| self.body(count > 1)).collect();
        let hashes = bodies.iter().map(|body| hash(body)).collect();
        let id = queue_id.to_string();
        let message = NewMessage { topic: TOPIC, queue_id, keys: "", tags: "TagA", body: &bodies[0] };
        let properties = message.properties();
        let opaque = if count == 1 {
            wire.send(310, &message.fields(GROUP, &id, &properties, "false"), &bodies[0]).ok()?
        } else {
            let body: Vec<u8> = bodies.iter().flat_map(|body| batch_item(body, &properties)).collect();
            wire.send(320, &message.fields(GROUP, &id, "", "true"), &body).ok()?
        };
        Some((opaque, hashes, bodies.iter().map(Vec::len).sum()))
    }

    /// A body that says by itself whether it is whole: serial number, random bytes, hash of both.
    fn body(&mut self, in_batch: bool) -> Vec<u8> {
        let largest = match self.random.below(32) {
            0 if !in_batch => 1 << 20,
            1..4 => 64 << 10,
            _ => 2 << 10,
        };
        let mut body = vec![0; 16 + self.random.below(largest) as usize];
        self.random.fill(&mut body[8..]);
        body[..8].copy_from_slice(&self.serial.to_be_bytes());
        self.serial += 1;
        let end = body.len() - 8;
        let hash = hash(&body[..end]);
        body[end..].copy_from_slice(&hash.to_be_bytes());
        body
    }
}

fn genuine(body: &[u8]) -> bool {
    let Some(end) = body.len().checked_sub(8) else { return false };
    hash(&body[..end]).to_be_bytes() == body[end..]
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Offsets committed to queue 0 of one shard, with the moment each was acknowledged.
#[derive(Debug, Default)]
struct Commits {
    acknowledged: Vec<(i64, Instant)>,
    sent: HashSet<i64>,
}

impl Commits {
    fn run(address: &str, from: i64) -> Self {
        let mut commits = Self::default();
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return commits };
        if wire.heartbeat("127.0.0.1@kill9", "Kill9Producers", GROUP, TOPIC).is_err() {
            return commits;
        }
        for offset in from.. {
            commits.sent.insert(offset);
            if wire.commit_offset(GROUP, TOPIC, 0, offset).is_err() {
                break;
            }
            commits.acknowledged.push((offset, Instant::now()));
            sleep(Duration::from_millis(5)); // a consumer commits now and then, not as fast as it can
        }
        commits
    }

    fn last(&self) -> i64 {
        self.sent.iter().copied().max().unwrap_or(0)
    }

    /// The longest time without an answer: that long at least somebody else had the processors.
    fn longest_gap(&self, killed: Instant) -> Duration {
        let times = self.acknowledged.iter().map(|(_, at)| *at).chain([killed]);
        let later = times.clone().skip(1);
        times.zip(later).map(|(one, next)| next.saturating_duration_since(one)).max().unwrap_or_default()
    }

    fn check(&self, address: &str, killed: Instant, age_max: Duration) -> Result<(), Trouble> {
        let age_max = age_max + 2 * self.longest_gap(killed);
        let Some(due) = self.acknowledged.iter().rev().find(|(_, at)| *at + age_max < killed) else {
            return Ok(());
        };
        let mut wire = Wire::connect_to(address, PATIENCE)?;
        wire.heartbeat("127.0.0.1@kill9", "Kill9Producers", GROUP, TOPIC)?;
        let kept = wire.consumer_offset(GROUP, TOPIC, 0)?;
        if kept.is_some_and(|kept| kept >= due.0 && kept <= self.last()) {
            return Ok(());
        }
        Err(Trouble::Answer(format!(
            "consumer offset {kept:?}, but {} was committed more than {age_max:?} before",
            due.0
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(queue_offset: i64, body: Vec<u8>) -> Record {
        Record { queue_id: 1, queue_offset, body, properties: String::new() }
    }

    fn body(serial: u64) -> Vec<u8> {
        let acknowledged = Mutex::default();
        Load { shard: 0, serial, random: Random::new(serial), acknowledged: &acknowledged }.body(true)
    }

    #[test]
    fn an_offset_that_is_used_twice_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.learn((0, 1, 7), hash(&body(1)), "acknowledged").unwrap();
        ledger.check(0, &record(7, body(1))).unwrap();
        assert!(ledger.check(0, &record(7, body(2))).is_err());
    }

    #[test]
    fn a_message_that_is_there_twice_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.check(0, &record(7, body(1))).unwrap();
        assert!(ledger.check(0, &record(8, body(1))).is_err());
    }

    #[test]
    fn a_body_that_nobody_sent_is_noticed() {
        let mut torn = body(1);
        torn.pop();
        assert!(Ledger::default().check(0, &record(0, torn)).is_err());
    }
}
