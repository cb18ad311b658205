//! What administrators of RocketMQ tell a broker to clean up: requests 306, 316, 329, and 5001, which changes an engine.
//! Most of it needs no telling here.

use net::requests::SwitchTimerEngine;
use rt::{Env, Now};

use crate::call::{Done, Outcome, Refused};
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// Queue entries go with the segments that they name (306).
    pub(crate) fn clean_queues(&mut self) -> Outcome {
        Ok(Done::Success)
    }

    /// Drops queues that have messages and no topic (316): light queues of a time when these were on.
    pub(crate) fn clean_unused_topics(&mut self, now: Now) -> Outcome {
        let mut orphans = Vec::new();
        self.store.for_each_queue(|topic, _, queue| {
            if self.topics.slot(topic).is_none() && self.store.offsets(queue).max.get() > 0 {
                orphans.push(topic.to_owned());
            }
        });
        orphans.dedup();
        for topic in orphans {
            tracing::info!(shard = self.identity.index, topic, "queues without a topic dropped");
            self.release_topic(&topic, now);
            self.store.delete_topic(&topic);
        }
        Ok(Done::Success)
    }

    /// Expired segments go as soon as they are, unless the operator named hours for it (329).
    pub(crate) fn delete_expired(&self) -> Outcome {
        if self.config.retention_window.0.is_empty() {
            return Ok(Done::Success);
        }
        Err(Refused::system(format!(
            "expired segments go in the hours that retention.window names ({}); leave it empty and they go at once",
            self.config.retention_window.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(";")
        )))
    }

    pub(crate) fn switch_timer_engine(&self, request: &SwitchTimerEngine<'_>) -> Outcome {
        let asked = request.engine.unwrap_or_default();
        Err(Refused::invalid(format!(
            "timer engine {asked:?}: there is one engine here, to the millisecond and without a horizon, and nothing to switch to"
        )))
    }
}
