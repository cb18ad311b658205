//! Sends: requests 10, 310 and 320. Checks in RocketMQ's order (PROTOCOL.md "Send"), one append, one receipt.
//!
//! The hot path of the broker: no allocation and no copy of the body but the one into the log window.

use net::message_id::UNIQUE_ID_CHARS;
use net::names;
use net::properties::{self, PROPERTIES_BYTES_MAX};
use net::requests::SendMessageV2;
use net::{ReplyTo, ResponseCode, batch};
use rt::{ConnId, Env, Now};
use store::record::INNER_BATCH;
use store::{Appended, BatchItem, NewMessage, PhysicalOffset, QueueRef};

use super::properties::{Asks, SendProperties};
use crate::call::{Call, Done, Outcome, Refused};
use crate::receipts::{Answer, Receipt, UniqueKey};
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::topics::{TopicSlot, perm};

/// Bits of `sysFlag` that name a transaction state.
pub(crate) const TRANSACTION_MASK: i32 = 0xC;

/// Bits of `sysFlag` that ask for more than an append.
const SPECIAL_MASK: i32 = TRANSACTION_MASK | INNER_BATCH;

/// Where a send goes.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// As the producer is told.
    pub(crate) queue_id: u32,
    pub(crate) queue: QueueRef,
}

/// A checked send, with the properties that are stored if nothing special comes of it.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) request: &'a SendMessageV2<'a>,
    pub(crate) body: &'a [u8],
    /// The queue it is for.
    pub(crate) queue_id: u32,
    pub(crate) scanned: &'a SendProperties,
    pub(crate) properties: &'a [u8],
}

impl<E: Env> Shard<E> {
    pub(crate) fn send(&mut self, call: &Call<'_>, request: &SendMessageV2<'_>, body: &[u8]) -> Outcome {
        self.accepts_sends(call)?;
        let slot = self.topic_for_send(call, request)?;
        let target = self.queue_for_send(call, slot, request.queue_id)?;
        self.check_bytes(request, body)?;
        let outcome = if request.batch == Some(true) {
            self.append_batch(call, request, body, target)
        } else if let Some(topic) = self.dead_letters_instead(call, request) {
            let target = Target { queue_id: 0, queue: self.queue_of(&topic, 0) };
            self.append_one(call, &SendMessageV2 { topic: &topic, ..*request }, body, target)
        } else {
            self.append_one(call, request, body, target)
        };
        if outcome.is_err() {
            self.statistics.counters.put_failed += 1;
        }
        self.stall_if_short(call.conn, call.now);
        outcome
    }

    fn append_one(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
        body: &[u8],
        target: Target,
    ) -> Outcome {
        self.with_stored_properties(call, request, |shard, scanned, properties| {
            let sent = Sent { request, body, queue_id: target.queue_id, scanned, properties };
            if shard.dedup.is_some() {
                shard.append_once(call, &sent, target)
            } else {
                shard.append_sent(call, &sent, target)
            }
        })
    }

    /// Appends with what the properties of a request become in the log, and what was found in them.
    #[inline]
    pub(super) fn with_stored_properties(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
        append: impl FnOnce(&mut Self, &SendProperties, &[u8]) -> Outcome,
    ) -> Outcome {
        let mut memory = self.stored_properties.take().expect("no append is within another");
        let ids = &mut self.unique_ids;
        let new_key = || ids.next(call.now.unix_ms, &mut [0; UNIQUE_ID_CHARS]).to_owned();
        let (scanned, properties) = memory.write(request.properties.unwrap_or_default(), new_key);
        let outcome = append(self, scanned, properties);
        self.stored_properties = Some(memory);
        outcome
    }

    /// Appends a message, whatever it asks for.
    pub(crate) fn append_sent(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        if sent.properties.len() > PROPERTIES_BYTES_MAX {
            return Err(refusals::properties_too_large(sent.properties.len()));
        }
        if !sent.scanned.asks.is_nothing() || sent.request.sys_flag & SPECIAL_MASK != 0 {
            return self.append_special(call, sent, target);
        }
        self.append_plain(call, sent, target)
    }

