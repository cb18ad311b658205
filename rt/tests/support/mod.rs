//! What the tests of the real environment share: a shard on a thread, and reactors made of closures.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of it"
)]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::mpsc;

use rt::real::{OnPanic, RealEnv, ShardError, ShardOptions, ShardThread, Spin, start_shard};
use rt::{ConnId, Env, Event, Now, Outbox, Reactor, Transport, TurnOutcome};

pub fn options() -> ShardOptions {
    ShardOptions {
        spin: Spin::Off,
        on_panic: OnPanic::Unwind,
        connections_max: 4096,
        ..ShardOptions::new("test")
    }
}

/// Runs `task` on a shard of its own and returns what it returns.
pub fn on_a_shard<T, F>(task: impl FnOnce(RealEnv) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (sender, receiver) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        sender.send(task(env).await).unwrap();
        Ok::<_, Infallible>(Stopped)
    })
    .unwrap();
    let joined = shard.join();
    joined.unwrap();
    receiver.recv().unwrap()
}

/// A reactor that is done.
pub struct Stopped;

impl Reactor for Stopped {
    fn event(&mut self, _: Event<'_>, _: Now) {}
    fn end_of_turn(&mut self, _: Now) -> TurnOutcome {
        TurnOutcome { deadline: None, stop: true }
    }
}

/// Echoes; keeps one send in flight per connection and stops when its doorbell is rung with the flag set.
pub struct Echo {
    env: RealEnv,
    conns: Vec<Line>,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    pub log: mpsc::Sender<Seen>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Accepted(ConnId),
    Closed(ConnId, String),
}

#[derive(Default)]
struct Line {
    pending: Option<Outbox>,
    spare: Outbox,
    in_flight: bool,
}

impl Reactor for Echo {
    fn event(&mut self, event: Event<'_>, _: Now) {
        match event {
            Event::Accepted { conn, peer, local, .. } => {
                assert_ne!(peer, local);
                let index = conn.index as usize;
                if self.conns.len() <= index {
                    self.conns.resize_with(index + 1, Line::default);
                }
                self.conns[index] = Line::default();
                let _ = self.log.send(Seen::Accepted(conn));
            }
            Event::Connected { .. } => unreachable!("we never connect"),
            Event::Received { conn, bytes } => {
                let line = &mut self.conns[conn.index as usize];
                if line.in_flight {
                    line.pending.get_or_insert_default().bytes().extend_from_slice(bytes);
                } else {
                    let mut out = std::mem::take(&mut line.spare);
                    out.bytes().extend_from_slice(bytes);
                    line.in_flight = true;
                    self.env.net().send(conn, out);
                }
            }
            Event::Sent { conn, out } => {
                let line = &mut self.conns[conn.index as usize];
                line.in_flight = false;
                line.spare = out;
                if let Some(next) = line.pending.take() {
                    line.in_flight = true;
                    self.env.net().send(conn, next);
                }
            }
            Event::Closed { conn, reason } => {
                let _ = self.log.send(Seen::Closed(conn, format!("{reason:?}")));
            }
        }
    }

    fn end_of_turn(&mut self, _: Now) -> TurnOutcome {
        TurnOutcome { deadline: None, stop: self.stop.load(std::sync::atomic::Ordering::SeqCst) }
    }
}

pub struct EchoServer {
    pub at: SocketAddr,
    pub seen: mpsc::Receiver<Seen>,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    shard: ShardThread<Result<(), ShardError<std::io::Error>>>,
}

impl EchoServer {
    pub fn start(options: ShardOptions) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (log, seen) = mpsc::channel();
        let (tell, at) = mpsc::channel();
        let flag = stop.clone();
        let shard = start_shard(options, move |env: RealEnv| async move {
            let (_, at) = env.net().listen("127.0.0.1:0".parse().unwrap())?;
            tell.send(at).unwrap();
            Ok(Echo { env, conns: Vec::new(), stop: flag, log })
        })
        .unwrap();
        Self { at: at.recv().unwrap(), seen, stop, shard }
    }

    pub fn stop(self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        self.shard.doorbell().ring();
        self.shard.join().unwrap();
    }
}

/// A reactor made of two closures.
pub struct Script<E, T> {
    pub event: E,
    pub turn: T,
}

impl<E: FnMut(Event<'_>, Now), T: FnMut(Now) -> TurnOutcome> Reactor for Script<E, T> {
    fn event(&mut self, event: Event<'_>, now: Now) {
        (self.event)(event, now);
    }
    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        (self.turn)(now)
    }
}

/// Goes on; wakes up only for events.
pub const GO_ON: TurnOutcome = TurnOutcome { deadline: None, stop: false };

/// Ends the shard if `stop`.
pub fn stop_if(stop: bool) -> TurnOutcome {
    TurnOutcome { deadline: None, stop }
}

/// A loopback address with a port to be chosen.
pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Bytes that tell their position, so that a lost or doubled piece shows.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A directory that goes with the value.
pub struct TempDir(std::path::PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // Beside the test binaries: a real filesystem, unlike many a /tmp.
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
