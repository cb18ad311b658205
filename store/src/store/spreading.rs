//! Records with more than one queue entry: inner batches, which hold several messages, and multi-dispatched messages,
//! which lie in light queues besides their own.

use rt::Env;

use super::Store;
use crate::consume_queue::Entry;
use crate::record::{Record, inner_batch, light_places, queue_code, sys_flag};
use crate::{Appended, FlushMode, NewMessage, QueueOffset, QueueRef, StoreError};

/// Number of the one queue of a light queue's name.
const LIGHT_QUEUE: u32 = 0;

impl<E: Env> Store<E> {
    /// As [`Store::append`], with `count` consecutive entries in the queue, all for this record, and one more in each of
    /// `also`: light queues by handle and name, none of them twice. The properties of `message` must say so
    /// (`INNER_NUM`, `INNER_MULTI_DISPATCH` and their kin), since a recovery finds the entries there; the offsets are
    /// those of [`Store::next_offset`].
    ///
    /// # Errors
    /// As [`Store::append`].
    ///
    /// # Panics
    /// If `count` is 0, or above 1 with light queues besides.
    pub fn append_spread(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        count: u32,
        also: &[(QueueRef, &str)],
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        assert!(count > 0, "a record is for somebody");
        // A reader must be able to tell from the record where a batch ends in the queue it reads.
        assert!(count == 1 || also.is_empty(), "an inner batch is in its own queue only");
        assert!(!sys_flag::stays_out_of_queues(message.sys_flag), "what no queue has is not spread");
        let appended = self.append(queue, message, now_unix_ms)?;
        let entry = Entry { at: appended.at, size: appended.bytes, tags_code: message.tags_code };
        for _ in 1..count {
            self.queues.push(queue, entry);
        }
        if count > 1 {
            let name = (message.topic, message.queue_id);
            self.note_spread(queue, name, appended.queue_offset, u64::from(count), &appended);
        }
        for (queue, topic) in also {
            let offset = self.queues.push(*queue, entry);
            self.note_spread(*queue, (topic, LIGHT_QUEUE), offset, 1, &appended);
        }
        Ok(appended)
    }

    fn note_spread(
        &self,
        queue: QueueRef,
        name: (&str, u32),
        first: QueueOffset,
        count: u64,
        appended: &Appended,
    ) {
        if self.log.config.flush_mode == FlushMode::Async {
            self.hints.used(queue, name, (first, count), appended.at, appended.stored_at_ms);
        }
    }
}

/// Every entry of a record: topic, queue id and offset, in the order in which [`Store::append_spread`] makes them.
pub(super) fn entries_of(record: &Record<'_>, mut show: impl FnMut(&str, u32, QueueOffset, Entry)) {
    let entry = Entry {
        at: record.physical_offset(),
        size: u32::try_from(record.bytes().len()).expect("a record has a 31-bit length"),
        tags_code: queue_code(record.topic(), record.properties()),
    };
    let first = record.queue_offset();
    let count = inner_batch(record.topic(), record.sys_flag(), record.properties());
    for number in 0..u64::from(count) {
        show(record.topic(), record.queue_id(), first.plus(number), entry);
    }
    for (topic, offset) in light_places(record.topic(), record.properties()) {
        show(topic, LIGHT_QUEUE, QueueOffset::new(offset), entry);
    }
}
