//! Queue locks of orderly consumers: requests 41 and 42.

use net::body::{LockBatch, LockBatchReply, MessageQueue};
use net::json::{self, Style};
use rt::{Class, Env, Now};

use crate::call::{Call, Done, Outcome, Refused};
use crate::locks::{Grant, LockedQueue};
use crate::shard::Shard;

/// Longer ids are no client library's; their locks are not remembered over a restart.
const CLIENT_ID_BYTES_MAX: usize = 1 << 10;

impl<E: Env> Shard<E> {
    /// Locks and renews. A lock with a new owner is told when it is flushed: a restart must not give the queue to another.
    pub(crate) fn lock_queues(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let LockBatch { consumer_group: group, client_id, queues, .. } = read(body)?;
        let (mut locked, mut new) = (Vec::new(), Vec::new());
        // A group nobody made is nobody's consumer; its locks are not worth a row.
        let is_kept = self.groups.get(&group).is_some() && client_id.len() <= CLIENT_ID_BYTES_MAX;
        for queue in queues {
            let Some(mine) = self.own_queue(&queue) else { continue };
            match self.locks.lock(&group, mine.clone(), &client_id, call.now.mono) {
                Grant::Refused => continue,
                Grant::New if is_kept => {
                    self.put_lock(&group, &mine, &client_id);
                    new.push(mine);
                }
                Grant::New | Grant::Remembered => {}
            }
            locked.push(queue);
        }
        let body = json::to_vec(&LockBatchReply { locked }, Style::Raw);
        if new.is_empty() {
            return self.answer_body(call.conn, call.reply, &body);
        }
        let durable = self.store.tables().durable();
        self.answer_later(call, Class::Admin, durable, move |shard, conn, reply, flushed, _| {
            match flushed {
                Ok(()) => new.iter().for_each(|queue| shard.locks.flushed(&group, queue, &client_id)),
                // A disk that takes no metadata must not stop consumers: what they read is there, and the lock is in force.
                Err(error) => {
                    tracing::warn!(shard = shard.identity.index, %error, "queue locks hold until a restart only");
                }
            }
            shard.answer_body(conn, reply, &body)
        })
    }

    pub(crate) fn unlock_queues(&mut self, _call: &Call<'_>, body: &[u8]) -> Outcome {
        let request = read(body)?;
        for queue in &request.queues {
            if let Some(mine) = self.own_queue(queue)
                && self.locks.unlock(&request.consumer_group, &mine, &request.client_id)
            {
                self.delete_lock(&request.consumer_group, &mine);
            }
        }
        Ok(Done::Success)
    }

    /// Forgets locks that nobody renewed.
    pub(crate) fn drop_expired_locks(&mut self, now: Now) {
        for (group, queue) in self.locks.drop_expired(now.mono) {
            self.delete_lock(&group, &queue);
        }
    }

    /// A queue that exists on this shard: the table of locks holds no others.
    fn own_queue(&self, queue: &MessageQueue) -> Option<LockedQueue> {
        let queue_id = u32::try_from(queue.queue_id).ok()?;
        let exists = self.topics.config(&queue.topic).is_some_and(|config| queue_id < config.queues());
        (exists && *queue.broker_name == *self.identity.name)
            .then(|| LockedQueue { topic: queue.topic.as_str().into(), queue_id })
    }
}

fn read(body: &[u8]) -> Result<LockBatch, Refused> {
    json::from_slice(body)
        .map_err(|error| Refused::system(format!("the body is not a lock request: {error}")))
}
