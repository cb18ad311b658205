//! What is out, in the store's tables: rows of open checkpoints and of ordered batches. FORMAT.md "Tables".
//!
//! Rows are written in the turn in which the offsets go to the tables, before them, so one commit holds both: a group's
//! offset is never behind a message that is neither acknowledged nor in a row. A row goes when its messages are
//! acknowledged; or, revived, when the log is flushed behind their new records.

use rt::{Env, Now};
use store::tables::{Change, TablesError};

use super::checkpoints::{Checkpoint, MESSAGES_MAX, Messages, PopQueue};
use super::order::{OrderInfo, OrderedMessage};
use super::shared;
use crate::shard::Shard;
use crate::tables::{POP_ORDERS, POPPED};

/// Bytes of a checkpoint's row without the distances.
const FIXED: usize = 14;
const UNCOUNTED: u8 = 1;
/// Bytes of an ordered batch's row without messages, and of each message.
const ORDER_FIXED: usize = 17;
const ORDERED: usize = 21;
const ACKED: u8 = 1;
const CHANGED: u8 = 2;

impl<E: Env> Shard<E> {
    /// Hands to the tables what changed of what is out.
    ///
    /// # Errors
    /// If the tables refuse: the offsets must not go to them then. What was refused is tried again.
    pub(crate) fn store_pops(&mut self) -> Result<(), TablesError> {
        while let Some(id) = self.pops.changed.last().copied() {
            self.put_checkpoint_row(id)?;
            self.pops.changed.pop();
        }
        while let Some(id) = self.pops.orders.last().copied() {
            self.put_order_row(id)?;
            self.pops.orders.pop();
        }
        let flushed = self.store.flushed();
        while let Some((_, key)) = self.pops.revived.pop_front_if(|(end, _)| *end <= flushed) {
            self.pops.spent.push(key);
        }
        for (table, keys) in [(POPPED, &mut self.pops.spent), (POP_ORDERS, &mut self.pops.spent_orders)] {
            while let Some(key) = keys.last() {
                self.store.tables().delete(table, key)?;
                keys.pop();
            }
        }
        self.pops.is_refused = false;
        Ok(())
    }

    fn put_checkpoint_row(&mut self, id: super::CheckpointId) -> Result<(), TablesError> {
        // It may have ended since, and its place have been given to another one, which is listed itself.
        let checkpoints = &mut self.pops.checkpoints;
        let Some(checkpoint) = checkpoints.get(id).filter(|one| one.listed) else { return Ok(()) };
        let Some(queue) = checkpoints.queue(checkpoint.queue) else { return Ok(()) };
        let key = checkpoint_key(queue, checkpoint.start, checkpoint.pop_ms);
        let value = checkpoint_row(checkpoint);
        self.store.tables().apply(&[Change::Put { table: POPPED, key: &key, value: &value }])?;
        if let Some(checkpoint) = checkpoints.get_mut(id) {
            checkpoint.listed = false;
            checkpoint.stored = true;
        }
        Ok(())
    }

    fn put_order_row(&mut self, id: super::PopQueueId) -> Result<(), TablesError> {
        let Some(queue) = self.pops.checkpoints.queue_mut(id).filter(|queue| queue.order_changed) else {
            return Ok(());
        };
        let key = queue_key(queue);
        match &queue.order {
            Some(info) => self.store.tables().put(POP_ORDERS, &key, &order_row(info))?,
            None => self.store.tables().delete(POP_ORDERS, &key)?,
        }
        queue.order_changed = false;
        Ok(())
    }

