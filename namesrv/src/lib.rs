//! The name server: brokers register, clients ask for routes.
//!
//! [`start()`] runs one on a thread of its own; [`NameServer`] is the reactor itself, for other pumps (simulation, `dev`
//! mode). The tables are [`registry`] (soft, rebuilt from registrations) and [`kv`] (kept in a file).
#![forbid(unsafe_code)]

mod bodies;
pub mod config;
mod handlers;
pub mod kv;
mod notify;
pub mod registry;
mod server;
mod start;

pub use server::{NameServer, StartError};
pub use start::{Running, start};
