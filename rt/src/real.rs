//! The real machine: one io_uring and one pinned executor per shard. Linux 6.1 or newer.
//!
//! [`run_shard`] makes the calling thread a shard; `build` gets a [`RealEnv`] and returns the [`crate::Reactor`] that
//! the pump drives. Other threads reach a shard through a [`Doorbell`].

mod arena;
#[doc(hidden)]
pub mod bare;
mod buffers;
pub mod checks;
mod clock;
mod core;
pub mod cpus;
pub mod device;
mod disk;
mod doorbell;
mod env;
pub mod mesh;
mod net;
mod ops;
mod panic;
mod pump;
mod ring;
mod shard;
mod spin;
mod tasks;
mod timers;
mod token;

pub use disk::{Disk, File};
pub use doorbell::Doorbell;
pub use env::RealEnv;
pub use net::Net;
pub use panic::OnPanic;
pub use ring::Counters;
pub use shard::{ShardError, ShardOptions, ShardThread, run_shard, start_shard};
pub use spin::Spin;
