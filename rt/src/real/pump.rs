//! The pump: the one task that owns a shard's ring and its reactor.
//!
//! A turn: enter the ring (submit, run completions) → drain the completion queue → [`Reactor::event`] for each →
//! [`Reactor::end_of_turn`] → let background tasks run, if any is runnable. While none is, glommio is not involved at
//! all: the pump polls its ring, and sleeps in it too (`enter` with `min_complete` 1 and the next deadline). That is
//! sound because everything that could make this thread runnable ends in this ring: completions, sleeps (the
//! deadline), and other threads through the doorbell, whose eventfd the ring reads. Neither an eventfd registered with
//! the ring nor a poll of the ring from another one is needed (performance.md 2, lesson 2, is about those).
//!
//! Idle and tasks are runnable: the pump waits until one has run. Busy and tasks are runnable: it yields once per turn
//! and glommio's shares decide.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use io_uring::{opcode, types};

use super::arena::LEFT_BYTES_MAX;
use super::clock;
use super::core::Core;
use super::net::Step;
use super::panic::PanicGuard;
use super::ring::Cqe;
use super::spin::Spinner;
use super::token::Token;
use crate::{Event, Mono, Now, Reactor, TurnOutcome};

/// Where `build` leaves the reactor for the pump, or the reason why there is none.
pub(crate) type Delivery<R, E> = Rc<RefCell<Option<Result<R, E>>>>;

/// How a pump ended.
pub(crate) enum End<R, E> {
    /// The reactor said stop.
    Stopped(R),
    /// `build` failed.
    NotBuilt(E),
    /// The ring failed.
    Ring(io::Error),
}

/// See the module.
pub(crate) struct Pump<R> {
    core: Rc<Core>,
    guard: PanicGuard,
    spinner: Spinner,
    reactor: Option<R>,
    outcome: TurnOutcome,
    batch: Vec<Cqe>,
    /// Socket completions that came before there was a reactor.
    early: Vec<Cqe>,
    /// Target of the doorbell's read; boxed so that it stays put.
    bell_word: Box<u64>,
    bell_armed: bool,
}

/// What a turn found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Completions.
    Busy,
    /// Nothing but, perhaps, a deadline or a kick.
    Idle,
    /// The reactor is done.
    Stop,
}

impl<R: Reactor> Pump<R> {
    pub(crate) fn new(core: Rc<Core>, guard: PanicGuard, spinner: Spinner) -> Self {
        Self {
            core,
            guard,
            spinner,
            reactor: None,
            outcome: TurnOutcome { deadline: None, stop: false },
            batch: Vec::with_capacity(1024),
            early: Vec::new(),
            bell_word: Box::new(0),
            bell_armed: false,
        }
    }

    /// Turns until the reactor stops, then closes all sockets and waits for what is in flight.
    pub(crate) async fn run<E>(mut self, delivery: Delivery<R, E>) -> End<R, E> {
        let end = self.turns(&delivery).await;
        self.core.tasks.stop();
        match self.drain() {
            Ok(()) => end,
            Err(error) => {
                // The kernel may still write to our buffers: they, and the ring, stay for ever.
                std::mem::forget(self.core.clone());
                std::mem::forget(std::mem::take(&mut self.bell_word));
                End::Ring(error)
            }
        }
    }

    async fn turns<E>(&mut self, delivery: &Delivery<R, E>) -> End<R, E> {
        let guard = self.guard.clone();
        let mut sleep = None;
        loop {
            if let Err(error) = self.enter(sleep) {
                return End::Ring(error);
            }
            if self.reactor.is_none() {
                match delivery.take() {
                    Some(Ok(reactor)) => self.start(reactor),
                    Some(Err(error)) => return End::NotBuilt(error),
                    None => {}
                }
            }
            let now = self.core.clock.now();
            let turn = {
                let _armed = guard.arm();
                self.turn(now)
            };
            sleep = None;
            match turn {
                Turn::Stop => return End::Stopped(self.reactor.take().expect("it said stop")),
                Turn::Busy => self.spinner.busy(now.mono),
                Turn::Idle => {}
            }
            if self.core.tasks.any_runnable() {
                if turn == Turn::Busy {
                    glommio::executor().yield_task_queue_now().await;
                } else {
                    self.core.tasks.after_one_ran().await;
                }
            } else if !self.spinner.poll_again(now.mono) {
                // Also behind a busy turn: what it left to submit goes in with the call that sleeps.
                sleep = self.until_deadline(now.mono);
            }
        }
    }

    /// The reactor is there: the next turn runs its hooks, after the events that came before it.
    fn start(&mut self, reactor: R) {
        self.reactor = Some(reactor);
        self.batch.splice(0..0, self.early.drain(..));
        self.core.kicked.set(true);
    }

    fn enter(&mut self, sleep: Option<Option<Duration>>) -> io::Result<()> {
        let mut ring = self.core.ring.borrow_mut();
        if !self.bell_armed {
            self.bell_armed = true;
            let word = std::ptr::from_mut(&mut *self.bell_word).cast();
            let read = opcode::Read::new(types::Fd(self.core.bell.as_raw_fd()), word, 8).build();
            // SAFETY: the word is boxed in the pump, which drains the ring before it goes; so is the doorbell.
            unsafe { ring.push(read.user_data(Token::Bell.encode())) };
        }
        // Announced before the last look: whoever rings later sees that we sleep and writes to the eventfd.
        let sleep = sleep.filter(|_| self.core.bell.park());
        let outcome = ring.enter(sleep);
        self.core.bell.unpark();
        ring.drain(&mut self.batch);
        outcome
    }

