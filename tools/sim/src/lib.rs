//! A cluster on one thread from one seed: a name server, the two shards of a node, producers and consumers of every
//! kind, and whatever can happen to them (reliability.md 4).
//!
//! [`run()`] lives through one seed and has its [`history`] judged. A seed says which faults there are, how the disk and
//! the network behave, and who does what when; the same seed is the same run, to the hash of its trace. [`run_groups()`]
//! lives longer, with groups whose members come and go.
//!
//! ```text
//! cargo test -p sim                      500 seeds, and 80 with groups
//! SIM_SEEDS=500..5000 cargo test -p sim  others; SIM_GROUP_SEEDS for groups
//! cargo run -p sim -- 17 [--groups]      seed 17 once more, with its faults and what is wrong
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a simulated cluster that cannot go on is a failed run")]

mod cluster;
mod consumers;
mod drain;
mod faults;
mod life;
mod line;
mod member;
mod ordered;
mod producers;
mod random;
mod run;
mod triers;

pub use life::Life;
pub use run::{Run, run, run_groups};
