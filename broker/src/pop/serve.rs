//! The pop itself: one queue after the other until there is enough, then the answer, or a place among those that wait.

use std::rc::Rc;

use net::pop::{Kind, ORDER_REVIVE_QUEUE, OffsetTexts, Receipt};
use net::requests::PopReply;
use net::{ReplyTo, ResponseCode, reply};
use rt::{Class, ConnId, Env, Now, SharedSlice};
use smallvec::SmallVec;
use store::record::{Parsed, parse};
use store::{QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError};

use super::checkpoints::{Checkpoint, MESSAGES_MAX, Messages, PopQueueId};
use super::order::OrderInfo;
use super::wish::{Want, Wish};
use super::{recode, shared};
use crate::long_poll::ParkedId;
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::subscription::Chosen;

/// A pop under way.
struct Popping {
    conn: ConnId,
    reply: ReplyTo,
    wish: Rc<Wish>,
    /// Where it waits meanwhile, if it is a waiter that was woken.
    parked: Option<ParkedId>,
    pop_ms: i64,
    revive_queue: i32,
    /// Places still to look at, the next one last.
    places: SmallVec<[(Kind, u32); 16]>,
    slices: Vec<SharedSlice>,
    bytes: usize,
    count: u32,
    texts: OffsetTexts,
    /// Messages that are there and were not taken.
    rest: i64,
}

/// A queue that is being popped.
#[derive(Clone)]
struct Place {
    kind: Kind,
    topic: Rc<str>,
    queue_id: u32,
    queue: QueueRef,
    state: PopQueueId,
    start: u64,
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

    fn end_pop_early(&mut self, mut popping: Popping, now: Now) {
        popping.places.clear();
        self.end_pop(popping, now);
    }

    /// Takes what a read found, and moves the group's offset behind it.
    fn take_batch(
        &mut self,
        popping: &mut Popping,
        place: &Place,
        status: ReadStatus,
        batch: &mut ReadBatch,
        now: Now,
    ) {
        let wish = popping.wish.clone();
        let max = self.store.offsets(place.queue).max.get();
        match status {
            ReadStatus::Found => {
                let offsets = offsets_of(place.start, batch);
                if wish.want == Want::Pop {
                    self.mark_taken(popping, place, &offsets, batch.next.get(), now);
                    popping.texts.add(place.kind, place.queue_id, place.start, offsets.iter().copied());
                }
                self.add_slices(popping, place, batch);
                popping.rest += max.saturating_sub(batch.next.get()).cast_signed();
            }
            ReadStatus::NothingMatched => {
                if wish.want == Want::Pop {
                    self.move_pop_offset(&wish, place, batch.next.get());
                }
                popping.rest += max.saturating_sub(batch.next.get()).cast_signed();
            }
            ReadStatus::AtEnd
            | ReadStatus::Empty
            | ReadStatus::TooSmall
            | ReadStatus::TooLarge
            | ReadStatus::Cold => {}
        }
    }

    fn move_pop_offset(&mut self, wish: &Wish, place: &Place, to: u64) {
        if wish.want == Want::Pop {
            self.offsets.commit(&wish.group, &place.topic, place.queue_id, to.cast_signed());
        }
    }

    /// Remembers what was taken: as a checkpoint, or as the batch that blocks an ordered queue.
    fn mark_taken(&mut self, popping: &mut Popping, place: &Place, offsets: &[u64], next: u64, now: Now) {
        let wish = &popping.wish;
        if wish.order {
            let before = self.pops.checkpoints.queue_mut(place.state).and_then(|queue| queue.order.take());
            let times = (popping.pop_ms, wish.invisible_ms);
            let info = OrderInfo::new(before.as_ref(), times, offsets, wish.attempt_id.clone());
            info.write_counts(&mut popping.texts, place.kind, place.queue_id);
            self.set_pop_order(place.state, Some(info), now);
            // The group stands at the first message until it is acknowledged.
            self.move_pop_offset(&popping.wish, place, place.start);
            return;
        }
        let messages = Messages::new(place.start, offsets);
        let due_ms = popping.pop_ms.saturating_add(wish.invisible_ms);
        let checkpoint = Checkpoint::new(place.state, (place.start, messages), (popping.pop_ms, due_ms));
        self.open_checkpoint(checkpoint, now);
        self.move_pop_offset(&popping.wish, place, next);
    }

