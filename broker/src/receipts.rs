//! Stored messages whose senders wait for the commit: one queue in log order, answered from its front.
//!
//! Answers leave in the order of the log, in one pass per commit, without a task or an allocation per message.

use std::collections::VecDeque;
use std::rc::Rc;

use net::ReplyTo;
use rt::{ConnId, Mono};
use smallvec::SmallVec;
use store::PhysicalOffset;

/// What a client is told about one stored send.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    /// Whom to tell.
    pub(crate) conn: ConnId,
    /// How.
    pub(crate) reply: ReplyTo,
    /// What.
    pub(crate) answer: Answer,
    /// The answer may leave when the log is safe up to here.
    pub(crate) end: PhysicalOffset,
    /// When the frame was taken, for latency and `syncFlushTimeout`.
    pub(crate) taken: Mono,
    /// The queue it went to.
    pub(crate) queue_id: i32,
    /// Its queue offset, the first of a batch.
    pub(crate) queue_offset: i64,
    /// How many records: a batch has their positions in [`Receipts::positions`].
    pub(crate) count: u32,
    /// Bytes of the request, held against the connection's limit.
    pub(crate) request_bytes: u32,
    /// `UNIQ_KEY`, which clients get back as the transaction id.
    pub(crate) unique_key: UniqueKey,
}

/// What the sender of a stored message hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A producer's, who is told where its message lies.
    Placed,
    /// The same of several messages in one record, whose id its batch has.
    InnerBatch,
    /// The same, and the handle by which it can be taken back before it is due.
    Recallable(Rc<str>),
    /// A consumer's that gave a message back, and wants to know only whether it may forget it.
    Plain,
}

/// Unique keys are 32 characters (IPv4) or 56 (IPv6): the common ones lie inline.
pub(crate) type UniqueKey = SmallVec<[u8; 32]>;

/// The receipts that wait for a commit.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    waiting: VecDeque<Receipt>,
    /// Start of every record of the waiting receipts, in the same order.
    positions: VecDeque<PhysicalOffset>,
}

impl Receipts {
    /// Queues a receipt behind the others; `positions` are the starts of its records.
    ///
    /// # Panics
    /// If it does not end behind the last one: answers follow the log.
    pub(crate) fn push(&mut self, receipt: Receipt, positions: impl Iterator<Item = PhysicalOffset>) {
        debug_assert!(
            self.waiting.back().is_none_or(|last| last.end <= receipt.end),
            "receipts in log order"
        );
        let before = self.positions.len();
        self.positions.extend(positions);
        assert_eq!(self.positions.len() - before, receipt.count as usize, "one position a record");
        self.waiting.push_back(receipt);
    }

    /// Takes the first receipt that ends at or below `safe`, with the positions of its records.
    pub(crate) fn pop_safe(
        &mut self,
        safe: PhysicalOffset,
        positions: &mut Vec<PhysicalOffset>,
    ) -> Option<Receipt> {
        if self.waiting.front()?.end > safe {
            return None;
        }
        self.pop(positions)
    }

    /// Takes the first receipt if it was taken before `limit`.
    pub(crate) fn pop_older(&mut self, limit: Mono, positions: &mut Vec<PhysicalOffset>) -> Option<Receipt> {
        if self.waiting.front()?.taken >= limit {
            return None;
        }
        self.pop(positions)
    }

    /// Takes the first receipt whatever its state.
    pub(crate) fn pop(&mut self, positions: &mut Vec<PhysicalOffset>) -> Option<Receipt> {
        let receipt = self.waiting.pop_front()?;
        positions.clear();
        positions.extend(self.positions.drain(..receipt.count as usize));
        Some(receipt)
    }

    /// When the oldest one was taken.
    pub(crate) fn oldest(&self) -> Option<Mono> {
        self.waiting.front().map(|receipt| receipt.taken)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use net::Codec;

    use super::*;

    fn receipt(end: u64, taken: u64, count: u32) -> Receipt {
        Receipt {
            conn: ConnId { index: 0, generation: 0 },
            reply: ReplyTo { codec: Codec::Json, opaque: 1 },
            answer: Answer::Placed,
            end: PhysicalOffset::new(end),
            taken: Mono(taken),
            queue_id: 0,
            queue_offset: 0,
            count,
            request_bytes: 0,
            unique_key: UniqueKey::new(),
        }
    }

    fn offsets(numbers: &[u64]) -> Vec<PhysicalOffset> {
        numbers.iter().map(|number| PhysicalOffset::new(*number)).collect()
    }

    #[test]
    fn only_what_is_safe_leaves_and_in_order() {
        let mut receipts = Receipts::default();
        receipts.push(receipt(10, 1, 1), offsets(&[0]).into_iter());
        receipts.push(receipt(40, 2, 2), offsets(&[10, 20]).into_iter());
        let mut positions = Vec::new();
        assert!(receipts.pop_safe(PhysicalOffset::new(9), &mut positions).is_none());
        assert_eq!(
            receipts.pop_safe(PhysicalOffset::new(39), &mut positions).map(|one| one.end.get()),
            Some(10)
        );
        assert_eq!(positions, offsets(&[0]));
        assert!(
            receipts.pop_safe(PhysicalOffset::new(39), &mut positions).is_none(),
            "a batch is safe whole"
        );
        assert_eq!(
            receipts.pop_safe(PhysicalOffset::new(40), &mut positions).map(|one| one.end.get()),
            Some(40)
        );
        assert_eq!(positions, offsets(&[10, 20]));
        assert_eq!(receipts.len(), 0);
    }

    #[test]
    fn the_oldest_times_out_first() {
        let mut receipts = Receipts::default();
        receipts.push(receipt(10, 5, 1), offsets(&[0]).into_iter());
        let mut positions = Vec::new();
        assert!(receipts.pop_older(Mono(5), &mut positions).is_none());
        assert!(receipts.pop_older(Mono(6), &mut positions).is_some());
    }
}
