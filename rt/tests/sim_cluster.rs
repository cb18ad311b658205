//! A small cluster on the simulated machine: a server that journals numbers and acknowledges them, clients that send
//! each number until it is acknowledged, and everything that can go wrong in between.
//!
//! It stands for what the store and the broker do with these seams: a reactor that never blocks, a task per batch on
//! the disk, an inbox and a kick for the way back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rt::sim::{Crash, NetProfile, SimDisk, SimEnv, SimFile, SimMachine, SimPeer, Simulation, for_each_seed};
use rt::{
    BLOCK, Class, ConnId, Disk, DiskFile, Env, Event, Mono, Now, OpenMode, Outbox, Reactor, SharedSlice,
    Transport, TurnOutcome,
};

const JOURNAL: &str = "/journal";
const JOURNAL_BLOCKS: usize = 512;
const SERVER: [u8; 4] = [10, 0, 0, 1];
const NUMBER: usize = 8;

fn address() -> SocketAddr {
    SocketAddr::from((SERVER, 10911))
}

// The server.

type Batch = Vec<(ConnId, u64)>;

struct Server {
    env: SimEnv,
    journal: SimFile,
    blocks_written: u64,
    /// Whether a number is acknowledged only when it is durable. (Off: the canary.)
    durable: bool,
    peers: BTreeMap<ConnId, Peer>,
    pending: Batch,
    writing: bool,
    /// What a writing task has finished.
    inbox: Rc<RefCell<Option<Batch>>>,
}

#[derive(Default)]
struct Peer {
    partial: Vec<u8>,
    reply: Vec<u8>,
    /// Here while no send is in flight.
    out: Option<Outbox>,
    paused: bool,
}

impl Server {
    async fn boot(env: SimEnv, durable: bool) -> Rc<RefCell<Self>> {
        let disk = env.disk().clone();
        let path = Path::new(JOURNAL);
        if disk.open(path, OpenMode::Read { direct: true }).await.is_err() {
            format_journal(&disk).await;
        }
        let journal = disk.open(path, OpenMode::Write { direct: true }).await.unwrap();
        let bytes = journal.read_at(0, JOURNAL_BLOCKS * BLOCK).await.unwrap();
        let blocks_written = bytes.chunks(BLOCK).take_while(|block| block[0] != 0).count() as u64;
        env.net().listen(address()).unwrap();
        Rc::new(RefCell::new(Self {
            env,
            journal,
            blocks_written,
            durable,
            peers: BTreeMap::new(),
            pending: Vec::new(),
            writing: false,
            inbox: Rc::default(),
        }))
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        let peer = self.peers.get_mut(&conn).unwrap();
        peer.partial.extend_from_slice(bytes);
        let whole = peer.partial.len() / NUMBER * NUMBER;
        let numbers = peer.partial.drain(..whole).collect::<Vec<_>>();
        for number in numbers.chunks(NUMBER) {
            self.pending.push((conn, u64::from_le_bytes(number.try_into().unwrap())));
        }
        if self.pending.len() > 8 && !std::mem::replace(&mut peer.paused, true) {
            self.env.net().set_reading(conn, false);
        }
    }

    /// At most one write at a time carries everything that came meanwhile.
    fn commit(&mut self) {
        if self.writing || self.pending.is_empty() {
            return;
        }
        self.writing = true;
        let rest = self.pending.split_off(self.pending.len().min(200));
        let batch = std::mem::replace(&mut self.pending, rest);
        let block = encode(&batch);
        let at = self.blocks_written * BLOCK as u64;
        self.blocks_written += 1;
        assert!(self.blocks_written < JOURNAL_BLOCKS as u64, "a journal large enough for the test");
        let (journal, inbox, env) = (self.journal.clone(), self.inbox.clone(), self.env.clone());
        let durable = self.durable;
        self.env.spawn(Class::Flush, async move {
            journal.write_at(at, block, durable).await.unwrap();
            *inbox.borrow_mut() = Some(batch);
            env.kick();
        });
    }

