//! [`Engine`]: what one thread does in a run: send, receive, or both, between two times that all threads share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};

use net::Header;
use rt::{Env, Mono, Now};

use super::driver::{Lines, Next, Work};
use super::popper::Popper;
use super::receiver::Receiver;
use super::recorder::{Interval, Phase, Recorder, Times};
use super::sender::Sender;
use super::verify::Ledger;

/// What the threads of a run share. Looked at once a turn.
#[derive(Debug, Default)]
pub struct Control {
    /// Threads whose connections are all up.
    pub up: AtomicUsize,
    /// When everything begins and ends; set once all are up.
    pub times: OnceLock<Times>,
    /// End now, with a report of what ran.
    pub stop: AtomicBool,
    /// Threads whose senders are done, and how much consumers will see of what they sent.
    senders_done: AtomicUsize,
    visible: AtomicU64,
    /// What they may see besides: of what was sent without an answer.
    doubtful: AtomicU64,
    /// Messages received so far.
    received: AtomicU64,
    /// The load has ended on some thread.
    over: AtomicBool,
}

impl Control {
    /// Whether the load has ended on some thread.
    #[must_use]
    pub fn load_is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Connections that ended in the middle of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    /// How often one was lost.
    pub lost: u64,
    /// How often one came back.
    pub back: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    control: Arc<Control>,
    /// Threads that send.
    senders: usize,
    /// How often each message is received: once for each subscription.
    copies: u64,
    /// Producing part.
    pub sender: Option<Sender>,
    /// Consuming part.
    pub receiver: Option<Receiver>,
    /// Popping part.
    pub popper: Option<Popper>,
    /// What was sent and seen.
    pub ledger: Ledger,
    /// Connections that were lost, and that came back.
    pub outages: Outages,
    out: mpsc::Sender<Interval>,
    recorder: Option<Recorder>,
    told_received: u64,
    sender_told: bool,
    /// When the load ended on this thread, ns.
    pub ended_at: Option<u64>,
    /// How long the rest is awaited after the end, ns.
    drain_ns: u64,
}

impl Engine {
    /// Waits for [`Control::times`]. `senders` is how many threads send, `copies` how many subscriptions receive what
    /// they send; `drain_ns` how long after the load stragglers are awaited.
    #[must_use]
    pub fn new(
        control: Arc<Control>,
        (sender, receiver): (Option<Sender>, Option<Receiver>),
        popper: Option<Popper>,
        (senders, copies): (usize, u64),
        drain_ns: u64,
        out: mpsc::Sender<Interval>,
    ) -> Self {
        Self {
            control,
            senders,
            copies,
            sender,
            receiver,
            popper,
            ledger: Ledger::default(),
            outages: Outages::default(),
            out,
            recorder: None,
            told_received: 0,
            sender_told: false,
            ended_at: None,
            drain_ns,
        }
    }

    fn inflight(&self) -> u64 {
        let sending = self.sender.as_ref().map(Sender::inflight);
        sending
            .or_else(|| self.receiver.as_ref().map(Receiver::inflight))
            .or_else(|| self.popper.as_ref().map(Popper::inflight))
            .unwrap_or(0)
    }

    fn begin(&mut self) -> Option<Next> {
        if self.recorder.is_some() {
            return None;
        }
        let Some(times) = self.control.times.get().copied() else {
            return self.control.stop.load(Ordering::Relaxed).then_some(Next::Done);
        };
        self.recorder = Some(Recorder::new(times, self.out.clone()));
        if let Some(sender) = &mut self.sender {
            sender.start(times);
        }
        if let Some(receiver) = &mut self.receiver {
            receiver.start(times.measured);
        }
        None
    }

    /// Ends the load if it is time.
    fn end_load(&mut self, now: u64) {
        let spent = match (&self.sender, &self.receiver) {
            // A number of messages is measured to its last answer.
            (Some(sender), _) => sender.is_spent() && sender.inflight() == 0,
            (None, Some(receiver)) => receiver.is_spent() || receiver.is_through(),
            (None, None) => self.popper.as_ref().is_none_or(Popper::is_through),
        };
        let inflight = self.inflight();
        let recorder = self.recorder.as_mut().expect("the run has begun");
        recorder.at(now, inflight);
        let asked = self.control.stop.load(Ordering::Relaxed);
        if (asked || spent) && recorder.phase() != Phase::Drain {
            recorder.stop(now, inflight);
        }
        if recorder.phase() == Phase::Drain && self.ended_at.is_none() {
            let planned = self.control.times.get().map_or(now, |times| times.end);
            self.ended_at = Some(now.min(planned));
            self.control.over.store(true, Ordering::Relaxed);
            if let Some(sender) = &mut self.sender {
                sender.stop(now);
            }
            if let Some(popper) = &mut self.popper {
                popper.stop();
            }
            // The consumers of an end-to-end run go on until everything came.
            if let (None, Some(receiver)) = (&self.sender, &mut self.receiver)
                && self.senders == 0
            {
                receiver.stop();
            }
        }
    }

