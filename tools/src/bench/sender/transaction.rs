//! The second half of a transaction: telling its fate (37), and answering checks (39).

use net::client::{RequestHead, encode};
use net::fields::Decode;
use net::message_id::OffsetMessageId;
use net::requests::{CheckTransactionState, EndTransaction, RequestHeader, SendMessageReply};
use net::{Header, RequestCode};
use rt::Env;

use crate::bench::act::{Act, Fate};
use crate::bench::driver::Lines;
use crate::bench::flight::{Sent, Step};
use crate::bench::recorder::Recorder;
use crate::bench::verify::Ledger;

use super::Sender;

/// A half message whose fate the broker was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// Connection.
    pub line: usize,
    /// Offset in the queue of half messages.
    pub queue_offset: i64,
    /// Offset in the log.
    pub log_offset: i64,
}

/// What the broker needs to find a half message.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    queue_offset: i64,
    log_offset: i64,
    id: Option<&'a str>,
    transaction: Option<&'a str>,
}

impl Sender {
    /// A half message is stored: tells its fate. False if no answer is awaited.
    pub(super) fn tell<E: Env>(
        &mut self,
        line: usize,
        header: &Header<'_>,
        (sent, fate): (&Sent, Fate),
        lines: &mut Lines<E>,
        (recorder, ledger): (&mut Recorder, &mut Ledger),
        now: u64,
    ) -> bool {
        let reply = SendMessageReply::decode(&header.ext).ok();
        let place = reply.as_ref().and_then(|reply| {
            let at = OffsetMessageId::parse(reply.msg_id).ok()?;
            Some(Place {
                queue_offset: reply.queue_offset,
                log_offset: i64::try_from(at.offset).ok()?,
                id: Some(reply.msg_id),
                transaction: reply.transaction_id,
            })
        });
        let Some(place) = place else {
            self.failed_ever += 1;
            recorder.now.error(NO_PLACE, "the answer does not say where the half message is");
            return false;
        };
        if fate == Fate::Unknown {
            self.end(line, OPAQUE_ONEWAY, place, fate, false, lines);
            self.complete(sent, recorder);
            recorder.now.unknown += 1;
            if self.plan.verify {
                ledger.hidden(self.plan.lines[line].stream, sent.number);
            }
            if self.undecided.len() < UNDECIDED_MAX {
                let Place { queue_offset, log_offset, .. } = place;
                self.undecided.push(Undecided { line, queue_offset, log_offset });
            } else {
                self.undecided_more += 1;
            }
            return false;
        }
        let opaque = self.lines[line].flight.take(Sent { step: Step::Told(fate, now), ..*sent });
        self.inflight += 1;
        self.end(line, opaque, place, fate, false, lines);
        true
    }

    /// A decision was answered.
    pub(super) fn decided(
        &mut self,
        line: usize,
        sent: &Sent,
        fate: Fate,
        recorder: &mut Recorder,
        ledger: &mut Ledger,
    ) {
        let stream = self.plan.lines[line].stream;
        self.complete(sent, recorder);
        if fate == Fate::Commit {
            recorder.now.committed += 1;
            self.visible_ever += 1;
            if self.plan.verify {
                ledger.acknowledged(stream, sent.number);
            }
        } else {
            recorder.now.rolled_back += 1;
            if self.plan.verify {
                ledger.hidden(stream, sent.number);
            }
        }
    }

    /// The broker asks about a half message.
    pub fn asked<E: Env>(
        &mut self,
        line: usize,
        header: &Header<'_>,
        lines: &mut Lines<E>,
        recorder: &mut Recorder,
        ledger: &mut Ledger,
    ) {
        if header.code != RequestCode::CHECK_TRANSACTION_STATE.0 {
            return;
        }
        let Ok(check) = CheckTransactionState::decode(&header.ext) else { return };
        let named = check.transaction_id.or(check.msg_id).and_then(|id| whose(id, self.plan.run));
        // Somebody else's (an earlier run of the same group): nobody will ever know, so it is taken back.
        let fate = named.map_or(Fate::Rollback, |(stream, number)| self.plan.acts.of_check(stream, number));
        recorder.now.checks += 1;
        if let Some((stream, number)) = named {
            recorder.now.checks_again += u64::from(ledger.checked(stream, number));
            if self.plan.acts.of(stream, number) != Act::Half(Fate::Unknown) {
                recorder.now.checks_unexpected += 1;
            }
            if fate == Fate::Commit {
                ledger.unhidden(stream, number);
            }
        }
        let place = Place {
            queue_offset: check.tran_state_table_offset,
            log_offset: check.commit_log_offset,
            id: check.msg_id,
            transaction: check.transaction_id,
        };
        self.end(line, OPAQUE_ONEWAY, place, fate, true, lines);
    }

    /// Tells the broker of each connection that the producer group is here, so that it can ask.
    pub(super) fn beat<E: Env>(&mut self, lines: &mut Lines<E>, now: u64) {
        self.next_beat = now + BEAT_NS;
        for line in 0..self.lines.len() {
            lines.out(line).extend_from_slice(&self.plan.beat);
        }
    }

    fn end<E: Env>(
        &self,
        line: usize,
        opaque: i32,
        place: Place<'_>,
        fate: Fate,
        from_check: bool,
        lines: &mut Lines<E>,
    ) {
        let header = EndTransaction {
            topic: None,
            producer_group: &self.plan.group,
            tran_state_table_offset: place.queue_offset,
            commit_log_offset: place.log_offset,
            commit_or_rollback: fate.code(),
            from_transaction_check: from_check,
            // Java wants one.
            msg_id: place.id.or(Some("")),
            transaction_id: place.transaction,
        };
        let oneway = opaque == OPAQUE_ONEWAY;
        let head = RequestHead { codec: self.plan.codec, code: EndTransaction::CODE, opaque, oneway };
        encode(lines.out(line), head, &header, &[]);
    }
}

/// Connection and number of the message with unique key `id`, if this run sent it.
fn whose(id: &str, run: u32) -> Option<(u16, u64)> {
    let hex = |from: usize, to: usize| u64::from_str_radix(id.get(from..to)?, 16).ok();
    (hex(8, 16)? == u64::from(run) && id.len() == 32).then_some(())?;
    Some((u16::try_from(hex(16, 20)?).ok()?, hex(20, 32)?))
}

/// Undecided half messages that are remembered, to be rolled back after the run.
pub(super) const UNDECIDED_MAX: usize = 1 << 15;
/// Number of a request without an answer; that of no slot.
const OPAQUE_ONEWAY: i32 = 0;
/// Brokers forget a client that was silent for two minutes.
const BEAT_NS: u64 = 30_000_000_000;
/// Counted for an answer to a half message that no decision can refer to.
const NO_PLACE: i32 = i32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_key_names_its_message_and_only_for_its_run() {
        let id = "7F000001000000070003000000000ABC";
        assert_eq!(whose(id, 7), Some((3, 0xABC)));
        for bad in [id.replace("0003", "00G3").as_str(), &id[1..], "", "7F0000010000000700030000000É"] {
            assert_eq!(whose(bad, 7), None, "{bad}");
        }
        assert_eq!(whose(id, 8), None);
    }
}
