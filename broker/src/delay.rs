//! Delay levels: a message that waits lies in the queue of its level, and each level is delivered in order.
//!
//! All messages of a level wait equally long, so the queue of the level is sorted by due time and its head is all that
//! needs watching: one timer a level, whatever waits. A delivered message is a new record in its real topic. How far a
//! level was delivered is remembered only as far as the deliveries are flushed, so no crash loses one; those of the
//! last moments come twice. store.md 9.1, PROTOCOL.md "Delay".

use std::cell::Cell;
use std::rc::Rc;

use net::names::SCHEDULE_TOPIC;
use net::properties::keys;
use rt::{Class, Env, Now};
use store::record::{Parsed, Record, parse};
use store::{PhysicalOffset, QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError};

use crate::config::DelayLevels;
use crate::parked::copy_without;
use crate::shard::{Phase, Shard};
use crate::timers::Timer;

/// Records delivered in one go; the rest has its turn a millisecond later.
const BATCH: ReadLimits = ReadLimits { count: 512, bytes: 1 << 20, scan: 512 };
/// The same for records that are read from files.
const COLD_BATCH: ReadLimits = ReadLimits { count: 128, bytes: 1 << 20, scan: 128 };
/// A delivery that the store refused is tried again after this time.
const RETRY_MS: u64 = 100;
/// Properties that a delivered message does not keep.
const SPENT: [&str; 3] = [keys::DELAY, keys::TIMER_DELIVER_MS, keys::TIMER_DELAY_SEC];

/// The levels of one shard.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    levels: Vec<Level>,
    batch: ReadBatch,
}

/// One level.
#[derive(Debug)]
struct Level {
    delay_ms: u64,
    queue: Option<QueueRef>,
    /// First offset that is not delivered.
    next: QueueOffset,
    /// The same as the tables have it.
    saved: QueueOffset,
    /// Behind the last entry of its queue.
    stored: QueueOffset,
    /// Every delivery below this offset is flushed when the log is flushed to this position.
    mark: Option<(QueueOffset, PhysicalOffset)>,
    /// A timer is armed or a read is under way: nothing else may start.
    busy: bool,
}

/// First entry of a level that is not due, and when it is.
type Waiting = Option<(QueueOffset, i64)>;

impl Delays {
    pub(crate) fn new(levels: &DelayLevels) -> Self {
        let level = |delay_ms: &u64| Level {
            delay_ms: *delay_ms,
            queue: None,
            next: QueueOffset::default(),
            saved: QueueOffset::default(),
            stored: QueueOffset::default(),
            mark: None,
            busy: false,
        };
        Self { levels: levels.0.iter().map(level).collect(), ..Self::default() }
    }

    /// The queue of `level` (from 1); levels beyond the last count as the last.
    pub(crate) fn queue_id(&self, level: u32) -> u32 {
        level.clamp(1, self.count()) - 1
    }

    /// Number of levels.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.levels.len()).expect("at most 256 levels")
    }

    /// How far a level was delivered.
    pub(crate) fn progress(&self) -> impl Iterator<Item = (u32, QueueOffset)> {
        (0..).zip(self.levels.iter().map(|level| level.next))
    }

    /// Whether the tables know everything that was delivered.
    pub(crate) fn is_saved(&self) -> bool {
        self.levels.iter().all(|level| level.saved == level.next)
    }

    /// What the tables may be told now: queue and offset. The log reaches to `end` and is flushed to `flushed`.
    pub(crate) fn take_flushed(
        &mut self,
        flushed: PhysicalOffset,
        end: PhysicalOffset,
    ) -> Vec<(u32, QueueOffset)> {
        let mut changed = Vec::new();
        for (queue_id, level) in (0..).zip(&mut self.levels) {
            if let Some((next, _)) = level.mark.take_if(|(_, end)| *end <= flushed) {
                level.saved = next;
                changed.push((queue_id, next));
            }
            // A mark is not moved while it waits, or progress would starve under steady deliveries.
            if level.mark.is_none() && level.saved < level.next {
                level.mark = Some((level.next, end));
            }
        }
        changed
    }
}

/// When a record of a level is due, Unix milliseconds. A clock that was set back makes nobody wait longer than asked.
fn due_ms(record: &Record<'_>, delay_ms: u64, now_ms: i64) -> i64 {
    let delay = i64::try_from(delay_ms).unwrap_or(i64::MAX);
    let due = record.stored_at_ms().saturating_add(delay);
    if due > now_ms.saturating_add(delay) { now_ms } else { due }
}

impl<E: Env> Shard<E> {
    /// Takes up where the last run ended. The topic of the levels exists.
    pub(crate) fn resume_delays(&mut self, progress: &[(u32, QueueOffset)], now: Now) {
        for index in 0..self.delays.levels.len() {
            let queue_id = u32::try_from(index).expect("at most 256 levels");
            let queue = self.queue_of(SCHEDULE_TOPIC, queue_id);
            let range = self.store.offsets(queue);
            let known = progress.iter().find(|(of, _)| *of == queue_id).map(|(_, next)| *next);
            let level = &mut self.delays.levels[index];
            level.queue = Some(queue);
            level.next = known.unwrap_or_default().clamp(range.min, range.max);
            level.saved = level.next;
            level.stored = range.max;
            if level.next < range.max {
                self.watch_level(index, now.mono.as_ms());
            }
        }
    }