    fn answer(&mut self) {
        let done = self.inbox.borrow_mut().take();
        if let Some(done) = done {
            self.writing = false;
            for (conn, number) in done {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.reply.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        for (conn, peer) in &mut self.peers {
            if peer.reply.is_empty() {
                continue;
            }
            if let Some(mut out) = peer.out.take() {
                // Half copied, half shared, so that both kinds of pieces travel.
                let half = peer.reply.len() / 2;
                out.bytes().extend_from_slice(&peer.reply[..half]);
                out.push_slice(SharedSlice::copied(&peer.reply[half..]));
                peer.reply.clear();
                self.env.net().send(*conn, out);
            }
            if std::mem::replace(&mut peer.paused, false) {
                self.env.net().set_reading(*conn, true);
            }
        }
    }
}

impl Reactor for Server {
    fn event(&mut self, event: Event<'_>, _now: Now) {
        match event {
            Event::Accepted { conn, .. } => {
                let peer = Peer { out: Some(Outbox::default()), ..Peer::default() };
                assert!(self.peers.insert(conn, peer).is_none(), "a connection id is never used twice");
            }
            Event::Received { conn, bytes } => self.received(conn, bytes),
            Event::Sent { conn, out } => {
                assert!(out.is_empty());
                self.peers.get_mut(&conn).unwrap().out = Some(out);
            }
            Event::Closed { conn, .. } => {
                self.peers.remove(&conn).unwrap();
            }
            Event::Connected { .. } => unreachable!("the server connects to nobody"),
        }
    }

    fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
        self.answer();
        self.commit();
        TurnOutcome { deadline: None, stop: false }
    }
}

/// Filled with zeros, flushed, and its name durable, as a segment must be before its first use.
async fn format_journal(disk: &SimDisk) {
    let _torn_format = disk.remove("/journal.new".as_ref()).await;
    let file = disk.open("/journal.new".as_ref(), OpenMode::CreateNew { direct: true }).await.unwrap();
    file.write_at(0, SharedSlice::copied(&vec![0; JOURNAL_BLOCKS * BLOCK]), false).await.unwrap();
    file.flush().await.unwrap();
    disk.rename("/journal.new".as_ref(), JOURNAL.as_ref()).await.unwrap();
    disk.sync_dir("/".as_ref()).await.unwrap();
}

/// A count, then the numbers; whole sectors are torn apart, so a block vouches for the sectors it uses by its count in
/// each of them.
fn encode(batch: &[(ConnId, u64)]) -> SharedSlice {
    let mut block = vec![0; BLOCK];
    for (sector, numbers) in block.chunks_mut(512).zip(batch.chunks(62)) {
        sector[0] = u8::try_from(numbers.len()).unwrap();
        for (index, (_, number)) in numbers.iter().enumerate() {
            sector[8 + index * NUMBER..][..NUMBER].copy_from_slice(&number.to_le_bytes());
        }
    }
    SharedSlice::copied(&block)
}

fn journaled(disk: &SimDisk) -> BTreeSet<u64> {
    let bytes = disk.contents(JOURNAL).unwrap_or_default();
    let numbers =
        bytes.chunks(512).flat_map(|sector| sector[8..].chunks(NUMBER).take(usize::from(sector[0])));
    numbers.map(|number| u64::from_le_bytes(number.try_into().unwrap())).collect()
}

// The clients.

struct Client {
    env: SimEnv,
    conn: Option<ConnId>,
    /// Here while connected and no send is in flight.
    out: Option<Outbox>,
    staged: Vec<u8>,
    partial: Vec<u8>,
    unsent: Vec<u64>,
    unacknowledged: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// Connect, or give up waiting.
    deadline: Mono,
}

impl Client {
    fn start(env: SimEnv, numbers: std::ops::Range<u64>) -> Rc<RefCell<Self>> {
        let client = Rc::new(RefCell::new(Self {
            env: env.clone(),
            conn: None,
            out: None,
            staged: Vec::new(),
            partial: Vec::new(),
            unsent: numbers.rev().collect(),
            unacknowledged: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            deadline: Mono::default(),
        }));
        env.drive(&client);
        client
    }

