//! The broker: shards, handlers, consumers. Joins `store` and `net`.
//!
//! [`Node`] runs the shards of a machine; [`Shard`] is one of them, generic over [`rt::Env`] so that a simulation runs
//! many on one thread.
#![forbid(unsafe_code)]

pub mod config;
#[doc(hidden)]
pub mod fuzzing;
pub mod sql;

mod attributes;
mod call;
mod clients;
mod conflicts;
mod dedup;
mod delay;
mod disk_choice;
mod dispatch;
mod figures;
mod groups;
mod handlers;
mod identity;
mod lmq;
mod locks;
mod long_poll;
mod node;
mod offsets;
mod open_store;
mod parked;
mod peers;
mod pop;
mod priority;
mod pull;
mod receipts;
mod refusals;
mod registration;
mod relays;
mod routes;
mod session;
mod shard;
mod stalls;
mod start;
mod statistics;
mod subscription;
mod tables;
mod timed;
mod timers;
mod topic_life;
mod topics;
mod transactions;
mod wake;
mod window_place;

pub use disk_choice::DiskChoice;
pub use node::{Node, NodeError, NodeFacts, NodeStopper};
pub use peers::{Alone, PeerLink, PeerMessage};
pub use shard::Shard;
pub use start::{ShardSetup, StartError};
