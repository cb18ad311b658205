//! The shard runtime: one pinned executor and one io_uring per core, and the seams that let everything above
//! run on a simulated machine instead.
//!
//! Nothing outside this crate names glommio, io_uring, a clock or a thread. What a shard does is written as a
//! [`Reactor`] (run to completion, driven by the pump) plus `async` tasks for slow work, both generic over [`Env`].

pub mod chunks;
pub mod crc32;
pub mod disk;
pub mod env;
pub mod prefetch;
pub mod reactor;
pub mod real;
pub mod sim;
pub mod slice;
pub mod transport;
pub mod wheel;
pub mod window;

pub use chunks::Chunks;
pub use disk::{DirEntry, Disk, DiskFile, OpenMode, Space};
pub use env::{Class, Env, Mono, Now};
pub use prefetch::prefetch;
pub use reactor::{Reactor, TurnOutcome};
pub use slice::{Pinned, SharedSlice};
pub use transport::{CloseReason, ConnId, Event, ListenerId, Outbox, Transport, listen_patiently};
pub use wheel::{TimerId, Wheel};
pub use window::{AllocationJob, Backing, Full, Leftover, LeftoverDamage, Window, WindowIdentity};

/// Every direct-I/O offset, length and address is a multiple of this many bytes (performance.md 4: "always 4,096").
pub const BLOCK: usize = 4096;
