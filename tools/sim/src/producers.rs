//! Producers: plain messages, batches, levels of delay, times, half messages and what becomes of them.
//!
//! Where the broker stores a unique key once, what was not answered is sent again until it is.

use std::collections::BTreeMap;

use history::{Attempt, Event, Kind};
use net::RequestCode;
use net::requests::{EndTransaction, HeartBeat, SendMessageV2};
use testbed::{Answer, batch_of, heartbeat, message, property};

use crate::cluster::{Cluster, ORDERED, POPPED, PULLED, QUEUES, SHARDS, queue};
use crate::life::{Actor, Life, Phase};
use crate::line::Line;

/// Longest wait for an answer, ms.
const PATIENCE_MS: u64 = 3_000;
/// Requests in flight of one producer.
const IN_FLIGHT: usize = 4;
/// Response codes that say: not stored, and never will be.
const REFUSALS: [i32; 3] = [2, 14, 16];
const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;

/// One producer.
pub(crate) struct Producer<'w> {
    line: Line<'w>,
    number: usize,
    waiting: Vec<Waiting>,
    /// What it wants to become of its half messages.
    decisions: BTreeMap<Attempt, bool>,
    /// What it will tell by itself in a moment: the half message's place and offset.
    to_tell: Vec<(Attempt, i64, i64)>,
    /// What it sends again, where that is harmless.
    unanswered: Vec<Package>,
}

struct Waiting {
    opaque: i32,
    what: What,
    since: u64,
}

enum What {
    Send(Package),
    End(Attempt),
}

/// A message or batch, as it is sent once or again.
#[derive(Clone)]
struct Package {
    attempts: Vec<Attempt>,
    topic: &'static str,
    queue_id: u32,
    kind: Kind,
    /// Of the one message, without its unique key.
    properties: String,
    /// Bytes of each body beyond the number.
    bytes: u64,
}

impl<'w> Actor<'w> for Producer<'w> {
    fn step(&mut self, cluster: &mut Cluster<'w>, phase: Phase) {
        if phase != Phase::Reading {
            self.turn(cluster, phase == Phase::Trouble);
        }
    }

    /// Nothing is open any more.
    fn is_quiet(&self, _now: u64) -> bool {
        self.waiting.is_empty() && self.to_tell.is_empty() && self.unanswered.is_empty()
    }
}

