//! The pop itself: one queue after the other until there is enough. What a queue holds is taken in [`super::taking`], and
//! the pop ends in [`super::answer`].
//!
//! A queue that must be read from files is busy meanwhile, for every other pop of its group; the pop goes on from there
//! when the read is back.

use std::rc::Rc;

use net::ReplyTo;
use net::pop::{Kind, ORDER_REVIVE_QUEUE, OffsetTexts};
use rt::{Class, ConnId, Env, Now, SharedSlice};
use smallvec::SmallVec;
use store::{QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError};

use super::checkpoints::PopQueueId;
use super::shared;
use super::wish::{Want, Wish};
use crate::long_poll::ParkedId;
use crate::refusals;
use crate::shard::Shard;
use crate::subscription::Chosen;

/// A pop under way.
pub(super) struct Popping {
    pub(super) conn: ConnId,
    pub(super) reply: ReplyTo,
    pub(super) wish: Rc<Wish>,
    /// Where it waits meanwhile, if it is a waiter that was woken.
    pub(super) parked: Option<ParkedId>,
    pub(super) pop_ms: i64,
    pub(super) revive_queue: i32,
    /// Places still to look at, the next one last.
    pub(super) places: SmallVec<[(Kind, u32); 16]>,
    pub(super) slices: Vec<SharedSlice>,
    pub(super) bytes: usize,
    pub(super) count: u32,
    pub(super) texts: OffsetTexts,
    /// Messages that are there and were not taken.
    pub(super) rest: i64,
}

/// A queue that is being popped.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) topic: Rc<str>,
    pub(super) queue_id: u32,
    pub(super) queue: QueueRef,
    pub(super) state: PopQueueId,
    pub(super) start: u64,
}

/// How one place ended.
enum Visited {
    Done,
    /// It has to be read from files.
    Cold(Place),
}

impl<E: Env> Shard<E> {
    /// Pops, and answers or lets the request wait.
    pub(crate) fn pop(&mut self, conn: ConnId, reply: ReplyTo, wish: Rc<Wish>, now: Now) {
        let popping = self.popping(conn, reply, wish, now);
        self.pop_on(popping, now);
    }

    /// Tries to pop for a waiter, which keeps its place if there is nothing. True if it was answered, or will be.
    pub(crate) fn pop_for_parked(&mut self, id: ParkedId, reply: ReplyTo, wish: Rc<Wish>, now: Now) -> bool {
        let mut popping = self.popping(ConnId { index: 0, generation: 0 }, reply, wish, now);
        popping.parked = Some(id);
        self.pop_on(popping, now)
    }

    fn popping(&mut self, conn: ConnId, reply: ReplyTo, wish: Rc<Wish>, now: Now) -> Popping {
        let revive_queue = if wish.order { ORDER_REVIVE_QUEUE } else { self.pops.next_revive_queue() };
        let places = self.places(&wish);
        Popping {
            conn,
            reply,
            wish,
            parked: None,
            pop_ms: now.unix_ms,
            revive_queue,
            places,
            slices: Vec::new(),
            bytes: 0,
            count: 0,
            texts: OffsetTexts::default(),
            rest: 0,
        }
    }

    /// Goes on where a pop stands, until it is answered, waits, or reads files. True unless a waiter keeps waiting.
    fn pop_on(&mut self, mut popping: Popping, now: Now) -> bool {
        while let Some((kind, queue_id)) = popping.places.pop() {
            match self.visit(&mut popping, kind, queue_id, now) {
                Visited::Done => {}
                Visited::Cold(place) => {
                    self.pop_cold(popping, place);
                    return true;
                }
            }
        }
        self.end_pop(popping, now)
    }

