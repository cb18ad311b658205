//! The driver: a thread of [`rt`] that speaks [`net`] over many connections, driven by a [`Work`].
//!
//! Place: every byte that a benchmark sends goes through here, over the real ring or in simulation. It connects, decodes
//! answers, flushes once a turn, and notices connections that end; what is sent and what an answer means is the work's.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use net::connection::{ConnectionLimits, Connections};
use net::{Header, Scratch};
use rt::real::{RealEnv, ShardOptions, Spin, run_shard};
use rt::{CloseReason, ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};

/// Where a thread runs and whom it calls.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whom each of its connections calls.
    pub lines: Vec<SocketAddr>,
    /// The core it is pinned to.
    pub cpu: Option<usize>,
    /// How long it polls before it sleeps.
    pub spin: Spin,
}

/// What a thread does.
pub trait Work<E: Env>: 'static {
    /// All connections are up.
    fn start(&mut self, lines: &mut Lines<E>, now: Now);
    /// An answer came on connection `line`.
    fn answer(&mut self, line: usize, header: &Header<'_>, body: &[u8], lines: &mut Lines<E>, now: Now);
    /// The broker asks something itself. Needs no answer unless the work wants to give one.
    fn asked(&mut self, _line: usize, _header: &Header<'_>, _body: &[u8], _lines: &mut Lines<E>, _now: Now) {}
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
        match self.connections.reply(self.ids[line]) {
            Some(out) => out.bytes(),
            None => {
                self.nowhere.clear();
                self.nowhere.bytes()
            }
        }
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
    up: usize,
    ended: bool,
    /// Why it ended before its work was done.
    pub failure: Option<io::Error>,
}

impl<E: Env, W: Work<E>> Driver<E, W> {
    /// Begins to connect.
    #[must_use]
    pub fn connect(env: E, lines: &[SocketAddr], work: W) -> Self {
        let now = env.now().mono;
        // A generator waits for nobody's permission; what it may do is what its work does.
        let limits = ConnectionLimits {
            output_bytes: usize::MAX / 2,
            idle_ms: u64::MAX / 4_000_000,
            ..ConnectionLimits::default()
        };
        let mut connections = Connections::new(limits);
        let ids = lines
            .iter()
            .enumerate()
            .map(|(line, to)| {
                let id = env.net().connect(*to);
                connections.connecting(id, *to, now, line);
                id
            })
            .collect();
        let lines = Lines { env, connections, ids, nowhere: Outbox::default() };
        Self { work, lines, scratch: Scratch::default(), up: 0, ended: false, failure: None }
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

    fn closed(&mut self, conn: ConnId, reason: CloseReason) {
        let peer = self.lines.connections.get(conn).map(|connection| connection.peer());
        if self.lines.connections.closed(conn).is_none() {
            return;
        }
        let whom = peer.map_or_else(|| "the broker".to_owned(), |peer| peer.to_string());
        let what = if self.up < self.lines.len() { "cannot connect" } else { "connection lost" };
        let why = match reason {
            CloseReason::Peer => "it closed the connection".to_owned(),
            CloseReason::Local => "given up".to_owned(),
            CloseReason::Failed(error) => error.to_string(),
        };
        self.failure.get_or_insert(io::Error::other(format!("{what}: {whom}: {why}")));
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
            Event::Connected { conn, .. } => {
                self.lines.connections.connected(conn, now.mono);
                self.up += 1;
                if self.up == self.lines.len() {
                    self.work.start(&mut self.lines, now);
                }
            }
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => self.lines.connections.sent(conn, out, now.mono),
            Event::Closed { conn, reason } => self.closed(conn, reason),
            Event::Accepted { .. } => {}
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        if self.failure.is_some() {
            return self.end(now);
        }
        if self.up < self.lines.len() {
            self.lines.connections.sweep(self.lines.env.net(), now.mono);
            return TurnOutcome { deadline: Some(now.mono.plus_ms(100)), stop: false };
        }
        let next = self.work.turn(&mut self.lines, now);
        self.lines.connections.flush_dirty(self.lines.env.net(), now.mono);
        match next {
            Next::Until(at) => TurnOutcome { deadline: Some(at.min(now.mono.plus_ms(1_000))), stop: false },
            Next::Done => self.end(now),
        }
    }
}

/// Runs `work` on the calling thread, over the real ring, until it is done or fails: the work, and the failure.
///
/// # Errors
/// The ring could not be set up; then nothing was sent.
pub fn run<W: Work<RealEnv>>(name: &str, place: &Place, work: W) -> io::Result<(W, Option<io::Error>)> {
    let options = ShardOptions { cpu: place.cpu, spin: place.spin, ..ShardOptions::new(name) };
    let lines = place.lines.clone();
    let driver =
        run_shard(options, move |env| async move { Ok::<_, Infallible>(Driver::connect(env, &lines, work)) })
            .map_err(io::Error::other)?;
    Ok((driver.work, driver.failure))
}
