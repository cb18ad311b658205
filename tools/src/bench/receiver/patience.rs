//! Pulls of a [`Receiver`] that nobody answers: in time, because the connection is gone, or because the run ends.
//!
//! Invariant: the queue of a pull that is given up is asked again, not at once.

use crate::bench::recorder::{LOST, Recorder, TIMED_OUT};

use super::{RETRY_NS, Receiver};

impl Receiver {
    /// Gives up pulls without an answer, a few times a second.
    pub fn expire(&mut self, recorder: &mut Recorder, now: u64) {
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + SCAN_NS;
        let patience = self.plan.timeout_ns + self.plan.suspend_ms.unsigned_abs() * 1_000_000;
        self.give_up(now.saturating_sub(patience), TIMED_OUT, "no answer to a pull in time", recorder, now);
    }

    /// Connection `line` is gone: what it was asked is asked again when it is back.
    pub fn lost(&mut self, line: usize, recorder: Option<&mut Recorder>, now: u64) {
        let at = line - self.plan.lines.start;
        self.down[at] = true;
        let Some(recorder) = recorder else { return };
        // A pull that waits for messages is no failure.
        let why = (!self.plan.deliveries).then_some((LOST, "the connection was lost"));
        self.give_up_of(at, u64::MAX, why, recorder, now);
    }

    /// Connection `line` is up again.
    pub fn back(&mut self, line: usize) {
        self.down[line - self.plan.lines.start] = false;
    }

    /// Gives up what is in flight because the run ends early.
    pub fn abandon(&mut self, recorder: &mut Recorder, now: u64) {
        // A pull that waits for messages is no failure.
        if !self.plan.deliveries {
            self.give_up(u64::MAX, LOST, "no answer before the end", recorder, now);
        }
    }

    fn give_up(&mut self, limit: u64, code: i32, remark: &str, recorder: &mut Recorder, now: u64) {
        for at in 0..self.flights.len() {
            self.give_up_of(at, limit, Some((code, remark)), recorder, now);
        }
    }

    /// Gives up pulls of one connection; without a reason they have not failed.
    fn give_up_of(
        &mut self,
        at: usize,
        limit: u64,
        why: Option<(i32, &str)>,
        recorder: &mut Recorder,
        now: u64,
    ) {
        let (failed, ready, queues) = (&mut self.failed_ever, &mut self.ready, &mut self.queues);
        self.flights[at].expire(limit, |sent| {
            if let Some((code, remark)) = why {
                *failed += 1;
                recorder.now.requests += 1;
                recorder.now.pulls += 1;
                recorder.now.error(code, remark);
                if recorder.counts(sent.written) {
                    recorder.now.delivery_service.saturating_record(now.saturating_sub(sent.written));
                }
            }
            let queue = usize::try_from(sent.number).expect("an index");
            queues[queue].not_before = now + RETRY_NS;
            ready.push(queue);
        });
    }
}

/// How often pulls in flight are looked at for their timeout.
const SCAN_NS: u64 = 100_000_000;
