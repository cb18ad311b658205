//! A pop takes what a read found: the checkpoint or the ordered batch, the group's offset, the records for the answer.
//!
//! Only a pop leaves marks; a peek gets the records and changes nothing.

use net::pop::{Kind, Receipt};
use rt::{Env, Now, SharedSlice};
use smallvec::SmallVec;
use store::record::{Parsed, parse};
use store::{ReadBatch, ReadStatus};

use super::checkpoints::{Checkpoint, MESSAGES_MAX, Messages};
use super::order::OrderInfo;
use super::recode;
use super::serve::{Place, Popping};
use super::wish::{Want, Wish};
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// Takes what a read found, and moves the group's offset behind it.
    pub(super) fn take_batch(
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

    pub(super) fn move_pop_offset(&mut self, wish: &Wish, place: &Place, to: u64) {
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
