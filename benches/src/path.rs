//! `path`: a shard without sockets and disk, driven by hand: what its own code costs, and nothing else.
//!
//! io_uring does not run under valgrind, and wall clocks do not repeat. So a real [`broker::Shard`] stands on a simulated
//! machine: frames are handed to it as the pump would, its sends come back at once, its disk is memory. What is counted
//! is [`Stand::counted_turn`] alone, by name (`valgrind --toggle-collect`): decoding, checks, record, queue, answers. The
//! ring, the kernel and the background tasks are not in it. `cargo xtask test --only instructions` runs it.

mod env;
mod frames;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use broker::config::BrokerConfig;
use broker::{Alone, Shard, ShardSetup};
use net::{FrameDecoder, FrameLimits, Header, ResponseCode, Scratch};
use rt::sim::{SimDisk, Simulation};
use rt::{ConnId, Env, Event, ListenerId, Outbox, Reactor};
use store::{FlushMode, StoreConfig, WindowBacking};

use self::env::DryEnv;
use self::frames::Frames;
use crate::sends::QUEUES;

/// Options of `benches path`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// What the clients do.
    #[arg(value_enum)]
    scenario: Scenario,
    /// Rounds that are counted; a round is what is in flight: 256 sends, 8 batches, or 4 pulls.
    #[arg(long, default_value_t = 40)]
    rounds: u32,
    /// Rounds before them.
    #[arg(long, default_value_t = 40)]
    warmup: u32,
}

/// What the clients do. Four connections each, bodies of 1 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// 64 sends in flight, JSON headers, ASYNC_FLUSH.
    Send,
    /// The same with binary headers.
    SendBinary,
    /// The same with SYNC_FLUSH.
    SendSync,
    /// Two batches of 32 in flight.
    Batch,
    /// One pull of 32 messages in flight, from the window.
    Pull,
}

/// Runs the scenario and prints how many operations were counted.
///
/// # Errors
/// When the shard does not start, or an answer is no success.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut stand = Stand::new(options.scenario)?;
    for _ in 0..options.warmup {
        stand.prepare();
        stand.turn();
        stand.settle(Stand::turn)?;
    }
    let before = stand.answered;
    for _ in 0..options.rounds {
        stand.prepare();
        stand.counted_turn();
        stand.settle(Stand::counted_turn)?;
    }
    println!("operations {}", stand.answered - before);
    Ok(())
}

/// A shard, its clients' connections, and what is to happen in the next turn.
struct Stand {
    sim: Simulation,
    env: DryEnv,
    shard: Shard<DryEnv>,
    frames: Frames,
    decoders: Vec<FrameDecoder>,
    /// Pieces as receive buffers would hold them.
    pieces: VecDeque<(ConnId, Vec<u8>)>,
    /// Sends that are done.
    sent: Vec<(ConnId, Outbox)>,
    answered: u64,
    _window: WindowFile,
}

/// Connections.
const LINES: u32 = 4;
/// Bytes of a buffer of rt's receive ring.
const PIECE: usize = 16 << 10;

impl Stand {
    fn new(scenario: Scenario) -> io::Result<Self> {
        let window = WindowFile::new();
        let sim = Simulation::new(1);
        let machine = sim.machine(HOST, SimDisk::new());
        let env = DryEnv::new(machine.env());
        let setup = setup(scenario, &window);
        let opened = sim.block_on(Shard::open(env.clone(), setup, Box::new(Alone::default())));
        let (shard, _) = opened.map_err(io::Error::other)?;
        let mut stand = Self {
            sim,
            env,
            shard,
            frames: Frames::new(scenario),
            decoders: (0..LINES).map(|_| FrameDecoder::new(FrameLimits::default())).collect(),
            pieces: VecDeque::new(),
            sent: Vec::new(),
            answered: 0,
            _window: window,
        };
        let now = stand.env.now();
        for index in 0..LINES {
            let peer = SocketAddr::from((HOST, 40_000 + index as u16)); // four
            let conn = ConnId { index, generation: 0 };
            stand.shard.event(Event::Accepted { conn, listener: ListenerId(0), peer, local: address() }, now);
        }
        if scenario == Scenario::Pull {
            stand.store_messages()?;
        }
        Ok(stand)
    }

    /// What pulls read: sends as in [`Scenario::Send`].
    fn store_messages(&mut self) -> io::Result<()> {
        let pulls = std::mem::replace(&mut self.frames, Frames::new(Scenario::Send));
        for _ in 0..frames::TAIL / 64 {
            self.prepare();
            self.turn();
            self.settle(Self::turn)?;
        }
        self.frames = pulls;
        Ok(())
    }

