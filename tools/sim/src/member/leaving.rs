//! How a member's process ends: it dies, leaves in good order, or stands still for longer than its locks last.

use net::RequestCode;
use net::requests::{UnlockBatchMq, UnregisterClient};

use super::Member;
use crate::cluster::{Cluster, SHARDS};
use crate::ordered::{GROUP, Place};

impl<'w> Member<'w> {
    /// Now and then it dies, leaves, or stands still.
    pub(super) fn perhaps_change(&mut self, cluster: &mut Cluster<'w>) {
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

    /// The process is gone, with its locks still at the brokers. The next one has another id, as with RocketMQ's client.
    pub(super) fn end(&mut self, cluster: &mut Cluster<'w>) {
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
}
