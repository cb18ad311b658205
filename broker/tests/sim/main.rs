//! The broker shard on the simulated machine: one file per behaviour, clients that speak frames, virtual time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use testbed as support;

mod admin_access;
mod assignment;
mod auto_create;
mod dedup;
mod delay_levels;
mod disk_trouble;
mod durability;
mod groups;
mod inner_batches;
mod inspection;
mod light_queues;
mod locks;
mod long_poll;
mod membership;
mod offsets;
mod oneway;
mod overload;
mod pop;
mod pop_crashes;
mod pop_order;
mod pop_waits;
mod priority;
mod pull_checks;
mod queries;
mod registration;
mod relayed;
mod reset_offsets;
mod restart;
mod send_and_read_back;
mod send_back;
mod send_checks;
mod sql_filters;
mod stopping;
mod timed;
mod topics;
mod transactions;
mod two_shards;
mod unsupported;
mod upstream_bugs;
