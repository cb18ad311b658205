//! Counts on the hot path: a real shard in this process, allocations and ring calls counted while it is warm.
//!
//! Budgets of performance.md 5: a send at depth 64 allocates nothing and costs at most 0.05 ring enters. Memory that
//! background tasks use (a commit, a segment) is counted too, over the whole thread, and must vanish among messages.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use allocation_counter::measure;
use broker::config::Host;
use broker::{Shard, ShardSetup, StartError};
use net::Codec;
use rt::real::{Counters, RealEnv, ShardOptions, Spin, run_shard};
use rt::{ConnId, Event, Now, Reactor, TurnOutcome};
use store::{StoreConfig, WindowBacking};

use ringmq::bench::plan::Kind;
use ringmq::bench::template::{Body, Head};

use crate::figures::measure as bench;
use crate::lone_shard::{Control, Place};
use crate::sends;

const TOPIC: &str = "HotPath";
const SIZE: usize = 1024;

/// What happened between two numbers of messages.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    messages: u64,
    /// Allocations inside of the reactor.
    allocations: u64,
    /// Calls of the reactor in which something was allocated.
    allocating_calls: [u64; 2],
    ring: Counters,
    /// Frames that were cut by the end of a receive, and so copied once before they were read: the shard did not leave
    /// their beginning where it was.
    cut_frames: u64,
}

/// A shard under observation. Messages are told by bytes: all frames of a run are equally long.
struct Observed {
    shard: Shard<RealEnv>,
    env: RealEnv,
    frame_bytes: u64,
    warm: u64,
    measured: u64,
    /// Bytes received, in all and by connection.
    received: u64,
    by_connection: Vec<u64>,
    allocations: u64,
    allocating_calls: [u64; 2],
    cut_frames: u64,
    at_start: Option<Counted>,
    tell: mpsc::Sender<Counted>,
    told: bool,
}

impl Observed {
    fn totals(&self) -> Counted {
        Counted {
            messages: self.received / self.frame_bytes,
            allocations: self.allocations,
            allocating_calls: self.allocating_calls,
            ring: self.env.counters(),
            cut_frames: self.cut_frames,
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Accepted { conn, .. } => {
                let at = conn.index as usize;
                self.by_connection.resize(self.by_connection.len().max(at + 1), 0);
                self.by_connection[at] = 0;
            }
            Event::Received { conn, bytes } => self.note_bytes(*conn, bytes.len()),
            _ => {}
        }
    }

    /// `count` bytes of the connection were consumed.
    fn note_bytes(&mut self, conn: ConnId, count: usize) {
        self.received += count as u64;
        let stream = &mut self.by_connection[conn.index as usize];
        *stream += count as u64;
        self.cut_frames += u64::from(!stream.is_multiple_of(self.frame_bytes));
    }

    fn allocated(&mut self, call: usize, count: u64) {
        self.allocations += count;
        self.allocating_calls[call] += u64::from(count > 0);
    }

    fn look(&mut self) {
        let totals = self.totals();
        match self.at_start {
            None if totals.messages >= self.warm => self.at_start = Some(totals),
            Some(start) if totals.messages >= self.warm + self.measured && !self.told => {
                self.told = true;
                let counted = Counted {
                    messages: totals.messages - start.messages,
                    allocations: totals.allocations - start.allocations,
                    allocating_calls: [0, 1]
                        .map(|at| totals.allocating_calls[at] - start.allocating_calls[at]),
                    ring: since(totals.ring, start.ring),
                    cut_frames: totals.cut_frames - start.cut_frames,
                };
                // The test waits for it, or has failed.
                let _ = self.tell.send(counted);
            }
            _ => {}
        }
    }
}

impl Reactor for Observed {
    fn event(&mut self, event: Event<'_>, now: Now) {
        self.note(&event);
        let shard = &mut self.shard;
        let allocated = measure(|| shard.event(event, now)).count_total;
        self.allocated(0, allocated);
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], left_max: usize, now: Now) -> usize {
        let (shard, mut left) = (&mut self.shard, 0);
        let allocated = measure(|| left = shard.received(conn, bytes, left_max, now)).count_total;
        self.allocated(0, allocated);
        self.note_bytes(conn, bytes.len() - left);
        left
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        let mut outcome = None;
        let shard = &mut self.shard;
        let allocated = measure(|| outcome = Some(shard.end_of_turn(now))).count_total;
        self.allocated(1, allocated);
        self.look();
        outcome.expect("just set")
    }
}

fn since(now: Counters, then: Counters) -> Counters {
    Counters {
        enters: now.enters - then.enters,
        parks: now.parks - then.parks,
        cqes: now.cqes - then.cqes,
        overflow: now.overflow - then.overflow,
        sq_full: now.sq_full - then.sq_full,
        enobufs: now.enobufs - then.enobufs,
        recvs: now.recvs - then.recvs,
        sends: now.sends - then.sends,
        accepts: now.accepts - then.accepts,
        shed: now.shed - then.shed,
        disk_ops: now.disk_ops - then.disk_ops,
        turns: now.turns - then.turns,
    }
}

/// How a shard is loaded, in units of 1,024 messages.
#[derive(Clone, Copy, Debug)]
struct Load {
    connections: usize,
    inflight: usize,
    warm: u64,
    measured: u64,
}