    /// How long to sleep; `None` if something is due.
    fn until_deadline(&self, now: Mono) -> Option<Option<Duration>> {
        if self.core.kicked.get() || self.core.sockets.borrow().has_local() {
            return None;
        }
        let sockets = self.core.sockets.borrow().next_deadline();
        let next =
            [self.outcome.deadline, self.core.timers.next_deadline(), sockets].into_iter().flatten().min();
        match next {
            None => Some(None),
            Some(at) if at <= now => None,
            Some(at) => Some(Some(Duration::from_nanos(at.since(now)))),
        }
    }

    fn turn(&mut self, now: Now) -> Turn {
        let mut events = false;
        let mut batch = std::mem::take(&mut self.batch);
        let busy = !batch.is_empty();
        for cqe in batch.drain(..) {
            events |= self.dispatch(cqe, now);
        }
        self.batch = batch;
        while self.reactor.is_some() {
            let Some(step) = self.core.sockets.borrow_mut().next_local() else { break };
            self.deliver(step, now);
            events = true;
        }
        self.core.timers.fire(now.mono);
        self.core.tasks.wake_foreign();
        let rung = self.core.bell.take();
        let due = self.outcome.deadline.is_some_and(|at| at <= now.mono);
        if (events || due | rung | self.core.kicked.get())
            && let Some(reactor) = &mut self.reactor
        {
            self.core.kicked.set(false);
            self.core.ring.borrow_mut().counters.turns += 1;
            self.outcome = reactor.end_of_turn(now);
            if self.outcome.stop {
                return Turn::Stop;
            }
        }
        self.core.sockets.borrow_mut().end_of_turn(&mut self.core.ring.borrow_mut(), now.mono);
        if busy { Turn::Busy } else { Turn::Idle }
    }

    /// Handles one completion; whether the reactor was told something.
    fn dispatch(&mut self, cqe: Cqe, now: Now) -> bool {
        match Token::decode(cqe.token) {
            Token::Op(slot) => self.core.ops.borrow_mut().complete(slot, cqe.result),
            Token::Bell => self.bell_armed = false,
            _ if self.reactor.is_none() => self.early.push(cqe),
            token => {
                let step = {
                    let mut ring = self.core.ring.borrow_mut();
                    self.core.sockets.borrow_mut().complete(&mut ring, token, cqe, now.mono)
                };
                if let Some(step) = step {
                    self.deliver(step, now);
                    return true;
                }
            }
        }
        false
    }

    fn deliver(&mut self, step: Step, now: Now) {
        let reactor = self.reactor.as_mut().expect("steps are made only for a reactor");
        let event = match step {
            Step::Received { conn, buffer, len, more } => {
                // SAFETY: read only by the reactor in this call; recycled right behind it.
                let bytes = unsafe { self.core.sockets.borrow().bytes(buffer, len) };
                reactor.event(Event::Received { conn, bytes }, now);
                let mut ring = self.core.ring.borrow_mut();
                self.core.sockets.borrow_mut().received(&mut ring, conn, buffer, more);
                return;
            }
            Step::Gathered { conn } => {
                // SAFETY: read only by the reactor in this call; the next receive is armed right behind it.
                let bytes = unsafe { self.core.sockets.borrow_mut().gathered(conn) };
                let left = reactor.received(conn, bytes, LEFT_BYTES_MAX, now);
                let mut ring = self.core.ring.borrow_mut();
                self.core.sockets.borrow_mut().consumed(&mut ring, conn, left);
                return;
            }
            Step::Accepted { conn, listener, peer, local } => Event::Accepted { conn, listener, peer, local },
            Step::Connected { conn, local } => Event::Connected { conn, local },
            Step::Sent { conn, out } => Event::Sent { conn, out },
            Step::Closed { conn, reason } => Event::Closed { conn, reason },
        };
        reactor.event(event, now);
    }

    /// Closes all sockets and waits until nothing is with the kernel. Nobody is told any more.
    fn drain(&mut self) -> io::Result<()> {
        let core = self.core.clone();
        core.sockets.borrow_mut().close_all(&mut core.ring.borrow_mut());
        core.bell.wake();
        let give_up = clock::monotonic().plus_ms(DRAIN_MS);
        let mut batch = std::mem::take(&mut self.batch);
        batch.splice(0..0, self.early.drain(..));
        loop {
            for cqe in batch.drain(..) {
                match Token::decode(cqe.token) {
                    Token::Op(slot) => core.ops.borrow_mut().complete(slot, cqe.result),
                    Token::Bell => self.bell_armed = false,
                    token => {
                        let (mut sockets, mut ring) = (core.sockets.borrow_mut(), core.ring.borrow_mut());
                        let step = sockets.complete(&mut ring, token, cqe, clock::monotonic());
                        match step {
                            Some(Step::Received { conn, buffer, more, .. }) => {
                                sockets.received(&mut ring, conn, buffer, more);
                            }
                            Some(Step::Gathered { conn }) => sockets.consumed(&mut ring, conn, 0),
                            _ => {}
                        }
                    }
                }
            }
            while core.sockets.borrow_mut().next_local().is_some() {}
            if core.sockets.borrow().is_empty() && core.ops.borrow().in_flight() == 0 && !self.bell_armed {
                return Ok(());
            }
            if clock::monotonic() >= give_up {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "operations in flight did not end"));
            }
            let mut ring = core.ring.borrow_mut();
            ring.enter(Some(Some(Duration::from_millis(50))))?;
            ring.drain(&mut batch);
        }
    }
}

/// How long a stopping shard waits for the kernel. Longer than any disk stall it is meant to survive (F11).
const DRAIN_MS: u64 = 60_000;
