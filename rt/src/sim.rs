//! The simulated machine: disks, networks, clocks and tasks on one thread, all from one seed.
//!
//! ```
//! use std::time::Duration;
//! use rt::sim::{Crash, SimDisk, Simulation};
//! use rt::{Disk, DiskFile, Env, OpenMode, SharedSlice};
//!
//! let sim = Simulation::new(42);
//! let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
//! let env = machine.env();
//! sim.block_on(async {
//!     let file = env.disk().open("/log".as_ref(), OpenMode::CreateNew { direct: false }).await.unwrap();
//!     file.write_at(0, SharedSlice::copied(b"kept"), true).await.unwrap();
//!     env.disk().sync_dir("/".as_ref()).await.unwrap();
//!     file.write_at(4, SharedSlice::copied(b"perhaps"), false).await.unwrap();
//!     env.sleep(Duration::from_secs(3600)).await; // costs nothing
//! });
//! let after = machine.crash(Crash::Power);
//! assert!(after.contents("/log").unwrap().starts_with(b"kept"));
//! ```
//!
//! Determinism: the next ready task, every delay and every fault come from the seed; two runs have the same
//! [`Simulation::trace_hash`]. What runs inside must not read clocks, addresses or randomly seeded maps.

mod completion;
mod disk;
mod machine;
mod net;
mod peer;
mod random;
mod simulation;
mod world;

pub use disk::{
    Corruption, Crash, DiskLatency, DiskStatistics, FaultRule, OpKind, Operation, Repeat, SimDisk, SimFile,
    Verdict,
};
pub use machine::{SimEnv, SimMachine};
pub use net::{NetProfile, Network, SimNet};
pub use peer::SimPeer;
pub use random::Random;
pub use simulation::{Simulation, for_each_seed};
