//! The invisible time is over: what nobody acknowledged is stored again for the group, under its retry topic.
//!
//! So many checkpoints a turn, the rest in the next. What cannot be stored just now is tried again, later each time; only
//! what is no longer in the log is given up.

use net::names::RETRY_PREFIX;
use net::pop::{Kind, origin_topic};
use net::properties::{self, keys};
use rt::{Class, Env, Now};
use store::record::{Parsed, Record, parse};
use store::{QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError};

use super::checkpoints::{CheckpointId, MESSAGES_MAX, PopQueueId};
use crate::parked::{Again, copy_without};
use crate::shard::{Phase, Shard};
use crate::timers::Timer;
use crate::topics::{TopicConfig, perm};

/// Checkpoints of one turn.
const TURN_MAX: usize = 64;
/// Bytes of records that one step reads.
const STEP_BYTES: u32 = 1 << 20;
/// Pause before what the store refused is tried again; doubled each time up to [`PAUSE_MS_MAX`].
const PAUSE_MS: u64 = 100;
const PAUSE_MS_MAX: u64 = 10_000;

/// A checkpoint that is being read for, by what stays true while the read runs.
#[derive(Clone, Copy)]
struct Reading {
    queue: PopQueueId,
    start: u64,
    pop_ms: i64,
}

impl<E: Env> Shard<E> {
    /// The messages of a checkpoint are visible again.
    pub(crate) fn pop_due(&mut self, id: CheckpointId, now: Now) {
        if let Some(checkpoint) = self.pops.checkpoints.get_mut(id) {
            checkpoint.timer = None;
            self.revive_soon(id, now);
        }
    }

    fn revive_soon(&mut self, id: CheckpointId, now: Now) {
        self.pops.due.push_back(id);
        if !std::mem::replace(&mut self.pops.is_reviving, true) {
            self.wheel.arm(now.mono.as_ms(), Timer::PopRevive);
        }
    }

    /// Revives some of the checkpoints that are due.
    pub(crate) fn revive_due(&mut self, now: Now) {
        self.pops.is_reviving = false;
        // A stopping shard leaves the rest to its next start.
        if self.phase != Phase::Serving {
            return;
        }
        let some = self.pops.due.len().min(TURN_MAX);
        for id in self.pops.due.drain(..some).collect::<Vec<_>>() {
            // Acknowledged meanwhile, it may be another one by now, which has a timer.
            if self.pops.checkpoints.get(id).is_some_and(|checkpoint| checkpoint.timer.is_none()) {
                self.revive(id, now);
            }
        }
        if !self.pops.due.is_empty() && !std::mem::replace(&mut self.pops.is_reviving, true) {
            self.wheel.arm(now.mono.as_ms() + 1, Timer::PopRevive);
        }
        self.env.kick();
    }

    fn revive(&mut self, id: CheckpointId, now: Now) {
        let Some((log_queue, from, limits)) = self.what_to_revive(id) else {
            // Nobody is left to get it: the topic or the group was deleted.
            return self.end_checkpoint(id, None);
        };
        let wanted = self.pops.checkpoints.get(id).map(|one| one.open_offsets()).unwrap_or_default();
        let accept = |entry: &store::Candidate<'_>| wanted.contains(&entry.queue_offset.get());
        let mut batch = ReadBatch::default();
        match self.store.read_hot(log_queue, from, limits, accept, &mut batch) {
            ReadStatus::Cold => self.revive_cold(id, log_queue, from, limits),
            status => self.revived(id, status, &batch, now),
        }
    }

    /// Where the open messages of a checkpoint lie; `None` if they belong to nobody.
    fn what_to_revive(&mut self, id: CheckpointId) -> Option<(QueueRef, QueueOffset, ReadLimits)> {
        let checkpoint = self.pops.checkpoints.get(id)?;
        let queue = self.pops.checkpoints.queue(checkpoint.queue)?;
        let (topic, queue_id) = (queue.topic.clone(), queue.queue_id);
        self.groups.get(&queue.group)?;
        self.topics.slot(&topic)?;
        let open = checkpoint.open_offsets();
        let (first, last) = (*open.first()?, *open.last()?);
        let scan = u32::try_from(last - first + 1).unwrap_or(u32::MAX);
        let count = u32::try_from(MESSAGES_MAX).expect("32");
        let limits = ReadLimits { count, bytes: STEP_BYTES, scan };
        Some((self.queue_of(&topic, queue_id), QueueOffset::new(first), limits))
    }

    fn revive_cold(&mut self, id: CheckpointId, log_queue: QueueRef, from: QueueOffset, limits: ReadLimits) {
        let Some(checkpoint) = self.pops.checkpoints.get(id) else { return };
        let reading = Reading { queue: checkpoint.queue, start: checkpoint.start, pop_ms: checkpoint.pop_ms };
        let wanted = checkpoint.open_offsets();
        let accept = move |entry: &store::Candidate<'_>| wanted.contains(&entry.queue_offset.get());
        let work = self.store.read_cold(log_queue, from, limits, accept);
        self.later(Class::ColdRead, work, move |shard, result, now| {
            let Reading { queue, start, pop_ms } = reading;
            let Some(id) = shard.pops.checkpoints.find_open(queue, start, pop_ms) else { return };
            match result {
                Ok((status, batch)) => shard.revived(id, status, &batch, now),
                Err(error) => shard.revive_later(id, &error, now),
            }
        });
    }

