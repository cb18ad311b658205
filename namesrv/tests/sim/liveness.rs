//! Who is in the routes, and for how long (behaviour.md 1.3, 1.5; reliability.md 7).

use std::time::Duration;

use net::requests::{BrokerHeartbeat, RegisterBroker};
use net::{RequestCode, requests::NoHeader};
use rt::sim::{Crash, SimDisk, Simulation, for_each_seed};

use crate::hosts::{NAME_SERVER, Peer, address, registration, serve};

#[test]
fn a_broker_whose_process_dies_is_out_of_the_routes_at_once() {
    for_each_seed(20, |seed| {
        let sim = Simulation::new(seed);
        let host = sim.machine(NAME_SERVER, SimDisk::new());
        let _server = serve(&sim, &host, |_| {});
        let tools = sim.machine([10, 0, 0, 9], SimDisk::new());
        let broker = sim.machine([10, 0, 0, 2], SimDisk::new());
        Peer::dial(&broker).register(&sim, "a", "10.0.0.2:10911", 0);
        let mut tool = Peer::dial(&tools);
        assert_eq!(tool.brokers(&sim), ["a"]);
        let _disk = broker.crash(Crash::Process);
        sim.run_for(Duration::from_secs(1));
        assert!(tool.brokers(&sim).is_empty());
    });
}

#[test]
fn a_broker_that_vanishes_stays_120_to_126_seconds_and_signs_of_life_prolong_it() {
    for_each_seed(20, |seed| {
        let sim = Simulation::new(seed);
        let host = sim.machine(NAME_SERVER, SimDisk::new());
        let _server = serve(&sim, &host, |_| {});
        let tools = sim.machine([10, 0, 0, 9], SimDisk::new());
        let broker = sim.machine([10, 0, 0, 2], SimDisk::new());
        let mut peer = Peer::dial(&broker);
        peer.register(&sim, "a", "10.0.0.2:10911", 0);
        sim.run_for(Duration::from_secs(100));
        let heartbeat = BrokerHeartbeat {
            cluster_name: "C",
            broker_addr: "10.0.0.2:10911",
            broker_name: "a",
            broker_id: Some(0),
            epoch: None,
            max_offset: None,
            confirm_offset: None,
            heartbeat_timeout_ms: None,
            election_priority: None,
        };
        assert_eq!(peer.ask(&sim, &heartbeat, b"").code, 0);
        let _disk = broker.crash(Crash::Power);
        let mut tool = Peer::dial(&tools);
        sim.run_for(Duration::from_secs(118));
        assert_eq!(tool.brokers(&sim), ["a"], "118 s after its last sign of life");
        sim.run_for(Duration::from_secs(8));
        assert!(tool.brokers(&sim).is_empty(), "126 s after it");
    });
}

#[test]
fn a_broker_that_names_its_own_timeout_goes_after_that() {
    let sim = Simulation::new(3);
    let host = sim.machine(NAME_SERVER, SimDisk::new());
    let _server = serve(&sim, &host, |_| {});
    let broker = sim.machine([10, 0, 0, 2], SimDisk::new());
    let mut peer = Peer::dial(&broker);
    let header =
        RegisterBroker { heartbeat_timeout_ms: Some(10_000), ..registration("a", "10.0.0.2:10911", 0) };
    peer.register_as(&sim, &header);
    sim.run_for(Duration::from_secs(9));
    let tools = sim.machine([10, 0, 0, 9], SimDisk::new());
    assert_eq!(Peer::dial(&tools).brokers(&sim), ["a"]);
    sim.run_for(Duration::from_secs(7));
    assert!(Peer::dial(&tools).brokers(&sim).is_empty());
    assert!(peer.is_closed(), "its connection is closed with it");
}

#[test]
fn idle_connections_and_unfinished_frames_are_closed_and_silent_new_ones_are_not() {
    let sim = Simulation::new(4);
    let host = sim.machine(NAME_SERVER, SimDisk::new());
    let _server = serve(&sim, &host, |_| {});
    let client = sim.machine([10, 0, 0, 9], SimDisk::new());
    let silent = Peer::dial(&client);
    let unfinished = Peer::dial(&client);
    let mut polling = Peer::dial(&client);
    unfinished.send_raw(&[0, 0, 1]);
    for second in (0..200).step_by(2) {
        polling.ask_code(&sim, RequestCode::GET_BROKER_CLUSTER_INFO, &NoHeader {}, b"");
        sim.run_for(Duration::from_secs(2));
        assert_eq!(unfinished.is_closed(), second >= 10, "{second}");
        if second < 116 {
            assert!(
                !silent.is_closed(),
                "{second}: Java clients keep an unused connection to each name server"
            );
        }
    }
    assert!(silent.is_closed());
    assert!(!polling.is_closed());
}

#[test]
fn members_of_a_group_are_told_of_a_new_smallest_id_over_a_connection_of_our_own() {
    for_each_seed(10, |seed| {
        let sim = Simulation::new(seed);
        let host = sim.machine(NAME_SERVER, SimDisk::new());
        let _server = serve(&sim, &host, |config| config.notify_min_id = true);
        let acting = |broker, address, id| RegisterBroker {
            enable_acting_master: Some(true),
            ..registration(broker, address, id)
        };
        let one = sim.machine([10, 0, 0, 2], SimDisk::new());
        let two = sim.machine([10, 0, 0, 3], SimDisk::new());
        let (listening_one, listening_two) = (Peer::listen(&one, 10911), Peer::listen(&two, 10911));
        Peer::dial(&two).register_as(&sim, &acting("a", "10.0.0.3:10911", 2));
        Peer::dial(&one).register_as(&sim, &acting("a", "10.0.0.2:10911", 1));
        sim.run_for(Duration::from_secs(1));
        let told = listening_two.came();
        assert_eq!(told.len(), 1, "seed {seed:#x}");
        assert_eq!(told[0].code, 905);
        let field =
            |key: &str| told[0].ext.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!((field("minBrokerId"), field("minBrokerAddr")), (Some("1"), Some("10.0.0.2:10911")));
        assert_eq!((field("haBrokerAddr"), field("offlineBrokerAddr")), (Some("ha"), None));
        assert!(listening_one.came().is_empty(), "the new smallest id knows it");
        assert!(listening_two.is_closed(), "the connection is closed when it is said");
        let _disk = one.crash(Crash::Process);
        sim.run_for(Duration::from_secs(1));
        assert_eq!(listening_two.came().len(), 2);
    });
}

#[test]
fn the_same_seed_gives_the_same_course() {
    let course = |seed| {
        let sim = Simulation::new(seed);
        let host = sim.machine(NAME_SERVER, SimDisk::new());
        let _server = serve(&sim, &host, |_| {});
        let broker = sim.machine([10, 0, 0, 2], SimDisk::new());
        Peer::dial(&broker).register(&sim, "a", &address().to_string(), 0);
        sim.run_for(Duration::from_secs(300));
        sim.trace_hash()
    };
    assert_eq!(course(11), course(11));
    assert_ne!(course(11), course(12));
}
