//! The broker: shards, handlers, consumers. Joins `store` and `net`.
#![forbid(unsafe_code)]

pub mod config;
