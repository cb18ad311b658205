//! How half messages are decided: by their producers (37), by asking them (39), or given up. behaviour.md 13.

use net::client::{RequestHead, encode};
use net::message_id::OffsetMessageId;
use net::names::GIVEN_UP_TOPIC;
use net::properties::{self, keys};
use net::requests::{CheckTransactionState, EndTransaction, ResumeCheckHalfMessage};
use net::{Codec, ReplyTo, RequestCode, ResponseCode};
use rt::{Class, ConnId, Env, Now};
use store::record::{Draft, Parsed, Place, Record, parse};
use store::{Appended, NewMessage, PhysicalOffset};

use crate::call::{Call, Done, Outcome, Refused};
use crate::parked::{copy_without, real_place, text};
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::timers::Timer;
use crate::transactions::Half;

/// `commitOrRollback` of request 37.
const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;
/// Half messages looked at in one go of the check; the rest has its turn a millisecond later.
const CHECKS: usize = 256;

/// What a producer says about one of its half messages.
#[derive(Clone, Debug)]
struct Decision {
    group: String,
    offset: u64,
    is_commit: bool,
    is_checked: bool,
}

impl<E: Env> Shard<E> {
    pub(crate) fn end_transaction(&mut self, call: &Call<'_>, request: &EndTransaction<'_>) -> Outcome {
        if self.phase != Phase::Serving {
            return Err(refusals::going_away(call.version()));
        }
        // "Unknown" is no decision, and no answer is expected (remoting.md 3.8).
        if !matches!(request.commit_or_rollback, COMMIT | ROLLBACK) {
            return Ok(Done::Answered);
        }
        let offset = u64::try_from(request.tran_state_table_offset).unwrap_or(u64::MAX);
        let decision = Decision {
            group: request.producer_group.to_owned(),
            offset,
            is_commit: request.commit_or_rollback == COMMIT,
            is_checked: request.from_transaction_check,
        };
        let not_found =
            Refused::system("the half message is not found; its commitLogOffset is wrong or it expired");
        let at = u64::try_from(request.commit_log_offset)
            .map(PhysicalOffset::new)
            .map_err(|_| not_found.clone())?;
        // Nearly always it was sent a moment ago.
        let window = self.store.window().clone();
        let known = self.transactions.open(offset).filter(|half| half.at == at);
        if let Some(bytes) = known.and_then(|half| window.slice(at.get(), half.bytes as usize)) {
            let Ok(Parsed::Record(record)) = parse(&bytes) else { return Err(not_found) };
            let appended = self.decide(&record, &decision, call.now)?;
            return Ok(self.answer_decided(call.conn, call.reply, appended, call.now));
        }
        let work = self.store.record_at(at);
        self.answer_later(call, Class::ColdRead, work, move |shard, conn, reply, found, now| {
            let bytes = found
                .map_err(|error| refusals::of_read(&error, &shard.identity))?
                .ok_or(not_found.clone())?;
            let Ok(Parsed::Record(record)) = parse(&bytes) else { return Err(not_found) };
            let appended = shard.decide(&record, &decision, now)?;
            Ok(shard.answer_decided(conn, reply, appended, now))
        })
    }