    /// What a send asks to be stored in a queue.
    #[inline]
    pub(crate) fn message_of<'a>(&self, call: &Call<'_>, sent: &Sent<'a>, queue_id: u32) -> NewMessage<'a> {
        let Sent { request, scanned, properties, .. } = *sent;
        NewMessage {
            topic: request.topic,
            queue_id,
            body: sent.body,
            properties,
            flag: request.flag,
            sys_flag: request.sys_flag,
            born_at_ms: request.born_at_ms,
            born_host: call.peer,
            store_host: self.identity.store_host,
            reconsume_times: request.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            tags_code: scanned.tags_code,
            keys: scanned.keys(properties),
            unique_key: scanned.unique_key(properties),
        }
    }

    /// Appends a message as it is.
    pub(crate) fn append_plain(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let message = self.message_of(call, sent, target.queue_id);
        let appended = self
            .store
            .append(target.queue, &message, call.now.unix_ms)
            .map_err(|error| refusals::of_append(&error, &self.identity))?;
        self.stored(target.queue, 1, u64::from(appended.bytes));
        let answer = (Answer::Placed, sent.body.len());
        self.acknowledge(call, target, &[appended], message.unique_key, sent.scanned.wait, answer)
    }

    fn append_batch(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
        body: &[u8],
        target: Target,
    ) -> Outcome {
        if names::retry_group(request.topic).is_some() {
            let remark = format!("batch request does not support retry group {}", request.topic);
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        let header = request.properties.unwrap_or_default().as_bytes();
        let common = SendProperties::scan(header);
        if common.asks.has(Asks::WAIT) || request.sys_flag & SPECIAL_MASK != 0 {
            return Err(special_batch());
        }
        if self.takes_inner_batches(request.topic) && !common.unique_key(header).is_empty() {
            let wait = properties::find(header, "WAIT") != Some(b"false");
            return self.append_inner_once(call, request, body, target, (common.unique_key(header), wait));
        }
        let items = batch_items(body)?;
        let nothing = SendProperties::default();
        let sent = Sent { request, body: &[], queue_id: target.queue_id, scanned: &nothing, properties: &[] };
        let shared = self.message_of(call, &sent, target.queue_id);
        let unique_key = common.unique_key(header);
        let wait = properties::find(header, "WAIT") != Some(b"false");
        if self.dedup.is_some() {
            return self.append_batch_once(call, &shared, &items, target, (unique_key, wait, body.len()));
        }
        let mut placed = std::mem::take(&mut self.memory.placed);
        placed.clear();
        let stored = self.store.append_batch(target.queue, &shared, &items, call.now.unix_ms, &mut placed);
        let outcome = match stored {
            Err(error) => Err(refusals::of_append(&error, &self.identity)),
            Ok(()) => {
                let bytes = placed.iter().map(|one| u64::from(one.bytes)).sum();
                self.stored(target.queue, placed.len() as u64, bytes);
                self.acknowledge(call, target, &placed, unique_key, wait, (Answer::Placed, body.len()))
            }
        };
        self.memory.placed = placed;
        outcome
    }

    /// Counts what was stored and remembers that its queue grew.
    pub(crate) fn stored(&mut self, queue: QueueRef, messages: u64, bytes: u64) {
        self.statistics.counters.put_messages += messages;
        self.statistics.counters.put_bytes += bytes;
        self.grew(queue);
    }

    /// Answers now if the mode allows it, else when the log is safe behind the last record.
    pub(crate) fn acknowledge(
        &mut self,
        call: &Call<'_>,
        target: Target,
        placed: &[Appended],
        unique_key: &[u8],
        wait: bool,
        (answer, request_bytes): (Answer, usize),
    ) -> Outcome {
        self.remember_pending(target.queue_id, &placed[0], call.now);
        let Some(reply) = call.reply else { return Ok(Done::Answered) };
        let (first, last) = (placed[0], placed[placed.len() - 1]);
        let receipt = Receipt {
            conn: call.conn,
            reply,
            answer,
            end: last.end,
            taken: call.now.mono,
            queue_id: i32::try_from(target.queue_id).expect("queue ids come from an i32"),
            queue_offset: i64::try_from(first.queue_offset.get()).expect("fewer than 2^63 messages"),
            count: u32::try_from(placed.len()).expect("a batch fits a frame"),
            request_bytes: u32::try_from(request_bytes).expect("a body fits a frame"),
            unique_key: UniqueKey::from_slice(unique_key),
        };
        let safe = if wait { self.store.acknowledgeable() } else { self.store.kept() };
        Ok(self.answer_when_safe(receipt, placed.iter().map(|one| one.at), safe))
    }

    /// Success without more words, when what was stored is safe.
    pub(crate) fn answer_stored(
        &mut self,
        conn: ConnId,
        reply: ReplyTo,
        appended: &Appended,
        now: Now,
    ) -> Done {
        let receipt = Receipt {
            conn,
            reply,
            answer: Answer::Plain,
            end: appended.end,
            taken: now.mono,
            queue_id: 0,
            queue_offset: 0,
            count: 1,
            request_bytes: 0,
            unique_key: UniqueKey::new(),
        };
        let safe = self.store.acknowledgeable();
        self.answer_when_safe(receipt, std::iter::once(appended.at), safe)
    }

    /// Answers a stored message now if it ends at or below `safe`, else when the mode allows it.
    pub(crate) fn answer_when_safe(
        &mut self,
        receipt: Receipt,
        positions: impl Iterator<Item = PhysicalOffset>,
        safe: PhysicalOffset,
    ) -> Done {
        if receipt.end <= safe {
            self.memory.positions.clear();
            self.memory.positions.extend(positions);
            self.write_receipt(&receipt, ResponseCode::SUCCESS, None, receipt.taken);
            return Done::Answered;
        }
        self.connections.request_held(receipt.conn, receipt.request_bytes as usize);
        self.receipts.push(receipt, positions);
        Done::Later
    }

    /// Whether sends are taken at all at the moment.
    fn accepts_sends(&self, call: &Call<'_>) -> Result<(), Refused> {
        if self.phase != Phase::Serving {
            return Err(refusals::going_away(call.version()));
        }
        let from = self.config.accept_sends_from_ms;
        if call.now.unix_ms < from {
            return Err(Refused::system(format!("broker unable to service, until {from} ms since 1970")));
        }
        match self.store.refusal() {
            None => Ok(()),
            Some(refusal) => Err(refusals::of_refusal(refusal, &self.identity)),
        }
    }

    fn topic_for_send(&mut self, call: &Call<'_>, request: &SendMessageV2<'_>) -> Result<TopicSlot, Refused> {
        let topics = &self.topics;
        let known = self.connections.get(call.conn).and_then(|one| one.state().known(request.topic, topics));
        if let Some(slot) = known {
            return Ok(slot);
        }
        names::check_topic(request.topic).map_err(|error| Refused::invalid(error.to_string()))?;
        if names::is_not_sendable(request.topic) {
            let remark = format!("Sending message to topic[{}] is forbidden.", request.topic);
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        let slot = match self.topics.slot(request.topic) {
            Some(slot) => slot,
            None => self.make_topic_for_send(call, request)?,
        };
        if let Some(group) = names::retry_group(request.topic) {
            // The group may vanish while its topic stays, so these are looked up every time.
            return self.groups.get(group).map(|_| slot).ok_or_else(|| Refused::no_group(group));
        }
        if self.topics.at(slot).config.order && self.config.permission & u32::from(perm::WRITE) == 0 {
            let remark = format!("the broker[{}] sending message is forbidden", self.identity.address);
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        if let Some(session) = self.connections.state(call.conn) {
            session.remember(request.topic, slot, &self.topics);
        }
        Ok(slot)
    }

    /// The dead letter topic of a group, for a message that a client sends to the group's retry topic by itself after
    /// it was tried often enough, or while the group consumes in order, where nobody waits for it (behaviour.md 15.3).
    fn dead_letters_instead(&mut self, call: &Call<'_>, request: &SendMessageV2<'_>) -> Option<String> {
        let group = names::retry_group(request.topic)?;
        let limit = match request.max_reconsume_times {
            Some(limit) => limit,
            None => self.groups.get(group)?.retry_max_times,
        };
        let is_enough = request.reconsume_times.unwrap_or(0) > limit;
        (is_enough || self.locks.any_held(group, call.now.mono))
            .then(|| self.ensure_dead_letter_topic(group, call.now))
    }

    fn queue_for_send(&mut self, call: &Call<'_>, slot: TopicSlot, asked: i32) -> Result<Target, Refused> {
        let topic = self.topics.at(slot);
        let queues = topic.config.queues();
        let queue_id = match u32::try_from(asked) {
            Ok(queue_id) if queue_id < queues => queue_id,
            Ok(queue_id) => {
                return Err(Refused::invalid(format!(
                    "request queueId[{queue_id}] is illegal, topic [{}] has queues 0 to {}, producer: {}",
                    topic.config.name,
                    queues.saturating_sub(1),
                    call.peer
                )));
            }
            Err(_) => random_below(self.env.random(), topic.config.write_queues.max(1)),
        };
        Ok(Target { queue_id, queue: self.queue_at(slot, queue_id) })
    }

    fn check_bytes(&self, request: &SendMessageV2<'_>, body: &[u8]) -> Result<(), Refused> {
        let limit = self.config.message_bytes_max as usize;
        if body.len() > limit {
            let remark = format!(
                "the message body is too large: {} bytes, maxMessageSize is {limit}; send it in parts or raise the limit",
                body.len()
            );
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        if body.is_empty() {
            return Err(Refused::new(
                ResponseCode::MESSAGE_ILLEGAL,
                "the message has no body; send at least one byte",
            ));
        }
        let properties = request.properties.map_or(0, str::len);
        if properties > PROPERTIES_BYTES_MAX {
            return Err(refusals::properties_too_large(properties));
        }
        Ok(())
    }
}

/// The items of a wire batch as the store takes them. Allocates once a batch if they are of about one size.
fn batch_items(body: &[u8]) -> Result<Vec<BatchItem<'_>>, Refused> {
    let mut items = Vec::new();
    let (mut found, mut scanned) = (SendProperties::nothing(), &[][..]);
    for item in batch::items(body) {
        let item = item.map_err(|error| Refused::new(ResponseCode::MESSAGE_ILLEGAL, error.to_string()))?;
        // Most items of a batch differ in their unique keys only.
        if !found.is_alike(scanned, item.properties) {
            (found, scanned) = (SendProperties::scan(item.properties), item.properties);
        }
        if found.asks.has(Asks::WAIT) {
            return Err(special_batch());
        }
        if found.asks.has(Asks::PLACES) || found.asks.has(Asks::INNER) {
            let remark = "a message of a batch has INNER_NUM or INNER_MULTI_QUEUE_OFFSET, which are for the broker to write";
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        if items.is_empty() {
            let bytes = item.body.len() + item.properties.len();
            items.reserve((body.len() / bytes.max(1) + 1).min(ITEMS_FORESEEN_MAX));
        }
        items.push(BatchItem {
            body: item.body,
            properties: item.properties,
            flag: item.flag,
            tags_code: found.tags_code,
            keys: found.keys(item.properties),
            unique_key: found.unique_key(item.properties),
        });
    }
    if items.is_empty() {
        return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, "the batch has no message"));
    }
    Ok(items)
}

/// Room is made at once for so many messages of a batch at most, whatever the first one promises.
const ITEMS_FORESEEN_MAX: usize = 1024;

fn special_batch() -> Refused {
    let remark = "a batch can be neither delayed nor transactional; send these messages one by one";
    Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark)
}

/// A number below `limit` from 64 random bits.
fn random_below(random: u64, limit: u32) -> u32 {
    u32::try_from(random % u64::from(limit)).expect("below a u32")
}