    /// A message was stored in the queue of a level.
    pub(crate) fn delay_began(&mut self, queue_id: u32, at: QueueOffset, now: Now) {
        let index = queue_id as usize;
        let level = &mut self.delays.levels[index];
        level.stored = at.plus(1);
        let due = now.mono.as_ms() + level.delay_ms;
        self.watch_level(index, due);
    }

    /// The head of a level may be due.
    pub(crate) fn deliver_level(&mut self, index: usize, now: Now) {
        self.delays.levels[index].busy = false;
        if self.phase != Phase::Serving {
            return;
        }
        let (delay_ms, from) = (self.delays.levels[index].delay_ms, self.delays.levels[index].next);
        let Some(queue) = self.delays.levels[index].queue else { return };
        let mut batch = std::mem::take(&mut self.delays.batch);
        let mut waiting: Waiting = None;
        let accept = |entry: &store::Candidate<'_>| is_due(entry, delay_ms, now.unix_ms, &mut waiting);
        match self.store.read_hot(queue, from, BATCH, accept, &mut batch) {
            ReadStatus::Cold => self.read_cold_level(index, queue, from, now),
            ReadStatus::AtEnd | ReadStatus::Empty => {
                // Stored and not yet visible: looked at again until it is.
                if from < self.delays.levels[index].stored {
                    self.watch_level(index, now.mono.as_ms() + 1);
                }
            }
            ReadStatus::TooSmall | ReadStatus::TooLarge => {
                self.delays.levels[index].next = batch.next;
                self.watch_level(index, now.mono.as_ms() + 1);
            }
            ReadStatus::Found | ReadStatus::NothingMatched => self.deliver(index, &batch, waiting, now),
        }
        batch.clear();
        self.delays.batch = batch;
    }

    fn read_cold_level(&mut self, index: usize, queue: QueueRef, from: QueueOffset, now: Now) {
        let delay_ms = self.delays.levels[index].delay_ms;
        let waiting = Rc::new(Cell::new(None));
        let seen = waiting.clone();
        let accept = move |entry: &store::Candidate<'_>| {
            let mut first = seen.get();
            let is_due = is_due(entry, delay_ms, now.unix_ms, &mut first);
            seen.set(first);
            is_due
        };
        let work = self.store.read_cold(queue, from, COLD_BATCH, accept);
        self.delays.levels[index].busy = true;
        self.later(Class::ColdRead, work, move |shard, result, now| {
            shard.delays.levels[index].busy = false;
            match result {
                Ok((_, batch)) => shard.deliver(index, &batch, waiting.get(), now),
                Err(error) => shard.delivery_failed(index, &error, now),
            }
        });
    }

    /// Delivers what was read, and watches what comes behind it.
    fn deliver(&mut self, index: usize, batch: &ReadBatch, waiting: Waiting, now: Now) {
        if self.phase != Phase::Serving {
            return;
        }
        for mut bytes in batch.slices.iter().map(|slice| &slice[..]) {
            while let Ok(Parsed::Record(record)) = parse(bytes) {
                let deliver = |out: &mut Vec<u8>, stored: &[u8]| copy_without(out, stored, &SPENT);
                if let Err(error) = self.deliver_parked(&record, now, deliver) {
                    return self.delivery_failed(index, &error, now);
                }
                self.delays.levels[index].next = record.queue_offset().plus(1);
                bytes = &bytes[record.bytes().len()..];
            }
        }
        let now_ms = now.mono.as_ms();
        let (next, at_ms) = match waiting {
            Some((offset, due)) => (offset, now_ms + u64::try_from(due - now.unix_ms).unwrap_or(0).max(1)),
            None => (batch.next, now_ms + 1),
        };
        // What stood between could not be read any more: retention was faster.
        let level = &mut self.delays.levels[index];
        level.next = level.next.max(next);
        self.watch_level(index, at_ms);
        self.env.kick();
    }

    fn delivery_failed(&mut self, index: usize, error: &StoreError, now: Now) {
        tracing::debug!(shard = self.identity.index, level = index + 1, %error, "delivery is tried again");
        self.watch_level(index, now.mono.as_ms() + RETRY_MS);
    }

    /// Looks at a level's head at `at_ms`, unless somebody does already.
    fn watch_level(&mut self, index: usize, at_ms: u64) {
        let level = &mut self.delays.levels[index];
        if !level.busy {
            level.busy = true;
            self.wheel.arm(at_ms, Timer::Delay(index));
        }
    }
}

/// Whether an entry is due; the first that is not is remembered, and nothing behind it is due either.
fn is_due(entry: &store::Candidate<'_>, delay_ms: u64, now_ms: i64, waiting: &mut Waiting) -> bool {
    if waiting.is_some() {
        return false;
    }
    let due = entry.record().map_or(now_ms, |record| due_ms(&record, delay_ms, now_ms));
    if due > now_ms {
        *waiting = Some((entry.queue_offset, due));
    }
    due <= now_ms
}
