//! Pulls: requests 11 and 361. Checks in RocketMQ's order, a read of the window, or a place among the parked.
//!
//! A hot pull is a reply header and references into the log window; a pull that finds nothing is an entry of
//! [`crate::long_poll`]; only messages that left the window cost a task. PROTOCOL.md "Pull".

use std::cmp::Ordering;
use std::rc::Rc;

use net::ReplyTo;
use net::requests::PullMessage;
use rt::wheel::TimerId;
use rt::{Class, ConnId, Env, Now};
use store::{QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus};

use crate::call::{Call, Done, Outcome};
use crate::long_poll::ParkedId;
use crate::shard::{Phase, Shard};
use crate::subscription::{Chosen, Filter};
use crate::timers::Timer;

mod answer;
mod checks;

/// `sysFlag`: the commit offset is valid.
const COMMIT: i32 = 1;

/// Longest time a pull is held, whatever it asks for: the connection itself would be idle by then.
const HOLD_MS_MAX: i64 = 100_000;
/// Parked pulls of one shard. At 200 bytes each, 200 MB: a bound, not a budget.
const PARKED_MAX: usize = 1_000_000;
/// Bytes of one queue entry, for `maxFilterMessageSize`.
const ENTRY_BYTES: u32 = 20;

/// What a pull wants to read: what is left of it while it is parked.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) reply: ReplyTo,
    pub(crate) queue: QueueRef,
    pub(crate) from: QueueOffset,
    pub(crate) count: u32,
    /// `None` takes everything.
    pub(crate) filter: Option<Rc<Filter>>,
}

/// A pull in the table of parked ones.
#[derive(Debug)]
pub(crate) struct ParkedPull {
    pub(crate) wanted: Wanted,
    pub(crate) timer: TimerId,
}

const _: () = assert!(crate::long_poll::LongPolls::<ParkedPull>::entry_bytes() <= 200);

impl<E: Env> Shard<E> {
    pub(crate) fn pull(&mut self, call: &Call<'_>, request: &PullMessage<'_>) -> Outcome {
        let queue_id = self.check_pull(call, request)?;
        let filter = self.filter_of(call, request)?;
        if request.sys_flag & COMMIT != 0 && request.commit_offset >= 0 {
            self.offsets.commit(request.consumer_group, request.topic, queue_id, request.commit_offset);
        }
        let Some(reply) = call.reply else { return Ok(Done::Answered) };
        let queue = self.queue_of(request.topic, queue_id);
        if self.offsets.has_resets()
            && let Some(next) = self.offsets.take_reset(request.consumer_group, request.topic, queue_id)
        {
            return self.answer_moved(call.conn, reply, queue, next);
        }
        let from = u64::try_from(request.queue_offset);
        let wanted = Wanted {
            reply,
            queue,
            from: QueueOffset::new(from.unwrap_or(0)),
            count: u32::try_from(request.max_msg_nums).unwrap_or(0).max(1),
            filter,
        };
        match from {
            Ok(_) => self.serve(call.conn, wanted, self.hold_ms(request), call.now),
            // A negative offset lies before every queue.
            Err(_) => self.answer_pull(call.conn, &wanted, ReadStatus::TooSmall, &mut ReadBatch::default()),
        }
        Ok(Done::Later)
    }

    /// Reads for a pull and answers it, or parks it for `hold_ms` if there is nothing yet.
    fn serve(&mut self, conn: ConnId, wanted: Wanted, hold_ms: Option<u64>, now: Now) {
        let mut batch = std::mem::take(&mut self.memory.batch);
        let status = self.read(&wanted, &mut batch);
        match (status, hold_ms) {
            (ReadStatus::Cold, _) => self.serve_cold(conn, wanted),
            (ReadStatus::AtEnd, Some(hold_ms)) => self.park(conn, wanted, hold_ms, now),
            _ => self.answer_pull(conn, &wanted, status, &mut batch),
        }
        self.memory.batch = batch;
    }

    /// Serves the waiters of a queue that grew, first come first served, all of them with all there is.
    pub(crate) fn serve_waiters(&mut self, queue: QueueRef) {
        let mut next = self.polls.first_of_queue(queue);
        while let Some(id) = next {
            next = self.polls.next_of_queue(id);
            self.serve_waiter(id);
        }
    }

