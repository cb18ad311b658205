//! The simulated network: nobody there, a cable that is cut, a peer that does not read.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rt::sim::{Crash, NetProfile, SimDisk, SimEnv, SimPeer, Simulation, for_each_seed};
use rt::{ConnId, Env, Event, Now, Outbox, Reactor, Transport, TurnOutcome};

use crate::{NUMBER, SERVER, address, boot};

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
    /// Sends without end, as fast as it is allowed to.
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
