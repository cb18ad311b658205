//! Messages for a time of their own: records in the log, references in slots of a minute, the near future in memory.
//!
//! Each slot is a queue of [`TIMER_TOPIC`] whose entries hold the due time, so what waits costs nothing but its queue
//! entry, and recovery, retention and flushing are those of every queue. A slot is loaded into a heap shortly before its
//! minute comes. A time beyond the last slot is parked in it and parked anew from there, which also keeps the record
//! young. Everything due up to a watermark was delivered; the watermark is stored only as far as the deliveries are
//! flushed, so no crash loses one, and those of the last moments come twice. PROTOCOL.md "Delay".

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use hashbrown::HashMap;
use net::names::TIMER_TOPIC;
use net::properties::{self, keys};
use rt::wheel::TimerId;
use rt::{Class, Env, Now, SharedSlice};
use store::record::{Parsed, Record, parse};
use store::{Appended, PhysicalOffset, QueueEntry, QueueOffset, QueueRef, StoreError};

use crate::parked::{Again, park, real_place, strip, text};
use crate::shard::{Phase, Shard};
use crate::timers::Timer;

/// Width of a slot.
const SLOT_MS: i64 = 60_000;
/// Slots, each a queue: two days and a minute.
const SLOTS: u32 = 2_881;
/// A slot is loaded so long before its minute.
const LEAD_MS: i64 = 30_000;
/// Messages delivered in one go; the rest has its turn a millisecond later.
const BATCH: usize = 512;
/// Name of the deliveries among those who read the log in order; queues have numbers below 2^32.
const COLD_READER: u64 = 1 << 32;
/// Entries read at once from a slot.
const LOAD: usize = 8_192;
/// What the store refused or could not read is tried again after this time.
const RETRY_MS: u64 = 100;
/// Properties of a parked message that a delivered one does not keep.
const SPENT: [&str; 2] = [keys::TIMER_DELAY_SEC, keys::TIMER_DELAY_MS];
/// Written by the broker: when it is due, and the history of its wait.
pub(crate) const OUT_MS: &str = "TIMER_OUT_MS";
const ENQUEUE_MS: &str = "TIMER_ENQUEUE_MS";
const DEQUEUE_MS: &str = "TIMER_DEQUEUE_MS";
const ROLL_TIMES: &str = "TIMER_ROLL_TIMES";

/// The waiting messages of one shard.
#[derive(Debug, Default)]
pub(crate) struct Timed {
    near: BinaryHeap<Reverse<Due>>,
    /// Slots up to this minute since 1970 are in `near`.
    loaded: i64,
    /// A slot is being loaded; what is parked for it meanwhile goes into `near` at once.
    loading: bool,
    /// Records are being read for delivery.
    reading: bool,
    armed: Option<(TimerId, u64)>,
    /// Everything due up to here was delivered, Unix ms.
    watermark: i64,
    /// Offset behind the consumed entries of a slot.
    consumed: BTreeMap<u32, QueueOffset>,
    /// Slots consumed since the last mark.
    changed: Vec<u32>,
    mark: Option<Mark>,
    saved_watermark: i64,
    /// Positions of the records that were recalled, and when they would be due.
    recalled: HashMap<u64, i64>,
}

/// Progress that may be stored when the log is flushed to a position.
#[derive(Clone, Debug)]
struct Mark {
    progress: Progress,
    end: PhysicalOffset,
}

/// What the tables keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything due up to here was delivered, Unix ms.
    pub(crate) watermark: i64,
    /// Slots and the offsets behind their consumed entries.
    pub(crate) consumed: Vec<(u32, QueueOffset)>,
}

/// A reference to a waiting record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// When to look at it, Unix ms: its due time, or the start of its slot if it waits on behind it.
    wake_ms: i64,
    at: PhysicalOffset,
    bytes: u32,
}

impl Timed {
    fn slot(minute: i64) -> u32 {
        u32::try_from(minute.rem_euclid(i64::from(SLOTS))).expect("below the number of slots")
    }

    /// The minute in whose slot a message waits that is due then.
    fn minute(&self, due_ms: i64, now_ms: i64) -> i64 {
        let last = now_ms.div_euclid(SLOT_MS) + i64::from(SLOTS) - 2;
        due_ms.div_euclid(SLOT_MS).min(last)
    }

    /// Whether a time has come, for a message that arrives now.
    pub(crate) fn is_past(&self, due_ms: i64, now_ms: i64) -> bool {
        due_ms <= now_ms || due_ms <= self.watermark
    }

    /// The slot for a message that is due then.
    pub(crate) fn slot_for(&self, due_ms: i64, now_ms: i64) -> u32 {
        Self::slot(self.minute(due_ms, now_ms))
    }

    /// How many messages are in memory, for figures.
    pub(crate) fn near(&self) -> usize {
        self.near.len()
    }

    /// Entries of a slot below `end` are in memory or done.
    fn consume(&mut self, slot: u32, end: QueueOffset) {
        let known = self.consumed.entry(slot).or_default();
        *known = end.max(*known);
    }

    fn wake_ms(minute: i64, due_ms: i64) -> i64 {
        if due_ms.div_euclid(SLOT_MS) > minute { minute * SLOT_MS } else { due_ms }
    }

