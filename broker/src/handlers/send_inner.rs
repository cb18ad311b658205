//! Inner batches: one record that holds several messages and takes as many queue offsets, for topics with
//! `queue.type=BatchCQ`. Consumers take the record apart. store.md 2.9.
//!
//! Bit 0x80 of `sysFlag` marks it; `INNER_NUM` counts its messages, `INNER_BASE` is the offset of the first.

use net::properties::{self, PROPERTIES_BYTES_MAX};
use net::requests::SendMessageV2;
use net::{ResponseCode, batch};
use rt::Env;
use store::record::{INNER_BATCH, INNER_MAX, NEED_UNWRAP, inner_batch};
use store::{Appended, NewMessage, QueueRef, StoreError};

use super::properties::{Asks, SendProperties};
use super::send::{Sent, Target};
use crate::call::{Call, Outcome, Refused};
use crate::receipts::Answer;
use crate::refusals;
use crate::shard::Shard;

const INNER_NUM: &str = "INNER_NUM";
const INNER_BASE: &str = "INNER_BASE";

impl<E: Env> Shard<E> {
    /// Whether batches for a topic are stored as one record each.
    pub(crate) fn takes_inner_batches(&self, topic: &str) -> bool {
        let config = self.topics.config(topic);
        config.is_some_and(|config| config.attributes.get("queue.type").is_some_and(|kind| kind == "BatchCQ"))
    }

    /// Whether a message is an inner batch that its producer made.
    pub(crate) fn is_inner(&self, sent: &Sent<'_>) -> Result<bool, Refused> {
        let illegal = |remark: &'static str| Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        let is_flagged = sent.request.sys_flag & INNER_BATCH != 0;
        if !is_flagged && sent.scanned.asks.has(Asks::INNER) {
            return illegal("INNER_NUM is set, but sysFlag does not say that the message is an inner batch");
        }
        if is_flagged && !self.takes_inner_batches(sent.request.topic) {
            return illegal("an inner batch needs a topic with attribute queue.type=BatchCQ");
        }
        Ok(is_flagged)
    }

    /// Appends the messages of a batch (320) as one record.
    pub(crate) fn append_inner_batch(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
        body: &[u8],
        target: Target,
    ) -> Outcome {
        let mut count = 0;
        for item in batch::items(body) {
            item.map_err(|error| Refused::new(ResponseCode::MESSAGE_ILLEGAL, error.to_string()))?;
            count += 1;
        }
        if !(1..=INNER_MAX).contains(&count) {
            let remark = format!("the batch has {count} messages, it must have 1 to {INNER_MAX}");
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        let request = &SendMessageV2 { sys_flag: request.sys_flag | INNER_BATCH | NEED_UNWRAP, ..*request };
        self.with_stored_properties(call, request, |shard, scanned, properties| {
            let sent = Sent { request, body, queue_id: target.queue_id, scanned, properties };
            shard.append_inner(call, &sent, target, count)
        })
    }

    /// Appends an inner batch that its producer made.
    pub(super) fn append_inner_sent(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let count = inner_batch(sent.request.topic, sent.request.sys_flag, sent.properties);
        self.append_inner(call, sent, target, count)
    }

    fn append_inner(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target, count: u32) -> Outcome {
        let stored = self.with_base(target.queue, sent.properties, count);
        if stored.len() > PROPERTIES_BYTES_MAX {
            return Err(refusals::properties_too_large(stored.len()));
        }
        let scanned = SendProperties::scan(&stored);
        let numbered = Sent { scanned: &scanned, properties: &stored, ..*sent };
        let message = self.message_of(call, &numbered, target.queue_id);
        let appended = self
            .store
            .append_spread(target.queue, &message, count, &[], call.now.unix_ms)
            .map_err(|error| refusals::of_append(&error, &self.identity))?;
        self.stored(target.queue, u64::from(count), u64::from(appended.bytes));
        let answer = (Answer::InnerBatch, sent.body.len());
        self.acknowledge(call, target, &[appended], message.unique_key, sent.scanned.wait, answer)
    }

    /// Stores an inner batch once more, with offsets of its new queue.
    pub(crate) fn append_inner_again(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        let count = inner_batch(message.topic, message.sys_flag, message.properties);
        let stored = self.with_base(queue, message.properties, count);
        let message = NewMessage { properties: &stored, ..*message };
        let appended = self.store.append_spread(queue, &message, count, &[], now_unix_ms)?;
        self.stored(queue, u64::from(count), u64::from(appended.bytes));
        Ok(appended)
    }

    /// The properties of an inner batch that is about to be stored in `queue`.
    fn with_base(&self, queue: QueueRef, sent: &[u8], count: u32) -> Vec<u8> {
        let mut stored = Vec::with_capacity(sent.len() + 48);
        let own = [INNER_NUM, INNER_BASE, crate::lmq::PLACES];
        properties::append_without(&mut stored, sent, |name| own.iter().any(|own| own.as_bytes() == name));
        let base = self.store.next_offset(queue).get();
        properties::append(&mut stored, 0, INNER_NUM, count.to_string().as_bytes());
        properties::append(&mut stored, 0, INNER_BASE, base.to_string().as_bytes());
        stored
    }
}
