//! What simulated tests share: a world with a broker in it, clients that speak frames, a name server that writes down.
//!
//! For `broker/tests/sim` and `tools/sim`; nothing that is shipped depends on it. Whatever is not as a test wants it panics.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(missing_docs, reason = "a test reads its helpers' names; what they do not say has a comment")]

mod client;
mod host;
mod messages;
mod name_server;
mod pops;
mod requests;
mod restart;

pub use client::{Answer, Client};
pub use host::{Host, Setup, WindowFile, World};
pub use messages::Message;
pub use name_server::ScriptedNameServer;
pub use pops::{Popped, pop, popped};
pub use requests::{
    attached, batch_of, commit, create_topic, group_config, heartbeat, long_form, message, offset_query,
    property, pull, subscription,
};
pub use restart::Restart;
