//! Fuzz targets: functions that take any bytes and panic only if something of ours is wrong.
//!
//! libFuzzer calls them (`tools/fuzz/libfuzzer`, a workspace of its own because it needs nightly), and so does `cargo
//! test`, which replays the corpora, Java's captured frames, and mutations of both. What a target asserts beside "no
//! panic" stands at the target. reliability.md 7, "Fuzzing".
//!
//! ```text
//! cargo +nightly fuzz run --fuzz-dir tools/fuzz/libfuzzer frames tools/fuzz/corpora/frames -- -max_total_time=60
//! cargo run -p fuzz --bin seeds        # writes the seeds anew; findings are other files and stay
//! ```
#![forbid(unsafe_code)]

pub mod mutate;

mod bodies;
mod log;
mod text;
mod wire;

pub use log::log_of_a_store;

/// One entry point.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What runs.
    pub run: fn(&[u8]),
    /// Mutations of each input that a replay tries: fewer where one run costs milliseconds.
    pub mutations: u32,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "frames", run: wire::frames, mutations: 40 },
    Target { name: "json_header", run: wire::json_header, mutations: 200 },
    Target { name: "binary_header", run: wire::binary_header, mutations: 200 },
    Target { name: "json_bodies", run: bodies::json_bodies, mutations: 20 },
    Target { name: "properties", run: text::properties, mutations: 200 },
    Target { name: "batch", run: text::batch, mutations: 200 },
    Target { name: "configuration", run: text::configuration, mutations: 100 },
    Target { name: "receipts", run: text::receipts, mutations: 200 },
    Target { name: "record", run: log::record, mutations: 200 },
    Target { name: "segment", run: log::segment, mutations: 8 },
    Target { name: "store_file", run: log::store_file, mutations: 8 },
];

/// The target called `name`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("a target of the table")
}
