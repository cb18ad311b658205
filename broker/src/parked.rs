//! Messages that wait under a topic of the broker's own until they may be seen: delayed ones, half messages.
//!
//! While one waits, its properties `REAL_TOPIC` and `REAL_QID` say where it belongs (behaviour.md 13, 14). When its time
//! comes, the record is stored once more, in that place.

use net::properties::{self, keys};
use rt::{Env, Now};
use store::record::{Record, queue_code};
use store::{Appended, NewMessage, StoreError};

use crate::shard::Shard;

/// Entries of a stored record that a new one does not take over: the cover of the old bytes.
const COVER: &str = keys::CRC32;
/// As [`COVER`]: places in light queues, which belong to the old record.
const PLACES: &str = crate::lmq::PLACES;

/// What changes when a record is stored once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again<'a> {
    pub(crate) topic: &'a str,
    pub(crate) queue_id: u32,
    pub(crate) properties: &'a [u8],
    pub(crate) sys_flag: i32,
    pub(crate) reconsume_times: i32,
    /// Position of the half message that a committed one comes from, else 0.
    pub(crate) prepared_at: i64,
}

impl<'a> Again<'a> {
    /// The record as it is, elsewhere and with other properties.
    pub(crate) fn moved(
        record: &Record<'_>,
        (topic, queue_id): (&'a str, u32),
        properties: &'a [u8],
    ) -> Self {
        Self {
            topic,
            queue_id,
            properties,
            sys_flag: record.sys_flag(),
            reconsume_times: record.reconsume_times(),
            prepared_at: record.prepared_transaction_offset(),
        }
    }
}

/// Where a parked message belongs; `None` if it does not say.
pub(crate) fn real_place(stored: &[u8]) -> Option<(&str, u32)> {
    let topic = str::from_utf8(properties::find(stored, keys::REAL_TOPIC)?).ok()?;
    let queue_id = str::from_utf8(properties::find(stored, keys::REAL_QID)?).ok()?.parse().ok()?;
    Some((topic, queue_id))
}

/// Appends `stored` without `dropped`, and where the message belongs.
pub(crate) fn park(out: &mut Vec<u8>, stored: &[u8], dropped: &[&str], (topic, queue_id): (&str, u32)) {
    let start = out.len();
    strip(out, stored, dropped);
    properties::append(out, start, keys::REAL_TOPIC, topic.as_bytes());
    properties::append(out, start, keys::REAL_QID, queue_id.to_string().as_bytes());
}

/// Appends `stored` without `dropped` and what the broker wrote when it parked the message.
pub(crate) fn strip(out: &mut Vec<u8>, stored: &[u8], dropped: &[&str]) {
    const PLACE: [&str; 4] = [COVER, PLACES, keys::REAL_TOPIC, keys::REAL_QID];
    properties::append_without(out, stored, |name| names(&PLACE, name) || names(dropped, name));
}

/// Appends `stored` without `dropped`; the place stays, as consumers of RocketMQ see it.
pub(crate) fn copy_without(out: &mut Vec<u8>, stored: &[u8], dropped: &[&str]) {
    properties::append_without(out, stored, |name| names(&[COVER, PLACES], name) || names(dropped, name));
}

fn names(all: &[&str], name: &[u8]) -> bool {
    all.iter().any(|one| one.as_bytes() == name)
}

pub(crate) fn text<'a>(stored: &'a [u8], name: &str) -> &'a str {
    properties::find(stored, name).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
}

impl<E: Env> Shard<E> {
    /// Stores a record once more: same body, born data and flag, and the rest as `again` says. The topic exists.
    pub(crate) fn store_again(
        &mut self,
        record: &Record<'_>,
        again: &Again<'_>,
        now: Now,
    ) -> Result<Appended, StoreError> {
        let stored = again.properties;
        let message = NewMessage {
            topic: again.topic,
            queue_id: again.queue_id,
            body: record.body(),
            properties: stored,
            flag: record.flag(),
            sys_flag: again.sys_flag,
            born_at_ms: record.born_at_ms(),
            born_host: record.born_host(),
            store_host: self.identity.store_host,
            reconsume_times: again.reconsume_times,
            prepared_transaction_offset: again.prepared_at,
            tags_code: queue_code(again.topic, stored),
            keys: properties::find(stored, keys::KEYS).unwrap_or_default(),
            unique_key: properties::find(stored, keys::UNIQ_KEY).unwrap_or_default(),
        };
        let queue = self.queue_of(again.topic, again.queue_id);
        self.append_again(queue, &message, now.unix_ms)
    }

    /// Stores a delayed message where it belongs, with properties that `write` makes of those it waited with. What can
    /// never be stored there is dropped, with a word in the log; an error means that trying again is right.
    pub(crate) fn deliver_parked(
        &mut self,
        record: &Record<'_>,
        now: Now,
        write: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) -> Result<(), StoreError> {
        let at = record.physical_offset();
        let Some(place) = real_place(record.properties()) else {
            tracing::error!(at = at.get(), "a delayed message without a destination is dropped");
            return Ok(());
        };
        if !self.topic_of_parked(place.0, place.1, at, now) {
            tracing::warn!(topic = place.0, "a delayed message is dropped: its topic was deleted");
            return Ok(());
        }
        let mut properties = std::mem::take(&mut self.memory.properties);
        properties.clear();
        write(&mut properties, record.properties());
        let stored = self.store_again(record, &Again::moved(record, place, &properties), now);
        self.memory.properties = properties;
        match stored {
            Ok(_) => Ok(()),
            Err(error @ StoreError::Refused(_)) => Err(error),
            Err(error) => {
                tracing::error!(topic = place.0, %error, "a delayed message is dropped: it cannot be stored where it belongs");
                Ok(())
            }
        }
    }
}