    /// What the tables may be told now. The log reaches to `end` and is flushed to `flushed`.
    pub(crate) fn take_flushed(&mut self, flushed: PhysicalOffset, end: PhysicalOffset) -> Option<Progress> {
        let ready = self.mark.take_if(|mark| mark.end <= flushed).map(|mark| mark.progress);
        if let Some(progress) = &ready {
            self.saved_watermark = progress.watermark;
        }
        if self.mark.is_none() && (self.saved_watermark < self.watermark || !self.changed.is_empty()) {
            let changed = std::mem::take(&mut self.changed);
            let consumed = changed.into_iter().filter_map(|slot| Some((slot, *self.consumed.get(&slot)?)));
            self.mark = Some(Mark {
                progress: Progress { watermark: self.watermark, consumed: consumed.collect() },
                end,
            });
        }
        ready
    }

    /// The message stored at `at`, due then, is not delivered.
    pub(crate) fn recall(&mut self, at: PhysicalOffset, due_ms: i64) {
        self.recalled.insert(at.get(), due_ms);
    }

    /// Recalled messages that no restart would deliver any more.
    pub(crate) fn take_spent_recalls(&mut self) -> Vec<u64> {
        let saved = self.saved_watermark;
        self.recalled.extract_if(|_, due_ms| *due_ms <= saved).map(|(at, _)| at).collect()
    }

    /// Whether the tables know everything that was delivered.
    pub(crate) fn is_saved(&self) -> bool {
        self.mark.is_none() && self.changed.is_empty() && self.saved_watermark == self.watermark
    }
}

impl<E: Env> Shard<E> {
    /// Takes up what waits from an earlier run.
    pub(crate) fn resume_timed(&mut self, progress: Progress, recalled: HashMap<u64, i64>, now: Now) {
        let this_minute = now.unix_ms.div_euclid(SLOT_MS);
        let oldest = this_minute - i64::from(SLOTS) + 1;
        let timed = &mut self.timed;
        timed.watermark = progress.watermark;
        timed.saved_watermark = progress.watermark;
        timed.consumed = progress.consumed.into_iter().collect();
        timed.recalled = recalled;
        timed.loaded = (progress.watermark.div_euclid(SLOT_MS) - 1).clamp(oldest, this_minute - 1);
        self.load_slots(now);
    }

    /// A message was stored in a slot.
    pub(crate) fn timed_began(&mut self, due_ms: i64, appended: &Appended, now: Now) {
        let minute = self.timed.minute(due_ms, now.unix_ms);
        if minute <= self.timed.loaded + i64::from(self.timed.loading) {
            self.timed.consume(Timed::slot(minute), appended.queue_offset.plus(1));
            let wake_ms = Timed::wake_ms(minute, due_ms);
            self.timed.near.push(Reverse(Due { wake_ms, at: appended.at, bytes: appended.bytes }));
            self.watch_timed(now);
        }
    }

    /// The next message may be due, or the next slot near.
    pub(crate) fn fire_timed(&mut self, now: Now) {
        self.timed.armed = None;
        self.load_slots(now);
        self.deliver_due(now);
        self.watch_timed(now);
    }

    /// Loads every slot that is near. Empty ones cost a look.
    fn load_slots(&mut self, now: Now) {
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

    /// Delivers what is due and in memory; reads the rest, and delivers it then.
    fn deliver_due(&mut self, now: Now) {
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

    /// Nothing that is due before the head of the heap, or in a slot that is loaded, is left.
    fn move_watermark(&mut self, now: Now) {
        let head = self.timed.near.peek().map_or(i64::MAX, |due| due.0.wake_ms);
        let reached = now.unix_ms.min(head - 1).min((self.timed.loaded + 1) * SLOT_MS - 1);
        if reached <= self.timed.watermark {
            return;
        }
        let first = self.timed.watermark.div_euclid(SLOT_MS);
        self.timed.watermark = reached;
        // Minutes that are over now: their entries need not be looked at again. Not so far back that their slots are
        // those of minutes that run or are loaded already.
        let last = reached.div_euclid(SLOT_MS);
        for minute in first.max(self.timed.loaded.max(last) - i64::from(SLOTS) + 1)..last {
            let slot = Timed::slot(minute);
            if self.timed.consumed.contains_key(&slot) && !self.timed.changed.contains(&slot) {
                self.timed.changed.push(slot);
            }
        }
    }

    fn fire_timed_soon(&mut self, now: Now, after_ms: u64) {
        self.arm_timed(now.mono.as_ms() + after_ms.max(1));
    }

    /// Arms the timer for the head of the heap or the next slot, whichever is first.
    fn watch_timed(&mut self, now: Now) {
        if self.timed.reading {
            return;
        }
        let head = self.timed.near.peek().map_or(i64::MAX, |due| due.0.wake_ms);
        let slot = if self.timed.loading { i64::MAX } else { (self.timed.loaded + 1) * SLOT_MS - LEAD_MS };
        let wait = u64::try_from(head.min(slot).saturating_sub(now.unix_ms)).unwrap_or(0);
        self.arm_timed(now.mono.as_ms().saturating_add(wait.max(1)));
    }

    fn arm_timed(&mut self, at_ms: u64) {
        if let Some((timer, armed_at)) = self.timed.armed {
            if armed_at <= at_ms {
                return;
            }
            self.wheel.cancel(timer);
        }
        self.timed.armed = Some((self.wheel.arm(at_ms, Timer::Timed), at_ms));
    }
}
