//! What a shard does with the keys of its sends: look them up, remember them, read them back after a restart.
//!
//! A message counts under the topic it is for: a delayed one and a half message under their real topic, so that a retry
//! of a half message is answered with the place of the first half. Retry and dead letter topics are left out, where one
//! message comes by again and again under its first key.

use net::names::{DLQ_PREFIX, HALF_TOPIC, OP_TOPIC, RETRY_PREFIX, SCHEDULE_TOPIC, TIMER_TOPIC};
use net::properties::keys;
use net::requests::SendMessageV2;
use rt::{Env, Now};
use store::record::Record;
use store::{Appended, BatchItem, NewMessage, StoreError};

use super::{Dedup, First, Print};
use crate::call::{Call, Done, Outcome};
use crate::handlers::{Sent, Target};
use crate::parked::{real_place, text};
use crate::receipts::{Answer, Receipt, UniqueKey};
use crate::refusals;
use crate::shard::Shard;
use crate::timed::OUT_MS;

/// The floor moves on disk when it moved so far: what a restart reads too much at most.
const FLOOR_STEP_BYTES: u64 = 16 << 20;

/// What the table of keys says of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Stored before: this is the answer.
    Before(First),
    /// Not yet; enter it under this print.
    New(Print),
    /// The switch is off, or such a message has no key that counts.
    Uncounted,
}

/// Whether keys of a topic's messages count.
fn counts(topic: &str) -> bool {
    !topic.starts_with(RETRY_PREFIX) && !topic.starts_with(DLQ_PREFIX) && topic != OP_TOPIC
}

impl<E: Env> Shard<E> {
    /// Looks a key up.
    fn seen(&self, topic: &str, key: &[u8], reconsume_times: i32, now: Now) -> Seen {
        let Some(dedup) = &self.dedup else { return Seen::Uncounted };
        if key.is_empty() || reconsume_times > 0 || !counts(topic) {
            return Seen::Uncounted;
        }
        let print = dedup.print(topic, key);
        match dedup.find(print, now.unix_ms) {
            // A topic made anew does not hold what its predecessor held.
            Some(first) if !self.store.is_deleted_since(topic, first.at) => Seen::Before(first),
            _ => Seen::New(print),
        }
    }

    /// Remembers the send in hand under the print that [`Shard::seen`] gave, now that it is stored.
    #[inline]
    pub(crate) fn remember_pending(&mut self, queue_id: u32, appended: &Appended, now: Now) {
        let Some(dedup) = &mut self.dedup else { return };
        let due_ms = std::mem::take(&mut dedup.pending_due_ms);
        if let Some(print) = dedup.pending.take() {
            let first = First { due_ms, ..first_of(queue_id, appended) };
            dedup.remember(print, first, now.unix_ms);
        }
    }

    /// Appends a message, or answers with where it went when it came first.
    pub(crate) fn append_once(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let request = sent.request;
        let key = sent.scanned.unique_key(sent.properties);
        let seen = self.seen(request.topic, key, request.reconsume_times.unwrap_or(0), call.now);
        if let Seen::Before(first) = seen {
            self.statistics.counters.put_again += 1;
            let (answer, place) = (self.first_answer(request.topic, key, &first), (key, sent.scanned.wait));
            return Ok(self.answer_placed(call, place, &[first], (answer, sent.body.len())));
        }
        self.expect_print(if let Seen::New(print) = seen { Some(print) } else { None });
        let outcome = self.append_sent(call, sent, target);
        // What was refused is not stored.
        self.expect_print(None);
        outcome
    }

