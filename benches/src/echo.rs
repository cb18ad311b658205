//! `echo`: what the pump costs over a bare io_uring loop (performance.md 1, "Network").
//!
//! 64 connections with 16 frames of 1 KiB in flight each, 128 B back. The server runs on core 0, once through rt's pump
//! and once as `rt::real::bare`, in turns; the generator on core 1 is the same for both. What counts is the CPU time of
//! the server's thread per frame; the target for the ratio is 1.2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rt::real::bare::{EchoWork, FRAME_BYTES, REPLY_BYTES, bare_echo, thread_cpu_ns};
use rt::real::{RealEnv, ShardOptions, Spin, cpus, run_shard, start_shard};
use rt::{ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};

/// Options of the benchmark.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Frames in flight per connection.
    #[arg(long, default_value_t = 16)]
    depth: usize,
    /// Seconds per run.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Pairs of runs.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Core of the server.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// Core of the generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
}

/// Which server.
#[derive(Clone, Copy, Debug)]
enum Server {
    Pump,
    Bare,
}

/// One run.
struct Run {
    work: EchoWork,
    seconds: f64,
}

impl Run {
    fn cpu_us(&self) -> f64 {
        self.work.cpu_ns as f64 / 1e3 / self.work.frames as f64
    }
}

/// Runs the benchmark and prints every run, then the ratio.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut ratios = Vec::new();
    for pair in 0..options.pairs {
        let mut costs = [0.0; 2];
        for server in [Server::Pump, Server::Bare] {
            let run = measure(server, options)?;
            costs[server as usize] = run.cpu_us();
            println!(
                "pair {pair} {server:?}: {:.3} us cpu/frame, {:.0} frames/s, {:.0} % busy, {:.3} enters/frame, {:.3} \
                 recvs/frame, {:.3} sends/frame",
                run.cpu_us(),
                run.work.frames as f64 / run.seconds,
                run.work.cpu_ns as f64 / 1e7 / run.seconds,
                run.work.ring.enters as f64 / run.work.frames as f64,
                run.work.ring.recvs as f64 / run.work.frames as f64,
                run.work.ring.sends as f64 / run.work.frames as f64,
            );
        }
        ratios.push(costs[0] / costs[1]);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "ratio of cpu/frame, pump over bare: median {:.3}, {:.3} to {:.3} in {} pairs (target 1.2)",
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1],
        ratios.len()
    );
    Ok(())
}

/// CPU of the pump's server per frame with 4 x 64 in flight, ns.
///
/// # Errors
/// When a server cannot be set up.
pub(crate) fn pump_cpu_ns(server_cpu: usize, load_cpu: usize, seconds: f64) -> io::Result<f64> {
    let options = Options { connections: 4, depth: 64, seconds, pairs: 1, server_cpu, load_cpu };
    Ok(measure(Server::Pump, &options)?.cpu_us() * 1e3)
}

fn measure(server: Server, options: &Options) -> io::Result<Run> {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, at) = mpsc::channel();
    let (flag, cpu) = (stop.clone(), options.server_cpu);
    let thread = std::thread::Builder::new().name("server".into()).spawn(move || match server {
        Server::Pump => pump_echo(cpu, flag, tell),
        Server::Bare => {
            cpus::pin_thread(&[cpu])?;
            bare_echo(&flag, |at| tell.send(at).expect("the receiver waits"))
        }
    })?;
    let at = at.recv().map_err(|_| io::Error::other("the server did not start"))?;
    let seconds = load(at, options)?;
    stop.store(true, Ordering::SeqCst);
    let work = thread.join().map_err(|_| io::Error::other("the server panicked"))??;
    assert!(work.frames > 0);
    Ok(Run { work, seconds })
}

/// The server under test, as a reactor.
struct EchoServer {
    env: RealEnv,
    lines: Vec<Line>,
    dirty: Vec<ConnId>,
    stop: Arc<AtomicBool>,
    frames: u64,
    started: u64,
}

#[derive(Default)]
struct Line {
    partial: usize,
    owed: usize,
    /// `None` while it is being sent.
    out: Option<Outbox>,
    dirty: bool,
}

fn pump_echo(cpu: usize, stop: Arc<AtomicBool>, tell: mpsc::Sender<SocketAddr>) -> io::Result<EchoWork> {
    let options = ShardOptions { cpu: Some(cpu), spin: Spin::Off, ..ShardOptions::new("echo") };
    let server = run_shard(options, move |env: RealEnv| async move {
        let (_, at) = env.net().listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        tell.send(at).expect("the receiver waits");
        Ok::<_, io::Error>(EchoServer {
            env,
            lines: Vec::new(),
            dirty: Vec::new(),
            stop,
            frames: 0,
            started: thread_cpu_ns(),
        })
    })
    .map_err(io::Error::other)?;
    Ok(EchoWork {
        frames: server.frames,
        cpu_ns: thread_cpu_ns() - server.started,
        ring: server.env.counters(),
    })
}