    /// Carries a decision out; the record is what stands where the producer says its half message is. `None` if there
    /// is nothing to wait for.
    fn decide(
        &mut self,
        record: &Record<'_>,
        decision: &Decision,
        now: Now,
    ) -> Result<Option<Appended>, Refused> {
        if text(record.properties(), keys::PGROUP) != decision.group {
            return Err(Refused::system("The producer group wrong"));
        }
        if record.queue_offset().get() != decision.offset {
            return Err(Refused::system("The transaction state table offset wrong"));
        }
        let Some(half) =
            self.transactions.open(decision.offset).filter(|half| half.at == record.physical_offset())
        else {
            // Decided before: the message is stored once however often its producer says so.
            return Ok(None);
        };
        let age_ms = u64::try_from(now.unix_ms - half.born_at_ms).unwrap_or(0);
        if !decision.is_checked && properties::find(record.properties(), keys::CHECK_IMMUNITY_TIME).is_some()
        {
            let immunity = half.immunity_ms.unwrap_or_else(|| u64::from(self.config.transaction_timeout_ms));
            if age_ms > immunity {
                return Err(Refused::new(
                    ResponseCode::ILLEGAL_OPERATION,
                    "too late: the message is past its CHECK_IMMUNITY_TIME_IN_SECONDS, answer the check instead",
                ));
            }
        }
        if !decision.is_commit {
            self.transactions.settle(decision.offset);
            return Ok(None);
        }
        let place = real_place(record.properties()).ok_or_else(|| Refused::system("not a half message"))?;
        if !self.topic_of_parked(place.0, place.1, half.at, now) {
            return Err(Refused::no_topic(place.0));
        }
        let committed = self.commit_half(record, place, now);
        committed.map(Some).map_err(|error| refusals::of_append(&error, &self.identity))
    }

    fn answer_decided(
        &mut self,
        conn: ConnId,
        reply: Option<ReplyTo>,
        appended: Option<Appended>,
        now: Now,
    ) -> Done {
        match (reply, appended) {
            (Some(reply), Some(appended)) => self.answer_stored(conn, reply, &appended, now),
            _ => Done::Success,
        }
    }

    /// Asks about undecided half messages, from queue offset `from` on.
    pub(crate) fn check_transactions(&mut self, from: u64, now: Now) {
        if self.phase != Phase::Serving {
            return;
        }
        let mut next = from;
        for _ in 0..CHECKS {
            let Some((offset, half)) = self.transactions.next_open(next) else {
                let period = u64::from(self.config.transaction_check_ms);
                self.wheel.arm(now.mono.as_ms() + period, Timer::Transactions(0));
                return;
            };
            next = offset + 1;
            if self.is_due_for_a_check(&half, now) {
                self.check_half(offset, half, now);
            }
        }
        self.wheel.arm(now.mono.as_ms() + 1, Timer::Transactions(next));
    }

    fn is_due_for_a_check(&self, half: &Half, now: Now) -> bool {
        let immunity = half.immunity_ms.unwrap_or_else(|| u64::from(self.config.transaction_timeout_ms));
        // A birth in the future is a clock that is wrong: no reason to wait.
        u64::try_from(now.unix_ms - half.born_at_ms).map_or(true, |age| age > immunity)
    }

    fn check_half(&mut self, offset: u64, half: Half, now: Now) {
        if let Some(bytes) = self.store.window().clone().slice(half.at.get(), half.bytes as usize) {
            return self.check_record(offset, &bytes, now);
        }
        let work = self.store.record_at(half.at);
        self.later(Class::ColdRead, work, move |shard, found, now| match found {
            Ok(Some(bytes)) => shard.check_record(offset, &bytes, now),
            Ok(None) => {
                tracing::warn!(offset, "an undecided half message expired with its segment");
                shard.transactions.settle(offset);
                shard.env.kick();
            }
            Err(error) => tracing::warn!(offset, %error, "a half message cannot be read now"),
        });
    }

    fn check_record(&mut self, offset: u64, bytes: &[u8], now: Now) {
        let (Ok(Parsed::Record(record)), Some(half)) = (parse(bytes), self.transactions.open(offset)) else {
            return;
        };
        let age_ms = now.unix_ms - half.stored_at_ms;
        let kept_ms = i64::from(self.config.retention_hours) * 3_600_000;
        if half.checks >= self.config.transaction_check_max || age_ms > kept_ms {
            self.topic_of_parked(GIVEN_UP_TOPIC, 0, half.at, now);
            if let Err(error) = self.give_up_half(&record, now) {
                tracing::debug!(offset, %error, "a half message is given up later");
            }
            self.env.kick();
            return;
        }
        let checks = self.transactions.asked_about(offset);
        self.ask_producer(&record, checks);
    }

