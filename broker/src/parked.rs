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
    const PLACE: [&str; 3] = [COVER, keys::REAL_TOPIC, keys::REAL_QID];
    copy(out, stored, |name| PLACE.contains(&name) || dropped.contains(&name));
}

/// Appends `stored` without `dropped`; the place stays, as consumers of RocketMQ see it.
pub(crate) fn copy_without(out: &mut Vec<u8>, stored: &[u8], dropped: &[&str]) {
    copy(out, stored, |name| name == COVER || dropped.contains(&name));
}

fn copy(out: &mut Vec<u8>, stored: &[u8], is_dropped: impl Fn(&str) -> bool) {
    for (name, value) in properties::iter(stored) {
        if !str::from_utf8(name).is_ok_and(&is_dropped) {
            out.extend_from_slice(name);
            out.push(properties::NAME_VALUE);
            out.extend_from_slice(value);
            out.push(properties::ENTRY_END);
        }
    }
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
            keys: text(stored, keys::KEYS),
            unique_key: text(stored, keys::UNIQ_KEY),
        };
        let queue = self.queue_of(again.topic, again.queue_id);
        let appended = self.store.append(queue, &message, now.unix_ms)?;
        self.stored(queue, 1, u64::from(appended.bytes));
        Ok(appended)
    }
}