    fn visit(&mut self, popping: &mut Popping, kind: Kind, queue_id: u32, now: Now) -> Visited {
        let wish = popping.wish.clone();
        let topic = match kind {
            Kind::Normal => wish.topic.clone(),
            _ => shared(&kind.topic_of(&wish.group, &wish.topic)),
        };
        if self.topics.config(&topic).is_none_or(|config| queue_id >= config.read_queues) {
            return Visited::Done;
        }
        let queue = self.queue_of(&topic, queue_id);
        let state = self.pops.checkpoints.queue_or_make(&wish.group, &topic, queue_id);
        let range = self.store.offsets(queue);
        let waits = wish.want == Want::Pop && self.is_taken(popping, state);
        let start = match wish.want {
            Want::Pop if !waits => self.begin_offset(&wish, &topic, queue_id, (queue, state), now),
            _ => self.pop_offset(&wish.group, &topic, queue_id).unwrap_or(range.min.get()),
        };
        let left = range.max.get().saturating_sub(start).cast_signed();
        if wish.order && wish.want == Want::Pop && self.is_blocked(&wish, state, now) {
            return Visited::Done;
        }
        if waits
            || popping.count >= wish.count
            || (wish.want == Want::Pop && self.pops.checkpoints.is_full(state, start, popping.pop_ms))
        {
            popping.rest += left;
            return Visited::Done;
        }
        let mut place = Place { kind, topic, queue_id, queue, state, start };
        let mut batch = std::mem::take(&mut self.memory.batch);
        let mut status = self.read_place(popping, &place, &mut batch);
        if matches!(status, ReadStatus::TooSmall | ReadStatus::TooLarge) {
            // The stored offset is not one of the queue: the nearest end counts.
            place.start = batch.next.get();
            self.move_pop_offset(&wish, &place, place.start);
            status = self.read_place(popping, &place, &mut batch);
        }
        let visited = if status == ReadStatus::Cold {
            Visited::Cold(place)
        } else {
            self.take_batch(popping, &place, status, &mut batch, now);
            Visited::Done
        };
        self.memory.batch = batch;
        visited
    }

    /// Whether a queue cannot be popped just now.
    fn is_taken(&self, popping: &Popping, state: PopQueueId) -> bool {
        debug_assert!(popping.wish.want == Want::Pop);
        self.pops.checkpoints.queue(state).is_none_or(|queue| queue.busy)
    }

    fn limits(&self, popping: &Popping, is_cold: bool) -> ReadLimits {
        let wanted = popping.wish.count.saturating_sub(popping.count).max(1);
        let bytes = if is_cold { self.config.pull_bytes_cold } else { self.config.pull_bytes_hot };
        ReadLimits { count: wanted, bytes, scan: self.scan_limit(wanted) }
    }

    fn read_place(&self, popping: &Popping, place: &Place, batch: &mut ReadBatch) -> ReadStatus {
        let limits = self.limits(popping, false);
        let from = QueueOffset::new(place.start);
        match &popping.wish.filter {
            None => self.store.read_hot(place.queue, from, limits, |_| true, batch),
            Some(filter) => {
                let accept = |entry: &store::Candidate<'_>| filter.accepts(entry);
                self.store.read_hot(place.queue, from, limits, accept, batch)
            }
        }
    }

    fn pop_cold(&mut self, mut popping: Popping, place: Place) {
        // A waiter that is read for waits no longer: if there is nothing it waits again, behind the others.
        if let Some(id) = popping.parked.take() {
            let Some((conn, _)) = self.unpark_pop(id) else { return };
            popping.conn = conn;
        }
        if let Some(queue) = self.pops.checkpoints.queue_mut(place.state) {
            queue.busy = true;
        }
        let chosen = Chosen(popping.wish.filter.clone());
        let limits = self.limits(&popping, true);
        let from = QueueOffset::new(place.start);
        let work = self.store.read_chosen(place.queue, from, limits, chosen);
        let conn = popping.conn;
        self.connections.request_held(conn, 0);
        self.later(Class::ColdRead, work, move |shard, result, now| {
            shard.connections.request_done(conn, 0);
            shard.popped_cold(popping, &place, result, now);
        });
    }

    fn popped_cold(
        &mut self,
        mut popping: Popping,
        place: &Place,
        result: Result<(ReadStatus, ReadBatch), StoreError>,
        now: Now,
    ) {
        match self.pops.checkpoints.queue_mut(place.state) {
            // Its place may have been given to another one: then it is not busy.
            Some(queue) if queue.busy && *queue.topic == *place.topic => queue.busy = false,
            _ => return self.end_pop_early(popping, now),
        }
        self.wake_pop_queue(place.state);
        match result {
            Ok((status, mut batch)) => {
                popping.pop_ms = now.unix_ms;
                self.take_batch(&mut popping, place, status, &mut batch, now);
                self.pop_on(popping, now);
            }
            Err(error) if popping.count == 0 => {
                let refused = refusals::of_read(&error, &self.identity);
                self.conclude(popping.conn, Some(popping.reply), Err(refused));
            }
            // What was taken of other queues is answered.
            Err(_) => self.end_pop_early(popping, now),
        }
    }
}