impl<'w> Producer<'w> {
    pub(crate) fn new(number: usize) -> Self {
        let line = Line::to(number % SHARDS);
        Self {
            line,
            number,
            waiting: Vec::new(),
            decisions: BTreeMap::new(),
            to_tell: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// Takes what came, and sends something if `sends`.
    fn turn(&mut self, cluster: &mut Cluster<'w>, sends: bool) {
        let now = cluster.world.now_ms();
        let Some((client, fresh)) = self.line.get(cluster) else {
            return self.give_up(cluster);
        };
        if fresh {
            client.begin(&HeartBeat {}, &heartbeat(&format!("p{}", self.number), "unused", &[]));
            return self.give_up(cluster);
        }
        let mut came = Vec::new();
        self.waiting.retain_mut(|one| match client.take(one.opaque) {
            Some(answer) => {
                came.push((std::mem::replace(&mut one.what, What::End(Attempt(0))), answer));
                false
            }
            None => true,
        });
        let asked = client.pushes(RequestCode::CHECK_TRANSACTION_STATE);
        for (what, answer) in came {
            self.answered(cluster, what, &answer);
        }
        for question in asked {
            self.asked_about(cluster, &question);
        }
        if self.waiting.iter().any(|one| one.since + PATIENCE_MS < now) {
            self.line.hang_up();
            return self.give_up(cluster);
        }
        if cluster.random.percent(50) {
            self.tell(cluster);
        }
        if self.waiting.len() < IN_FLIGHT {
            if let Some(again) = self.unanswered.pop() {
                self.transmit(cluster, again);
            } else if sends && cluster.random.percent(cluster.life.sends_percent()) {
                let package = self.think(cluster);
                for attempt in &package.attempts {
                    let queue = queue(package.topic, self.line.shard, package.queue_id);
                    cluster.note(Event::Send { attempt: *attempt, queue, kind: package.kind });
                }
                self.transmit(cluster, package);
            }
        }
    }

    /// The connection is gone: nobody knows what became of what was asked over it.
    fn give_up(&mut self, cluster: &mut Cluster<'w>) {
        for one in self.waiting.drain(..) {
            match one.what {
                What::Send(package) if cluster.dedup => self.unanswered.push(package),
                What::Send(package) => unknown(cluster, &package),
                What::End(_) => {}
            }
        }
    }

    /// What to send next.
    fn think(&mut self, cluster: &mut Cluster<'w>) -> Package {
        let attempt = cluster.next_attempt();
        let unix_ms = cluster.world.unix_ms();
        let mut package = Package {
            attempts: vec![attempt],
            topic: PULLED,
            queue_id: u32::try_from(cluster.random.below(u64::from(QUEUES))).unwrap(),
            kind: Kind::Plain,
            properties: String::new(),
            bytes: cluster.random.below(600),
        };
        if cluster.life == Life::Groups {
            package.topic = if cluster.random.percent(60) { ORDERED } else { PULLED };
            let more = if cluster.random.percent(20) { cluster.random.below(5) } else { 0 };
            package.attempts.extend((0..more).map(|_| cluster.next_attempt()));
            return package;
        }
        match cluster.random.below(100) {
            0..40 => {}
            40..50 => package.topic = POPPED,
            50..65 => {
                let more = cluster.random.below(5);
                package.attempts.extend((0..more).map(|_| cluster.next_attempt()));
            }
            65..75 => {
                package.topic = POPPED;
                package.kind = Kind::Parked { due_ms: unix_ms + 1_000 };
                package.properties = property("DELAY", "1");
            }
            75..85 => {
                let delay_ms = 200 + cluster.random.below(6_000);
                package.topic = POPPED;
                package.kind = Kind::Parked { due_ms: unix_ms + i64::try_from(delay_ms).unwrap() };
                package.properties = property("TIMER_DELAY_MS", &delay_ms.to_string());
            }
            _ => {
                package.kind = Kind::Half;
                package.properties = property("TRAN_MSG", "true") + &property("PGROUP", "producers");
            }
        }
        package
    }

    fn transmit(&mut self, cluster: &mut Cluster<'w>, package: Package) {
        let now = cluster.world.now_ms();
        let born_at_ms = cluster.world.unix_ms();
        let Some((client, _)) = self.line.get(cluster) else {
            return unknown(cluster, &package);
        };
        let is_batch = package.attempts.len() > 1;
        let bodies: Vec<Vec<u8>> =
            package.attempts.iter().map(|attempt| body_of(*attempt, package.bytes)).collect();
        let keys: Vec<String> =
            package.attempts.iter().map(|attempt| property("UNIQ_KEY", &key_of(*attempt))).collect();
        let properties = if is_batch { String::new() } else { package.properties.clone() + &keys[0] };
        let request = SendMessageV2 {
            properties: Some(&properties),
            sys_flag: if package.kind == Kind::Half { 4 } else { 0 },
            born_at_ms,
            batch: Some(is_batch),
            ..message(package.topic, i32::try_from(package.queue_id).unwrap())
        };
        let opaque = if is_batch {
            let items: Vec<(&[u8], &str)> =
                bodies.iter().zip(&keys).map(|(body, key)| (body.as_slice(), key.as_str())).collect();
            client.begin_as(RequestCode::SEND_BATCH_MESSAGE, &request, &batch_of(&items), false)
        } else {
            client.begin(&request, &bodies[0])
        };
        self.waiting.push(Waiting { opaque, what: What::Send(package), since: now });
    }

    fn answered(&mut self, cluster: &mut Cluster<'w>, what: What, answer: &Answer) {
        match what {
            What::Send(package) => {
                // Refused now, but perhaps stored the first time.
                if cluster.dedup && answer.code != 0 {
                    return self.unanswered.push(package);
                }
                for (place, attempt) in package.attempts.into_iter().enumerate() {
                    let event = match answer.code {
                        0 => {
                            let first = u64::try_from(answer.number("queueOffset")).unwrap();
                            Event::Stored { attempt, offset: first + place as u64 }
                        }
                        code if REFUSALS.contains(&code) => Event::Refused { attempt },
                        _ => Event::Unknown { attempt },
                    };
                    cluster.note(event);
                    if package.kind == Kind::Half && answer.code == 0 {
                        self.stored_half(cluster, attempt, answer);
                    }
                }
            }
            What::End(attempt) if answer.code == 0 => cluster.note(Event::Decided { attempt }),
            What::End(_) => {}
        }
    }

    fn stored_half(&mut self, cluster: &mut Cluster<'w>, attempt: Attempt, answer: &Answer) {
        let place = u64::from_str_radix(&answer.text("msgId")[16..32], 16).unwrap();
        let place = i64::try_from(place).unwrap();
        // Some decide by themselves, some when they are asked, some never.
        if cluster.random.percent(90) {
            let commit = cluster.random.percent(65);
            self.decisions.insert(attempt, commit);
            if cluster.random.percent(75) {
                self.to_tell.push((attempt, answer.number("queueOffset"), place));
            }
        }
    }

    fn tell(&mut self, cluster: &mut Cluster<'w>) {
        let Some((attempt, offset, place)) = self.to_tell.pop() else { return };
        self.end(cluster, attempt, (offset, place), false);
    }

    fn asked_about(&mut self, cluster: &mut Cluster<'w>, question: &Answer) {
        let Some(attempt) = attempt_of(&question.messages()[0].body) else { return };
        let place = (question.number("tranStateTableOffset"), question.number("commitLogOffset"));
        self.end(cluster, attempt, place, true);
    }

    fn end(&mut self, cluster: &mut Cluster<'w>, attempt: Attempt, (offset, place): (i64, i64), asked: bool) {
        let Some(commit) = self.decisions.get(&attempt).copied() else { return };
        let Some((client, _)) = self.line.get(cluster) else { return };
        let key = key_of(attempt);
        let request = EndTransaction {
            topic: None,
            producer_group: "producers",
            tran_state_table_offset: offset,
            commit_log_offset: place,
            commit_or_rollback: if commit { COMMIT } else { ROLLBACK },
            from_transaction_check: asked,
            msg_id: Some(&key),
            transaction_id: Some(&key),
        };
        let opaque = client.begin(&request, b"");
        cluster.note(Event::Decide { attempt, commit });
        self.waiting.push(Waiting { opaque, what: What::End(attempt), since: cluster.world.now_ms() });
    }
}

/// The first send that a shard acknowledges within `limit_ms`; when that was.
pub(crate) fn first_answer<'w>(cluster: &mut Cluster<'w>, shard: usize, limit_ms: u64) -> Option<u64> {
    let end = cluster.world.now_ms() + limit_ms;
    let mut line = Line::to(shard);
    while cluster.world.now_ms() < end {
        let attempt = cluster.next_attempt();
        if let Some((client, _)) = line.get(cluster) {
            cluster.history.push(Event::Send { attempt, queue: queue(PULLED, shard, 0), kind: Kind::Plain });
            let answer = client.wait_at_most_ms(&message(PULLED, 0), &body_of(attempt, 0), 2_000);
            let event = match answer {
                Some(answer) if answer.code == 0 => {
                    let offset = u64::try_from(answer.number("queueOffset")).unwrap();
                    cluster.note(Event::Stored { attempt, offset });
                    return Some(cluster.world.now_ms());
                }
                Some(answer) if REFUSALS.contains(&answer.code) => Event::Refused { attempt },
                _ => Event::Unknown { attempt },
            };
            cluster.note(event);
        }
        cluster.world.run_ms(50);
    }
    None
}

/// Nobody knows what became of it, and nobody will.
fn unknown(cluster: &mut Cluster<'_>, package: &Package) {
    package.attempts.iter().for_each(|attempt| cluster.note(Event::Unknown { attempt: *attempt }));
}

fn key_of(attempt: Attempt) -> String {
    format!("{:032X}", attempt.0)
}

/// A payload names its attempt.
fn body_of(attempt: Attempt, more: u64) -> Vec<u8> {
    let mut body = attempt.0.to_be_bytes().to_vec();
    body.extend((0..more).map(|at| (at.wrapping_mul(attempt.0) >> 3) as u8));
    body
}

/// The attempt whose payload this is, to the last byte.
pub(crate) fn attempt_of(body: &[u8]) -> Option<Attempt> {
    let attempt = Attempt(u64::from_be_bytes(*body.first_chunk()?));
    (body_of(attempt, body.len() as u64 - 8) == body).then_some(attempt)
}
