//! What waits over `kill -9`: timed messages, delay levels, half messages.
//!
//! Per cycle and shard one connection sends and decides until the kill. In the end every acknowledged timer and every
//! acknowledged commit is there, no half message that nobody tried to commit, and nothing that nobody sent.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{PATIENCE, read_queue};
use crate::{
    random::Random,
    record::Record,
    trouble::Trouble,
    wire::{Answer, NewMessage, Wire},
};

pub(super) const TOPIC: &str = "Kill9Waiting";
/// Messages per shard and cycle, so that the end does not take long.
const PER_CYCLE: u64 = 100;
/// The longest delay, ms.
const DELAY_MS_MAX: u64 = 4_000;
/// From the last restart to the last delivery: the longest delay, and what a busy machine adds.
const SETTLE: Duration = Duration::from_secs(60);
const COMMIT: &str = "8";
const ROLLBACK: &str = "12";

/// What must come of a shard's messages.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    next: u64,
    sent: BTreeSet<u64>,
    promised: BTreeSet<u64>,
    /// Half messages that nobody tried to commit.
    hidden: BTreeSet<u64>,
}

impl Waiting {
    /// Sends until the connection breaks, which is the kill.
    pub(super) fn send(ledger: &Mutex<Self>, address: &str, mut random: Random) {
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return };
        for _ in 0..PER_CYCLE {
            let id = ledger.lock().expect("no holder panics").begin();
            let kept = match random.below(3) {
                0 => send(&mut wire, id, &property("DELAY", "1"), "0").is_ok(),
                1 => {
                    let delay = random.below(DELAY_MS_MAX).to_string();
                    send(&mut wire, id, &property("TIMER_DELAY_MS", &delay), "0").is_ok()
                }
                _ => half(ledger, &mut wire, id, random.below(3)).unwrap_or(false),
            };
            if kept {
                ledger.lock().expect("no holder panics").promised.insert(id);
            }
        }
    }

    fn begin(&mut self) -> u64 {
        self.next += 1;
        self.sent.insert(self.next);
        self.next
    }

    /// Waits until everything promised is there; the number of messages.
    pub(super) fn settle(&mut self, address: &str) -> Result<usize, Trouble> {
        let mut wire = Wire::connect_to(address, PATIENCE)?;
        let end = Instant::now() + SETTLE;
        loop {
            let there = read(&mut wire)?;
            if let Some(hidden) = self.hidden.intersection(&there).next() {
                return Err(Trouble::Answer(format!(
                    "half message {hidden} is visible, nobody committed it"
                )));
            }
            if let Some(foreign) = there.difference(&self.sent).next() {
                return Err(Trouble::Answer(format!("message {foreign} was never sent")));
            }
            match self.promised.difference(&there).next() {
                None => return Ok(self.promised.len()),
                Some(_) if Instant::now() < end => sleep(Duration::from_millis(20)),
                Some(missing) => {
                    let all = self.promised.len();
                    return Err(Trouble::Answer(format!(
                        "message {missing}, one of {all} at {address} that must come, did not"
                    )));
                }
            }
        }
    }
}

/// A half message and its end: commit, roll back, or none. Whether it must come.
fn half(ledger: &Mutex<Waiting>, wire: &mut Wire, id: u64, end: u64) -> Result<bool, Trouble> {
    let key = format!("{id:032}");
    let properties =
        property("TRAN_MSG", "true") + &property("PGROUP", "Kill9Producers") + &property("UNIQ_KEY", &key);
    let commits = end == 0;
    if !commits {
        ledger.lock().expect("no holder panics").hidden.insert(id);
    }
    let sent = send(wire, id, &properties, "4")?;
    if end == 2 {
        return Ok(false);
    }
    let offset = sent.number("queueOffset").unwrap_or(-1).to_string();
    let place = sent.fields.get("msgId").and_then(|id| id.as_str()).and_then(|id| id.get(16..));
    let place = u64::from_str_radix(place.unwrap_or_default(), 16).unwrap_or(0).to_string();
    let fields = [
        ("producerGroup", "Kill9Producers"),
        ("tranStateTableOffset", &*offset),
        ("commitLogOffset", &*place),
        ("commitOrRollback", if commits { COMMIT } else { ROLLBACK }),
        ("fromTransactionCheck", "false"),
        ("msgId", &*key),
        ("transactionId", &*key),
    ];
    wire.succeed(37, &fields, &[])?;
    Ok(commits)
}

fn send(wire: &mut Wire, id: u64, properties: &str, sys_flag: &str) -> Result<Answer, Trouble> {
    let body = id.to_string();
    let message = NewMessage { topic: TOPIC, queue_id: 0, keys: "", tags: "", body: body.as_bytes() };
    let mut fields = message.fields("Kill9Producers", "0", properties, "false");
    fields[5].1 = sys_flag;
    wire.succeed(310, &fields, body.as_bytes())
}

fn property(name: &str, value: &str) -> String {
    format!("{name}\u{1}{value}\u{2}")
}

/// Everything in the queue.
fn read(wire: &mut Wire) -> Result<BTreeSet<u64>, Trouble> {
    let mut all = BTreeSet::new();
    read_queue(wire, (TOPIC, 0), 0, |record| {
        all.insert(number(&record)?);
        Ok(())
    })?;
    Ok(all)
}

fn number(record: &Record) -> Result<u64, Trouble> {
    let text = String::from_utf8_lossy(&record.body);
    text.parse().map_err(|_| Trouble::Answer(format!("a message '{text}' that nobody sent")))
}
