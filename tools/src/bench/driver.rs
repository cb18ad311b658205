//! The driver: a thread of [`rt`] that speaks [`net`] over many connections, driven by a [`Work`].
//!
//! Place: every byte that a benchmark sends goes through here, over the real ring or in simulation. It connects, decodes
//! answers, flushes once a turn, and gets connections back that end; what is sent and what an answer means
//! is the work's.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use net::connection::{ConnectionLimits, Connections};
use net::{Header, Scratch};
use rt::real::{RealEnv, ShardOptions, Spin, run_shard};
use rt::{CloseReason, ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};

use super::template::Copies;

mod outages;

use outages::Outages;

/// Where a thread runs and whom it calls.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whom each of its connections calls.
    pub lines: Vec<SocketAddr>,
    /// The core it is pinned to.
    pub cpu: Option<usize>,
    /// How long it polls before it sleeps.
    pub spin: Spin,
    /// How long a connection that was lost is tried again before the run ends; zero ends it at once.
    pub reconnect: Duration,
}

/// What a thread does.
pub trait Work<E: Env>: 'static {
    /// All connections are up.
    fn start(&mut self, lines: &mut Lines<E>, now: Now);
    /// An answer came on connection `line`.
    fn answer(&mut self, line: usize, header: &Header<'_>, body: &[u8], lines: &mut Lines<E>, now: Now);
    /// The broker asks something itself. Needs no answer unless the work wants to give one.
    fn asked(&mut self, _line: usize, _header: &Header<'_>, _body: &[u8], _lines: &mut Lines<E>, _now: Now) {}
    /// Connection `line` is gone: no answer comes to what was sent, and nothing may be sent until it is
    /// [`Work::back`]. Not called where a lost connection ends the run.
    fn lost(&mut self, _line: usize, _now: Now) {}
    /// Connection `line` is up again.
    fn back(&mut self, _line: usize, _lines: &mut Lines<E>, _now: Now) {}
    /// The end of a turn, also when a deadline came.
    fn turn(&mut self, lines: &mut Lines<E>, now: Now) -> Next;
    /// The run is over, for whatever reason.
    fn end(&mut self, _now: Now) {}
}

/// What a [`Work`] wants after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To go on, with a turn at this time at the latest.
    Until(Mono),
    /// To end.
    Done,
}

/// The connections of a thread.
pub struct Lines<E: Env> {
    env: E,
    connections: Connections<usize>,
    ids: Vec<ConnId>,
    /// What an outbox that is no longer needed goes to: a connection that is gone takes no requests.
    nowhere: Outbox,
    /// Bodies that are lent to the connections.
    copies: Copies,
}

impl<E: Env> Lines<E> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Where to write requests for connection `line`; they leave at the end of the turn.
    pub fn out(&mut self, line: usize) -> &mut Vec<u8> {
        self.outbox(line).0.bytes()
    }

    /// As [`Lines::out`], for requests with bodies that are lent, and what lends them.
    pub fn outbox(&mut self, line: usize) -> (&mut Outbox, &mut Copies) {
        let out = match self.connections.reply(self.ids[line]) {
            Some(out) => out,
            None => {
                self.nowhere.clear();
                &mut self.nowhere
            }
        };
        (out, &mut self.copies)
    }

    /// The time, read afresh: once for each batch of sends.
    #[must_use]
    pub fn now(&self) -> Now {
        self.env.now()
    }
}

/// A thread's reactor. See the module.
pub struct Driver<E: Env, W> {
    /// What it does.
    pub work: W,
    lines: Lines<E>,
    scratch: Scratch,
    /// Whom the connections call that are not begun yet, the last first.
    unopened: Vec<SocketAddr>,
    began: Mono,
    up: usize,
    outages: Outages,
    ended: bool,
    /// Why it ended before its work was done.
    pub failure: Option<io::Error>,
}

impl<E: Env, W: Work<E>> Driver<E, W> {
    /// Begins to connect.
    #[must_use]
    pub fn connect(env: E, place: &Place, work: W) -> Self {
        let now = env.now().mono;
        // A generator waits for nobody's permission; what it may do is what its work does.
        let limits = ConnectionLimits {
            output_bytes: usize::MAX / 2,
            idle_ms: u64::MAX / 4_000_000,
            ..ConnectionLimits::default()
        };
        let connections = Connections::new(limits);
        let ids = Vec::with_capacity(place.lines.len());
        let lines = Lines { env, connections, ids, nowhere: Outbox::default(), copies: Copies::default() };
        let mut driver = Self {
            work,
            lines,
            scratch: Scratch::default(),
            unopened: place.lines.iter().rev().copied().collect(),
            began: now,
            up: 0,
            outages: Outages::new(place.reconnect),
            ended: false,
            failure: None,
        };
        driver.open(now);
        driver
    }

    /// Begins as many connections as are due by now: servers turn away those that come faster than they allow.
    fn open(&mut self, now: Mono) {
        let since_ms = usize::try_from(now.since(self.began) / 1_000_000).unwrap_or(usize::MAX);
        let due = since_ms.saturating_mul(OPENED_PER_MS).saturating_add(OPENED_AT_ONCE);
        while self.lines.ids.len() < due
            && let Some(peer) = self.unopened.pop()
        {
            let conn = self.lines.env.net().connect(peer);
            self.lines.connections.connecting(conn, peer, now, self.lines.ids.len());
            self.lines.ids.push(conn);
        }
    }

