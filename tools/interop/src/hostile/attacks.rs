//! The attacks. Each judges only what it can see itself; the healthy client and the memory are the caller's.

mod hoarding;
mod malformed;
mod mutants;
mod values;

pub(super) use hoarding::{never_read, unfinished_frames};
pub(super) use malformed::{deep_json, garbage, lying_headers, wrong_lengths};
pub(super) use mutants::mutated_frames;
pub(super) use values::{names, numbers};
