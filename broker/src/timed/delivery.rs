//! What is due goes where it belongs: from the window at once, from files by a task, and back into a slot if its time is
//! still far.
//!
//! Order of the heap, one batch of reads at a time. What the store refuses goes back into the heap, so the watermark
//! waits for it.

use std::cmp::Reverse;

use net::names::TIMER_TOPIC;
use net::properties::{self, keys};
use rt::{Class, Env, Now, SharedSlice};
use store::record::{Parsed, Record, parse};
use store::{Appended, StoreError};

use super::{Due, OUT_MS, RETRY_MS};
use crate::parked::{Again, park, real_place, strip, text};
use crate::shard::{Phase, Shard};

/// Messages delivered in one go; the rest has its turn a millisecond later.
const BATCH: usize = 512;
/// Name of the deliveries among those who read the log in order; queues have numbers below 2^32.
const COLD_READER: u64 = 1 << 32;
/// Properties of a parked message that a delivered one does not keep.
const SPENT: [&str; 2] = [keys::TIMER_DELAY_SEC, keys::TIMER_DELAY_MS];
/// Written by the broker: the history of a message's wait.
const ENQUEUE_MS: &str = "TIMER_ENQUEUE_MS";
const DEQUEUE_MS: &str = "TIMER_DEQUEUE_MS";
const ROLL_TIMES: &str = "TIMER_ROLL_TIMES";

impl<E: Env> Shard<E> {
    /// Delivers what is due and in memory; reads the rest, and delivers it then.
    pub(super) fn deliver_due(&mut self, now: Now) {
        if self.timed.reading || self.phase != Phase::Serving {
            return;
        }
        let visible = self.store.visible();
        let mut cold = Vec::new();
        let mut delivered = 0;
        while delivered < BATCH && cold.len() < BATCH {
            let Some(Reverse(due)) =
                self.timed.near.peek().copied().filter(|due| due.0.wake_ms <= now.unix_ms)
            else {
                break;
            };
            // Stored a moment ago and not yet flushed, as the mode demands: the others behind it wait with it.
            if due.at.plus(u64::from(due.bytes)) > visible {
                break;
            }
            self.timed.near.pop();
            if self.timed.recalled.contains_key(&due.at.get()) {
                continue;
            }
            match self.store.window().clone().slice(due.at.get(), due.bytes as usize) {
                Some(bytes) => {
                    if let Err(error) = self.deliver_timed(&bytes, now) {
                        return self.deliver_again(&[due], &error, now);
                    }
                    delivered += 1;
                }
                None => cold.push(due),
            }
        }
        if delivered > 0 {
            self.env.kick();
        }
        if cold.is_empty() {
            self.move_watermark(now);
        } else {
            self.deliver_cold(cold);
        }
    }

    fn deliver_cold(&mut self, mut dues: Vec<Due>) {
        self.timed.reading = true;
        // In log order: neighbours come with one read, and the extents behind them are read ahead.
        dues.sort_unstable_by_key(|due| due.at);
        let reads: Vec<_> =
            dues.iter().map(|due| self.store.record_of(due.at, due.bytes, COLD_READER)).collect();
        let work = async move {
            let mut found = Vec::with_capacity(reads.len());
            for read in reads {
                found.push(read.await);
            }
            found
        };
        self.later(Class::ColdRead, work, move |shard, found, now| {
            shard.timed.reading = false;
            if shard.phase != Phase::Serving {
                return;
            }
            for (place, (due, read)) in dues.iter().zip(found).enumerate() {
                let outcome = match read {
                    Ok(Some(bytes)) => shard.deliver_timed(&bytes, now),
                    Ok(None) => {
                        tracing::warn!(
                            at = due.at.get(),
                            "a delayed message expired before it was due: its segment was deleted"
                        );
                        Ok(())
                    }
                    // It will never be read: those behind it shall not wait for it.
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(at = due.at.get(), %error, "a delayed message is lost: its record is damaged");
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = outcome {
                    return shard.deliver_again(&dues[place..], &error, now);
                }
            }
            shard.env.kick();
            shard.move_watermark(now);
            shard.fire_timed_soon(now, 0);
        });
    }

    fn deliver_again(&mut self, dues: &[Due], error: &StoreError, now: Now) {
        tracing::debug!(shard = self.identity.index, %error, "delivery is tried again");
        self.timed.near.extend(dues.iter().copied().map(Reverse));
        self.fire_timed_soon(now, RETRY_MS);
    }

    /// Stores a message where it belongs, or in another slot if its time is still far.
    fn deliver_timed(&mut self, bytes: &SharedSlice, now: Now) -> Result<(), StoreError> {
        let Ok(Parsed::Record(record)) = parse(bytes) else { return Ok(()) };
        let stored = record.properties();
        if record.topic() != TIMER_TOPIC {
            tracing::error!(at = record.physical_offset().get(), "no delayed message stands there");
            return Ok(());
        }
        let due_ms = text(stored, OUT_MS).parse().unwrap_or(now.unix_ms);
        if due_ms > now.unix_ms
            && let Some(place) = real_place(stored)
        {
            return self.park_anew(&record, due_ms, place, now).map(|_| ());
        }
        // It took another one back, when it came.
        if properties::find(stored, keys::TIMER_DEL_UNIQKEY).is_some() {
            return Ok(());
        }
        self.deliver_parked(&record, now, |out, stored| {
            strip(out, stored, &SPENT);
            properties::append(out, 0, ENQUEUE_MS, record.stored_at_ms().to_string().as_bytes());
            properties::append(out, 0, DEQUEUE_MS, now.unix_ms.to_string().as_bytes());
        })
    }

    fn park_anew(
        &mut self,
        record: &Record<'_>,
        due_ms: i64,
        place: (&str, u32),
        now: Now,
    ) -> Result<Appended, StoreError> {
        let rolls: u64 = text(record.properties(), ROLL_TIMES).parse().unwrap_or(0);
        let mut parked = Vec::new();
        park(&mut parked, record.properties(), &[ROLL_TIMES], place);
        properties::append(&mut parked, 0, ROLL_TIMES, (rolls + 1).to_string().as_bytes());
        let slot = self.timed.slot_for(due_ms, now.unix_ms);
        let appended = self.store_again(record, &Again::moved(record, (TIMER_TOPIC, slot), &parked), now)?;
        self.timed_began(due_ms, &appended, now);
        Ok(appended)
    }
}