    /// Takes up what was out when the last run ended.
    pub(crate) fn load_pops(&mut self, now: Now) {
        for (key, value) in self.store.tables().iter(POPPED) {
            let read = parse_checkpoint_key(&key).zip(parse_checkpoint_row(&value));
            let Some((((group, topic, queue_id), start, pop_ms), row)) = read else {
                tracing::error!(bytes = key.len(), "a stored checkpoint of a pop cannot be read");
                continue;
            };
            let queue = self.pops.checkpoints.queue_or_make(&shared(group), &shared(topic), queue_id);
            // A clock that was set back makes nobody wait longer than asked.
            let invisible_ms = row.due_ms.saturating_sub(pop_ms).max(0);
            let due_ms = row.due_ms.min(now.unix_ms.saturating_add(invisible_ms));
            let id = self.open_checkpoint(
                Checkpoint {
                    unacked: row.unacked,
                    open: row.unacked,
                    uncounted: row.uncounted,
                    stored: true,
                    ..Checkpoint::new(queue, (start, row.messages), (pop_ms, due_ms))
                },
                now,
            );
            self.pops.changed.retain(|listed| *listed != id);
            self.pops.checkpoints.get_mut(id).expect("just opened").listed = false;
        }
        for (key, value) in self.store.tables().iter(POP_ORDERS) {
            let Some(((group, topic, queue_id), info)) = parse_queue_key(&key).zip(parse_order_row(&value))
            else {
                tracing::error!(bytes = key.len(), "a stored batch of an ordered pop cannot be read");
                continue;
            };
            let queue = self.pops.checkpoints.queue_or_make(&shared(group), &shared(topic), queue_id);
            self.set_pop_order(queue, Some(info), now);
        }
    }
}

/// Reads `bytes` as every kind of key and row there is; what is a row is written alike.
pub(crate) fn rows_of(bytes: &[u8]) {
    if let Some(info) = parse_order_row(bytes) {
        assert_eq!(parse_order_row(&order_row(&info)).as_ref(), Some(&info), "it reads back");
    }
    if let Some(row) = parse_checkpoint_row(bytes) {
        assert_eq!(row.unacked & !row.messages.all(), 0, "no bits without messages");
    }
    let _may_refuse = (parse_checkpoint_key(bytes), parse_queue_key(bytes));
}

/// A row of [`POPPED`], read.
struct Row {
    due_ms: i64,
    unacked: u32,
    uncounted: bool,
    messages: Messages,
}

/// Group, NUL, topic, NUL, queue id.
pub(crate) fn queue_key(queue: &PopQueue) -> Vec<u8> {
    let (group, topic) = (queue.group.as_bytes(), queue.topic.as_bytes());
    [group, &[0], topic, &[0], &queue.queue_id.to_be_bytes()].concat()
}

/// The same, then start and pop time.
pub(crate) fn checkpoint_key(queue: &PopQueue, start: u64, pop_ms: i64) -> Vec<u8> {
    let mut key = queue_key(queue);
    key.extend_from_slice(&start.to_be_bytes());
    key.extend_from_slice(&pop_ms.to_be_bytes());
    key
}

type QueueName<'a> = (&'a str, &'a str, u32);

fn parse_queue_key(key: &[u8]) -> Option<QueueName<'_>> {
    let (names, queue_id) = key.split_last_chunk::<4>()?;
    let (group, topic) = str::from_utf8(names).ok()?.strip_suffix('\0')?.split_once('\0')?;
    Some((group, topic, u32::from_be_bytes(*queue_id)))
}

fn parse_checkpoint_key(key: &[u8]) -> Option<(QueueName<'_>, u64, i64)> {
    let (rest, pop_ms) = key.split_last_chunk::<8>()?;
    let (rest, start) = rest.split_last_chunk::<8>()?;
    Some((parse_queue_key(rest)?, u64::from_be_bytes(*start), i64::from_be_bytes(*pop_ms)))
}

fn checkpoint_row(checkpoint: &Checkpoint) -> Vec<u8> {
    let count = checkpoint.messages.count();
    let mut row = Vec::with_capacity(FIXED + 4 * count);
    row.extend_from_slice(&checkpoint.due_ms.to_be_bytes());
    row.extend_from_slice(&checkpoint.unacked.to_be_bytes());
    row.push(if checkpoint.uncounted { UNCOUNTED } else { 0 });
    row.push(u8::try_from(count).expect("at most 32"));
    if let Messages::Some(distances) = &checkpoint.messages {
        row.extend(distances.iter().flat_map(|distance| distance.to_be_bytes()));
    }
    row
}

fn parse_checkpoint_row(row: &[u8]) -> Option<Row> {
    let (fixed, distances) = row.split_first_chunk::<FIXED>()?;
    let count = fixed[13];
    if count == 0 || usize::from(count) > MESSAGES_MAX {
        return None;
    }
    let messages = if distances.is_empty() {
        Messages::Row(count)
    } else if distances.len() == 4 * usize::from(count) {
        let (chunks, _) = distances.as_chunks::<4>();
        Messages::Some(chunks.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect())
    } else {
        return None;
    };
    Some(Row {
        due_ms: i64::from_be_bytes(fixed[..8].try_into().ok()?),
        unacked: u32::from_be_bytes(fixed[8..12].try_into().ok()?) & messages.all(),
        uncounted: fixed[12] & UNCOUNTED != 0,
        messages,
    })
}