    /// Takes the records over. Those of a retry topic are shown as what they were: under the topic that was asked for,
    /// with the receipt inside, since clients could not make it from the name.
    fn add_slices(&mut self, popping: &mut Popping, place: &Place, batch: &mut ReadBatch) {
        popping.count += batch.count;
        let counters = &mut self.statistics.counters;
        counters.got_messages += u64::from(batch.count);
        counters.got_bytes += u64::from(batch.bytes);
        if place.kind == Kind::Normal || popping.wish.want == Want::Peek {
            popping.bytes += batch.bytes as usize;
            popping.slices.append(&mut batch.slices);
            return;
        }
        let mut written = Vec::with_capacity(batch.bytes as usize + 128 * batch.count as usize);
        for mut bytes in batch.slices.iter().map(|slice| &slice[..]) {
            while let Ok(Parsed::Record(record)) = parse(bytes) {
                let receipt = Receipt {
                    start: place.start.cast_signed(),
                    pop_ms: popping.pop_ms,
                    invisible_ms: popping.wish.invisible_ms,
                    revive_queue: popping.revive_queue,
                    kind: place.kind,
                    broker: &self.identity.name,
                    queue_id: place.queue_id.cast_signed(),
                    offset: Some(record.queue_offset().get().cast_signed()),
                };
                recode::under_topic(&mut written, &record, &popping.wish.topic, &receipt.to_string());
                bytes = &bytes[record.bytes().len()..];
            }
        }
        popping.bytes += written.len();
        popping.slices.push(SharedSlice::copied(&written));
    }

    /// Answers, or lets the request wait. True unless a waiter keeps waiting.
    fn end_pop(&mut self, mut popping: Popping, now: Now) -> bool {
        let wish = popping.wish.clone();
        if popping.count == 0 && self.phase == Phase::Serving && wish.until_ms > now.unix_ms {
            if popping.parked.is_some() {
                return false;
            }
            if self.park_pop(popping.conn, popping.reply, wish, now).is_err() {
                self.answer_pop(popping, ResponseCode::POLLING_FULL);
            }
            return true;
        }
        if let Some(id) = popping.parked.take() {
            let Some((conn, _)) = self.unpark_pop(id) else { return false };
            popping.conn = conn;
        }
        let code = match (popping.count, wish.want) {
            (1.., _) => ResponseCode::SUCCESS,
            (0, Want::Peek) => ResponseCode::PULL_NOT_FOUND,
            (0, _) => ResponseCode::POLLING_TIMEOUT,
        };
        self.answer_pop(popping, code);
        true
    }

    fn answer_pop(&mut self, mut popping: Popping, code: ResponseCode) {
        let counters = &mut self.statistics.counters;
        let is_found = code == ResponseCode::SUCCESS;
        if is_found {
            counters.pulls_found += 1
        } else {
            counters.pulls_missed += 1
        }
        let remark = if is_found { "FOUND" } else { "NO_MESSAGE_IN_QUEUE" };
        let wish = &popping.wish;
        let texts = &popping.texts;
        let header = match wish.want {
            Want::Peek => PopReply {
                pop_time: 0,
                invisible_time: 0,
                revive_qid: 0,
                rest_num: Some(popping.rest),
                start_offset_info: None,
                msg_offset_info: None,
                order_count_info: None,
            },
            _ => PopReply {
                pop_time: popping.pop_ms,
                invisible_time: wish.invisible_ms,
                revive_qid: popping.revive_queue,
                rest_num: Some(popping.rest),
                start_offset_info: Some(&texts.starts),
                msg_offset_info: Some(&texts.offsets),
                order_count_info: wish.order.then_some(&*texts.orders),
            },
        };
        if let Some(out) = self.connections.reply(popping.conn) {
            let slices = popping.slices.drain(..);
            reply::with_slices(out, popping.reply, code, Some(remark), &header, popping.bytes, slices);
        }
    }
}

/// The queue offsets of what a read from `start` found.
fn offsets_of(start: u64, batch: &ReadBatch) -> SmallVec<[u64; MESSAGES_MAX]> {
    if batch.next.get() == start + u64::from(batch.count) {
        return (start..batch.next.get()).collect();
    }
    let mut offsets = SmallVec::new();
    for mut bytes in batch.slices.iter().map(|slice| &slice[..]) {
        while let Ok(Parsed::Record(record)) = parse(bytes) {
            offsets.push(record.queue_offset().get());
            bytes = &bytes[record.bytes().len()..];
        }
    }
    offsets
}