    fn is_done(&self) -> bool {
        self.unsent.is_empty() && self.unacknowledged.is_empty()
    }
}

impl Reactor for Client {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Connected { conn, .. } => {
                assert_eq!(self.conn, Some(conn));
                self.out = Some(Outbox::default());
                self.partial.clear();
                self.staged = self.unacknowledged.iter().flat_map(|number| number.to_le_bytes()).collect();
            }
            Event::Received { bytes, .. } => {
                self.deadline = now.mono.plus_ms(2_000);
                self.partial.extend_from_slice(bytes);
                while let Some((number, rest)) = self.partial.split_first_chunk::<NUMBER>() {
                    let number = u64::from_le_bytes(*number);
                    self.partial = rest.to_vec();
                    // Sent again over a new connection, it may be acknowledged twice.
                    assert!(self.unacknowledged.remove(&number) || self.acknowledged.contains(&number));
                    self.acknowledged.insert(number);
                }
            }
            Event::Sent { out, .. } => self.out = Some(out),
            Event::Closed { conn, .. } => {
                assert_eq!(self.conn.take(), Some(conn));
                self.out = None;
                self.deadline = now.mono.plus_ms(50);
            }
            Event::Accepted { .. } => unreachable!("a client listens nowhere"),
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        let net = self.env.net().clone();
        let expired = now.mono >= self.deadline;
        match self.conn {
            None if expired => {
                self.conn = Some(net.connect(address()));
                self.deadline = now.mono.plus_ms(3_000);
            }
            Some(conn) if expired && !self.unacknowledged.is_empty() => {
                net.close(conn);
                self.deadline = now.mono.plus_ms(3_000);
            }
            _ => {}
        }
        if let (Some(conn), Some(mut out)) = (self.conn, self.out.take()) {
            while self.unacknowledged.len() < 12
                && let Some(number) = self.unsent.pop()
            {
                self.unacknowledged.insert(number);
                self.staged.extend_from_slice(&number.to_le_bytes());
                self.deadline = now.mono.plus_ms(2_000);
            }
            if self.staged.is_empty() {
                self.out = Some(out);
            } else {
                out.bytes().append(&mut self.staged);
                net.send(conn, out);
            }
        }
        TurnOutcome {
            deadline: (!self.is_done()).then_some(self.deadline.max(now.mono.plus_ms(1))),
            stop: false,
        }
    }
}

// The runs.

struct Outcome {
    trace: u64,
    acknowledged: usize,
    /// Acknowledged and not in the journal after a last power cut.
    lost: usize,
    crashes: usize,
}

/// Three clients, 60 numbers each, five faults, then healing.
fn run(seed: u64, durable: bool) -> Outcome {
    let sim = Simulation::new(seed);
    sim.network().set_profile(NetProfile { loss_percent: 2, socket_bytes: 64, ..NetProfile::default() });
    let mut server = boot(&sim, SimDisk::new(), durable);
    let clients: Vec<_> = (0..3_u8)
        .map(|index| {
            let first = u64::from(index) * 1_000;
            Client::start(sim.machine([10, 0, 1, index], SimDisk::new()).env(), first..first + 60)
        })
        .collect();
    let mut crashes = 0;
    for _ in 0..5 {
        pass_time(&sim, 40);
        let random = sim.random();
        let victim = [10, 0, 1, u8::try_from(random.below(3)).unwrap()];
        match random.below(6) {
            0 => sim.network().partition(SERVER, victim),
            1 => sim.network().cut(SERVER, victim),
            2 => sim.network().cut(victim, SERVER),
            3 => sim.network().reset(victim, SERVER),
            4 => {
                server.pause();
                pass_time(&sim, 3_000);
                server.resume();
            }
            _ => {
                let kinds = [Crash::Process, Crash::Os, Crash::Power];
                let disk = server.crash(kinds[usize::try_from(random.below(3)).unwrap()]);
                crashes += 1;
                pass_time(&sim, 500);
                server = boot(&sim, disk, durable);
            }
        }
        pass_time(&sim, 5_000);
        sim.network().heal();
    }
    let done = || clients.iter().all(|client| client.borrow().is_done());
    assert!(sim.run_until(Duration::from_secs(60), done), "healed, and still not done");
    let journaled = journaled(&server.crash(Crash::Power));
    let (mut acknowledged, mut lost) = (0, 0);
    for client in &clients {
        let client = client.borrow();
        acknowledged += client.acknowledged.len();
        lost += client.acknowledged.difference(&journaled).count();
    }
    Outcome { trace: sim.trace_hash(), acknowledged, lost, crashes }
}

