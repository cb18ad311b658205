//! Pulls: requests 11 and 361. Checks in RocketMQ's order, a read of the window, or a place among the parked.
//!
//! A hot pull is a reply header and references into the log window; a pull that finds nothing is an entry of
//! [`crate::long_poll`]; only messages that left the window cost a task. PROTOCOL.md "Pull".

use std::cmp::Ordering;
use std::rc::Rc;

use net::requests::{PullMessage, PullReply};
use net::{ReplyTo, ResponseCode, reply};
use rt::wheel::TimerId;
use rt::{Class, ConnId, Env, Now};
use store::{OffsetRange, QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError};

use crate::call::{Call, Done, Outcome, Refused};
use crate::handlers::NO_SQL;
use crate::long_poll::ParkedId;
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::subscription::{Filter, TagFilter};
use crate::timers::Timer;
use crate::topics::perm;

/// `sysFlag`: the commit offset is valid.
const COMMIT: i32 = 1;
/// `sysFlag`: the broker may hold the request.
const SUSPEND: i32 = 2;
/// `sysFlag`: the subscription is attached.
const SUBSCRIPTION: i32 = 4;

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
        let filter = wanted.filter.clone();
        let accept =
            move |entry: &store::Candidate<'_>| filter.as_ref().is_none_or(|filter| filter.accepts(entry));
        let work = self.store.read_cold(wanted.queue, wanted.from, limits, accept);
        self.connections.request_held(conn, 0);
        self.later(Class::ColdRead, work, move |shard, result, _| {
            shard.connections.request_done(conn, 0);
            shard.answer_cold(conn, &wanted, result);
        });
    }

    fn answer_cold(
        &mut self,
        conn: ConnId,
        wanted: &Wanted,
        result: Result<(ReadStatus, ReadBatch), StoreError>,
    ) {
        match result {
            Ok((status, mut batch)) => self.answer_pull(conn, wanted, status, &mut batch),
            Err(error) => {
                let refused = refusals::of_read(&error, &self.identity);
                self.conclude(conn, Some(wanted.reply), Err(refused));
            }
        }
    }

    fn answer_pull(&mut self, conn: ConnId, wanted: &Wanted, status: ReadStatus, batch: &mut ReadBatch) {
        let range = self.store.offsets(wanted.queue);
        let (code, remark, next) = describe(status, wanted.from, batch.next, range);
        let counters = &mut self.statistics.counters;
        if status == ReadStatus::Found {
            counters.got_messages += u64::from(batch.count);
            counters.got_bytes += u64::from(batch.bytes);
            counters.pulls_found += 1;
        } else {
            counters.pulls_missed += 1;
        }
        if let Some(out) = self.connections.reply(conn) {
            let header = header(next, range);
            let bytes = batch.bytes as usize;
            reply::with_slices(out, wanted.reply, code, Some(remark), &header, bytes, batch.slices.drain(..));
        }
    }

    /// Tells a consumer where an administrator wants it to go on.
    fn answer_moved(&mut self, conn: ConnId, to: ReplyTo, queue: QueueRef, next: i64) -> Outcome {
        let header = PullReply {
            next_begin_offset: next,
            ..header(QueueOffset::default(), self.store.offsets(queue))
        };
        if let Some(out) = self.connections.reply(conn) {
            reply::with_body(out, to, ResponseCode::PULL_OFFSET_MOVED, Some("OFFSET_RESET"), &header, &[]);
        }
        Ok(Done::Answered)
    }

    fn hold_ms(&self, request: &PullMessage<'_>) -> Option<u64> {
        // A shard that stops has answered those it held and holds nobody else.
        if request.sys_flag & SUSPEND == 0 || self.phase != Phase::Serving {
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

    /// The pull of a consumer that chooses its queues itself (361), unless the operator refuses these.
    pub(crate) fn lite_pull(&mut self, call: &Call<'_>, request: &PullMessage<'_>) -> Outcome {
        if self.config.reject_pull_consumers {
            return Err(forbidden(format!("the broker[{}] refuses pull consumers", self.identity.address)));
        }
        self.pull(call, request)
    }

    /// The checks of PROTOCOL.md "Pull" up to the subscription; returns the queue id.
    fn check_pull(&mut self, call: &Call<'_>, request: &PullMessage<'_>) -> Result<u32, Refused> {
        if self.config.permission & u32::from(perm::READ) == 0 {
            return Err(forbidden(format!(
                "the broker[{}] pulling message is forbidden",
                self.identity.address
            )));
        }
        let group = self.group_or_make(request.consumer_group, call.now)?;
        if !group.consume_enable {
            return Err(forbidden(format!("subscription group no permission, {}", request.consumer_group)));
        }
        if self.config.light_queues {
            self.make_light(request.topic)?;
        }
        let Some(topic) = self.topics.config(request.topic) else {
            return Err(Refused::no_topic(request.topic));
        };
        if topic.perm & perm::READ == 0 {
            return Err(forbidden(format!("the topic[{}] pulling message is forbidden", request.topic)));
        }
        match u32::try_from(request.queue_id) {
            Ok(queue_id) if queue_id < topic.read_queues => Ok(queue_id),
            _ => Err(Refused::invalid(format!(
                "queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[{}] consumer:[{}]",
                request.queue_id, request.topic, topic.read_queues, call.peer
            ))),
        }
    }

    fn filter_of(
        &mut self,
        call: &Call<'_>,
        request: &PullMessage<'_>,
    ) -> Result<Option<Rc<Filter>>, Refused> {
        let is_tag = matches!(request.expression_type, None | Some("" | "TAG"));
        if request.sys_flag & SUBSCRIPTION != 0 {
            let expression = request.subscription.unwrap_or("*");
            if !is_tag {
                return self.sql_filter(expression).map(Some);
            }
            return match TagFilter::parse(expression) {
                Ok(TagFilter::All) => Ok(None),
                Ok(filter) => Ok(Some(Rc::new(Filter::Tags(filter)))),
                Err(reason) => Err(Refused::new(ResponseCode::SUBSCRIPTION_PARSE_FAILED, reason)),
            };
        }
        self.filter_of_group(call, request)
    }

    /// No subscription attached: the group's heartbeats say what it wants.
    fn filter_of_group(
        &self,
        call: &Call<'_>,
        request: &PullMessage<'_>,
    ) -> Result<Option<Rc<Filter>>, Refused> {
        let missing = |what: String| Refused::new(ResponseCode::SUBSCRIPTION_NOT_EXIST, what);
        let group = request.consumer_group;
        let Some(live) = self.clients.consumer_group(group) else {
            return Err(missing(format!(
                "the consumer's group info not exist, group {group}: no heartbeat yet"
            )));
        };
        let broadcast = self.groups.get(group).is_none_or(|config| config.consume_broadcast_enable);
        if live.mode.is_broadcasting() && !broadcast {
            return Err(forbidden(format!("the consumer group[{group}] can not consume by broadcast way")));
        }
        if self.groups.is_forbidden(group, request.topic) {
            return Err(forbidden(format!(
                "the consumer group[{group}] is forbidden for topic[{}]",
                request.topic
            )));
        }
        let Some(subscription) = live.subscriptions.get(request.topic) else {
            return Err(missing(format!(
                "the consumer's subscription not exist: group {group} does not subscribe to {} (client {})",
                request.topic, call.peer
            )));
        };
        if subscription.data.version < request.sub_version {
            let remark =
                format!("the consumer's subscription not latest: group {group}, topic {}", request.topic);
            return Err(Refused::new(ResponseCode::SUBSCRIPTION_NOT_LATEST, remark));
        }
        match &subscription.filter {
            Some(filter) if filter.is_all() => Ok(None),
            Some(filter) => Ok(Some(filter.clone())),
            None if self.config.sql_filters => {
                let remark = "the consumer's filter could not be understood when it was subscribed";
                Err(Refused::new(ResponseCode::FILTER_DATA_NOT_EXIST, remark))
            }
            None => Err(Refused::system(NO_SQL)),
        }
    }
}

fn forbidden(remark: String) -> Refused {
    Refused::new(ResponseCode::NO_PERMISSION, remark)
}

fn header(next: QueueOffset, range: OffsetRange) -> PullReply {
    let signed = |offset: QueueOffset| i64::try_from(offset.get()).expect("fewer than 2^63 messages");
    PullReply {
        suggest_broker_id: 0,
        next_begin_offset: signed(next),
        min_offset: signed(range.min),
        max_offset: signed(range.max),
        offset_delta: None,
        topic_sys_flag: None,
        group_sys_flag: None,
        forbidden_type: None,
    }
}

/// Code, remark and next offset of a read, as behaviour.md 7.2 maps them.
fn describe(
    status: ReadStatus,
    from: QueueOffset,
    next: QueueOffset,
    range: OffsetRange,
) -> (ResponseCode, &'static str, QueueOffset) {
    match status {
        ReadStatus::Found => (ResponseCode::SUCCESS, "FOUND", next),
        ReadStatus::NothingMatched => (ResponseCode::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE", next),
        ReadStatus::AtEnd if range.max.get() == 0 => {
            (ResponseCode::PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE", from)
        }
        ReadStatus::AtEnd => (ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE", from),
        ReadStatus::TooSmall => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL", range.min),
        ReadStatus::TooLarge => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY", range.max),
        ReadStatus::Empty | ReadStatus::Cold => {
            unreachable!("never the end of a read: see `read` and `serve`")
        }
    }
}
