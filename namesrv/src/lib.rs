//! The name server: brokers register, clients ask for routes.
#![forbid(unsafe_code)]

pub mod config;
pub mod kv;
pub mod registry;