fn boot(sim: &Simulation, disk: SimDisk, durable: bool) -> SimMachine {
    let machine = sim.machine(SERVER, disk);
    let env = machine.env();
    let server = sim.block_on(Server::boot(env.clone(), durable));
    env.drive(&server);
    machine
}

fn pass_time(sim: &Simulation, most_ms: u64) {
    sim.run_for(Duration::from_micros(sim.random().below(most_ms * 1_000)));
}

#[test]
fn acknowledged_numbers_survive_whatever_happens() {
    let mut crashes = 0;
    for_each_seed(200, |seed| {
        let outcome = run(seed, true);
        assert_eq!((outcome.acknowledged, outcome.lost), (180, 0));
        crashes += outcome.crashes;
    });
    assert!(crashes > 0);
}

#[test]
fn a_server_that_acknowledges_too_early_is_caught() {
    let caught = (0..40).filter(|seed| run(*seed, false).lost > 0).count();
    assert!(caught > 5, "only {caught} of 40");
}

#[test]
fn two_runs_of_a_seed_are_the_same_and_two_seeds_are_not() {
    let mut traces = BTreeSet::new();
    for seed in 0..20 {
        let trace = run(seed, true).trace;
        assert_eq!(run(seed, true).trace, trace, "seed {seed}");
        traces.insert(trace);
    }
    assert_eq!(traces.len(), 20);
}

#[test]
fn a_task_that_only_yields_does_not_stop_the_clock() {
    let sim = Simulation::new(0);
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    let busy = env.clone();
    env.spawn(Class::Housekeeping, async move {
        loop {
            busy.yield_now().await;
        }
    });
    sim.block_on(env.sleep(Duration::from_micros(500)));
    assert!(sim.now().0 >= 500_000);
}

#[test]
fn wall_clocks_can_be_wrong_where_monotonic_ones_are_not() {
    let sim = Simulation::new(0);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    let env = machine.env();
    let before = env.now();
    machine.shift_clock_ms(-3_600_000);
    let after = env.now();
    assert_eq!((after.unix_ms - before.unix_ms, after.mono), (-3_600_000, before.mono));
}

#[test]
fn connecting_to_nobody_is_refused_and_to_the_dead_times_out() {
    #[derive(Default)]
    struct Log(Vec<String>);
    impl Reactor for Log {
        fn event(&mut self, event: Event<'_>, _now: Now) {
            self.0.push(format!("{event:?}"));
        }
        fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
            TurnOutcome { deadline: None, stop: false }
        }
    }
    let sim = Simulation::new(0);
    let _server = sim.machine(SERVER, SimDisk::new());
    let env = sim.machine([10, 0, 0, 2], SimDisk::new()).env();
    let log = Rc::new(RefCell::new(Log::default()));
    env.drive(&log);
    env.net().connect(address());
    sim.run_for(Duration::from_secs(1));
    assert!(log.borrow().0[0].contains("ConnectionRefused"), "{:?}", log.borrow().0);
    env.net().connect(SocketAddr::from(([10, 9, 9, 9], 1)));
    sim.run_for(Duration::from_secs(5));
    assert_eq!(log.borrow().0.len(), 1, "it still tries");
    sim.run_for(Duration::from_secs(10));
    assert!(log.borrow().0[1].contains("TimedOut"), "{:?}", log.borrow().0);
    assert_eq!(sim.network().open_ends(), 0);
}

