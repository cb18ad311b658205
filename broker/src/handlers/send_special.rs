//! Sends that ask for more than an append: delayed messages and half messages are parked. PROTOCOL.md "Delay".

use net::ResponseCode;
use net::names::{DLQ_PREFIX, HALF_TOPIC, SCHEDULE_TOPIC, TIMER_TOPIC};
use net::properties::{self, PROPERTIES_BYTES_MAX, keys};
use rt::Env;
use store::record::queue_code;
use store::{Appended, NewMessage};

use super::send::{Sent, TRANSACTION_MASK, Target};
use crate::call::{Call, Done, Outcome, Refused};
use crate::parked::park;
use crate::priority::PRIORITY;
use crate::receipts::Answer;
use crate::refusals;
use crate::shard::Shard;
use crate::timed::OUT_MS;
use crate::transactions::{Half, OPEN_MAX, immunity_ms};

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// To wait in this level.
    Level(u32),
    /// To wait until then, Unix milliseconds.
    Time(i64),
    /// To wait for its producer's decision.
    Half,
}

/// The properties of 5.x that name a time, in the order in which they count.
const TIMES: [&str; 3] = [keys::TIMER_DELAY_SEC, keys::TIMER_DELAY_MS, keys::TIMER_DELIVER_MS];

impl<E: Env> Shard<E> {
    /// Parks a message that may not be seen yet, and puts one with a priority into the queue for it.
    pub(crate) fn append_special(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let asked = asked(sent, call.now.unix_ms)?;
        let is_inner = self.is_inner(sent)?;
        if is_inner && asked != Asked::Nothing {
            let remark =
                "an inner batch can be neither delayed nor transactional; send these messages one by one";
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        let done = match asked {
            Asked::Nothing if is_inner => return self.append_inner_sent(call, sent, target),
            Asked::Nothing => None,
            Asked::Time(due_ms) => self.append_timed(call, sent, due_ms)?,
            Asked::Level(level) => Some(self.append_delayed(call, sent, level)?),
            Asked::Half => Some(self.append_half(call, sent)?),
        };
        match done {
            Some(done) => Ok(done),
            None => self.append_by_priority(call, sent, target),
        }
    }

    fn append_delayed(&mut self, call: &Call<'_>, sent: &Sent<'_>, level: u32) -> Outcome {
        let queue_id = self.delays.queue_id(level);
        let mut parked = Vec::with_capacity(sent.properties.len() + 64);
        const DROPPED: [&str; 4] = [TIMES[0], TIMES[1], TIMES[2], PRIORITY];
        park(&mut parked, sent.properties, &DROPPED, (sent.request.topic, sent.queue_id));
        let target = Target { queue_id: sent.queue_id, queue: self.queue_of(SCHEDULE_TOPIC, queue_id) };
        let appended = self.append_parked(call, sent, (SCHEDULE_TOPIC, queue_id), target, &parked)?;
        self.delay_began(queue_id, appended.queue_offset, call.now);
        let key = sent.scanned.unique_key(sent.properties);
        self.acknowledge(call, target, &[appended], key, sent.scanned.wait, (Answer::Placed, sent.body.len()))
    }

    fn append_timed(
        &mut self,
        call: &Call<'_>,
        sent: &Sent<'_>,
        due_ms: i64,
    ) -> Result<Option<Done>, Refused> {
        if !self.config.timers {
            return Err(Refused::system(
                "timer message is under flow control or disabled: delay.timers is false",
            ));
        }
        let cancels = properties::find(sent.properties, keys::TIMER_DEL_UNIQKEY);
        if self.timed.is_past(due_ms, call.now.unix_ms) {
            let remark = "the message that TIMER_DEL_UNIQKEY takes back is due already";
            return if cancels.is_none() {
                Ok(None)
            } else {
                Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark))
            };
        }
        if let Some(key) = cancels.and_then(|key| str::from_utf8(key).ok()) {
            self.recall_by_key(key);
        }
        let mut parked = Vec::with_capacity(sent.properties.len() + 96);
        park(&mut parked, sent.properties, &[PRIORITY], (sent.request.topic, sent.queue_id));
        properties::append(&mut parked, 0, OUT_MS, due_ms.to_string().as_bytes());
        let slot = self.timed.slot_for(due_ms, call.now.unix_ms);
        let target = Target { queue_id: sent.queue_id, queue: self.queue_of(TIMER_TOPIC, slot) };
        let appended = self.append_parked(call, sent, (TIMER_TOPIC, slot), target, &parked)?;
        self.timed_began(due_ms, &appended, call.now);
        if let Some(dedup) = &mut self.dedup {
            dedup.pending_due_ms = due_ms;
        }
        let key = sent.scanned.unique_key(sent.properties);
        let answer = (self.recallable(sent.request.topic, due_ms, key), sent.body.len());
        self.acknowledge(call, target, &[appended], key, sent.scanned.wait, answer).map(Some)
    }

    fn append_half(&mut self, call: &Call<'_>, sent: &Sent<'_>) -> Outcome {
        if self.config.reject_transactions {
            let remark =
                format!("the broker[{}] sending transaction message is forbidden", self.identity.address);
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        if self.transactions.len() >= OPEN_MAX {
            let remark = format!("[REJECTREQUEST]system busy, {OPEN_MAX} half messages wait for a decision");
            return Err(Refused::new(ResponseCode::SYSTEM_BUSY, remark));
        }
        let key = sent.scanned.unique_key(sent.properties);
        let mut parked = Vec::with_capacity(sent.properties.len() + 128);
        park(
            &mut parked,
            sent.properties,
            &[keys::TRANSACTION_ID, PRIORITY],
            (sent.request.topic, sent.queue_id),
        );
        properties::append(&mut parked, 0, keys::TRANSACTION_ID, key);
        let target = Target { queue_id: sent.queue_id, queue: self.queue_of(HALF_TOPIC, 0) };
        let appended = self.append_parked(call, sent, (HALF_TOPIC, 0), target, &parked)?;
        let immunity = properties::find(&parked, keys::CHECK_IMMUNITY_TIME);
        let half = Half {
            at: appended.at,
            bytes: appended.bytes,
            born_at_ms: sent.request.born_at_ms,
            stored_at_ms: appended.stored_at_ms,
            immunity_ms: immunity.and_then(immunity_ms),
            checks: 0,
        };
        self.transactions.began(appended.queue_offset, half);
        self.acknowledge(call, target, &[appended], key, sent.scanned.wait, (Answer::Placed, sent.body.len()))
    }

    fn append_parked(
        &mut self,
        call: &Call<'_>,
        sent: &Sent<'_>,
        (topic, queue_id): (&str, u32),
        target: Target,
        parked: &[u8],
    ) -> Result<Appended, Refused> {
        if parked.len() > PROPERTIES_BYTES_MAX {
            return Err(refusals::properties_too_large(parked.len()));
        }
        let request = sent.request;
        let message = NewMessage {
            topic,
            queue_id,
            body: sent.body,
            properties: parked,
            flag: request.flag,
            sys_flag: request.sys_flag & !TRANSACTION_MASK,
            born_at_ms: request.born_at_ms,
            born_host: call.peer,
            store_host: self.identity.store_host,
            reconsume_times: request.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            tags_code: queue_code(topic, parked),
            keys: sent.scanned.keys(sent.properties),
            unique_key: sent.scanned.unique_key(sent.properties),
        };
        let appended = self
            .store
            .append(target.queue, &message, call.now.unix_ms)
            .map_err(|error| refusals::of_append(&error, &self.identity))?;
        self.stored(target.queue, 1, u64::from(appended.bytes));
        Ok(appended)
    }
}