    /// Stores what was read for a checkpoint, and ends it if nothing is left.
    fn revived(&mut self, id: CheckpointId, status: ReadStatus, batch: &ReadBatch, now: Now) {
        if self.phase != Phase::Serving {
            return;
        }
        for mut bytes in batch.slices.iter().map(|slice| &slice[..]) {
            while let Ok(Parsed::Record(record)) = parse(bytes) {
                if let Err(error @ StoreError::Refused(_)) = self.revive_record(id, &record, now) {
                    return self.revive_later(id, &error, now);
                }
                bytes = &bytes[record.bytes().len()..];
            }
        }
        // What lies before the place where the read ended and was not found is no longer in the log.
        let gone_below = match status {
            ReadStatus::Found | ReadStatus::NothingMatched | ReadStatus::TooSmall => batch.next.get(),
            ReadStatus::AtEnd | ReadStatus::TooLarge | ReadStatus::Empty | ReadStatus::Cold => u64::MAX,
        };
        let Some(checkpoint) = self.pops.checkpoints.get_mut(id) else { return };
        let gone = checkpoint.open_offsets().into_iter().filter(|offset| *offset < gone_below).count();
        if gone > 0 {
            tracing::warn!(
                count = gone,
                start = checkpoint.start,
                "popped messages left the log before they came back"
            );
        }
        for offset in checkpoint.open_offsets().into_iter().filter(|offset| *offset < gone_below) {
            checkpoint.open &= !checkpoint.bit(offset).unwrap_or(0);
        }
        let (open, end) = (checkpoint.open, checkpoint.revived_to);
        if open == 0 {
            self.end_checkpoint(id, end);
        } else {
            self.revive_soon(id, now);
        }
        self.env.kick();
    }

    /// Stores one message again, unless it was acknowledged while it was read.
    fn revive_record(&mut self, id: CheckpointId, record: &Record<'_>, now: Now) -> Result<(), StoreError> {
        let offset = record.queue_offset().get();
        let Some(checkpoint) = self.pops.checkpoints.get(id) else { return Ok(()) };
        let Some(bit) = checkpoint.bit(offset).filter(|bit| checkpoint.open & bit != 0) else {
            return Ok(());
        };
        let Some(queue) = self.pops.checkpoints.queue(checkpoint.queue) else { return Ok(()) };
        let (pop_ms, added) = (checkpoint.pop_ms, i32::from(!checkpoint.uncounted));
        let (group, topic) = (queue.group.clone(), queue.topic.clone());
        let retry_topic = self.ensure_pop_retry_topic(&group, &topic, now);
        let stored = for_retry(record, &group, pop_ms);
        let again = Again {
            reconsume_times: record.reconsume_times().saturating_add(added),
            prepared_at: 0,
            ..Again::moved(record, (&retry_topic, 0), &stored)
        };
        let end = match self.store_again(record, &again, now) {
            Ok(appended) => Some(appended.end),
            Err(error @ StoreError::Refused(_)) => return Err(error),
            Err(error) => {
                tracing::error!(topic = &*topic, offset, %error, "a popped message is given up: it cannot be stored for a retry");
                None
            }
        };
        let checkpoint = self.pops.checkpoints.get_mut(id).expect("found above");
        checkpoint.open &= !bit;
        checkpoint.revived_to = checkpoint.revived_to.max(end);
        Ok(())
    }

    fn revive_later(&mut self, id: CheckpointId, error: &StoreError, now: Now) {
        let Some(checkpoint) = self.pops.checkpoints.get_mut(id) else { return };
        let pause = (PAUSE_MS << checkpoint.failures.min(10)).min(PAUSE_MS_MAX);
        checkpoint.failures = checkpoint.failures.saturating_add(1);
        checkpoint.timer = Some(self.wheel.arm(now.mono.as_ms() + pause, Timer::PopDue(id)));
        tracing::debug!(shard = self.identity.index, %error, "popped messages are stored again later");
    }

    /// The topic that gets the messages of `topic` which `group` popped and did not acknowledge; made if it is missing.
    fn ensure_pop_retry_topic(&mut self, group: &str, topic: &str, now: Now) -> String {
        if topic.starts_with(RETRY_PREFIX) {
            if let Some(origin) = origin_topic(topic, group) {
                let queue = self.queue_of(topic, 0);
                self.retry_serves(group, origin, queue);
            }
            return topic.to_owned();
        }
        let kind = if self.config.pop_retry_topic_v2 { Kind::RetryV2 } else { Kind::RetryV1 };
        let name = kind.topic_of(group, topic);
        if self.topics.slot(&name).is_none() {
            self.put_topic(TopicConfig::new(&name, 1, perm::READ | perm::WRITE), now);
            // So that its lag is shown before the first pop of it.
            if self.offsets.get(group, &name, 0).is_none() {
                self.offsets.commit(group, &name, 0, 0);
            }
        }
        let queue = self.queue_of(&name, 0);
        self.retry_serves(group, topic, queue);
        name
    }
}

/// The properties of a message that is stored for a retry: whose it is, and when it was popped first.
fn for_retry(record: &Record<'_>, group: &str, pop_ms: i64) -> Vec<u8> {
    let old = record.properties();
    let is_first = record.reconsume_times() == 0 || properties::find(old, keys::FIRST_POP_TIME).is_none();
    let mut stored = Vec::with_capacity(old.len() + 64);
    let dropped: &[&str] =
        if is_first { &[keys::FIRST_POP_TIME, keys::ORIGIN_GROUP] } else { &[keys::ORIGIN_GROUP] };
    copy_without(&mut stored, old, dropped);
    let kept = stored.len();
    if is_first {
        properties::append(&mut stored, 0, keys::FIRST_POP_TIME, pop_ms.to_string().as_bytes());
    }
    properties::append(&mut stored, 0, keys::ORIGIN_GROUP, group.as_bytes());
    // The message counts more than what is said about it.
    if stored.len() + COVER_BYTES > properties::PROPERTIES_BYTES_MAX {
        stored.truncate(kept);
    }
    stored
}

/// What the store adds to the properties of a record.
const COVER_BYTES: usize = 20;
