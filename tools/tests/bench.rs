//! `ringmq bench` as people run it: every scenario in a small size, every refusal, every exit code.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

#[path = "bench/early_ends.rs"]
mod early_ends;
#[path = "bench/node.rs"]
mod node;
#[path = "bench/refusals.rs"]
mod refusals;
#[path = "bench/results.rs"]
mod results;
mod ringmq;
#[path = "bench/rocketmq.rs"]
mod rocketmq;
#[path = "bench/scenarios.rs"]
mod scenarios;
#[path = "bench/searches.rs"]
mod searches;
#[path = "ringmq/server.rs"]
mod server;
