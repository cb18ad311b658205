//! One member of a group that consumes in order: locks its queues, consumes them, commits, lets go; and dies, leaves, or
//! stands still for longer than its locks last.
//!
//! It keeps the rules of RocketMQ's client (behaviour.md 10): it consumes a queue only while it believes in its lock, which
//! is for 30 s after the broker granted or renewed it; it asks for the group's offset after every lock that it had not; it
//! commits before it unlocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use history::{Event, Tenure};
use net::RequestCode;
use net::body::{ConsumerList, LockBatch, LockBatchReply, MessageQueue};
use net::json::{self, Style};
use net::requests::{GetConsumerListByGroup, HeartBeat, LockBatchMq, UnlockBatchMq, UnregisterClient};
use testbed::{Answer, Message, commit, heartbeat, offset_query, pull, subscription};

use crate::cluster::{Cluster, ORDERED, SHARDS, queue};
use crate::life::Phase;
use crate::line::Line;
use crate::ordered::{GROUP, Place, share_of};
use crate::producers::attempt_of;

/// Longest wait for an answer, ms. With what follows, much less than the minute a broker holds a lock.
const PATIENCE_MS: u64 = 3_000;
/// A lock counts so long after it was granted.
const BELIEF_MS: u64 = 30_000;
const RENEW_MS: u64 = 20_000;
const REBALANCE_MS: u64 = 20_000;
const BEAT_MS: u64 = 30_000;
/// Until a lock that was not granted is asked for again.
const LOCK_AGAIN_MS: u64 = 1_000;

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

    /// Now and then it dies, leaves, or stands still.
    fn perhaps_change(&mut self, cluster: &mut Cluster<'w>) {
        let now = cluster.world.now_ms();
        let random = &mut cluster.random;
        let at = *self.change_at.get_or_insert_with(|| now + 5_000 + random.below(60_000));
        if now < at {
            return;
        }
        self.change_at = None;
        match cluster.random.below(3) {
            0 => self.end(cluster),
            1 => self.leave(cluster),
            _ => {}
        }
        self.idle_until = now + *cluster.random.pick(&[0, 2_000, 25_000, 45_000, 75_000]);
    }

    fn id(&self) -> String {
        format!("m{}@{}", self.number, self.incarnation)
    }

    /// The process is gone, with its locks still at the brokers. The next one has another id, as with RocketMQ's client.
    fn end(&mut self, cluster: &mut Cluster<'w>) {
        let places: Vec<Place> = self.held.keys().copied().collect();
        places.into_iter().for_each(|place| self.drop_queue(cluster, place));
        for way in &mut self.ways {
            way.line.hang_up();
            way.waiting = None;
        }
        self.assigned.clear();
        self.incarnation += 1;
        self.rebalance_at = 0;
    }

    /// Ends in an orderly way: commits, unlocks, says good-bye.
    fn leave(&mut self, cluster: &mut Cluster<'w>) {
        let id = self.id();
        for shard in 0..SHARDS {
            let mine: Vec<Place> = self.held.keys().copied().filter(|place| place.0 == shard).collect();
            mine.iter().for_each(|place| self.commit(cluster, *place));
            mine.iter().for_each(|place| self.drop_queue(cluster, *place));
            let body = self.lock_body(cluster, shard, &mine);
            let Some((client, _)) = self.ways[shard].line.get(cluster) else { continue };
            client.begin_as(RequestCode::UNLOCK_BATCH_MQ, &UnlockBatchMq {}, &body, true);
            let request =
                UnregisterClient { client_id: &id, producer_group: None, consumer_group: Some(GROUP) };
            client.begin(&request, b"");
        }
        self.end(cluster);
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

    fn answered(&mut self, cluster: &mut Cluster<'w>, shard: usize, waiting: &Waiting, answer: &Answer) {
        let now = cluster.world.now_ms();
        match &waiting.ask {
            Ask::Beat | Ask::Unlock => {}
            Ask::Members if answer.code == 0 => {
                self.rebalance_at = now + REBALANCE_MS;
                self.assigned = share_of(&self.id(), answer.json::<ConsumerList>().client_ids);
            }
            Ask::Members => self.rebalance_at = now + LOCK_AGAIN_MS,
            Ask::Lock(asked) if answer.code == 0 => {
                let locked = answer.json::<LockBatchReply>().locked;
                let locked = locked.iter().map(|one| (shard, u32::try_from(one.queue_id).unwrap()));
                self.locked(cluster, asked, &locked.collect());
            }
            Ask::Lock(_) => {}
            Ask::Offset(place, tenure) => {
                let Some(held) = self.held.get_mut(place).filter(|held| held.tenure == *tenure) else {
                    return;
                };
                held.next = match answer.code {
                    0 => Some(answer.number("offset")),
                    22 => Some(0),
                    _ => None,
                };
            }
            Ask::Pull(place, tenure) => {
                let Some(held) = self.held.get_mut(place).filter(|held| held.tenure == *tenure) else {
                    return;
                };
                held.is_at_end = answer.code == 19;
                match answer.code {
                    0 => held.pending = answer.messages().into(),
                    20 | 21 => held.next = held.next.max(Some(answer.number("nextBeginOffset"))),
                    _ => {}
                }
            }
        }
    }

    /// What was asked for and what of it is granted.
    fn locked(&mut self, cluster: &mut Cluster<'w>, asked: &[Place], granted: &BTreeSet<Place>) {
        let now = cluster.world.now_ms();
        for place in asked {
            if !granted.contains(place) {
                self.drop_queue(cluster, *place);
                continue;
            }
            let until_ms = now + BELIEF_MS;
            let held = self.held.entry(*place).or_insert_with(|| Held {
                tenure: cluster.next_tenure(),
                until_ms,
                next: None,
                pending: VecDeque::new(),
                is_at_end: false,
            });
            held.until_ms = until_ms;
            let tenure = held.tenure;
            let queue = queue(ORDERED, place.0, place.1);
            cluster.note(Event::Owned { tenure, queue, at_ms: now, until_ms });
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

    /// Asks a shard what is most needed.
    fn ask(&mut self, cluster: &mut Cluster<'w>, shard: usize) {
        let Some(ask) = self.next_ask(cluster, shard) else { return };
        let id = self.id();
        let now = cluster.world.now_ms();
        let body = match &ask {
            Ask::Lock(places) => self.lock_body(cluster, shard, places),
            Ask::Unlock => {
                let over: Vec<Place> = self.given_up(shard);
                over.iter().for_each(|place| self.commit(cluster, *place));
                let body = self.lock_body(cluster, shard, &over);
                over.iter().for_each(|place| self.drop_queue(cluster, *place));
                body
            }
            _ => Vec::new(),
        };
        let next = |place: &Place| self.held.get(place).and_then(|held| held.next).unwrap_or(0);
        let way = &mut self.ways[shard];
        let Some((client, _)) = way.line.get(cluster) else { return };
        let opaque = match &ask {
            Ask::Beat => {
                way.beat_at = now + BEAT_MS;
                client.begin(&HeartBeat {}, &heartbeat(&id, GROUP, &[subscription(ORDERED, "*", 1)]))
            }
            Ask::Members => client.begin(&GetConsumerListByGroup { consumer_group: GROUP }, b""),
            Ask::Lock(_) => {
                way.lock_at = now + LOCK_AGAIN_MS;
                way.renew_at = now + RENEW_MS;
                client.begin(&LockBatchMq {}, &body)
            }
            Ask::Unlock => client.begin(&UnlockBatchMq {}, &body),
            Ask::Offset(place, _) => client.begin(&offset_query(GROUP, ORDERED, place.1 as i32), b""),
            Ask::Pull(place, _) => client.begin(&pull(GROUP, ORDERED, place.1 as i32, next(place)), b""),
        };
        way.waiting = Some(Waiting { opaque, since: now, ask });
    }

    fn next_ask(&self, cluster: &mut Cluster<'w>, shard: usize) -> Option<Ask> {
        let now = cluster.world.now_ms();
        let way = &self.ways[shard];
        let wanted: Vec<Place> = self.assigned.iter().copied().filter(|place| place.0 == shard).collect();
        if way.beat_at <= now {
            return Some(Ask::Beat);
        }
        // Either shard knows the members.
        if self.rebalance_at <= now && cluster.random.percent(50) {
            return Some(Ask::Members);
        }
        if !self.given_up(shard).is_empty() {
            return Some(Ask::Unlock);
        }
        let lacks = wanted.iter().any(|place| !self.held.contains_key(place));
        if !wanted.is_empty() && (way.renew_at <= now || lacks && way.lock_at <= now) {
            return Some(Ask::Lock(wanted));
        }
        let held = || self.held.iter().filter(|(place, _)| wanted.contains(place));
        if let Some((place, held)) = held().find(|(_, held)| held.next.is_none()) {
            return Some(Ask::Offset(*place, held.tenure));
        }
        let hungry: Vec<_> = held().filter(|(_, held)| held.pending.is_empty()).collect();
        let (place, held) = *hungry.get(cluster.random.below(hungry.len().max(1) as u64) as usize)?;
        Some(Ask::Pull(*place, held.tenure))
    }

    /// Queues of a shard that it has and should not.
    fn given_up(&self, shard: usize) -> Vec<Place> {
        let mine = self.held.keys().copied();
        mine.filter(|place| place.0 == shard && !self.assigned.contains(place)).collect()
    }

    fn lock_body(&self, cluster: &Cluster<'w>, shard: usize, places: &[Place]) -> Vec<u8> {
        let queues = places.iter().map(|place| MessageQueue {
            broker_name: cluster.broker_name(shard),
            topic: ORDERED.to_owned(),
            queue_id: i32::try_from(place.1).unwrap(),
        });
        let body = LockBatch {
            client_id: self.id(),
            consumer_group: GROUP.to_owned(),
            queues: queues.collect(),
            only_this_broker: false,
        };
        json::to_vec(&body, Style::Raw)
    }
}