impl EchoServer {
    fn touch(&mut self, conn: ConnId) {
        if !std::mem::replace(&mut self.lines[conn.index as usize].dirty, true) {
            self.dirty.push(conn);
        }
    }
}

impl Reactor for EchoServer {
    fn event(&mut self, event: Event<'_>, _: Now) {
        match event {
            Event::Accepted { conn, .. } => {
                let index = conn.index as usize;
                if self.lines.len() <= index {
                    self.lines.resize_with(index + 1, Line::default);
                }
                self.lines[index] = Line { out: Some(Outbox::default()), ..Line::default() };
            }
            Event::Received { conn, bytes } => {
                let line = &mut self.lines[conn.index as usize];
                let bytes = line.partial + bytes.len();
                line.partial = bytes % FRAME_BYTES;
                line.owed += bytes / FRAME_BYTES;
                self.frames += (bytes / FRAME_BYTES) as u64;
                self.touch(conn);
            }
            Event::Sent { conn, out } => {
                self.lines[conn.index as usize].out = Some(out);
                self.touch(conn);
            }
            Event::Connected { .. } | Event::Closed { .. } => {}
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        flush(&self.env, &mut self.lines, &mut self.dirty, |out, owed| {
            (0..owed).for_each(|_| out.extend_from_slice(&[7; REPLY_BYTES]));
        });
        TurnOutcome { deadline: Some(now.mono.plus_ms(100)), stop: self.stop.load(Ordering::Relaxed) }
    }
}

/// Writes what connections owe and sends it, on those that are not sending.
fn flush(env: &RealEnv, lines: &mut [Line], dirty: &mut Vec<ConnId>, write: impl Fn(&mut Vec<u8>, usize)) {
    for conn in dirty.drain(..) {
        let line = &mut lines[conn.index as usize];
        line.dirty = false;
        if line.owed == 0 {
            continue;
        }
        let Some(mut out) = line.out.take() else { continue };
        write(out.bytes(), std::mem::take(&mut line.owed));
        env.net().send(conn, out);
    }
}

/// The generator: keeps `depth` frames of each connection in flight for the time given; returns the seconds it ran.
fn load(at: SocketAddr, options: &Options) -> io::Result<f64> {
    let shard = ShardOptions { cpu: Some(options.load_cpu), spin: Spin::Off, ..ShardOptions::new("load") };
    let (tell, told) = mpsc::channel();
    let (connections, depth, run_for) =
        (options.connections, options.depth, Duration::from_secs_f64(options.seconds));
    let thread = start_shard(shard, move |env: RealEnv| async move {
        let ends = Mono(env.now().mono.0 + u64::try_from(run_for.as_nanos()).expect("some seconds"));
        let mut generator =
            Generator { started: env.now().mono, ends, lines: Vec::new(), dirty: Vec::new(), tell, env };
        for _ in 0..connections {
            let conn = generator.env.net().connect(at);
            assert_eq!(conn.index as usize, generator.lines.len());
            generator.lines.push(Line { owed: depth, ..Line::default() });
        }
        Ok::<_, Infallible>(generator)
    })?;
    thread.join().map_err(|_| io::Error::other("the generator failed"))?;
    told.recv().map_err(|_| io::Error::other("the generator says nothing"))
}

struct Generator {
    env: RealEnv,
    lines: Vec<Line>,
    dirty: Vec<ConnId>,
    started: Mono,
    ends: Mono,
    tell: mpsc::Sender<f64>,
}

impl Reactor for Generator {
    fn event(&mut self, event: Event<'_>, _: Now) {
        let conn = match event {
            Event::Connected { conn, .. } => {
                self.lines[conn.index as usize].out = Some(Outbox::default());
                conn
            }
            Event::Received { conn, bytes } => {
                assert!(bytes.iter().all(|byte| *byte == 7));
                let line = &mut self.lines[conn.index as usize];
                let bytes = line.partial + bytes.len();
                line.partial = bytes % REPLY_BYTES;
                line.owed += bytes / REPLY_BYTES;
                conn
            }
            Event::Sent { conn, out } => {
                self.lines[conn.index as usize].out = Some(out);
                conn
            }
            Event::Accepted { conn, .. } => conn,
            Event::Closed { conn, reason } => panic!("{conn:?} closed: {reason:?}"),
        };
        if !std::mem::replace(&mut self.lines[conn.index as usize].dirty, true) {
            self.dirty.push(conn);
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        flush(&self.env, &mut self.lines, &mut self.dirty, |out, owed| {
            out.resize(out.len() + owed * FRAME_BYTES, 1);
        });
        let stop = now.mono >= self.ends;
        if stop {
            let _ = self.tell.send(now.mono.since(self.started) as f64 / 1e9);
        }
        TurnOutcome { deadline: Some(self.ends), stop }
    }
}