#[test]
fn a_plain_peer_talks_to_a_reactor() {
    for_each_seed(20, |seed| {
        let sim = Simulation::new(seed);
        let server = boot(&sim, SimDisk::new(), true);
        let client = sim.machine([10, 0, 0, 2], SimDisk::new());
        sim.block_on(async {
            let peer = SimPeer::connect(&client.env(), address()).await.unwrap();
            peer.send(&7_u64.to_le_bytes()[..3]);
            peer.send(&7_u64.to_le_bytes()[3..]);
            assert_eq!(peer.receive_exact(NUMBER).await.unwrap(), 7_u64.to_le_bytes());
            let other = SimPeer::connect(&client.env(), address()).await.unwrap();
            drop(peer);
            other.send(&8_u64.to_le_bytes());
            assert_eq!(other.receive(NUMBER).await.unwrap(), 8_u64.to_le_bytes());
            assert!(other.is_open());
            let _disk = server.crash(Crash::Process);
            let how = other.closed().await;
            assert!([std::io::ErrorKind::UnexpectedEof, std::io::ErrorKind::ConnectionReset].contains(&how));
        });
    });
}

#[test]
fn what_a_cut_cable_held_back_arrives_before_what_was_sent_behind_it() {
    for_each_seed(50, |seed| {
        let sim = Simulation::new(seed);
        let server = boot(&sim, SimDisk::new(), true);
        let client = sim.machine([10, 0, 0, 2], SimDisk::new());
        let peer = sim.block_on(SimPeer::connect(&client.env(), address())).unwrap();
        let delay_ns = (1_000_000, 20_000_000);
        sim.network().set_profile(NetProfile { delay_ns, piece_bytes_max: 5, ..NetProfile::default() });
        sim.network().cut([10, 0, 0, 2], SERVER);
        for number in 0..40_u64 {
            peer.send(&number.to_le_bytes());
            sim.run_for(Duration::from_millis(1));
        }
        sim.network().heal();
        let expected: Vec<u8> = (0..40_u64).flat_map(u64::to_le_bytes).collect();
        let came = sim.block_on(peer.receive_exact(expected.len())).unwrap();
        assert_eq!(came, expected, "seed {seed}");
        drop(server);
    });
}

#[test]
fn a_peer_that_does_not_read_holds_its_sender_back() {
    /// Sends `left` bytes as fast as it is allowed to.
    struct Flood {
        env: SimEnv,
        sent: usize,
    }
    impl Flood {
        fn more(&self, conn: ConnId, mut out: Outbox) {
            out.bytes().resize(10_000, 1);
            self.env.net().send(conn, out);
        }
    }
    impl Reactor for Flood {
        fn event(&mut self, event: Event<'_>, _now: Now) {
            match event {
                Event::Accepted { conn, .. } => self.more(conn, Outbox::default()),
                Event::Sent { conn, out } => {
                    self.sent += 10_000;
                    self.more(conn, out);
                }
                _ => {}
            }
        }
        fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
            TurnOutcome { deadline: None, stop: false }
        }
    }
    let sim = Simulation::new(0);
    sim.network().set_profile(NetProfile { socket_bytes: 64 << 10, ..NetProfile::default() });
    let env = sim.machine(SERVER, SimDisk::new()).env();
    env.net().listen(address()).unwrap();
    let flood = Rc::new(RefCell::new(Flood { env: env.clone(), sent: 0 }));
    env.drive(&flood);
    let client = sim.machine([10, 0, 0, 2], SimDisk::new());
    let peer = sim.block_on(SimPeer::connect(&client.env(), address())).unwrap();
    peer.set_reading(false);
    sim.run_for(Duration::from_secs(1));
    let (sent, _read) = (flood.borrow().sent, peer.take());
    sim.run_for(Duration::from_secs(1));
    assert_eq!(flood.borrow().sent, sent, "it waits");
    assert!(peer.take().is_empty());
    peer.set_reading(true);
    sim.run_for(Duration::from_millis(100));
    assert!(flood.borrow().sent > sent + 100_000);
}