    fn serve_waiter(&mut self, id: ParkedId) {
        let Some(parked) = self.polls.get(id) else { return };
        let wanted = parked.wanted.clone();
        let mut batch = std::mem::take(&mut self.memory.batch);
        match self.read(&wanted, &mut batch) {
            ReadStatus::AtEnd | ReadStatus::Empty => {}
            // Messages for others do not wake it, and need not be looked at again.
            ReadStatus::NothingMatched => {
                if let Some(parked) = self.polls.get_mut(id) {
                    parked.wanted.from = batch.next;
                }
            }
            ReadStatus::Cold => {
                let (conn, _) = self.unpark(id);
                self.serve_cold(conn, wanted);
            }
            status @ (ReadStatus::Found | ReadStatus::TooSmall | ReadStatus::TooLarge) => {
                let (conn, _) = self.unpark(id);
                self.answer_pull(conn, &wanted, status, &mut batch);
            }
        }
        self.memory.batch = batch;
    }

    /// The hold of a parked pull is over: it is answered with whatever there is.
    pub(crate) fn hold_expired(&mut self, id: ParkedId, now: Now) {
        let (conn, parked) = self.polls.remove(id);
        self.serve(conn, parked.wanted, None, now);
    }

    /// Answers a parked pull before its hold is over: its topic or the shard goes away.
    pub(crate) fn release(&mut self, id: ParkedId, now: Now) {
        if let Some(parked) = self.polls.get(id) {
            self.wheel.cancel(parked.timer);
            self.hold_expired(id, now);
        }
    }

    /// Takes a parked pull out of its table and off the wheel.
    pub(crate) fn unpark(&mut self, id: ParkedId) -> (ConnId, ParkedPull) {
        let (conn, parked) = self.polls.remove(id);
        self.wheel.cancel(parked.timer);
        (conn, parked)
    }

    fn park(&mut self, conn: ConnId, wanted: Wanted, hold_ms: u64, now: Now) {
        if self.polls.len() >= PARKED_MAX {
            return self.answer_pull(conn, &wanted, ReadStatus::AtEnd, &mut ReadBatch::default());
        }
        let queue = wanted.queue;
        let id = self.polls.next_id();
        let timer = self.wheel.arm(now.mono.as_ms() + hold_ms, Timer::Hold(id));
        let parked = self.polls.park(conn, queue, ParkedPull { wanted, timer });
        debug_assert_eq!(parked, id);
        self.grew(queue);
    }

    fn read(&self, wanted: &Wanted, batch: &mut ReadBatch) -> ReadStatus {
        let limits = ReadLimits {
            count: wanted.count.min(self.config.pull_count_hot),
            bytes: self.config.pull_bytes_hot,
            scan: self.scan_limit(wanted.count),
        };
        batch.clear();
        let status = match &wanted.filter {
            None => self.store.read_hot(wanted.queue, wanted.from, limits, |_| true, batch),
            Some(filter) => {
                let accept = |entry: &store::Candidate<'_>| filter.accepts(entry);
                self.store.read_hot(wanted.queue, wanted.from, limits, accept, batch)
            }
        };
        if status == ReadStatus::Empty { self.place_in_empty(wanted) } else { status }
    }

    /// An empty queue still has a place where the next message comes: an offset is there, before it or beyond it.
    fn place_in_empty(&self, wanted: &Wanted) -> ReadStatus {
        match wanted.from.cmp(&self.store.offsets(wanted.queue).max) {
            Ordering::Less => ReadStatus::TooSmall,
            Ordering::Equal => ReadStatus::AtEnd,
            Ordering::Greater => ReadStatus::TooLarge,
        }
    }

    fn serve_cold(&mut self, conn: ConnId, wanted: Wanted) {
        let limits = ReadLimits {
            count: wanted.count.min(self.config.pull_count_cold),
            bytes: self.config.pull_bytes_cold,
            scan: self.scan_limit(wanted.count),
        };
        let chosen = Chosen(wanted.filter.clone());
        let work = self.store.read_chosen(wanted.queue, wanted.from, limits, chosen);
        self.connections.request_held(conn, 0);
        self.later(Class::ColdRead, work, move |shard, result, _| {
            shard.connections.request_done(conn, 0);
            shard.answer_cold(conn, &wanted, result);
        });
    }

    fn hold_ms(&self, request: &PullMessage<'_>) -> Option<u64> {
        // A shard that stops has answered those it held and holds nobody else.
        if request.sys_flag & PullMessage::SUSPEND == 0 || self.phase != Phase::Serving {
            return None;
        }
        let asked = request.suspend_timeout_ms.min(HOLD_MS_MAX);
        let ms =
            if self.config.long_polling { asked } else { asked.min(i64::from(self.config.short_poll_ms)) };
        u64::try_from(ms).ok().filter(|ms| *ms > 0)
    }

    /// Entries one pull may look at: enough for a filter that matches rarely, bounded for everybody else's turn.
    pub(crate) fn scan_limit(&self, count: u32) -> u32 {
        (self.config.filter_scan_bytes / ENTRY_BYTES).max(count.min(self.config.pull_count_hot))
    }
}