    /// Lays ready what arrives in the next turn.
    fn prepare(&mut self) {
        for index in 0..LINES {
            let bytes = self.frames.round(index as usize, self.env.now().unix_ms);
            let conn = ConnId { index, generation: 0 };
            self.pieces.extend(bytes.chunks(PIECE).map(|piece| (conn, piece.to_vec())));
        }
    }

    /// The turn that is counted.
    #[inline(never)]
    fn counted_turn(&mut self) {
        self.turn();
    }

    /// A turn of the pump: what came in, what was sent, the end of the turn.
    #[inline(never)]
    fn turn(&mut self) {
        let now = self.env.now();
        for (conn, bytes) in &self.pieces {
            self.shard.event(Event::Received { conn: *conn, bytes }, now);
        }
        for (conn, out) in self.sent.drain(..) {
            self.shard.event(Event::Sent { conn, out }, now);
        }
        let outcome = self.shard.end_of_turn(now);
        assert!(!outcome.stop);
    }

    /// Lets the background work end and takes turns until everything sent is answered, and checks the answers.
    fn settle(&mut self, turn: fn(&mut Self)) -> io::Result<()> {
        self.pieces.clear();
        let wanted = self.answered + self.frames.per_round() * u64::from(LINES);
        for _ in 0..SETTLE_TURNS_MAX {
            self.read_answers()?;
            // The writer and whoever prepares segments get on meanwhile.
            self.sim.run_for(Duration::from_millis(1));
            if self.answered >= wanted {
                return Ok(());
            }
            turn(self);
        }
        Err(io::Error::other(format!("{} of {wanted} requests are answered", self.answered)))
    }

    fn read_answers(&mut self) -> io::Result<()> {
        let mut scratch = Scratch::default();
        for (conn, mut out) in self.env.net().take() {
            let bytes: Vec<u8> = out.pieces().flatten().copied().collect();
            out.clear();
            self.sent.push((conn, out));
            let mut fault = None;
            let (frames, answered) = (&mut self.frames, &mut self.answered);
            let fed = self.decoders[conn.index as usize].feed(&bytes, |frame| {
                let checked = match Header::decode(frame.codec, frame.header, &mut scratch) {
                    Ok(header) if header.code == ResponseCode::SUCCESS.0 => {
                        frames.check(conn.index as usize, &header, frame.body)
                    }
                    Ok(header) => Err(format!("answer {}: {:?}", header.code, header.remark)),
                    Err(error) => Err(error.to_string()),
                };
                *answered += 1;
                fault = fault.take().or(checked.err());
                std::ops::ControlFlow::Continue(())
            });
            fed.map_err(io::Error::other)?;
            fault.map_or(Ok(()), |fault| Err(io::Error::other(fault)))?;
        }
        Ok(())
    }
}

/// A SYNC_FLUSH answer waits for simulated disk writes, a full window for the writer.
const SETTLE_TURNS_MAX: u32 = 10_000;
const SEGMENT_BYTES: u64 = 128 << 20;
const HOST: [u8; 4] = [10, 0, 0, 1];

fn address() -> SocketAddr {
    SocketAddr::from((HOST, 10_911))
}

fn setup(scenario: Scenario, window: &WindowFile) -> ShardSetup {
    let config = BrokerConfig {
        name: "path".to_owned(),
        shards: Some(1),
        advertise: Some("10.0.0.1".to_owned()),
        default_queues: QUEUES,
        ..BrokerConfig::default()
    };
    let store = StoreConfig {
        window: WindowBacking::Named(window.0.clone()),
        // All of it zeroed before the first send, and never full.
        segment_bytes: SEGMENT_BYTES,
        zeroing_part_bytes: SEGMENT_BYTES,
        zeroing_pause: Duration::ZERO,
        flush_mode: if scenario == Scenario::SendSync { FlushMode::Sync } else { FlushMode::Async },
        ..StoreConfig::new("/store".into())
    };
    ShardSetup {
        index: 0,
        config,
        store,
        listen: vec![address()],
        advertised: address(),
        name_servers: Vec::new(),
    }
}

/// The log window's file, gone with the process that made it.
struct WindowFile(PathBuf);

impl WindowFile {
    fn new() -> Self {
        Self(PathBuf::from(format!("/dev/shm/ringmq-path-{}", std::process::id())))
    }
}

impl Drop for WindowFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_scenario_is_answered_with_success() {
        for scenario in Scenario::value_variants() {
            run(&Options { scenario: *scenario, rounds: 2, warmup: 1 }).unwrap();
        }
    }
}
