//! What a pull is told: code, remark and next offset of a read, and the messages as references into memory.

use net::requests::PullReply;
use net::{ReplyTo, ResponseCode, reply};
use rt::{ConnId, Env};
use store::{OffsetRange, QueueOffset, QueueRef, ReadBatch, ReadStatus, StoreError};

use super::Wanted;
use crate::call::{Done, Outcome};
use crate::refusals;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    pub(super) fn answer_cold(
        &mut self,
        conn: ConnId,
        wanted: &Wanted,
        result: Result<(ReadStatus, ReadBatch), StoreError>,
    ) {
        match result {
            Ok((status, mut batch)) => self.answer_pull(conn, wanted, status, &mut batch),
            Err(error) => {
                let refused = refusals::of_read(&error, &self.identity);
                self.conclude(conn, Some(wanted.reply), Err(refused));
            }
        }
    }

    pub(super) fn answer_pull(
        &mut self,
        conn: ConnId,
        wanted: &Wanted,
        status: ReadStatus,
        batch: &mut ReadBatch,
    ) {
        let range = self.store.offsets(wanted.queue);
        let (code, remark, next) = describe(status, wanted.from, batch.next, range);
        let counters = &mut self.statistics.counters;
        if status == ReadStatus::Found {
            counters.got_messages += u64::from(batch.count);
            counters.got_bytes += u64::from(batch.bytes);
            counters.pulls_found += 1;
        } else {
            counters.pulls_missed += 1;
        }
        if let Some(out) = self.connections.reply(conn) {
            let header = header(next, range);
            let bytes = batch.bytes as usize;
            reply::with_slices(out, wanted.reply, code, Some(remark), &header, bytes, batch.slices.drain(..));
        }
    }

    /// Tells a consumer where an administrator wants it to go on.
    pub(super) fn answer_moved(&mut self, conn: ConnId, to: ReplyTo, queue: QueueRef, next: i64) -> Outcome {
        let header = PullReply {
            next_begin_offset: next,
            ..header(QueueOffset::default(), self.store.offsets(queue))
        };
        if let Some(out) = self.connections.reply(conn) {
            reply::with_body(out, to, ResponseCode::PULL_OFFSET_MOVED, Some("OFFSET_RESET"), &header, &[]);
        }
        Ok(Done::Answered)
    }
}

fn header(next: QueueOffset, range: OffsetRange) -> PullReply {
    let signed = |offset: QueueOffset| i64::try_from(offset.get()).expect("fewer than 2^63 messages");
    PullReply {
        suggest_broker_id: 0,
        next_begin_offset: signed(next),
        min_offset: signed(range.min),
        max_offset: signed(range.max),
        offset_delta: None,
        topic_sys_flag: None,
        group_sys_flag: None,
        forbidden_type: None,
    }
}

/// Code, remark and next offset of a read, as behaviour.md 7.2 maps them.
fn describe(
    status: ReadStatus,
    from: QueueOffset,
    next: QueueOffset,
    range: OffsetRange,
) -> (ResponseCode, &'static str, QueueOffset) {
    match status {
        ReadStatus::Found => (ResponseCode::SUCCESS, "FOUND", next),
        ReadStatus::NothingMatched => (ResponseCode::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE", next),
        ReadStatus::AtEnd if range.max.get() == 0 => {
            (ResponseCode::PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE", from)
        }
        ReadStatus::AtEnd => (ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE", from),
        ReadStatus::TooSmall => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL", range.min),
        ReadStatus::TooLarge => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY", range.max),
        ReadStatus::Empty | ReadStatus::Cold => {
            unreachable!("never the end of a read: see `read` and `serve`")
        }
    }
}