/// Reads what the properties ask for. A delay level wins over a time, as in RocketMQ.
fn asked(sent: &Sent<'_>, now_ms: i64) -> Result<Asked, Refused> {
    let level = number(sent, keys::DELAY)?.unwrap_or(0);
    // A time that the broker wrote before (store.md 9.2): the message had its wait.
    let is_timed = value(sent, OUT_MS).is_none() && TIMES.iter().any(|name| value(sent, name).is_some());
    let is_half = value(sent, keys::TRAN_MSG).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    // What is tried again is delivered, not decided again.
    let is_retry = sent.request.reconsume_times.unwrap_or(0) > 0 && level > 0;
    if is_half && !is_retry {
        if level > 0 || is_timed {
            let remark = "a transactional message cannot be delayed as well; leave out DELAY and TIMER_*";
            return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        return Ok(Asked::Half);
    }
    if sent.request.sys_flag & TRANSACTION_MASK != 0 {
        let remark = "sysFlag names a transaction state, but property TRAN_MSG is not true";
        return Err(Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark));
    }
    if sent.request.topic.starts_with(DLQ_PREFIX) {
        return Ok(Asked::Nothing);
    }
    match u32::try_from(level).unwrap_or(if level > 0 { u32::MAX } else { 0 }) {
        0 if is_timed => due_ms(sent, now_ms).map(Asked::Time),
        0 => Ok(Asked::Nothing),
        level => Ok(Asked::Level(level)),
    }
}

/// When a message wants to be delivered. The first of [`TIMES`] counts.
fn due_ms(sent: &Sent<'_>, now_ms: i64) -> Result<i64, Refused> {
    if let Some(seconds) = number(sent, keys::TIMER_DELAY_SEC)? {
        return Ok(now_ms.saturating_add(seconds.saturating_mul(1_000)));
    }
    if let Some(ms) = number(sent, keys::TIMER_DELAY_MS)? {
        return Ok(now_ms.saturating_add(ms));
    }
    Ok(number(sent, keys::TIMER_DELIVER_MS)?.unwrap_or(now_ms))
}

fn value<'a>(sent: &Sent<'a>, name: &str) -> Option<&'a str> {
    properties::find(sent.properties, name).map(|value| str::from_utf8(value).unwrap_or_default())
}

fn number(sent: &Sent<'_>, name: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = value(sent, name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let remark = format!("property {name} is {text:?}, which is not a number");
        Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark)
    })
}
