//! A RocketMQ client for the command line: routes, sends, pulls, groups.

mod assign;
pub(crate) mod cluster;
pub(crate) mod consumer;
mod group;
pub(crate) mod message;
pub(crate) mod popper;
pub(crate) mod producer;
mod puller;
pub(crate) mod selection;
