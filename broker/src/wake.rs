//! The end of the turn: what became safe is answered, what became visible is served.

use net::message_id::OffsetMessageId;
use net::reply::Placed;
use net::requests::SendMessageReply;
use net::{Codec, ResponseCode, reply};
use rt::{Env, Mono, Now};
use store::QueueRef;

use crate::receipts::{Answer, Receipt};
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// Puts a queue on the list of those whose waiters are looked at when the turn ends.
    pub(crate) fn grew(&mut self, queue: QueueRef) {
        let is_awaited = self.polls.first_of_queue(queue).is_some() || self.pops.waits.has_waiters(queue);
        if is_awaited && self.grown.last() != Some(&queue) {
            self.grown.push(queue);
        }
    }

    /// Serves the waiters of the queues that grew. A queue stays on the list while its waiters wait for something that
    /// is stored and not yet visible.
    pub(crate) fn serve_grown(&mut self) {
        if self.grown.is_empty() {
            return self.serve_woken_pops();
        }
        let mut grown = std::mem::replace(&mut self.grown, std::mem::take(&mut self.memory.grown));
        grown.sort_unstable();
        grown.dedup();
        let all_visible = self.store.visible() >= self.store.end();
        for queue in grown.drain(..) {
            self.serve_waiters(queue);
            self.wake_pops_of(queue);
            self.serve_woken_pops();
            if !all_visible {
                self.grew(queue);
            }
        }
        self.memory.grown = grown;
    }

    /// Answers the sends whose records are safe now, in log order; and those that waited too long, with the code that
    /// says "stored, not yet flushed".
    pub(crate) fn answer_safe(&mut self, now: Now) {
        let safe = self.store.acknowledgeable();
        let mut positions = std::mem::take(&mut self.memory.positions);
        while let Some(receipt) = self.receipts.pop_safe(safe, &mut positions) {
            self.answer_receipt(&receipt, &mut positions, ResponseCode::SUCCESS, None, now.mono);
        }
        if self.receipts.oldest().is_some() {
            self.answer_doubtful(now.mono, &mut positions);
        }
        self.memory.positions = positions;
    }

    /// Stored sends that may or may not survive: the flush failed for good, or takes too long. Never a refusal, since
    /// the message may still appear (reliability.md 1, "indeterminate").
    fn answer_doubtful(&mut self, now: Mono, positions: &mut Vec<store::PhysicalOffset>) {
        const REMARK: &str = "stored but not known to be flushed; it may or may not survive a power cut";
        let failed = matches!(self.store.refusal(), Some(store::Refusal::Failed { .. }));
        let timeout = u64::from(self.config.flush_timeout_ms) * 1_000_000;
        let limit = Mono(now.0.saturating_sub(timeout));
        loop {
            let receipt =
                if failed { self.receipts.pop(positions) } else { self.receipts.pop_older(limit, positions) };
            let Some(receipt) = receipt else { return };
            self.answer_receipt(&receipt, positions, ResponseCode::FLUSH_DISK_TIMEOUT, Some(REMARK), now);
        }
    }

    fn answer_receipt(
        &mut self,
        receipt: &Receipt,
        positions: &mut Vec<store::PhysicalOffset>,
        code: ResponseCode,
        remark: Option<&str>,
        now: Mono,
    ) {
        self.connections.request_done(receipt.conn, receipt.request_bytes as usize);
        std::mem::swap(&mut self.memory.positions, positions);
        self.write_receipt(receipt, code, remark, now);
        std::mem::swap(&mut self.memory.positions, positions);
    }

    /// Writes the answer of a send whose record positions are in `memory.positions`.
    pub(crate) fn write_receipt(
        &mut self,
        receipt: &Receipt,
        code: ResponseCode,
        remark: Option<&str>,
        now: Mono,
    ) {
        self.statistics.put_latency(now.since(receipt.taken));
        let Some(out) = self.connections.reply(receipt.conn) else { return };
        if receipt.answer == Answer::Plain {
            // A consumer knows success and failure only; on failure it sends the message by itself.
            let code = if code == ResponseCode::SUCCESS { code } else { ResponseCode::SYSTEM_ERROR };
            return reply::plain(out, receipt.reply, code, remark);
        }
        if receipt.answer == Answer::Placed
            && code == ResponseCode::SUCCESS
            && receipt.reply.codec == Codec::Json
            && let [at] = self.memory.positions[..]
        {
            let placed = Placed {
                offset: at.get(),
                queue_id: receipt.queue_id,
                queue_offset: receipt.queue_offset,
                unique_key: &receipt.unique_key,
            };
            return self.placed_replies.write(out, receipt.reply, &placed);
        }
        let ids = &mut self.memory.ids;
        ids.clear();
        for (place, at) in self.memory.positions.iter().enumerate() {
            if place > 0 {
                ids.push(',');
            }
            OffsetMessageId { host: self.identity.store_host, offset: at.get() }.append(ids);
        }
        let unique_key = str::from_utf8(&receipt.unique_key).unwrap_or_default();
        let recall_handle = match &receipt.answer {
            Answer::Recallable(handle) => Some(&**handle),
            Answer::Placed | Answer::InnerBatch | Answer::Plain => None,
        };
        let is_inner = receipt.answer == Answer::InnerBatch;
        let header = SendMessageReply {
            msg_id: ids.as_str(),
            queue_id: receipt.queue_id,
            queue_offset: receipt.queue_offset,
            transaction_id: Some(unique_key).filter(|key| !key.is_empty()),
            batch_uniq_id: Some(unique_key).filter(|_| is_inner),
            recall_handle,
            region: Some(&self.identity.region),
            trace_on: Some(self.config.trace_on),
        };
        reply::with_body(out, receipt.reply, code, remark, &header, &[]);
    }
}
