//! What an ordered pop took of a queue: until all of it is acknowledged or visible again, nobody else gets anything.
//!
//! There are no checkpoints then: what is not acknowledged is popped again from the same place, in the same order.
//!
//! Source: `ConsumerOrderInfoManager`, RocketMQ 5.5.

use net::pop::{Kind, OffsetTexts};

use super::checkpoints::MESSAGES_MAX;

/// The latest batch of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct OrderInfo {
    pub(crate) pop_ms: i64,
    pub(crate) invisible_ms: i64,
    pub(crate) messages: Vec<OrderedMessage>,
    /// Of the pop that took it. The same again is the same pop, whose answer was lost.
    pub(crate) attempt_id: Option<Box<str>>,
}

/// One message of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderedMessage {
    pub(crate) offset: u64,
    pub(crate) acked: bool,
    /// Visible again at this time, Unix ms, if a client changed it.
    pub(crate) visible_ms: Option<i64>,
    /// How often it was popped before.
    pub(crate) consumed: u32,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    /// The group goes on at this offset.
    Next(u64),
    /// The receipt is of an earlier pop: nothing changed.
    Stale,
    /// The batch has no such message.
    Unknown,
}

impl OrderInfo {
    /// A new batch, which follows `before`.
    pub(crate) fn new(
        before: Option<&Self>,
        (pop_ms, invisible_ms): (i64, i64),
        offsets: &[u64],
        attempt_id: Option<Box<str>>,
    ) -> Self {
        assert!(offsets.len() <= MESSAGES_MAX, "a pop takes no more");
        let is_same = attempt_id.is_some() && before.is_some_and(|before| before.attempt_id == attempt_id);
        let consumed = |offset: u64| {
            let earlier = before.and_then(|before| before.message(offset));
            earlier.map_or(0, |message| message.consumed + u32::from(!is_same))
        };
        let message = |offset: &u64| OrderedMessage {
            offset: *offset,
            acked: false,
            visible_ms: None,
            consumed: consumed(*offset),
        };
        Self { pop_ms, invisible_ms, messages: offsets.iter().map(message).collect(), attempt_id }
    }

    /// Whether a pop has to wait; the time until it does, if so.
    pub(crate) fn blocked_until(&self, attempt_id: Option<&str>, now_ms: i64) -> Option<i64> {
        if self.attempt_id.is_some() && self.attempt_id.as_deref() == attempt_id {
            return None;
        }
        let waiting = self.messages.iter().filter(|message| !message.acked);
        let visible = waiting.map(|message| {
            message.visible_ms.unwrap_or_else(|| self.pop_ms.saturating_add(self.invisible_ms))
        });
        visible.filter(|visible| *visible > now_ms).max()
    }

    /// Acknowledges one message of the batch that was popped at `pop_ms`.
    pub(crate) fn ack(&mut self, offset: u64, pop_ms: i64) -> Acked {
        if pop_ms != self.pop_ms {
            return Acked::Stale;
        }
        let Some(message) = self.messages.iter_mut().find(|message| message.offset == offset) else {
            return Acked::Unknown;
        };
        message.acked = true;
        let first_open = self.messages.iter().find(|message| !message.acked);
        let behind = self.messages.last().map_or(offset, |message| message.offset) + 1;
        Acked::Next(first_open.map_or(behind, |message| message.offset))
    }

    /// Makes one message visible at another time; false if the batch is another or has none such.
    pub(crate) fn change(&mut self, offset: u64, pop_ms: i64, visible_ms: i64) -> bool {
        let is_mine = pop_ms == self.pop_ms;
        let message = self.messages.iter_mut().find(|message| is_mine && message.offset == offset);
        message.map(|message| message.visible_ms = Some(visible_ms)).is_some()
    }

    /// Adds the counts of the batch to an answer.
    pub(crate) fn write_counts(&self, texts: &mut OffsetTexts, kind: Kind, queue_id: u32) {
        for message in self.messages.iter().filter(|message| message.consumed > 0) {
            texts.add_message_count(kind, queue_id, message.offset, message.consumed);
        }
        let least = self.messages.iter().map(|message| message.consumed).min();
        texts.add_queue_count(kind, queue_id, least.unwrap_or(0));
    }

    fn message(&self, offset: u64) -> Option<&OrderedMessage> {
        self.messages.iter().find(|message| message.offset == offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(attempt: Option<&str>) -> OrderInfo {
        OrderInfo::new(None, (1_000, 500), &[5, 6, 8], attempt.map(Into::into))
    }

    #[test]
    fn a_batch_blocks_until_all_of_it_is_acked_or_visible() {
        let mut info = batch(None);
        assert_eq!(info.blocked_until(None, 1_200), Some(1_500));
        assert_eq!(info.blocked_until(None, 1_500), None);
        assert_eq!(info.ack(6, 1_000), Acked::Next(5));
        assert_eq!(info.ack(5, 1_000), Acked::Next(8));
        assert!(info.change(8, 1_000, 9_000));
        assert_eq!(info.blocked_until(None, 2_000), Some(9_000));
        assert_eq!(info.ack(8, 1_000), Acked::Next(9));
        assert_eq!(info.blocked_until(None, 1_001), None);
    }

    #[test]
    fn stale_and_foreign_acks_change_nothing() {
        let mut info = batch(None);
        assert_eq!(info.ack(5, 999), Acked::Stale);
        assert_eq!(info.ack(7, 1_000), Acked::Unknown);
        assert!(!info.change(5, 999, 1) && !info.change(7, 1_000, 1));
        assert_eq!(info, batch(None));
    }

    #[test]
    fn the_same_attempt_is_not_blocked_and_counts_once() {
        let first = batch(Some("a"));
        assert_eq!(first.blocked_until(Some("a"), 1_001), None);
        assert_eq!(first.blocked_until(Some("b"), 1_001), Some(1_500));
        assert_eq!(first.blocked_until(None, 1_001), Some(1_500));
        let again = OrderInfo::new(Some(&first), (1_100, 500), &[5, 6], Some("a".into()));
        assert!(again.messages.iter().all(|message| message.consumed == 0));
        let retry = OrderInfo::new(Some(&again), (2_000, 500), &[5, 6, 7], Some("b".into()));
        assert_eq!(retry.messages.iter().map(|message| message.consumed).collect::<Vec<_>>(), [1, 1, 0]);
        let mut texts = OffsetTexts::default();
        retry.write_counts(&mut texts, Kind::Normal, 3);
        assert_eq!(texts.orders, "0 qo3%5 1;0 qo3%6 1;0 3 0");
    }
}