    /// Whether nothing more is awaited.
    fn is_drained(&mut self, now: u64) -> bool {
        let Some(ended) = self.ended_at else { return false };
        let patient = now < ended + self.drain_ns + SCAN_NS;
        if let Some(sender) = &self.sender {
            if sender.inflight() > 0 && patient {
                return false;
            }
            if !self.sender_told {
                self.sender_told = true;
                self.control.visible.fetch_add(sender.visible_ever, Ordering::Relaxed);
                self.control.doubtful.fetch_add(sender.doubtful_ever, Ordering::Relaxed);
                self.control.senders_done.fetch_add(1, Ordering::Release);
            }
        }
        if let Some(popper) = &self.popper {
            return popper.inflight() == 0 || !patient;
        }
        let Some(receiver) = &self.receiver else { return true };
        if self.senders == 0 {
            return receiver.inflight() == 0 || !patient;
        }
        let all_sent = self.control.senders_done.load(Ordering::Acquire) == self.senders;
        // A message without an answer that comes all the same must not be taken for one that is still to come.
        let (visible, doubtful) = (&self.control.visible, &self.control.doubtful);
        let awaited = (visible.load(Ordering::Relaxed) + doubtful.load(Ordering::Relaxed)) * self.copies;
        let complete = all_sent && self.control.received.load(Ordering::Relaxed) >= awaited;
        // What still comes is worth waiting for.
        complete || now >= ended.max(receiver.last_at) + self.drain_ns
    }

    fn tell_received(&mut self) {
        if let Some(receiver) = &self.receiver
            && receiver.received_ever > self.told_received
        {
            let more = receiver.received_ever - self.told_received;
            self.control.received.fetch_add(more, Ordering::Relaxed);
            self.told_received = receiver.received_ever;
        }
    }
}

impl<E: Env> Work<E> for Engine {
    fn start(&mut self, _: &mut Lines<E>, _: Now) {
        self.control.up.fetch_add(1, Ordering::Release);
    }

    fn answer(&mut self, line: usize, header: &Header<'_>, body: &[u8], lines: &mut Lines<E>, now: Now) {
        let Some(recorder) = &mut self.recorder else { return };
        if let Some(popper) = &mut self.popper
            && popper.line_range().contains(&line)
        {
            popper.answer(line, (header, body), lines, recorder, now);
            return;
        }
        match (&mut self.sender, &mut self.receiver) {
            (Some(sender), _) if line < sender.line_count() => {
                sender.answer(line, header, lines, (recorder, &mut self.ledger), now);
            }
            (_, Some(receiver)) => receiver.answer(line, (header, body), recorder, &mut self.ledger, now),
            _ => {}
        }
    }

    fn asked(&mut self, line: usize, header: &Header<'_>, _: &[u8], lines: &mut Lines<E>, _: Now) {
        if let (Some(recorder), Some(sender)) = (&mut self.recorder, &mut self.sender)
            && line < sender.line_count()
        {
            sender.asked(line, header, lines, recorder, &mut self.ledger);
        }
    }

    fn lost(&mut self, line: usize, now: Now) {
        self.outages.lost += 1;
        let (recorder, now) = (self.recorder.as_mut(), now.mono.0);
        match (&mut self.sender, &mut self.receiver, &mut self.popper) {
            (Some(sender), ..) if line < sender.line_count() => sender.lost(line, recorder, now),
            (_, Some(receiver), _) if receiver.line_range().contains(&line) => {
                receiver.lost(line, recorder, now);
            }
            (.., Some(popper)) => popper.lost(line, recorder),
            _ => {}
        }
    }

    fn back(&mut self, line: usize, _: &mut Lines<E>, now: Now) {
        self.outages.back += 1;
        match (&mut self.sender, &mut self.receiver, &mut self.popper) {
            (Some(sender), ..) if line < sender.line_count() => sender.back(line, now.mono.0),
            (_, Some(receiver), _) if receiver.line_range().contains(&line) => receiver.back(line),
            (.., Some(popper)) => popper.back(line),
            _ => {}
        }
    }

    fn turn(&mut self, lines: &mut Lines<E>, now: Now) -> Next {
        if let Some(next) = self.begin() {
            return next;
        }
        if self.recorder.is_none() {
            return Next::Until(Mono(now.mono.0 + WAITING_NS));
        }
        let start = self.control.times.get().map_or(0, |times| times.start);
        if self.senders == 0 && now.mono.0 < start {
            // Beside sends, long polls are parked before the first of them; what only reads would be ahead of its clock.
            return Next::Until(Mono(start));
        }
        self.end_load(now.mono.0);
        self.tell_received();
        if self.is_drained(now.mono.0) {
            return Next::Done;
        }
        let recorder = self.recorder.as_mut().expect("just looked");
        let mut until = recorder.deadline().min(now.mono.0 + LOOK_NS);
        if let Some(sender) = &mut self.sender {
            sender.expire(recorder, now.mono.0);
            until = until.min(sender.pump(lines, recorder));
        }
        if let Some(receiver) = &mut self.receiver {
            receiver.expire(recorder, now.mono.0);
            until = until.min(receiver.pump(lines));
        }
        if let Some(popper) = &mut self.popper {
            popper.expire(recorder, now.mono.0);
            until = until.min(popper.pump(lines));
        }
        Next::Until(Mono(until))
    }

    fn end(&mut self, now: Now) {
        let Some(recorder) = &mut self.recorder else { return };
        let now = now.mono.0;
        if let Some(sender) = &mut self.sender {
            sender.abandon(recorder, now);
            sender.stop(now);
        }
        if let Some(receiver) = &mut self.receiver {
            receiver.abandon(recorder, now);
        }
        if let Some(popper) = &mut self.popper {
            popper.abandon(recorder);
        }
        self.ended_at.get_or_insert(now);
        recorder.stop(now, 0);
        recorder.finish(0);
    }
}

/// How often a thread looks whether the run may begin.
const WAITING_NS: u64 = 500_000;
/// Requests are given up when they are looked at: that much later.
const SCAN_NS: u64 = 200_000_000;
/// How often, at least, a thread looks whether it is to stop.
const LOOK_NS: u64 = 50_000_000;
