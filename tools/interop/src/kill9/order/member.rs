//! A member of the group: locks its share of the queues, consumes them, commits, and gives up what became another's.
//!
//! As RocketMQ's client it consumes a queue only while it believes in its lock, and asks for the group's offset after every
//! lock that it had not.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use history::{Event, Queue, Tenure};
use serde_json::{Value, json};

use super::notes::{Notes, attempt_of};
use super::{GROUP, PATIENCE, QUEUES, RENEW, TOPIC};
use crate::{
    record::{Record, parse},
    trouble::Trouble,
    wire::Wire,
};

/// A member believes in a lock so long after its answer.
const BELIEF: Duration = Duration::from_secs(30);

/// A member of the group, alive over all kills of its broker.
pub(super) struct Member<'a> {
    pub(super) name: &'static str,
    broker: &'a str,
    notes: &'a Notes,
    /// It leaves in an orderly way, and comes back when this is over.
    pub(super) rests: AtomicBool,
    /// It does not look for a broker that was away before the harness lets it: the other is alone there meanwhile.
    pub(super) is_late: AtomicBool,
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
    pub(super) fn new(name: &'static str, broker: &'a str, notes: &'a Notes) -> Self {
        let (rests, is_late) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { name, broker, notes, rests, is_late, held: Mutex::default() }
    }

    pub(super) fn owned(&self) -> BTreeSet<i32> {
        self.held.lock().expect("no holder panics").keys().copied().collect()
    }

    /// Whether it believes to own a queue and was not told so since.
    pub(super) fn lacks(&self, queue: i32, since: Instant) -> bool {
        self.held.lock().expect("no holder panics").get(&queue).is_some_and(|held| held.told < since)
    }

    pub(super) fn run(&self, address: &str) {
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
