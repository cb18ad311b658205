//! The broker and its name servers: it registers at start, in time, when topics change, after a reconnect, and leaves.

use net::RequestCode;
use net::body::RegisterBrokerBody;
use net::requests::DeleteTopicInBroker;

use crate::support::{Answer, ScriptedNameServer, Setup, World, create_topic, message};

const FIRST: [u8; 4] = [10, 0, 0, 3];
const SECOND: [u8; 4] = [10, 0, 0, 4];

fn topics(registration: &Answer) -> Vec<String> {
    let body: RegisterBrokerBody = RegisterBrokerBody::decode(&registration.body, 515).unwrap();
    body.topics.topics.into_keys().collect()
}

fn with_servers(world: &World) -> (ScriptedNameServer, ScriptedNameServer, Setup) {
    let servers = [FIRST, SECOND].map(|ip| ScriptedNameServer::start(world, ip));
    let name_servers = servers.iter().map(|one| one.address).collect();
    let [first, second] = servers;
    (first, second, Setup { name_servers, ..Setup::default() })
}

#[test]
fn it_registers_everywhere_at_start_then_after_10_s_then_every_30_s() {
    let world = World::new(1);
    let (first, second, setup) = with_servers(&world);
    let host = world.boot(&setup);
    let booted = world.now_ms();
    world.run_ms(75_000);
    for server in [&first, &second] {
        let came = server.came(RequestCode::REGISTER_BROKER);
        let after: Vec<u64> = came.iter().map(|(at, _)| (at - booted) / 1_000).collect();
        assert_eq!(after, [0, 10, 40, 70], "seconds after the start");
        let request = &came[0].1;
        for (key, value) in [
            ("brokerName", "broker-a"),
            ("brokerAddr", "10.0.0.1:10911"),
            ("clusterName", "DefaultCluster"),
            ("haServerAddr", "10.0.0.1:10912"),
            ("brokerId", "0"),
        ] {
            assert_eq!(request.text(key), value);
        }
        assert!(topics(request).contains(&"TBW102".to_owned()));
    }
    assert!(host.is_running());
}

#[test]
fn a_change_of_topics_is_registered_at_once() {
    let world = World::new(2);
    let (first, second, setup) = with_servers(&world);
    let host = world.boot(&setup);
    world.run_ms(1_000);
    let mut admin = world.connect_local(&host);
    let change = |what: &str, does: &mut dyn FnMut(), is_there: bool| {
        for server in [&first, &second] {
            server.came(RequestCode::REGISTER_BROKER);
        }
        does();
        world.run_ms(100);
        for server in [&first, &second] {
            let came = server.came(RequestCode::REGISTER_BROKER);
            let last = came.last().unwrap_or_else(|| panic!("{what}: not registered"));
            assert_eq!(topics(&last.1).contains(&"T".to_owned()), is_there, "{what}");
        }
    };
    change("made by an administrator", &mut || drop(admin.must(&create_topic("T", 2), b"")), true);
    change("deleted", &mut || drop(admin.must(&DeleteTopicInBroker { topic: "T" }, b"")), false);
    change("made on the fly", &mut || drop(admin.must(&message("T", 0), b"x")), true);
}

#[test]
fn an_administrator_is_answered_when_every_name_server_knows_the_topic() {
    let world = World::new(4);
    let (first, second, setup) = with_servers(&world);
    let host = world.boot(&setup);
    world.run_ms(1_000);
    let mut admin = world.connect_local(&host);
    second.hold_back(true);
    let asked = admin.begin(&create_topic("T", 2), b"");
    world.run_ms(500);
    assert!(first.has(RequestCode::REGISTER_BROKER), "both were told");
    assert!(!admin.has(asked), "one name server may still answer with the old route");
    second.hold_back(false);
    world.run_ms(50);
    assert_eq!(admin.take(asked).map(|answer| answer.code), Some(0));
}

#[test]
fn a_name_server_that_does_not_answer_costs_an_administrator_a_second() {
    let world = World::new(5);
    let (_first, second, setup) = with_servers(&world);
    let host = world.boot(&setup);
    world.run_ms(1_000);
    let mut admin = world.connect_local(&host);
    second.hold_back(true);
    let asked = [admin.begin(&create_topic("T", 2), b""), admin.begin(&create_topic("U", 2), b"")];
    world.run_ms(1_100);
    assert_eq!(asked.map(|asked| admin.take(asked).map(|answer| answer.code)), [Some(0); 2]);
}

#[test]
fn a_lost_connection_is_dialled_again_and_registered() {
    let world = World::new(3);
    let (first, _second, setup) = with_servers(&world);
    let _host = world.boot(&setup);
    world.run_ms(1_000);
    first.came(RequestCode::REGISTER_BROKER);
    first.reset();
    world.run_ms(2_000);
    assert_eq!(first.came(RequestCode::REGISTER_BROKER).len(), 1);
}

#[test]
fn a_name_server_that_is_down_costs_the_other_one_nothing_and_is_found_when_it_is_back() {
    let world = World::new(4);
    let (first, second, setup) = with_servers(&world);
    first.kill();
    let host = world.boot(&setup);
    world.run_ms(5_000);
    assert_eq!(second.came(RequestCode::REGISTER_BROKER).len(), 1, "once at start");
    assert_eq!(world.connect(&host).ask(&message("T", 0), b"x").code, 0);
    let first = ScriptedNameServer::start(&world, FIRST);
    world.run_ms(5_000);
    assert!(first.has(RequestCode::REGISTER_BROKER));
}

#[test]
fn the_brokers_permission_masks_what_it_registers() {
    let world = World::new(5);
    let (first, _second, mut setup) = with_servers(&world);
    setup.config.permission = 4;
    let host = world.boot(&setup);
    world.connect_local(&host).must(&create_topic("T", 2), b"");
    world.run_ms(1_000);
    let came = first.came(RequestCode::REGISTER_BROKER);
    let body = RegisterBrokerBody::decode(&came.last().unwrap().1.body, 515).unwrap();
    assert_eq!(body.topics.topics["T"].perm, 4);
}

#[test]
fn a_broker_that_stops_unregisters_first() {
    let world = World::new(6);
    let (first, second, setup) = with_servers(&world);
    let host = world.boot(&setup);
    world.run_ms(1_000);
    let _disk = host.stop(&world);
    for server in [&first, &second] {
        let came = server.came(RequestCode::UNREGISTER_BROKER);
        assert_eq!(came.len(), 1);
        assert_eq!((came[0].1.text("brokerName"), came[0].1.text("brokerId")), ("broker-a", "0"));
    }
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_name_server_that_says_nothing() {
    let world = World::new(7);
    let (first, second, setup) = with_servers(&world);
    let host = world.boot(&setup);
    world.run_ms(1_000);
    world.sim.network().partition(setup.ip, FIRST);
    let began = world.now_ms();
    let _disk = host.stop(&world);
    assert!(world.now_ms() - began < 10_000);
    assert!(!first.has(RequestCode::UNREGISTER_BROKER) && second.has(RequestCode::UNREGISTER_BROKER));
}
