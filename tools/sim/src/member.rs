//! One member of a group that consumes in order: locks its queues, consumes them, commits, lets go; and dies, leaves, or
//! stands still for longer than its locks last.
//!
//! It keeps the rules of RocketMQ's client (behaviour.md 10): it consumes a queue only while it believes in its lock, which
//! is for 30 s after the broker granted or renewed it; it asks for the group's offset after every lock that it had not; it
//! commits before it unlocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use history::{Event, Tenure};
use net::RequestCode;
use testbed::{Message, commit};

use crate::cluster::{Cluster, ORDERED, SHARDS};
use crate::life::Phase;
use crate::line::Line;
use crate::ordered::{GROUP, Place};
use crate::producers::attempt_of;

mod asking;
mod leaving;

/// Longest wait for an answer, ms. With what follows, much less than the minute a broker holds a lock.
const PATIENCE_MS: u64 = 3_000;

/// One member.
pub(crate) struct Member<'w> {
    number: usize,
    /// How many processes it was so far.
    incarnation: u32,
    ways: Vec<Way<'w>>,
    assigned: BTreeSet<Place>,
    held: BTreeMap<Place, Held>,
    rebalance_at: u64,
    /// It does nothing before; and if it ended, a new process begins then.
    idle_until: u64,
    change_at: Option<u64>,
}

/// Its connection to a shard.
struct Way<'w> {
    line: Line<'w>,
    waiting: Option<Waiting>,
    beat_at: u64,
    renew_at: u64,
    lock_at: u64,
}

struct Waiting {
    opaque: i32,
    since: u64,
    ask: Ask,
}

#[derive(Clone)]
enum Ask {
    Beat,
    Members,
    Lock(Vec<Place>),
    Unlock,
    Offset(Place, Tenure),
    Pull(Place, Tenure),
}

/// A queue that it believes to own.
struct Held {
    tenure: Tenure,
    until_ms: u64,
    next: Option<i64>,
    pending: VecDeque<Message>,
    is_at_end: bool,
}

impl<'w> Member<'w> {
    pub(crate) fn new(number: usize) -> Self {
        let way = |shard| Way { line: Line::to(shard), waiting: None, beat_at: 0, renew_at: 0, lock_at: 0 };
        Self {
            number,
            incarnation: 0,
            ways: (0..SHARDS).map(way).collect(),
            assigned: BTreeSet::new(),
            held: BTreeMap::new(),
            rebalance_at: 0,
            idle_until: 0,
            change_at: None,
        }
    }

    pub(crate) fn enter(&mut self) {
        self.idle_until = 0;
        self.held.values_mut().for_each(|held| held.is_at_end = false);
    }

    /// Queues of which it has consumed everything.
    pub(crate) fn at_end(&self) -> impl Iterator<Item = Place> {
        let done = self.held.iter().filter(|(_, held)| held.is_at_end && held.pending.is_empty());
        done.map(|(place, _)| *place)
    }

    pub(crate) fn step(&mut self, cluster: &mut Cluster<'w>, phase: Phase) {
        if cluster.world.now_ms() < self.idle_until {
            return;
        }
        if phase == Phase::Trouble {
            self.perhaps_change(cluster);
            if cluster.world.now_ms() < self.idle_until {
                return;
            }
        }
        for shard in 0..SHARDS {
            self.listen(cluster, shard);
            self.consume(cluster, shard);
            if self.ways[shard].waiting.is_none() {
                self.ask(cluster, shard);
            }
        }
    }

    fn id(&self) -> String {
        format!("m{}@{}", self.number, self.incarnation)
    }

    /// Takes what came from a shard.
    fn listen(&mut self, cluster: &mut Cluster<'w>, shard: usize) {
        let now = cluster.world.now_ms();
        let way = &mut self.ways[shard];
        let Some((client, fresh)) = way.line.get(cluster) else { return };
        if fresh {
            way.beat_at = 0;
            // An unlock that is still under way could undo a later lock: a new client id cannot be meant.
            if way.waiting.take().is_some_and(|waiting| matches!(waiting.ask, Ask::Unlock)) {
                self.end(cluster);
            }
            return;
        }
        if !client.pushes(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED).is_empty() {
            self.rebalance_at = self.rebalance_at.min(now);
        }
        let Some(waiting) = &way.waiting else { return };
        if waiting.since + PATIENCE_MS < now {
            return way.line.hang_up(); // an answer that came is too old to be believed
        }
        if let Some(answer) = client.take(waiting.opaque)
            && let Some(waiting) = way.waiting.take()
        {
            self.answered(cluster, shard, &waiting, &answer);
        }
    }

    /// Believes no longer to own a queue.
    fn drop_queue(&mut self, cluster: &mut Cluster<'w>, place: Place) {
        if let Some(held) = self.held.remove(&place) {
            cluster.note(Event::Disowned { tenure: held.tenure });
        }
    }

    /// A few messages of each queue of a shard.
    fn consume(&mut self, cluster: &mut Cluster<'w>, shard: usize) {
        let now = cluster.world.now_ms();
        let mine: Vec<Place> = self.held.keys().copied().filter(|place| place.0 == shard).collect();
        for place in mine {
            let held = self.held.get_mut(&place).expect("it was there");
            if held.until_ms <= now {
                self.drop_queue(cluster, place);
                continue;
            }
            if !self.assigned.contains(&place) {
                continue; // it is about to be given up
            }
            let count = held.pending.len().min(1 + cluster.random.below(8) as usize);
            for one in held.pending.drain(..count) {
                cluster.note(Event::Consumed { tenure: held.tenure, offset: one.queue_offset });
                if let Some(attempt) = attempt_of(&one.body) {
                    cluster.note(Event::Received { attempt });
                }
                held.next = Some(i64::try_from(one.queue_offset).unwrap() + 1);
            }
            if count > 0 && cluster.random.percent(60) {
                self.commit(cluster, place);
            }
        }
    }

    /// Tells how far the group is in a queue; nobody waits for an answer.
    fn commit(&mut self, cluster: &mut Cluster<'w>, place: Place) {
        let Some(next) = self.held.get(&place).and_then(|held| held.next) else { return };
        if let Some((client, _)) = self.ways[place.0].line.get(cluster) {
            let request = commit(GROUP, ORDERED, i32::try_from(place.1).unwrap(), next);
            client.begin_as(RequestCode::UPDATE_CONSUMER_OFFSET, &request, b"", true);
        }
    }
}
