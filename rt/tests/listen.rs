//! Listening where somebody else just stopped.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rt::sim::{SimDisk, Simulation};
use rt::{Class, Env, Transport, listen_patiently};

const AT: ([u8; 4], u16) = ([10, 0, 0, 1], 10911);

#[test]
fn an_address_that_is_freed_soon_is_waited_for() {
    let sim = Simulation::new(1);
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    let (former, _) = env.net().listen(SocketAddr::from(AT)).unwrap();
    let owner = env.clone();
    env.spawn(Class::Admin, async move {
        owner.sleep(Duration::from_secs(1)).await;
        owner.net().unlisten(former);
    });
    sim.block_on(listen_patiently(&env, SocketAddr::from(AT))).unwrap();
}

#[test]
fn an_address_that_stays_taken_is_refused_in_the_end() {
    let sim = Simulation::new(1);
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    env.net().listen(SocketAddr::from(AT)).unwrap();
    let refused = sim.block_on(listen_patiently(&env, SocketAddr::from(AT))).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
}