    /// Sends a half message to a producer of its group, as it looks in its real topic (39).
    fn ask_producer(&mut self, record: &Record<'_>, checks: u32) {
        let group = text(record.properties(), keys::PGROUP);
        let Some((topic, queue_id)) = real_place(record.properties()) else { return };
        let conns: Vec<ConnId> =
            self.clients.producer_group(group).into_iter().flatten().map(|(conn, _)| *conn).collect();
        if conns.is_empty() {
            tracing::debug!(group, "no producer to ask about a half message");
            return;
        }
        let conn = conns[self.transactions.asked % conns.len()];
        self.transactions.asked = self.transactions.asked.wrapping_add(1);
        let mut stored = Vec::with_capacity(record.properties().len() + 32);
        copy_without(&mut stored, record.properties(), &[keys::TRANSACTION_CHECK_TIMES]);
        properties::append(&mut stored, 0, keys::TRANSACTION_CHECK_TIMES, checks.to_string().as_bytes());
        let Some(body) = as_in_its_topic(record, (topic, queue_id), &stored) else { return };
        let mut id = String::new();
        OffsetMessageId { host: record.store_host(), offset: record.physical_offset().get() }.append(&mut id);
        let key = text(record.properties(), keys::UNIQ_KEY);
        let push = CheckTransactionState {
            topic: Some(topic),
            tran_state_table_offset: i64::try_from(record.queue_offset().get()).unwrap_or(i64::MAX),
            commit_log_offset: i64::try_from(record.physical_offset().get()).unwrap_or(i64::MAX),
            msg_id: Some(key),
            transaction_id: Some(key),
            offset_msg_id: Some(&id),
            broker_name: Some(&self.identity.name),
        };
        // JSON, as C++ clients read nothing else in pushes.
        let code = RequestCode::CHECK_TRANSACTION_STATE;
        let head = RequestHead { codec: Codec::Json, code, opaque: 0, oneway: true };
        if let Some(out) = self.connections.reply(conn) {
            encode(out.bytes(), head, &push, &body);
        }
    }

    pub(crate) fn resume_check(&mut self, call: &Call<'_>, request: &ResumeCheckHalfMessage<'_>) -> Outcome {
        let id = request.msg_id.unwrap_or_default();
        let at = OffsetMessageId::parse(id)
            .map(|id| PhysicalOffset::new(id.offset))
            .map_err(|_| Refused::system(format!("msgId {id:?} is not the offset id of a message")))?;
        let work = self.store.record_at(at);
        self.answer_later(call, Class::ColdRead, work, move |shard, conn, reply, found, now| {
            let bytes = found.map_err(|error| refusals::of_read(&error, &shard.identity))?;
            let missing = || Refused::system("Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed: no message that was given up has this id");
            let bytes = bytes.ok_or_else(missing)?;
            let Ok(Parsed::Record(record)) = parse(&bytes) else { return Err(missing()) };
            if record.topic() != GIVEN_UP_TOPIC {
                return Err(missing());
            }
            let appended = shard
                .resume_half(&record, now)
                .map_err(|error| refusals::of_append(&error, &shard.identity))?;
            let Some(reply) = reply else { return Ok(Done::Answered) };
            Ok(shard.answer_stored(conn, reply, &appended, now))
        })
    }
}

/// The bytes of a half message as a record of its real topic, at the half's own position.
fn as_in_its_topic(record: &Record<'_>, (topic, queue_id): (&str, u32), stored: &[u8]) -> Option<Vec<u8>> {
    let message = NewMessage {
        topic,
        queue_id,
        body: record.body(),
        properties: stored,
        flag: record.flag(),
        sys_flag: record.sys_flag(),
        born_at_ms: record.born_at_ms(),
        born_host: record.born_host(),
        store_host: record.store_host(),
        reconsume_times: record.reconsume_times(),
        prepared_transaction_offset: 0,
        tags_code: 0,
        keys: b"",
        unique_key: b"",
    };
    let draft = Draft::new(&message).ok()?;
    let mut bytes = vec![0; draft.bytes()];
    let place = Place {
        at: record.physical_offset(),
        queue_offset: record.queue_offset(),
        stored_at_ms: record.stored_at_ms(),
    };
    draft.encode(place, &mut bytes);
    Some(bytes)
}
