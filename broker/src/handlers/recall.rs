//! Taking a message back before it is due: request 370, and the property by which older clients do it. store.md 9.5.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use net::names::TIMER_TOPIC;
use net::properties::keys;
use net::requests::{RecallMessage, RecallMessageReply};
use net::{ResponseCode, reply};
use rt::{Class, Env, SharedSlice};
use store::StoreError;
use store::record::{Parsed, Record, parse};

use crate::call::{Call, Done, Outcome, Refused};
use crate::parked::{real_place, text};
use crate::receipts::Answer;
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::timed::OUT_MS;

/// Stored messages of one unique key that are looked at: every time a message is parked anew is one.
const LOOK_AT: u32 = 64;

/// What a producer gets for a message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecallHandle<'a> {
    topic: &'a str,
    broker: &'a str,
    due_ms: i64,
    key: &'a str,
}

impl<'a> RecallHandle<'a> {
    /// As clients carry it about: base64url of `v1 topic broker time key`.
    fn encode(&self) -> String {
        URL_SAFE.encode(format!("v1 {} {} {} {}", self.topic, self.broker, self.due_ms, self.key))
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let version = parts.next()?;
        let handle = Self {
            topic: parts.next()?,
            broker: parts.next()?,
            due_ms: parts.next()?.parse().ok()?,
            key: parts.next()?,
        };
        (version == "v1" && !handle.key.is_empty()).then_some(handle)
    }
}

impl<E: Env> Shard<E> {
    /// The answer to the producer of a message that waits until `due_ms`: its place, and the handle that takes it back. A
    /// `key` that is no text cannot be named, and its handle names nothing.
    pub(crate) fn recallable(&self, topic: &str, due_ms: i64, key: &[u8]) -> Answer {
        let key = str::from_utf8(key).unwrap_or_default();
        let handle = RecallHandle { topic, broker: &self.identity.name, due_ms, key };
        Answer::Recallable(handle.encode().into())
    }

    pub(crate) fn recall_message(&mut self, call: &Call<'_>, request: &RecallMessage<'_>) -> Outcome {
        if !self.config.recall {
            return Err(Refused::new(ResponseCode::NO_PERMISSION, "recall failed, operation is forbidden"));
        }
        if self.phase != Phase::Serving {
            return Err(refusals::going_away(call.version()));
        }
        if self.topics.config(request.topic).is_none() {
            return Err(Refused::no_topic(request.topic));
        }
        let illegal =
            |why: &str| Refused::new(ResponseCode::ILLEGAL_OPERATION, format!("recall failed, {why}"));
        let text =
            decode(request.recall_handle).ok_or_else(|| illegal("the handle is not base64url of a text"))?;
        let handle =
            RecallHandle::parse(&text).ok_or_else(|| illegal("the handle is not one of version 1"))?;
        if handle.topic != request.topic {
            return Err(illegal("the handle belongs to another topic"));
        }
        if *handle.broker != *self.identity.name {
            return Err(illegal("the handle belongs to another broker"));
        }
        if self.timed.is_past(handle.due_ms, call.now.unix_ms) {
            return Err(illegal("the message is due already"));
        }
        let (topic, key, due_ms) = (handle.topic.to_owned(), handle.key.to_owned(), handle.due_ms);
        let work = self.find_waiting(&key);
        self.answer_later(call, Class::Admin, work, move |shard, conn, to, found, now| {
            let found = found.map_err(|error| refusals::of_read(&error, &shard.identity))?;
            let newest = found
                .iter()
                .filter_map(|bytes| waiting(bytes, Some(&topic), &key))
                .max_by_key(Record::physical_offset);
            let Some(record) = newest.filter(|_| !shard.timed.is_past(due_ms, now.unix_ms)) else {
                let remark = "recall failed, no such message waits: it was delivered or never stored here";
                return Err(Refused::new(ResponseCode::ILLEGAL_OPERATION, remark));
            };
            shard.put_recalled(record.physical_offset(), due_ms);
            let durable = shard.store.tables().durable();
            shard.connections.request_held(conn, 0);
            shard.later(Class::Admin, durable, move |shard, result, _| {
                shard.connections.request_done(conn, 0);
                let outcome = result
                    .map_err(|error| Refused::system(format!("recalled until a restart only: {error}")));
                if outcome.is_ok()
                    && let (Some(to), Some(out)) = (to, shard.connections.reply(conn))
                {
                    return reply::with_body(
                        out,
                        to,
                        ResponseCode::SUCCESS,
                        None,
                        &RecallMessageReply { msg_id: &key },
                        &[],
                    );
                }
                shard.conclude(conn, to, outcome.map(|()| Done::Success));
            });
            Ok(Done::Later)
        })
    }

    /// Takes back what `TIMER_DEL_UNIQKEY` names: a unique key, behind its topic and a `+` until RocketMQ 5.3.
    pub(crate) fn recall_by_key(&mut self, named: &str) {
        let (topic, key) = match named.split_once('+') {
            Some((topic, key)) => (Some(topic.to_owned()), key.to_owned()),
            None => (None, named.to_owned()),
        };
        let work = self.find_waiting(&key);
        self.later(Class::Admin, work, move |shard, found, _| match found {
            Ok(found) => {
                let newest = found
                    .iter()
                    .filter_map(|bytes| waiting(bytes, topic.as_deref(), &key))
                    .max_by_key(Record::physical_offset);
                if let Some(record) = newest {
                    let due_ms = text(record.properties(), OUT_MS).parse().unwrap_or(0);
                    shard.put_recalled(record.physical_offset(), due_ms);
                }
            }
            Err(error) => tracing::warn!(%error, "a message could not be looked up to be taken back"),
        });
    }

    fn find_waiting(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Vec<SharedSlice>, StoreError>> + 'static {
        self.store.query_keys(TIMER_TOPIC, key, LOOK_AT, 0, i64::MAX)
    }
}

fn decode(handle: &str) -> Option<String> {
    let bytes = URL_SAFE.decode(handle).or_else(|_| URL_SAFE_NO_PAD.decode(handle)).ok()?;
    String::from_utf8(bytes).ok()
}

/// The record, if it is the waiting message of this key (and topic).
fn waiting<'a>(bytes: &'a SharedSlice, topic: Option<&str>, key: &str) -> Option<Record<'a>> {
    let Ok(Parsed::Record(record)) = parse(bytes) else { return None };
    let stored = record.properties();
    let is_it = text(stored, keys::UNIQ_KEY) == key
        && text(stored, keys::TIMER_DEL_UNIQKEY).is_empty()
        && topic.is_none_or(|topic| real_place(stored).is_some_and(|(real, _)| real == topic));
    is_it.then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back() {
        let handle = RecallHandle { topic: "T", broker: "broker-a", due_ms: 1_700_000_000_000, key: "K 1" };
        let text = decode(&handle.encode()).unwrap_or_default();
        assert_eq!(RecallHandle::parse(&text), Some(handle));
        for bad in ["", "v1 T b 12", "v2 T b 12 K", "v1 T b soon K", "v1 T b 12 "] {
            assert_eq!(RecallHandle::parse(bad), None, "{bad}");
        }
    }
}
