//! The generator: one shard of [`rt`] that speaks [`net`], driven by a [`Work`].
//!
//! Place: everything that a benchmark sends goes through here; `send`, `pull` and `e2e` are three kinds of work. The
//! number of a request is its slot on its connection, so that an answer finds its request by indexing and a message
//! costs no allocation.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use net::connection::{ConnectionLimits, Connections};
use net::{Header, Scratch};
use rt::real::{RealEnv, ShardOptions, Spin, run_shard};
use rt::{ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};

/// Where a generator connects and runs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Brokers; connections go to them in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Connections in all.
    pub(crate) connections: usize,
    /// The core to run on.
    pub(crate) cpu: Option<usize>,
    /// How long to poll before sleeping.
    pub(crate) spin: Spin,
}

/// What a generator does.
pub(crate) trait Work: Send + 'static {
    /// All connections are up.
    fn start(&mut self, lines: &mut Lines, now: Now);
    /// An answer came on connection `line`.
    fn answer(&mut self, line: usize, header: &Header<'_>, body: &[u8], lines: &mut Lines, now: Now);
    /// The end of a turn, also when a deadline came.
    fn turn(&mut self, lines: &mut Lines, now: Now) -> Next;
}

/// What a [`Work`] wants after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To go on, with a turn at this time at the latest.
    Until(Mono),
    /// To end.
    Done,
}

/// The connections of a generator.
pub(crate) struct Lines {
    env: RealEnv,
    connections: Connections<usize>,
    ids: Vec<ConnId>,
}

impl Lines {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Where to write requests for connection `line`; they leave at the end of the turn.
    pub(crate) fn out(&mut self, line: usize) -> &mut Outbox {
        self.connections.reply(self.ids[line]).expect("a generator ends when a connection does")
    }
}

/// First number of a request, so that all have ten digits and are patched in place.
pub(crate) const OPAQUE_BASE: i32 = 1_000_000_000;

/// Number of the request in `slot`.
pub(crate) fn opaque_of(slot: usize) -> i32 {
    OPAQUE_BASE + i32::try_from(slot).expect("fewer slots than numbers")
}

/// Slot of an answer.
pub(crate) fn slot_of(opaque: i32) -> Option<usize> {
    usize::try_from(opaque.checked_sub(OPAQUE_BASE)?).ok()
}

/// Runs `work` on a thread of its own until it is done.
///
/// # Errors
/// A connection that failed or fell silent, or a ring that could not be set up.
pub(crate) fn run<W: Work>(plan: &Plan, work: W) -> io::Result<W> {
    let options = ShardOptions { cpu: plan.cpu, spin: plan.spin, ..ShardOptions::new("load") };
    let plan = plan.clone();
    let thread = std::thread::Builder::new().name("load".into()).spawn(move || {
        let generator = run_shard(options, move |env| async move {
            Ok::<_, Infallible>(Generator::connect(env, &plan, work))
        })
        .map_err(io::Error::other)?;
        match generator.failure {
            None => Ok(generator.work),
            Some(failure) => Err(failure),
        }
    })?;
    thread.join().map_err(|_| io::Error::other("the generator panicked"))?
}

struct Generator<W> {
    work: W,
    lines: Lines,
    scratch: Scratch,
    up: usize,
    heard: Mono,
    failure: Option<io::Error>,
}

impl<W: Work> Generator<W> {
    fn connect(env: RealEnv, plan: &Plan, work: W) -> Self {
        let now = env.now().mono;
        // A generator waits for nobody's permission; what it may do is what its work does.
        let limits = ConnectionLimits { output_bytes: usize::MAX / 2, ..ConnectionLimits::default() };
        let mut connections = Connections::new(limits);
        let ids = (0..plan.connections)
            .map(|line| {
                let to = plan.addresses[line % plan.addresses.len()];
                let id = env.net().connect(to);
                connections.connecting(id, to, now, line);
                id
            })
            .collect();
        let lines = Lines { env, connections, ids };
        Self { work, lines, scratch: Scratch::default(), up: 0, heard: now, failure: None }
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        self.heard = now.mono;
        let Some(line) = self.lines.connections.state(conn).copied() else { return };
        let Some(mut lent) = self.lines.connections.lend_decoder(conn) else { return };
        let (work, lines, scratch) = (&mut self.work, &mut self.lines, &mut self.scratch);
        let mut bad = None;
        let outcome = lent.feed(bytes, |frame| {
            match Header::decode(frame.codec, frame.header, scratch) {
                // A broker may ask us something (a rebalance notice); benchmarks need not answer.
                Ok(header) if !header.is_response() => {}
                Ok(header) => work.answer(line, &header, frame.body, lines, now),
                Err(error) => {
                    bad = Some(io::Error::other(error));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        self.failure = self.failure.take().or(bad).or(outcome.err().map(io::Error::other));
        self.lines.connections.return_decoder(self.lines.env.net(), lent, outcome, now.mono);
    }
}

impl<W: Work> Reactor for Generator<W> {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Connected { conn, .. } => {
                self.lines.connections.connected(conn, now.mono);
                self.up += 1;
                if self.up == self.lines.len() {
                    self.heard = now.mono;
                    self.work.start(&mut self.lines, now);
                }
            }
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => self.lines.connections.sent(conn, out, now.mono),
            Event::Closed { reason, .. } => {
                let why = format!("the broker closed a connection: {reason:?}");
                self.failure.get_or_insert(io::Error::other(why));
            }
            Event::Accepted { .. } => {}
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        if now.mono.since(self.heard) > SILENCE_NS {
            self.failure.get_or_insert(io::Error::new(io::ErrorKind::TimedOut, "the broker fell silent"));
        }
        if self.failure.is_some() {
            return TurnOutcome { deadline: None, stop: true };
        }
        if self.up < self.lines.len() {
            return TurnOutcome { deadline: Some(now.mono.plus_ms(1_000)), stop: false };
        }
        let next = self.work.turn(&mut self.lines, now);
        self.lines.connections.flush_dirty(self.lines.env.net(), now.mono);
        match next {
            Next::Until(at) => TurnOutcome { deadline: Some(at.min(now.mono.plus_ms(1_000))), stop: false },
            Next::Done => TurnOutcome { deadline: None, stop: true },
        }
    }
}

/// A broker that says nothing for this long has failed: longer than a suspended pull.
const SILENCE_NS: u64 = 40_000_000_000;
