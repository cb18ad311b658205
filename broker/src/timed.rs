//! Messages for a time of their own: records in the log, references in slots of a minute, the near future in memory.
//!
//! Each slot is a queue of [`net::names::TIMER_TOPIC`] whose entries hold the due time, so what waits costs nothing but its queue
//! entry, and recovery, retention and flushing are those of every queue. A slot is loaded into a heap shortly before its
//! minute comes. A time beyond the last slot is parked in it and parked anew from there, which also keeps the record
//! young. Everything due up to a watermark was delivered; the watermark is stored only as far as the deliveries are
//! flushed, so no crash loses one, and those of the last moments come twice. PROTOCOL.md "Delay".

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use hashbrown::HashMap;
use rt::wheel::TimerId;
use rt::{Env, Now};
use store::{Appended, PhysicalOffset, QueueOffset};

use crate::shard::Shard;
use crate::timers::Timer;

mod delivery;
mod loading;

/// Width of a slot.
const SLOT_MS: i64 = 60_000;
/// Slots, each a queue: two days and a minute.
const SLOTS: u32 = 2_881;
/// A slot is loaded so long before its minute.
const LEAD_MS: i64 = 30_000;
/// What the store refused or could not read is tried again after this time.
const RETRY_MS: u64 = 100;
/// Written by the broker: when it is due.
pub(crate) const OUT_MS: &str = "TIMER_OUT_MS";

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