fn order_row(info: &OrderInfo) -> Vec<u8> {
    let mut row = Vec::with_capacity(ORDER_FIXED + ORDERED * info.messages.len());
    row.extend_from_slice(&info.pop_ms.to_be_bytes());
    row.extend_from_slice(&info.invisible_ms.to_be_bytes());
    row.push(u8::try_from(info.messages.len()).expect("at most 32"));
    for message in &info.messages {
        row.extend_from_slice(&message.offset.to_be_bytes());
        let changed = if message.visible_ms.is_some() { CHANGED } else { 0 };
        row.push(changed | if message.acked { ACKED } else { 0 });
        row.extend_from_slice(&message.visible_ms.unwrap_or(0).to_be_bytes());
        row.extend_from_slice(&message.consumed.to_be_bytes());
    }
    row.extend_from_slice(info.attempt_id.as_deref().unwrap_or_default().as_bytes());
    row
}

fn parse_order_row(row: &[u8]) -> Option<OrderInfo> {
    let (fixed, rest) = row.split_first_chunk::<ORDER_FIXED>()?;
    let (messages, attempt) = rest.split_at_checked(ORDERED * usize::from(fixed[16]))?;
    let message = |bytes: &[u8; ORDERED]| {
        let visible = i64::from_be_bytes(bytes[9..17].try_into().expect("eight bytes"));
        OrderedMessage {
            offset: u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes")),
            acked: bytes[8] & ACKED != 0,
            visible_ms: (bytes[8] & CHANGED != 0).then_some(visible),
            consumed: u32::from_be_bytes(bytes[17..].try_into().expect("four bytes")),
        }
    };
    let (chunks, _) = messages.as_chunks::<ORDERED>();
    let attempt = str::from_utf8(attempt).ok()?;
    Some(OrderInfo {
        pop_ms: i64::from_be_bytes(fixed[..8].try_into().ok()?),
        invisible_ms: i64::from_be_bytes(fixed[8..16].try_into().ok()?),
        messages: chunks.iter().map(message).collect(),
        attempt_id: Some(attempt).filter(|id| !id.is_empty()).map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::checkpoints::PopQueueId;
    use super::*;

    proptest! {
        #[test]
        fn a_row_of_a_checkpoint_reads_back(
            start in 0u64..1 << 40, due in any::<i64>(), unacked: u32, uncounted: bool,
            steps in prop::collection::vec(0u64..3, 1..=32),
        ) {
            let mut offset = start;
            let offsets: Vec<u64> = steps.iter().map(|step| { offset += 1 + step; offset - 1 }).collect();
            let messages = Messages::new(start, &offsets);
            let mut one = Checkpoint::new(PopQueueId(0), (start, messages.clone()), (1, due));
            (one.unacked, one.uncounted) = (unacked & messages.all(), uncounted);
            let row = parse_checkpoint_row(&checkpoint_row(&one)).expect("its own row");
            prop_assert_eq!((row.due_ms, row.unacked, row.uncounted, row.messages), (due, one.unacked, uncounted, messages));
        }

        #[test]
        fn a_row_of_an_ordered_batch_reads_back(
            pop_ms: i64, invisible_ms: i64, attempt in "[a-z0-9]{0,20}",
            batch in prop::collection::vec((any::<u64>(), any::<bool>(), any::<Option<i64>>(), any::<u32>()), 0..=32),
        ) {
            let message = |(offset, acked, visible_ms, consumed)| OrderedMessage { offset, acked, visible_ms, consumed };
            let info = OrderInfo {
                pop_ms,
                invisible_ms,
                messages: batch.into_iter().map(message).collect(),
                attempt_id: Some(attempt).filter(|id| !id.is_empty()).map(Into::into),
            };
            prop_assert_eq!(parse_order_row(&order_row(&info)), Some(info));
        }

        #[test]
        fn other_bytes_are_no_rows_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (parse_checkpoint_row(&bytes), parse_order_row(&bytes), parse_checkpoint_key(&bytes));
        }
    }
}