    /// Appends those items of a batch that are new, and answers where all of them lie.
    pub(crate) fn append_batch_once(
        &mut self,
        call: &Call<'_>,
        shared: &NewMessage<'_>,
        items: &[BatchItem<'_>],
        target: Target,
        (key, wait, request_bytes): (&[u8], bool, usize),
    ) -> Outcome {
        let look =
            |item: &BatchItem<'_>| self.seen(shared.topic, item.unique_key, shared.reconsume_times, call.now);
        let seen: Vec<Seen> = items.iter().map(look).collect();
        let is_new = |seen: &Seen| !matches!(seen, Seen::Before(_));
        let fresh: Vec<BatchItem<'_>> =
            items.iter().zip(&seen).filter(|(_, seen)| is_new(seen)).map(|(item, _)| *item).collect();
        let mut placed = Vec::with_capacity(fresh.len());
        self.store
            .append_batch(target.queue, shared, &fresh, call.now.unix_ms, &mut placed)
            .map_err(|error| refusals::of_append(&error, &self.identity))?;
        if !placed.is_empty() {
            self.stored(
                target.queue,
                placed.len() as u64,
                placed.iter().map(|one| u64::from(one.bytes)).sum(),
            );
        }
        self.statistics.counters.put_again += (items.len() - placed.len()) as u64;
        let mut placed = placed.iter().map(|appended| first_of(target.queue_id, appended));
        let mut firsts = Vec::with_capacity(items.len());
        for seen in seen {
            let first = match seen {
                Seen::Before(first) => first,
                Seen::New(_) | Seen::Uncounted => placed.next().expect("every new item was stored"),
            };
            if let (Seen::New(print), Some(dedup)) = (seen, &mut self.dedup) {
                dedup.remember(print, first, call.now.unix_ms);
            }
            firsts.push(first);
        }
        Ok(self.answer_placed(call, (key, wait), &firsts, (Answer::Placed, request_bytes)))
    }

    /// As [`Shard::append_once`] for a batch that becomes one record.
    pub(crate) fn append_inner_once(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
        body: &[u8],
        target: Target,
        (key, wait): (&[u8], bool),
    ) -> Outcome {
        let seen = self.seen(request.topic, key, request.reconsume_times.unwrap_or(0), call.now);
        if let Seen::Before(first) = seen {
            self.statistics.counters.put_again += 1;
            return Ok(self.answer_placed(call, (key, wait), &[first], (Answer::InnerBatch, body.len())));
        }
        self.expect_print(if let Seen::New(print) = seen { Some(print) } else { None });
        let outcome = self.append_inner_batch(call, request, body, target);
        self.expect_print(None);
        outcome
    }

    /// What the sender of a single message was told first.
    fn first_answer(&self, topic: &str, key: &[u8], first: &First) -> Answer {
        if first.due_ms == 0 { Answer::Placed } else { self.recallable(topic, first.due_ms, key) }
    }

    fn expect_print(&mut self, print: Option<Print>) {
        if let Some(dedup) = &mut self.dedup {
            (dedup.pending, dedup.pending_due_ms) = (print, 0);
        }
    }

    /// Answers a send with where its messages lie, some of them perhaps for long: as soon as all are safe.
    fn answer_placed(
        &mut self,
        call: &Call<'_>,
        (key, wait): (&[u8], bool),
        firsts: &[First],
        (answer, request_bytes): (Answer, usize),
    ) -> Done {
        let Some(reply) = call.reply else { return Done::Answered };
        let first = firsts[0];
        let safe = if wait { self.store.acknowledgeable() } else { self.store.kept() };
        let is_safe = firsts.iter().all(|first| first.end() <= safe);
        let end = firsts.iter().map(First::end).max().unwrap_or_default();
        // Receipts wait in the order of the log, so that a later one may only end later.
        let end = if is_safe { end } else { self.store.end() };
        let receipt = Receipt {
            conn: call.conn,
            reply,
            answer,
            end,
            taken: call.now.mono,
            queue_id: i32::try_from(first.queue_id).expect("queue ids come from an i32"),
            queue_offset: first.queue_offset,
            count: u32::try_from(firsts.len()).expect("a batch fits a frame"),
            request_bytes: u32::try_from(request_bytes).expect("a body fits a frame"),
            unique_key: UniqueKey::from_slice(key),
        };
        self.answer_when_safe(receipt, firsts.iter().map(|first| first.at), safe)
    }

    /// Reads back which messages of an earlier run still count, or forgets the position if the switch is off.
    ///
    /// # Errors
    /// What reading the store says.
    pub(crate) async fn resume_dedup(&mut self, now: Now) -> Result<(), StoreError> {
        let stored = self.load_dedup_floor();
        let Some(window_ms) = self.config.dedup_window.0 else {
            if stored.is_some() {
                self.put_dedup_floor(None);
            }
            return Ok(());
        };
        let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let seeds = [self.env.random(), self.env.random()];
        let mut dedup = Dedup::new(window_ms, self.config.dedup_count, seeds);
        if let Some(from) = stored {
            if from > self.store.end() {
                // A power cut took the end of the log: the position may become the middle of a record.
                self.put_dedup_floor(Some(self.store.end()));
            }
            let mut show = |record: &Record<'_>| {
                let Some((topic, first)) = first_of_record(record) else { return };
                let print = dedup.print(topic, text(record.properties(), keys::UNIQ_KEY).as_bytes());
                let is_past = now.unix_ms.saturating_sub(first.stored_at_ms) > window_ms;
                if !is_past && dedup.find(print, now.unix_ms).is_none() {
                    dedup.remember(print, first, now.unix_ms);
                }
            };
            self.store.scan(from, &mut show).await?;
        } else {
            self.put_dedup_floor(Some(self.store.end()));
            self.store.tables().durable().await.map_err(StoreError::Tables)?;
        }
        tracing::info!(shard = self.identity.index, keys = dedup.len(), "sends are idempotent");
        self.dedup = Some(Box::new(dedup));
        Ok(())
    }

    /// Stores from where a restart has to read, if that moved far.
    pub(crate) fn store_dedup_floor(&mut self) {
        let Some(dedup) = &self.dedup else { return };
        let floor = dedup.floor().unwrap_or_else(|| self.store.end());
        if floor.get() >= self.dedup_floor.get() + FLOOR_STEP_BYTES {
            self.put_dedup_floor(Some(floor));
        }
    }
}

fn first_of(queue_id: u32, appended: &Appended) -> First {
    First {
        at: appended.at,
        queue_offset: i64::try_from(appended.queue_offset.get()).expect("fewer than 2^63 messages"),
        stored_at_ms: appended.stored_at_ms,
        due_ms: 0,
        bytes: appended.bytes,
        queue_id,
    }
}

/// The topic a stored message is for, and what its producer was told; `None` if its key does not count.
fn first_of_record<'a>(record: &Record<'a>) -> Option<(&'a str, First)> {
    let stored = record.properties();
    let is_parked = matches!(record.topic(), SCHEDULE_TOPIC | TIMER_TOPIC | HALF_TOPIC);
    let (topic, queue_id) = if is_parked { real_place(stored)? } else { (record.topic(), record.queue_id()) };
    if text(stored, keys::UNIQ_KEY).is_empty() || record.reconsume_times() > 0 || !counts(topic) {
        return None;
    }
    let due_ms = if record.topic() == TIMER_TOPIC { text(stored, OUT_MS).parse().unwrap_or(0) } else { 0 };
    let first = First {
        at: record.physical_offset(),
        queue_offset: i64::try_from(record.queue_offset().get()).unwrap_or(i64::MAX),
        stored_at_ms: record.stored_at_ms(),
        due_ms,
        bytes: u32::try_from(record.bytes().len()).expect("a record fits a segment"),
        queue_id,
    };
    Some((topic, first))
}
