//! A small cluster on the simulated machine: a server that journals numbers and acknowledges them, clients that send
//! each number until it is acknowledged, and everything that can go wrong in between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod clocks;
mod network;
mod runs;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use rt::sim::{SimDisk, SimMachine, Simulation};

use server::Server;

const SERVER: [u8; 4] = [10, 0, 0, 1];
const NUMBER: usize = 8;

fn address() -> SocketAddr {
    SocketAddr::from((SERVER, 10911))
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
