//! Pops and notifications that found nothing and wait: who is woken by what.
//!
//! A waiter stands on the list of what it asked for: group, topic, and one queue or any. Each queue of the log knows the
//! lists that a message in it may serve, retry topics included, so that an arrival costs nothing where nobody waits.

use std::rc::Rc;

use hashbrown::HashMap;
use net::ReplyTo;
use net::pop::{Kind, origin_topic};
use rt::wheel::TimerId;
use rt::{ConnId, Env, Now, Wheel};
use smallvec::SmallVec;
use store::QueueRef;

use super::PopQueueId;
use super::wish::{Want, Wish};
use crate::long_poll::{LongPolls, ParkedId};
use crate::shard::{Phase, Shard};
use crate::timers::Timer;

/// Waiters of one list; RocketMQ's `popPollingSize`.
const LIST_MAX: u32 = 1_024;
/// Waiters of a shard; RocketMQ's `maxPopPollingSize`.
const ALL_MAX: usize = 100_000;

// A waiter together with its timer.
const _: () = assert!(LongPolls::<ParkedPop>::entry_bytes() + Wheel::<Timer>::entry_bytes() <= 200);

/// A request that waits.
#[derive(Debug)]
pub(crate) struct ParkedPop {
    pub(crate) reply: ReplyTo,
    pub(crate) wish: Rc<Wish>,
    pub(crate) timer: TimerId,
}

/// The waiters of a shard.
#[derive(Debug, Default)]
pub(crate) struct PopWaits {
    polls: LongPolls<ParkedPop>,
    lists: Vec<List>,
    /// Group, topic, then (queue or -1, notification) to list.
    names: HashMap<String, HashMap<String, Vec<ListId>>>,
    /// By queue of the log: the lists it serves.
    served: Vec<SmallVec<[ListId; 2]>>,
    /// Lists to look at when the turn ends.
    woken: Vec<ListId>,
}

/// What was asked for.
#[derive(Debug)]
struct List {
    queue_id: i32,
    notify: bool,
    waiting: u32,
    /// It is on the list of those to look at.
    is_woken: bool,
    /// Read queues of the topic, and retry topics, that serve it already.
    served_by: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ListId(u32);

impl ListId {
    /// Its place among the lists of [`LongPolls`], which calls them queues.
    fn place(self) -> QueueRef {
        QueueRef(self.0)
    }
}

/// No room to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl PopWaits {
    /// Whether somebody may wait for a message in `queue`. Asked for each message stored, so it looks at no list.
    pub(crate) fn has_waiters(&self, queue: QueueRef) -> bool {
        self.polls.len() > 0 && self.served.get(queue.index()).is_some_and(|lists| !lists.is_empty())
    }

    /// How many pops wait for exactly this.
    pub(crate) fn count(&self, group: &str, topic: &str, queue_id: i32) -> u32 {
        self.find(group, topic, queue_id, false).map_or(0, |list| self.list(list).waiting)
    }

    pub(crate) fn first_of_connection(&self, conn: ConnId) -> Option<ParkedId> {
        self.polls.first_of_connection(conn)
    }

    fn list(&self, id: ListId) -> &List {
        &self.lists[id.0 as usize]
    }

    fn of_topic(&self, group: &str, topic: &str) -> &[ListId] {
        self.names.get(group).and_then(|topics| topics.get(topic)).map_or(&[], |lists| lists)
    }

    fn find(&self, group: &str, topic: &str, queue_id: i32, notify: bool) -> Option<ListId> {
        self.of_topic(group, topic).iter().copied().find(|id| {
            let list = self.list(*id);
            list.queue_id == queue_id && list.notify == notify
        })
    }

    fn find_or_make(&mut self, wish: &Wish) -> ListId {
        let notify = wish.want == Want::Notify;
        if let Some(known) = self.find(&wish.group, &wish.topic, wish.queue_id, notify) {
            return known;
        }
        let id = ListId(u32::try_from(self.lists.len()).expect("fewer lists than 2^32"));
        self.lists.push(List {
            queue_id: wish.queue_id,
            notify,
            waiting: 0,
            is_woken: false,
            served_by: (0, 0),
        });
        let topics = self.names.entry_ref(&*wish.group).or_default();
        topics.entry_ref(&*wish.topic).or_default().push(id);
        id
    }

