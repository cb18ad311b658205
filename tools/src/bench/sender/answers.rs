//! What becomes of the requests of a [`Sender`]: an answer, good or bad; none in time; a connection that is gone.
//!
//! Invariant: each has its place in the histograms, whatever its end.

use net::{Header, ResponseCode};
use rt::{Env, Now};

use crate::bench::driver::Lines;
use crate::bench::flight::{Sent, Step};
use crate::bench::recorder::{LOST, Recorder, TIMED_OUT};
use crate::bench::verify::Ledger;

use super::Sender;

impl Sender {
    /// An answer came.
    pub fn answer<E: Env>(
        &mut self,
        line: usize,
        header: &Header<'_>,
        lines: &mut Lines<E>,
        (recorder, ledger): (&mut Recorder, &mut Ledger),
        now: Now,
    ) {
        let Some(sent) = self.lines[line].flight.answered(header.opaque) else { return };
        self.inflight -= 1;
        recorder.now.requests += 1;
        let good = header.code == ResponseCode::SUCCESS.0;
        if !good {
            self.failed_ever += 1;
            recorder.now.error(header.code, header.remark.unwrap_or_default());
        }
        self.record(line, &sent, recorder, now.mono.0);
        match sent.step {
            Step::Last if good => {
                let messages = self.complete(&sent, recorder);
                self.visible_ever += messages;
                if self.plan.verify {
                    let stream = self.plan.lines[line].stream;
                    (sent.number..sent.number + messages)
                        .for_each(|number| ledger.acknowledged(stream, number));
                }
            }
            // The decision has its slot now.
            Step::Half(fate)
                if good && self.tell(line, header, (&sent, fate), lines, (recorder, ledger), now.mono.0) =>
            {
                return;
            }
            Step::Told(fate, _) if good => self.decided(line, &sent, fate, recorder, ledger),
            _ => {}
        }
        self.freed(line, now.mono.0);
    }

    /// Counts the messages of a request as done.
    pub(super) fn complete(&mut self, sent: &Sent, recorder: &mut Recorder) -> u64 {
        let body = &self.plan.bodies[sent.body as usize];
        let messages = body.messages();
        recorder.now.acked += messages;
        recorder.now.acked_bytes += body.payload_bytes();
        self.acked_ever += messages;
        messages
    }

    /// Gives up requests without an answer, a few times a second.
    pub fn expire(&mut self, recorder: &mut Recorder, now: u64) {
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + SCAN_NS;
        self.give_up(now.saturating_sub(self.plan.timeout_ns), TIMED_OUT, "no answer in time", recorder, now);
    }

    /// The connection of `line` is gone: what is in flight on it has failed, what is due waits.
    pub fn lost(&mut self, line: usize, recorder: Option<&mut Recorder>, now: u64) {
        self.lines[line].down = true;
        if let Some(recorder) = recorder {
            self.give_up_of(line, u64::MAX, (LOST, "the connection was lost"), recorder, now);
        }
    }

    /// Gives up everything that is in flight: the connection is gone, or nobody waits any more.
    pub fn abandon(&mut self, recorder: &mut Recorder, now: u64) {
        self.give_up(u64::MAX, LOST, "no answer before the end", recorder, now);
    }

    fn record(&mut self, line: usize, sent: &Sent, recorder: &mut Recorder, now: u64) {
        if !recorder.counts(sent.intended) {
            return;
        }
        let (service, response) = match sent.step {
            Step::Told(_, told) => {
                recorder.now.decision.saturating_record(now.saturating_sub(told));
                (&mut recorder.now.transaction_service, &mut recorder.now.transaction)
            }
            Step::Last | Step::Half(_) => (&mut recorder.now.service, &mut recorder.now.response),
        };
        service.saturating_record(now.saturating_sub(sent.written));
        if self.plan.lines[line].schedule.is_some() {
            response.saturating_record(now.saturating_sub(sent.intended));
        }
    }

    fn give_up(&mut self, limit: u64, code: i32, remark: &str, recorder: &mut Recorder, now: u64) {
        for line in 0..self.lines.len() {
            self.give_up_of(line, limit, (code, remark), recorder, now);
        }
    }

    fn give_up_of(
        &mut self,
        line: usize,
        limit: u64,
        (code, remark): (i32, &str),
        recorder: &mut Recorder,
        now: u64,
    ) {
        let mut gone = Vec::new();
        self.lines[line].flight.expire(limit, |sent| gone.push(sent));
        for sent in gone {
            self.inflight -= 1;
            self.failed_ever += 1;
            self.doubtful_ever += self.batch;
            recorder.now.requests += 1;
            recorder.now.error(code, remark);
            self.record(line, &sent, recorder, now);
            self.freed(line, now);
        }
    }
}

/// How often requests in flight are looked at for their timeout.
const SCAN_NS: u64 = 100_000_000;
