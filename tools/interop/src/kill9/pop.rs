//! `kill -9` while messages are popped and acknowledged, and what must hold afterwards.
//!
//! 1. Every message that was stored comes until it is acknowledged: none is lost.
//! 2. What was acknowledged longer than [`AGE_MAX`] before a kill does not come again from its place. The message may, if
//!    its retry was stored in the moment of a kill: the next start stores it once more.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{PATIENCE, happened, kill_under_load, restart, seeded};
use crate::{
    cluster::Cluster,
    random::Random,
    record::{Record, parse},
    report::Report,
    trouble::Trouble,
    wire::{Answer, NewMessage, Wire},
};

const TOPIC: &str = "Kill9PopTopic";
const GROUP: &str = "Kill9PopGroup";
const QUEUES: u16 = 4;
const CYCLES: u32 = 6;
/// How long popped messages are invisible.
const INVISIBLE: Duration = Duration::from_secs(2);
/// How old an acknowledgement may be that a kill undoes. The broker promises half a second; here it shares two cores with
/// everything else that runs, and the simulation (`broker/tests/sim/pop_crashes`) is what measures.
const AGE_MAX: Duration = Duration::from_millis(2_500);

/// Whether it lies in the retry topic, queue id, queue offset.
type Place = (bool, i32, i64);

/// What is known of the messages of one shard, over all cycles.
#[derive(Debug, Default)]
struct Ledger {
    /// Stored, and no acknowledgement was sent.
    open: HashSet<String>,
    /// Acknowledged at these moments.
    acknowledged: HashMap<Place, Instant>,
    kills: Vec<Instant>,
    again: usize,
    trouble: Option<String>,
}

impl Ledger {
    fn came(&mut self, record: &Record) {
        let Some(at) = self.acknowledged.get(&place(record)) else { return };
        self.again += 1;
        if !self.kills.iter().any(|kill| at < kill && kill.duration_since(*at) <= AGE_MAX) {
            let body = String::from_utf8_lossy(&record.body);
            let what =
                format!("{body} at {:?} was acknowledged long before any kill and came again", place(record));
            self.trouble = Some(what);
        }
    }
}

/// Runs the cycles against the broker `broker-0` of `cluster`; a scenario per cycle.
pub(crate) fn run(suite: &str, cluster: &mut Cluster, report: &Report) -> Result<(), Trouble> {
    let (_, mut random) = seeded(suite);
    cluster.make_topic(TOPIC, QUEUES)?;
    let ledgers: Vec<Mutex<Ledger>> = cluster.addresses().iter().map(|_| Mutex::default()).collect();
    for cycle in 0..CYCLES {
        report
            .scenario(suite, &format!("cycle-{cycle}"), || one_cycle(cycle, cluster, &mut random, &ledgers));
    }
    report.scenario(suite, "everything-came-in-the-end", || {
        let (mut again, mut acknowledged) = (0, 0);
        for (address, ledger) in cluster.addresses().iter().zip(&ledgers) {
            drain(address, ledger)?;
            let ledger = ledger.lock().expect("no holder panics");
            again += ledger.again;
            acknowledged += ledger.acknowledged.len();
            if let Some(lost) = ledger.open.iter().next() {
                return Err(Trouble::Answer(format!(
                    "{} messages are lost, such as {lost}",
                    ledger.open.len()
                )));
            }
        }
        println!("  {suite}: {again} acknowledged messages came again after kills");
        happened(acknowledged, "an acknowledgement")
    });
    Ok(())
}

fn one_cycle(
    cycle: u32,
    cluster: &mut Cluster,
    random: &mut Random,
    ledgers: &[Mutex<Ledger>],
) -> Result<(), Trouble> {
    let addresses = cluster.addresses();
    let wait = Duration::from_millis(500 + random.below(5_500));
    let killed = kill_under_load(cluster, wait, |scope| {
        for (address, ledger) in addresses.iter().zip(ledgers) {
            let mut random = Random::new(random.next());
            scope.spawn(move || send_until_killed(address, cycle, ledger));
            scope.spawn(move || pop_until_killed(address, &mut random, ledger));
        }
    })?;
    ledgers.iter().for_each(|ledger| ledger.lock().expect("no holder panics").kills.push(killed));
    restart(cluster)?;
    let first = ledgers.iter().find_map(|ledger| ledger.lock().expect("no holder panics").trouble.take());
    first.map_or(Ok(()), |what| Err(Trouble::Answer(what)))
}

fn send_until_killed(address: &str, cycle: u32, ledger: &Mutex<Ledger>) {
    let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return };
    for number in 0.. {
        let body = format!("cycle {cycle} message {number:05}");
        let queue_id = number % i32::from(QUEUES);
        let message = NewMessage { topic: TOPIC, queue_id, keys: "", tags: "TagA", body: body.as_bytes() };
        // Before the send: it may be popped and done before we hear that it was stored.
        ledger.lock().expect("no holder panics").open.insert(body.clone());
        if wire.send_message("Kill9PopProducers", &message).is_err() {
            // Stored or not, nobody was told.
            ledger.lock().expect("no holder panics").open.remove(&body);
            return;
        }
        sleep(Duration::from_millis(1));
    }
}