    /// A message in `queue` serves `list` from now on.
    fn serve_by(&mut self, queue: QueueRef, list: ListId) {
        let index = queue.index();
        if self.served.len() <= index {
            self.served.resize(index + 1, SmallVec::new());
        }
        if !self.served[index].contains(&list) {
            self.served[index].push(list);
        }
    }

    fn wake(&mut self, id: ListId) {
        let list = &mut self.lists[id.0 as usize];
        if list.waiting > 0 && !std::mem::replace(&mut list.is_woken, true) {
            self.woken.push(id);
        }
    }

    fn remove(&mut self, id: ParkedId) -> Option<(ConnId, ParkedPop)> {
        let notify = self.polls.get(id)?.wish.want == Want::Notify;
        let (conn, parked) = self.polls.remove(id);
        let wish = &parked.wish;
        let list = self.find(&wish.group, &wish.topic, wish.queue_id, notify).expect("who waits has a list");
        self.lists[list.0 as usize].waiting -= 1;
        Some((conn, parked))
    }
}

impl<E: Env> Shard<E> {
    /// Lets a request wait until its time is over, behind those that ask for the same.
    pub(crate) fn park_pop(
        &mut self,
        conn: ConnId,
        reply: ReplyTo,
        wish: Rc<Wish>,
        now: Now,
    ) -> Result<(), Full> {
        if self.pops.waits.polls.len() >= ALL_MAX {
            return Err(Full);
        }
        let list = self.pops.waits.find_or_make(&wish);
        if self.pops.waits.list(list).waiting > LIST_MAX {
            return Err(Full);
        }
        self.serve_list(list, &wish);
        let id = self.pops.waits.polls.next_id();
        let timer = self.wheel.arm(super::mono_ms(wish.until_ms, now), Timer::PopHold(id));
        let parked = self.pops.waits.polls.park(conn, list.place(), ParkedPop { reply, wish, timer });
        debug_assert_eq!(parked, id);
        self.pops.waits.lists[list.0 as usize].waiting += 1;
        Ok(())
    }

    /// Has the queues of a list's topic, and of its retry topics, wake it.
    fn serve_list(&mut self, list: ListId, wish: &Wish) {
        let Some(config) = self.topics.config(&wish.topic) else { return };
        let queues = config.read_queues;
        let retries = [Kind::RetryV1, Kind::RetryV2].map(|kind| kind.topic_of(&wish.group, &wish.topic));
        let retry_queues =
            |shard: &Self, name: &str| shard.topics.config(name).map_or(0, |config| config.read_queues);
        let retry_count = retries.iter().map(|name| retry_queues(self, name)).sum();
        if self.pops.waits.list(list).served_by == (queues, retry_count) {
            return;
        }
        self.pops.waits.lists[list.0 as usize].served_by = (queues, retry_count);
        for queue_id in 0..queues {
            if wish.queue_id < 0 || wish.queue_id.cast_unsigned() == queue_id {
                let queue = self.queue_of(&wish.topic, queue_id);
                self.pops.waits.serve_by(queue, list);
            }
        }
        for name in &retries {
            for queue_id in 0..retry_queues(self, name) {
                let queue = self.queue_of(name, queue_id);
                self.pops.waits.serve_by(queue, list);
            }
        }
    }

    /// A retry topic that may be new is about to get a message: whoever waits for its group and topic hears of it.
    pub(crate) fn retry_serves(&mut self, group: &str, topic: &str, queue: QueueRef) {
        let lists: SmallVec<[ListId; 4]> = self.pops.waits.of_topic(group, topic).into();
        for list in lists {
            self.pops.waits.serve_by(queue, list);
        }
    }

    /// Has the waiters looked at that a queue of a group can serve: it is free again.
    pub(crate) fn wake_pop_queue(&mut self, id: PopQueueId) {
        let Some(queue) = self.pops.checkpoints.queue(id) else { return };
        let (group, topic) = (queue.group.clone(), queue.topic.clone());
        self.wake_pops(&group, origin_topic(&topic, &group).unwrap_or(&topic));
    }

    /// Has all waiters of a group and topic looked at.
    pub(crate) fn wake_pops(&mut self, group: &str, topic: &str) {
        let lists: SmallVec<[ListId; 4]> = self.pops.waits.of_topic(group, topic).into();
        for list in lists {
            self.pops.waits.wake(list);
        }
    }