    /// Every connection was up once.
    fn is_complete(&self) -> bool {
        self.unopened.is_empty() && self.up == self.lines.len()
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        let Some(line) = self.lines.connections.state(conn).copied() else { return };
        let Some(mut lent) = self.lines.connections.lend_decoder(conn) else { return };
        let (work, lines, scratch) = (&mut self.work, &mut self.lines, &mut self.scratch);
        let mut bad = None;
        // The answers of a connection are alike but for a few digits: those are read, the rest is compared.
        let outcome = lent.feed_alike(bytes, 0, |frame, alike| {
            match Header::decode_alike(frame.codec, frame.header, scratch, alike) {
                Ok(header) if !header.is_response() => work.asked(line, &header, frame.body, lines, now),
                Ok(header) => work.answer(line, &header, frame.body, lines, now),
                Err(error) => {
                    bad = Some(io::Error::other(format!("an answer that is none: {error}")));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        let frames =
            outcome.as_ref().err().map(|error| io::Error::other(format!("an answer that is none: {error}")));
        self.failure = self.failure.take().or(bad).or(frames);
        self.lines.connections.return_decoder(self.lines.env.net(), lent, outcome, now.mono);
    }

    fn connected(&mut self, conn: ConnId, now: Now) {
        self.lines.connections.connected(conn, now.mono);
        if !self.is_complete() {
            self.up += 1;
            if self.is_complete() {
                self.work.start(&mut self.lines, now);
            }
        } else if let Some(line) = self.lines.connections.state(conn).copied()
            && self.outages.back(line)
        {
            self.work.back(line, &mut self.lines, now);
        }
    }

    fn closed(&mut self, conn: ConnId, reason: CloseReason, now: Now) {
        let Some(peer) = self.lines.connections.get(conn).map(|connection| connection.peer()) else { return };
        let Some(line) = self.lines.connections.closed(conn) else { return };
        let why = match reason {
            CloseReason::Peer => "it closed the connection".to_owned(),
            CloseReason::Local => "given up".to_owned(),
            CloseReason::Failed(error) => error.to_string(),
        };
        if !self.is_complete() {
            self.failure.get_or_insert(io::Error::other(format!("cannot connect: {peer}: {why}")));
        } else if self.outages.is_fatal() {
            self.failure.get_or_insert(io::Error::other(format!("connection lost: {peer}: {why}")));
        } else if self.outages.ended(line, peer, why, now.mono) {
            self.work.lost(line, now);
        }
    }

    /// Tries again what is due; when to look next. A connection that stays away ends the run.
    fn mend(&mut self, now: Mono) -> Option<Mono> {
        if self.outages.is_empty() {
            return None;
        }
        self.give_up_on_outages(now, false);
        while let Some((line, peer)) = self.outages.next_due(now) {
            let conn = self.lines.env.net().connect(peer);
            self.lines.connections.connecting(conn, peer, now, line);
            self.lines.ids[line] = conn;
        }
        self.lines.connections.sweep(self.lines.env.net(), now);
        self.outages.deadline().map(|at| at.min(now.plus_ms(LOOK_MS)))
    }

    fn give_up_on_outages(&mut self, now: Mono, over: bool) {
        if let Some(what) = self.outages.failure(now, over) {
            self.failure.get_or_insert(io::Error::other(what));
        }
    }

    fn end(&mut self, now: Now) -> TurnOutcome {
        if !self.ended {
            self.ended = true;
            self.work.end(now);
        }
        TurnOutcome { deadline: None, stop: true }
    }
}

impl<E: Env, W: Work<E>> Reactor for Driver<E, W> {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Connected { conn, .. } => self.connected(conn, now),
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => self.lines.connections.sent(conn, out, now.mono),
            Event::Closed { conn, reason } => self.closed(conn, reason, now),
            Event::Accepted { .. } => {}
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        let mended = self.mend(now.mono);
        if self.failure.is_some() {
            return self.end(now);
        }
        if !self.is_complete() {
            self.open(now.mono);
            self.lines.connections.sweep(self.lines.env.net(), now.mono);
            let pause = if self.unopened.is_empty() { LOOK_MS } else { 1 };
            return TurnOutcome { deadline: Some(now.mono.plus_ms(pause)), stop: false };
        }
        let next = self.work.turn(&mut self.lines, now);
        self.lines.connections.flush_dirty(self.lines.env.net(), now.mono);
        match next {
            Next::Until(at) => {
                let at = at.min(now.mono.plus_ms(1_000));
                TurnOutcome { deadline: Some(mended.map_or(at, |mended| mended.min(at))), stop: false }
            }
            Next::Done => {
                self.give_up_on_outages(now.mono, true);
                self.end(now)
            }
        }
    }
}

/// Runs `work` on the calling thread, over the real ring, until it is done or fails: the work, and the failure.
///
/// # Errors
/// The ring could not be set up; then nothing was sent.
pub fn run<W: Work<RealEnv>>(name: &str, place: &Place, work: W) -> io::Result<(W, Option<io::Error>)> {
    let options = ShardOptions { cpu: place.cpu, spin: place.spin, ..ShardOptions::new(name) };
    let place = place.clone();
    let driver =
        run_shard(options, move |env| async move { Ok::<_, Infallible>(Driver::connect(env, &place, work)) })
            .map_err(io::Error::other)?;
    Ok((driver.work, driver.failure))
}

/// Connections begun at once, and those begun in each millisecond after that: a RingMQ broker admits 5,000 a second
/// (reliability.md 7).
const OPENED_AT_ONCE: usize = 1_000;
const OPENED_PER_MS: usize = 4;
/// How often connections that are not up are looked at for their time.
const LOOK_MS: u64 = 100;
