//! Runs real, unmodified RocketMQ clients against the real binary, and says scenario by scenario what held.
//!
//! A *suite* is one client (Java 4.9.8 with JSON headers, Go, ...) with servers of its own; a *scenario* is one
//! thing a user does. The client programs speak a line protocol with this harness (`client`), so that a scenario
//! can ask for a broker to be killed. With [`Make::Java`] the same scenarios run against the Java servers, which
//! is how they are validated. Nothing here uses `net`: an oracle does not share code with what it judges.
//!
//! Invariants: every process started here is ended here, by id; every wait has a bound; a scenario that was
//! planned and did not report counts as failed.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "drives real processes in real time; nothing here is simulated"
)]

mod artifacts;
mod capture;
mod cli;
mod client;
mod cluster;
mod hostile;
mod kill9;
mod mqadmin;
mod packages;
mod ports;
mod process;
mod program;
mod random;
mod record;
mod recorder;
mod report;
mod sql;
mod suites;
mod trouble;
mod wire;

pub use artifacts::Workshop;
pub use capture::capture;
pub use cluster::Make;
pub use report::Tally;
pub use suites::{Selection, run};
pub use trouble::Trouble;