/// Acknowledges most of what comes, and forgets the rest as a consumer that died.
fn pop_until_killed(address: &str, random: &mut Random, ledger: &Mutex<Ledger>) {
    let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return };
    while let Ok(answer) = pop(&mut wire, 8) {
        for record in records(&answer) {
            let body = String::from_utf8_lossy(&record.body).into_owned();
            ledger.lock().expect("no holder panics").came(&record);
            if random.below(4) == 0 {
                continue;
            }
            // From here on the message may be done, whether or not we hear of it.
            ledger.lock().expect("no holder panics").open.remove(&body);
            if ack(&mut wire, &answer, &record).is_err() {
                return;
            }
            ledger.lock().expect("no holder panics").acknowledged.insert(place(&record), Instant::now());
        }
    }
}

/// Pops and acknowledges until nothing came for longer than messages are invisible.
fn drain(address: &str, ledger: &Mutex<Ledger>) -> Result<(), Trouble> {
    let mut wire = Wire::connect_to(address, PATIENCE)?;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < INVISIBLE + Duration::from_secs(2) {
        let answer = pop(&mut wire, 32)?;
        for record in records(&answer) {
            quiet_since = Instant::now();
            let body = String::from_utf8_lossy(&record.body).into_owned();
            let mut ledger = ledger.lock().expect("no holder panics");
            ledger.came(&record);
            ledger.open.remove(&body);
            drop(ledger);
            ack(&mut wire, &answer, &record)?;
        }
    }
    let trouble = ledger.lock().expect("no holder panics").trouble.take();
    trouble.map_or(Ok(()), |what| Err(Trouble::Answer(what)))
}

/// POP_MESSAGE (200050) that waits a little.
fn pop(wire: &mut Wire, count: u32) -> Result<Answer, Trouble> {
    let (count, invisible) = (count.to_string(), INVISIBLE.as_millis().to_string());
    let fields = [
        ("consumerGroup", GROUP),
        ("topic", TOPIC),
        ("queueId", "-1"),
        ("maxMsgNums", count.as_str()),
        ("invisibleTime", invisible.as_str()),
        ("pollTime", "200"),
        ("bornTime", "0"),
        ("initMode", "0"),
        ("order", "false"),
    ];
    let answer = wire.call(200_050, &fields, &[])?;
    if matches!(answer.code, 0 | 210) {
        return Ok(answer);
    }
    Err(Trouble::Answer(format!("a pop answered {} '{}'", answer.code, answer.remark)))
}

fn records(answer: &Answer) -> Vec<Record> {
    parse(&answer.body).unwrap_or_default()
}

/// ACK_MESSAGE (200051) of one message of a pop.
fn ack(wire: &mut Wire, answer: &Answer, record: &Record) -> Result<(), Trouble> {
    let (topic, receipt) = receipt(answer, record)
        .ok_or_else(|| Trouble::Answer(format!("no receipt for {record:?} in {:?}", answer.fields)))?;
    let (queue_id, offset) = (record.queue_id.to_string(), record.queue_offset.to_string());
    let fields = [
        ("consumerGroup", GROUP),
        ("topic", topic.as_str()),
        ("queueId", queue_id.as_str()),
        ("extraInfo", receipt.as_str()),
        ("offset", offset.as_str()),
    ];
    wire.succeed(200_051, &fields, &[]).map(|_| ())
}

fn place(record: &Record) -> Place {
    (own_receipt(record).is_some(), record.queue_id, record.queue_offset)
}

/// Messages of the retry topic carry theirs.
fn own_receipt(record: &Record) -> Option<&str> {
    record.properties.split('\u{2}').find_map(|entry| entry.strip_prefix("POP_CK\u{1}"))
}

/// The topic that holds a message, and its receipt (spec: remoting 2.5).
fn receipt(answer: &Answer, record: &Record) -> Option<(String, String)> {
    if let Some(own) = own_receipt(record) {
        return Some((format!("%RETRY%{GROUP}_{TOPIC}"), own.to_owned()));
    }
    let text = |key: &str| answer.fields.get(key)?.as_str();
    let queue = format!("0 {} ", record.queue_id);
    let start = text("startOffsetInfo")?.split(';').find_map(|part| part.strip_prefix(&queue))?;
    let (pop_time, invisible, revive) = (text("popTime")?, text("invisibleTime")?, text("reviveQid")?);
    let Record { queue_id, queue_offset, .. } = record;
    let receipt = format!("{start} {pop_time} {invisible} {revive} 0 broker {queue_id} {queue_offset}");
    Some((TOPIC.to_owned(), receipt))
}
