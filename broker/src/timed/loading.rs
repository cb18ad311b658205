//! Slots into memory: the entries of a minute are read shortly before it comes.
//!
//! One slot at a time and in order, so that "loaded" is one number. What is parked for a slot while it is read lies
//! behind the end that was fixed when the reading began, and goes into the heap at once.

use std::cmp::Reverse;

use net::names::TIMER_TOPIC;
use rt::{Class, Env, Now};
use store::{QueueEntry, QueueOffset, QueueRef};

use super::{Due, LEAD_MS, RETRY_MS, SLOT_MS, Timed};
use crate::shard::{Phase, Shard};

/// Entries read at once from a slot.
const LOAD: usize = 8_192;

impl<E: Env> Shard<E> {
    /// Loads every slot that is near. Empty ones cost a look.
    pub(super) fn load_slots(&mut self, now: Now) {
        while !self.timed.loading && self.phase == Phase::Serving {
            let minute = self.timed.loaded + 1;
            if minute * SLOT_MS > now.unix_ms + LEAD_MS {
                break;
            }
            let slot = Timed::slot(minute);
            let Some(queue) = self.store.find_queue(TIMER_TOPIC, slot) else {
                self.timed.loaded = minute;
                continue;
            };
            let from = self
                .timed
                .consumed
                .get(&slot)
                .copied()
                .unwrap_or_default()
                .max(self.store.offsets(queue).min);
            let end = self.store.next_offset(queue);
            if from >= end {
                self.timed.loaded = minute;
                continue;
            }
            self.timed.loading = true;
            self.load_slot(minute, queue, from, end);
        }
        self.watch_timed(now);
    }

    /// Reads entries of a slot up to `end`; what comes behind it is put into memory as it comes.
    fn load_slot(&mut self, minute: i64, queue: QueueRef, from: QueueOffset, end: QueueOffset) {
        let work = self.store.entries(queue, from, LOAD);
        self.later(Class::ColdRead, work, move |shard, read, now| match read {
            Ok((entries, next)) => {
                shard.take_entries(minute, &entries, end);
                if next < end && !entries.is_empty() {
                    return shard.load_slot(minute, queue, next, end);
                }
                let slot = Timed::slot(minute);
                shard.timed.consume(slot, end);
                shard.timed.loaded = minute;
                shard.timed.loading = false;
                shard.fire_timed_soon(now, 0);
            }
            Err(error) => {
                tracing::error!(slot = Timed::slot(minute), %error, "a slot of delayed messages cannot be read now");
                shard.timed.loading = false;
                shard.fire_timed_soon(now, RETRY_MS);
            }
        });
    }

    fn take_entries(&mut self, minute: i64, entries: &[QueueEntry], end: QueueOffset) {
        let delivered = self.timed.watermark;
        for entry in entries.iter().filter(|entry| entry.queue_offset < end && entry.bytes > 0) {
            let wake_ms = Timed::wake_ms(minute, entry.tags_code);
            if wake_ms > delivered {
                self.timed.near.push(Reverse(Due { wake_ms, at: entry.at, bytes: entry.bytes }));
            }
        }
    }
}
