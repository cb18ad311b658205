//! What a member asks a shard next, and what it makes of the answer: heartbeats, who else is there, locks, offsets,
//! messages.

use std::collections::{BTreeSet, VecDeque};

use history::Event;
use net::body::{ConsumerList, LockBatch, LockBatchReply, MessageQueue};
use net::json::{self, Style};
use net::requests::{GetConsumerListByGroup, HeartBeat, LockBatchMq, UnlockBatchMq};
use testbed::{Answer, heartbeat, offset_query, pull, subscription};

use super::{Ask, Held, Member, Waiting};
use crate::cluster::{Cluster, ORDERED, queue};
use crate::ordered::{GROUP, Place, share_of};

/// A lock counts so long after it was granted.
const BELIEF_MS: u64 = 30_000;
const RENEW_MS: u64 = 20_000;
const REBALANCE_MS: u64 = 20_000;
const BEAT_MS: u64 = 30_000;
/// Until a lock that was not granted is asked for again.
const LOCK_AGAIN_MS: u64 = 1_000;

impl<'w> Member<'w> {
    /// Asks a shard what is most needed.
    pub(super) fn ask(&mut self, cluster: &mut Cluster<'w>, shard: usize) {
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

    pub(super) fn lock_body(&self, cluster: &Cluster<'w>, shard: usize, places: &[Place]) -> Vec<u8> {
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

    pub(super) fn answered(
        &mut self,
        cluster: &mut Cluster<'w>,
        shard: usize,
        waiting: &Waiting,
        answer: &Answer,
    ) {
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
}