/// Runs a shard under `load`: what it counted while warm, and all allocations of its thread from start to end.
fn observe(name: &str, load: Load) -> (Counted, u64) {
    let place = Place::new(None, &format!("hot-path-{name}")).unwrap();
    let (setup, at) = setup_in(&place);
    let (tell, told) = mpsc::channel();
    let (control, stop) = mpsc::channel();
    let shard = std::thread::Builder::new()
        .name("shard".into())
        .spawn(move || measure(|| run(setup, load, tell, Control(stop))).count_total)
        .unwrap();
    wait_until_it_listens(at);
    let arguments = arguments(at, load);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let figures = bench(Kind::Produce, &arguments).unwrap();
    assert!(figures.faults.is_empty() && figures.refused.is_empty(), "{figures}");
    let counted = told.recv_timeout(Duration::from_secs(60)).unwrap();
    control.send(()).unwrap();
    // Any event makes it look.
    drop(std::net::TcpStream::connect(at));
    (counted, shard.join().unwrap())
}

fn run(setup: ShardSetup, load: Load, tell: mpsc::Sender<Counted>, control: Control) {
    let options = ShardOptions { spin: Spin::Off, ..ShardOptions::new("shard") };
    let ran = run_shard(options, move |env: RealEnv| async move {
        let (shard, _) = Shard::open(env.clone(), setup, Box::new(control)).await?;
        Ok::<_, StartError>(Observed {
            shard,
            env,
            frame_bytes: frame_bytes(),
            warm: load.warm << 10,
            measured: load.measured << 10,
            received: 0,
            by_connection: Vec::new(),
            allocations: 0,
            allocating_calls: [0; 2],
            cut_frames: 0,
            at_start: None,
            tell,
            told: false,
        })
    });
    assert!(ran.is_ok(), "{:?}", ran.err());
}

fn arguments(at: SocketAddr, load: Load) -> Vec<String> {
    // One unit more than is looked at, so that the end of the load is not in the window.
    let messages = (load.warm + load.measured + 1) << 10;
    vec![
        format!("--broker={at}"),
        format!("--topic={TOPIC}"),
        "--queues=4".to_owned(),
        format!("--connections={}", load.connections),
        format!("--inflight={}", load.inflight),
        "--warmup=0s".to_owned(),
        format!("--messages={messages}"),
        format!("--size={SIZE}"),
        "--spin=off".to_owned(),
    ]
}

fn frame_bytes() -> u64 {
    let shape = sends::shape(Codec::Json, "ringmq_bench", 1);
    let body = Body::all(&shape, &[vec![0; SIZE]]);
    Head::new(&shape, TOPIC, 0).frame_bytes(&body[0]) as u64
}

fn setup_in(place: &Place) -> (ShardSetup, SocketAddr) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let text = format!(
        "name = \"hot\"\nshards = 1\n[listen]\naddress = \"127.0.0.1\"\nport = {}\n[store]\ndir = \"{}\"\n",
        at.port(),
        place.dir.display(),
    );
    let entries = settings::from_text(Path::new("hot-path.toml"), &text).unwrap();
    let config = broker::config::load(&entries, &Host::read()).unwrap().config;
    let store = StoreConfig {
        window: WindowBacking::Named(place.window.clone()),
        segment_bytes: 256 << 20,
        // All of it before the first send: a busy disk must not make the shard refuse.
        zeroing_part_bytes: 256 << 20,
        ..StoreConfig::new(place.dir.join("shard-0"))
    };
    let listen = vec![at];
    (ShardSetup { index: 0, config, store, listen, advertised: at, name_servers: Vec::new() }, at)
}

fn wait_until_it_listens(at: SocketAddr) {
    let began = crate::clock::now();
    while std::net::TcpStream::connect(at).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "the shard does not listen");
        crate::clock::pause(Duration::from_millis(2));
    }
}

/// A run in which the sends allocated nothing. What grows with the log (keys, queue pages, numbering) is made ahead by
/// background tasks; where other tests keep these from the processor, a turn makes a piece by itself now and then, which
/// no run may do often and some run must not do at all.
fn undisturbed(name: &str, load: Load) -> Counted {
    for _ in 0..5 {
        let (counted, _) = observe(name, load);
        if counted.allocations == 0 {
            return counted;
        }
        println!("disturbed: {counted:?}");
        assert!(counted.allocations * 1_000 < counted.messages, "{counted:?}");
    }
    panic!("each of five runs allocated");
}

#[test]
fn a_warm_send_at_depth_64_allocates_nothing_and_shares_its_ring_calls() {
    // With one connection the pieces in which the client's kernel hands over its requests decide; four are the shape of
    // scenario B1.
    for (name, connections, enters_max) in [("one", 1, 0.1), ("four", 4, 0.05)] {
        let load = Load { connections, inflight: 64, warm: 80, measured: 32 };
        let counted = undisturbed(name, load);
        let messages = counted.messages as f64;
        let enters = counted.ring.enters as f64 / messages;
        // The body is copied once, into the log. It would be once more if its frame were cut by the end of a receive and
        // the shard kept a copy of the beginning.
        let copies = 1.0 + counted.cut_frames as f64 / messages;
        println!(
            "{connections} x 64: {enters:.4} enters, {copies:.3} copies of a body per send; {counted:?}"
        );
        assert!(enters <= enters_max, "{enters} enters per send: {counted:?}");
        assert!(copies <= 1.0, "{copies} copies of a body: {counted:?}");
        assert_eq!(counted.ring.overflow, 0);
    }
}

#[test]
fn what_background_tasks_allocate_vanishes_among_the_messages() {
    let load = Load { connections: 4, inflight: 64, warm: 8, measured: 16 };
    let (_, less) = observe("less", load);
    let (_, more) = observe("more", Load { measured: 48, ..load });
    let each = more.saturating_sub(less) as f64 / f64::from(32 << 10);
    println!("{each:.4} allocations per send on the whole thread of the shard");
    assert!(each <= 0.05, "{each} allocations per send");
}
