//! What a [`Receiver`] makes of the records of a pull: offsets without a hole, latencies, the ledger.

use net::fields::Decode;
use net::requests::PullReply;
use net::{Header, properties};
use rt::Now;
use store::record::{Cover, Damage, Parsed, Record, parse};

use crate::bench::recorder::Recorder;
use crate::bench::stamp::{self, Stamp};
use crate::bench::verify::Ledger;

use super::{ALL, Reading, Receiver};

impl Receiver {
    /// Takes the records of a pull.
    pub(super) fn take(
        &mut self,
        queue: usize,
        body: &[u8],
        recorder: &mut Recorder,
        ledger: &mut Ledger,
        now: Now,
    ) -> Result<(), String> {
        let end = self.plan.assignments[queue].reading.end();
        let scans = matches!(self.plan.assignments[queue].reading, Reading::Scan(..));
        let filtered = self.plan.filter != ALL;
        let mut next = self.queues[queue].next;
        let checked = self.plan.verify || self.pulls.is_multiple_of(SAMPLE);
        self.pulls += 1;
        let outcome = each(body, |record| {
            let offset = record.queue_offset().get().cast_signed();
            if offset < next || offset > next && !filtered {
                return Err(format!("offset {offset} came where {next} was expected"));
            }
            next = offset + 1;
            if checked {
                let whole = record.verify(record.physical_offset(), Cover::AsJava);
                whole.map_err(|damage| format!("offset {offset}: {damage:?}"))?;
            }
            if scans {
                recorder.now.scanned += 1;
                recorder.now.scanned_bytes += record.body().len() as u64;
            } else if offset < end {
                self.one(queue, record, recorder, ledger, now);
            }
            Ok(())
        });
        self.read_below(queue, next);
        outcome
    }

    /// What a filter leaves out at the end of a pull is stepped over.
    pub(super) fn follow_filter(&mut self, queue: usize, header: &Header<'_>) {
        if self.plan.filter != ALL
            && let Ok(reply) = PullReply::decode(&header.ext)
        {
            self.read_below(queue, reply.next_begin_offset.max(self.queues[queue].next));
        }
    }

    fn read_below(&mut self, queue: usize, next: i64) {
        let at = &mut self.queues[queue];
        (at.next, at.done) = self.plan.assignments[queue].reading.onwards(next);
    }

    fn one(
        &mut self,
        queue: usize,
        record: &Record<'_>,
        recorder: &mut Recorder,
        ledger: &mut Ledger,
        now: Now,
    ) {
        self.received_ever += 1;
        let Now { mono: rt::Mono(mono), unix_ms } = now;
        self.last_at = mono;
        self.received_measured += u64::from(mono >= self.measured);
        recorder.now.received += 1;
        recorder.now.received_bytes += record.body().len() as u64;
        if !self.plan.deliveries && !self.plan.verify {
            return;
        }
        if self.plan.deliveries {
            let gap = unix_ms - record.stored_at_ms();
            self.clock_gap_ms = Some(self.clock_gap_ms.map_or(gap, |least| least.min(gap)));
            let since = |earlier_ms: i64| (unix_ms - earlier_ms).max(0).unsigned_abs() * 1_000_000;
            recorder.now.born_to_client.saturating_record(since(record.born_at_ms()));
            recorder.now.store_to_client.saturating_record(since(record.stored_at_ms()));
            let due = self.plan.due_property.as_ref().and_then(|name| {
                std::str::from_utf8(properties::find(record.properties(), name)?).ok()?.parse().ok()
            });
            if let Some(due_ms) = due {
                recorder.now.lateness.saturating_record(since(due_ms));
            }
        }
        let stamp = properties::find(record.properties(), stamp::NAME).and_then(Stamp::read);
        let Some(stamp) = stamp.filter(|stamp| stamp.run == self.plan.run) else {
            ledger.foreign();
            return;
        };
        if self.plan.deliveries && stamp.later {
            self.late(queue, &stamp, recorder, ledger, mono);
        } else if self.plan.deliveries && recorder.counts(stamp.intended) {
            recorder.now.delivery.saturating_record(mono.saturating_sub(stamp.intended));
            recorder.now.delivery_service.saturating_record(mono.saturating_sub(stamp.written));
        }
        if self.plan.verify {
            let intact = rt::crc32::hash(record.body()) == stamp.crc;
            if stamp.later || stamp.half {
                ledger.received_in_any_order(stamp.stream, stamp.number, intact);
            } else {
                ledger.received(queue, stamp.stream, stamp.number, intact);
            }
        }
    }

    /// A delayed message came.
    fn late(&mut self, queue: usize, stamp: &Stamp, recorder: &mut Recorder, ledger: &mut Ledger, mono: u64) {
        let ahead = stamp.intended.saturating_sub(mono);
        if ahead > CLOCK_NS {
            ledger.early(ahead);
        }
        if ahead > EARLY_MAX_NS {
            self.fault(queue, &format!("a message came {} ms before it was due", ahead / 1_000_000));
        }
        if recorder.counts(stamp.intended) {
            recorder.now.lateness.saturating_record(mono.saturating_sub(stamp.intended));
        }
    }
}

/// Calls `see` for each record of `body`, in order.
fn each<'a>(body: &'a [u8], mut see: impl FnMut(&Record<'a>) -> Result<(), String>) -> Result<(), String> {
    let damaged = |damage: Damage| format!("not a message: {damage:?}");
    let mut rest = body;
    while !rest.is_empty() {
        match parse(rest).map_err(damaged)? {
            Parsed::Record(record) => {
                see(&record)?;
                rest = &rest[record.bytes().len()..];
            }
            Parsed::Blank { .. } => return Err(damaged(Damage::Blank)),
        }
    }
    Ok(())
}

/// Every so many pulls all records are checked against their CRC.
const SAMPLE: u64 = 64;
/// Due times are told in whole ms, and the clocks are compared to a few us.
const CLOCK_NS: u64 = 1_100_000;
/// RocketMQ delivers in the second before a message is due, and no earlier.
const EARLY_MAX_NS: u64 = 1_000_000_000 + CLOCK_NS;
