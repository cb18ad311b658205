//! What a request asks for, which queues are looked at for it, and from where on.

use std::rc::Rc;

use net::pop::Kind;
use rt::{Env, Now};
use smallvec::SmallVec;
use store::{QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus};

use super::PopQueueId;
use crate::shard::Shard;
use crate::subscription::Filter;

/// Messages that a filtered notification looks at; RocketMQ's `maxMessageFilterNumForNotification`.
const NOTIFY_SCAN: u32 = 64;

/// What a request wants to know or have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Messages, out of everybody's sight for a time.
    Pop,
    /// To see them only.
    Peek,
    /// Whether there are any.
    Notify,
}

/// A request, checked: what is left of it while it waits.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) want: Want,
    pub(crate) group: Rc<str>,
    pub(crate) topic: Rc<str>,
    /// Negative: any.
    pub(crate) queue_id: i32,
    pub(crate) count: u32,
    pub(crate) invisible_ms: i64,
    /// May wait until then, Unix ms.
    pub(crate) until_ms: i64,
    /// A group without an offset begins with the newest message instead of the oldest.
    pub(crate) from_max: bool,
    pub(crate) filter: Option<Rc<Filter>>,
    pub(crate) order: bool,
    pub(crate) attempt_id: Option<Box<str>>,
}

impl Wish {
    /// Whether what is nothing for one is nothing for the other, both being of one group and topic. The lock of an
    /// ordered queue is open to one attempt and closed to others.
    pub(crate) fn wants_the_same(&self, other: &Self) -> bool {
        self.filter == other.filter && self.order == other.order && self.attempt_id == other.attempt_id
    }
}

impl<E: Env> Shard<E> {
    /// The queues to look at, the first one last: the topic's from a random one downwards, and the retry topic before
    /// them (with the configured probability) or behind them.
    pub(super) fn places(&self, wish: &Wish) -> SmallVec<[(Kind, u32); 16]> {
        let chance = self.env.random();
        let percent = |shift: u32| u32::try_from((chance >> shift) % 100).expect("below 100");
        let by_priority = self.is_by_priority(wish, percent(32));
        let retry_percent =
            if by_priority { self.config.pop_retry_percent_priority } else { self.config.pop_retry_percent };
        let queues = self.topics.config(&wish.topic).map_or(0, |config| config.read_queues);
        let mut places = SmallVec::new();
        match u32::try_from(wish.queue_id) {
            Ok(queue_id) => places.push((Kind::Normal, queue_id)),
            Err(_) => {
                let highest = queues.saturating_sub(1);
                let random = u32::try_from(chance % u64::from(queues.max(1))).expect("below a u32");
                let first = if by_priority { highest } else { random };
                let lowest_first = by_priority && !self.config.priority_highest_first;
                let visit = |step: u32| if lowest_first { step } else { (first + queues - step) % queues };
                // The next place is the last one.
                places.extend((0..queues).rev().map(|step| (Kind::Normal, visit(step))));
            }
        }
        if wish.order {
            return places;
        }
        let retries = self.retry_places(wish, percent(40) < 50);
        if percent(48) < retry_percent {
            places.extend(retries);
        } else {
            places.insert_many(0, retries);
        }
        places
    }

    /// The queues of the retry topic under one of its names: one answer has room for one of them.
    fn retry_places(&self, wish: &Wish, first_name: bool) -> SmallVec<[(Kind, u32); 2]> {
        let queues = |kind: Kind| {
            let name = kind.topic_of(&wish.group, &wish.topic);
            self.topics.config(&name).map_or(0, |config| config.read_queues)
        };
        let (v1, v2) = (queues(Kind::RetryV1), queues(Kind::RetryV2));
        let kind = if v2 == 0 || (v1 > 0 && first_name) { Kind::RetryV1 } else { Kind::RetryV2 };
        let count = if kind == Kind::RetryV1 { v1 } else { v2 };
        (0..count).map(|queue_id| (kind, queue_id)).collect()
    }

