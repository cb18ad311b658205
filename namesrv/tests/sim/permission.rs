//! Who may change something (reliability.md 7, S2, S10).

use net::requests::{NoHeader, ROWS};
use net::{Class, RequestCode};
use rt::sim::{SimDisk, Simulation};

use crate::hosts::{NAME_SERVER, Peer, serve};

#[test]
fn admin_writes_are_taken_from_this_host_and_named_networks_and_refused_from_elsewhere() {
    for (allow, from, allowed) in [
        ("", [10, 0, 0, 9], false),
        ("", NAME_SERVER, true),
        ("10.0.0.8/31", [10, 0, 0, 9], true),
        ("10.0.0.8", [10, 0, 0, 9], false),
        ("192.168.0.0/16;10.0.0.9", [10, 0, 0, 9], true),
    ] {
        let sim = Simulation::new(1);
        let host = sim.machine(NAME_SERVER, SimDisk::new());
        let _server = serve(&sim, &host, |config| config.admin_allow = allow.to_owned());
        let elsewhere = (from != NAME_SERVER).then(|| sim.machine(from, SimDisk::new()));
        let mut peer = Peer::dial(elsewhere.as_ref().unwrap_or(&host));
        let mut writes = 0;
        for row in ROWS.iter().filter(|row| row.direction.contains(">N") && row.class == Class::AdminWrite) {
            // Without its fields: whether it is refused for those or for its sender is what counts.
            let answer = peer.ask_code(&sim, row.code, &NoHeader {}, b"");
            let by_sender = answer.remark.as_deref() == Some(net::admin_sources::REFUSAL);
            assert_eq!(!by_sender, allowed, "{} from {from:?} with {allow:?}: {answer:?}", row.name);
            assert!(!by_sender || answer.code == 16);
            writes += 1;
        }
        assert_eq!(writes, 6, "100, 102, 205, 216, 318, 327");
        // Brokers, routes and lists are open.
        assert_eq!(peer.register(&sim, "a", "h:1", 0).code, 0);
        assert_eq!(peer.ask_code(&sim, RequestCode::GET_NAMESRV_CONFIG, &NoHeader {}, b"").code, 0);
    }
}