    /// A queue of the log grew: its waiters are looked at.
    pub(crate) fn wake_pops_of(&mut self, queue: QueueRef) {
        let Some(lists) = self.pops.waits.served.get(queue.index()) else { return };
        let lists: SmallVec<[ListId; 2]> = lists.clone();
        for list in lists {
            self.pops.waits.wake(list);
        }
    }

    /// Serves the lists that were woken: each first come, first served, while there is something.
    pub(crate) fn serve_woken_pops(&mut self) {
        if self.pops.waits.woken.is_empty() {
            return;
        }
        let now = self.env.now();
        for list in std::mem::take(&mut self.pops.waits.woken) {
            self.pops.waits.lists[list.0 as usize].is_woken = false;
            let mut next = self.pops.waits.polls.first_of_queue(list.place());
            let mut in_vain: Option<Rc<Wish>> = None;
            while let Some(id) = next {
                next = self.pops.waits.polls.next_of_queue(id);
                let Some(wish) = self.pops.waits.polls.get(id).map(|parked| parked.wish.clone()) else {
                    continue;
                };
                // One that found nothing speaks for those that want the same.
                if in_vain.as_ref().is_some_and(|other| other.wants_the_same(&wish)) {
                    continue;
                }
                if !self.serve_parked_pop(id, now) {
                    in_vain = Some(wish);
                }
            }
        }
    }

    /// Tries to serve a waiter; true if it is answered or read for.
    fn serve_parked_pop(&mut self, id: ParkedId, now: Now) -> bool {
        let Some(parked) = self.pops.waits.polls.get(id) else { return false };
        let (wish, reply) = (parked.wish.clone(), parked.reply);
        if wish.want == Want::Notify {
            let has_message = self.has_to_pop(&wish, now);
            if has_message && let Some((conn, _)) = self.unpark_pop(id) {
                self.answer_notification(conn, reply, true, false);
            }
            return has_message;
        }
        self.pop_for_parked(id, reply, wish, now)
    }

    /// Takes a waiter off its list and off the wheel.
    pub(crate) fn unpark_pop(&mut self, id: ParkedId) -> Option<(ConnId, ParkedPop)> {
        let (conn, parked) = self.pops.waits.remove(id)?;
        self.wheel.cancel(parked.timer);
        Some((conn, parked))
    }

    /// Answers a waiter with whatever there is: its time is over, or the topic or the shard goes away.
    pub(crate) fn release_pop(&mut self, id: ParkedId, now: Now) {
        let Some((conn, parked)) = self.unpark_pop(id) else { return };
        let wish = Rc::new(Wish { until_ms: 0, ..(*parked.wish).clone() });
        match wish.want {
            Want::Notify => {
                let has_message = self.has_to_pop(&wish, now);
                self.answer_notification(conn, parked.reply, has_message, false);
            }
            Want::Pop | Want::Peek => self.pop(conn, parked.reply, wish, now),
        }
    }

    /// Answers all waiters: the shard stops.
    pub(crate) fn release_pops(&mut self, now: Now) {
        debug_assert!(self.phase != Phase::Serving, "or they would wait again");
        let all: Vec<ParkedId> = self.pops.waits.polls.ids().collect();
        for id in all {
            self.release_pop(id, now);
        }
    }

    /// Answers the waiters of a topic that is about to go, and forgets its lists.
    pub(crate) fn release_pops_of_topic(&mut self, name: &str, now: Now) {
        let waits = &self.pops.waits;
        let parked: Vec<ParkedId> = waits
            .polls
            .ids()
            .filter(|id| waits.polls.get(*id).is_some_and(|one| *one.wish.topic == *name))
            .collect();
        for id in parked {
            self.release_pop(id, now);
        }
        for list in &mut self.pops.waits.lists {
            // Its queues may come again with other handles.
            list.served_by = (0, 0);
        }
        for queue_id in 0..self.topics.config(name).map_or(0, |config| config.queues()) {
            if let Some(queue) = self.store.find_queue(name, queue_id)
                && let Some(lists) = self.pops.waits.served.get_mut(queue.index())
            {
                lists.clear();
            }
        }
    }
}
