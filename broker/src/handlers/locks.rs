//! Queue locks of orderly consumers: requests 41 and 42.

use net::body::{LockBatch, LockBatchReply, MessageQueue};
use net::json::{self, Style};
use rt::Env;

use crate::call::{Call, Done, Outcome, Refused};
use crate::locks::LockedQueue;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    pub(crate) fn lock_queues(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let request = read(body)?;
        let mut locked = Vec::new();
        for queue in request.queues {
            let Some(mine) = self.own_queue(&queue) else { continue };
            if self.locks.lock(&request.consumer_group, mine, &request.client_id, call.now.mono) {
                locked.push(queue);
            }
        }
        let body = json::to_vec(&LockBatchReply { locked }, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn unlock_queues(&mut self, _call: &Call<'_>, body: &[u8]) -> Outcome {
        let request = read(body)?;
        for queue in &request.queues {
            if let Some(mine) = self.own_queue(queue) {
                self.locks.unlock(&request.consumer_group, &mine, &request.client_id);
            }
        }
        Ok(Done::Success)
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
