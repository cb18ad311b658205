//! What a run leaves: lines for people, and the files of `--out`.

pub mod csv;
pub mod line;
