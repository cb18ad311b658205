//! What the tests share: a world with a broker in it, clients that speak frames, a name server that writes down.

mod client;
mod host;
mod messages;
mod name_server;
mod pops;
mod requests;

pub(crate) use client::{Answer, Client};
pub(crate) use host::{Host, Setup, WindowFile, World};
pub(crate) use messages::Message;
pub(crate) use name_server::ScriptedNameServer;
pub(crate) use pops::{Popped, pop, popped};
pub(crate) use requests::{
    attached, batch_of, commit, create_topic, group_config, heartbeat, long_form, message, offset_query,
    property, pull, subscription,
};