    /// Whether the queues of a topic are visited by their priority this time.
    fn is_by_priority(&self, wish: &Wish, percent: u32) -> bool {
        let is_priority = self.topics.config(&wish.topic).is_some_and(|config| {
            config.attributes.get("message.type").is_some_and(|kind| kind == "PRIORITY")
        });
        if !is_priority || wish.order {
            return false;
        }
        let factor = self.groups.get(&wish.group).and_then(|group| group.attributes.get("priority.factor"));
        percent < factor.and_then(|text| text.parse().ok()).unwrap_or(100)
    }

    /// Whether a batch of the queue is out, for another attempt than this.
    pub(super) fn is_blocked(&self, wish: &Wish, state: PopQueueId, now: Now) -> bool {
        let queue = self.pops.checkpoints.queue(state);
        let order = queue.and_then(|queue| queue.order.as_ref());
        order.is_some_and(|info| info.blocked_until(wish.attempt_id.as_deref(), now.unix_ms).is_some())
    }

    /// Where a pop of a queue begins: where an administrator wants it, where the group stands, or where a new group does.
    pub(super) fn begin_offset(
        &mut self,
        wish: &Wish,
        topic: &Rc<str>,
        queue_id: u32,
        (queue, state): (QueueRef, PopQueueId),
        now: Now,
    ) -> u64 {
        if self.offsets.has_resets()
            && let Some(next) = self.offsets.take_reset(&wish.group, topic, queue_id)
        {
            self.set_pop_order(state, None, now);
            self.offsets.commit(&wish.group, topic, queue_id, next);
            return u64::try_from(next).unwrap_or(0);
        }
        if let Some(known) = self.pop_offset(&wish.group, topic, queue_id) {
            return known;
        }
        let range = self.store.offsets(queue);
        let (min, max) = (range.min.get(), range.max.get());
        let is_retry = Kind::of_topic(topic) != Kind::Normal;
        let first = if !wish.from_max || is_retry || (min == 0 && self.is_hot(queue)) {
            min
        } else {
            max.saturating_sub(1)
        };
        self.offsets.commit(&wish.group, topic, queue_id, first.cast_signed());
        first
    }

    /// Whether the first message of a queue is in memory: a young queue is read from its beginning by everybody.
    fn is_hot(&self, queue: QueueRef) -> bool {
        let mut batch = ReadBatch::default();
        let limits = ReadLimits { count: 1, bytes: 1, scan: 1 };
        let status = self.store.read_hot(queue, QueueOffset::default(), limits, |_| true, &mut batch);
        !matches!(status, ReadStatus::Cold | ReadStatus::TooSmall)
    }

    /// Whether one of the next messages matches the filter; also if that would take reading files, or many messages.
    fn may_match(&self, wish: &Wish, queue: QueueRef, from: QueueOffset, end: QueueOffset) -> bool {
        let Some(filter) = &wish.filter else { return true };
        let mut batch = ReadBatch::default();
        let limits = ReadLimits { count: 1, bytes: 1, scan: NOTIFY_SCAN };
        let accept = |entry: &store::Candidate<'_>| filter.accepts(entry);
        match self.store.read_hot(queue, from, limits, accept, &mut batch) {
            ReadStatus::NothingMatched => batch.next < end,
            ReadStatus::Found | ReadStatus::Cold | ReadStatus::TooSmall | ReadStatus::TooLarge => true,
            ReadStatus::AtEnd | ReadStatus::Empty => false,
        }
    }

    /// Whether a pop like this would find something: more messages than the group has taken, as far as a filter can be
    /// applied in passing.
    pub(crate) fn has_to_pop(&mut self, wish: &Wish, now: Now) -> bool {
        let places = self.places(wish);
        places.into_iter().any(|(kind, queue_id)| {
            let topic = kind.topic_of(&wish.group, &wish.topic);
            if self.topics.config(&topic).is_none_or(|config| queue_id >= config.read_queues) {
                return false;
            }
            let state = self.pops.checkpoints.find(&wish.group, &topic, queue_id);
            if wish.order && state.is_some_and(|state| self.is_blocked(wish, state, now)) {
                return false;
            }
            let queue = self.queue_of(&topic, queue_id);
            let range = self.store.offsets(queue);
            let next = self.pop_offset(&wish.group, &topic, queue_id).unwrap_or(range.min.get());
            range.max.get() > next && self.may_match(wish, queue, QueueOffset::new(next), range.max)
        })
    }
}
