//! What a command printed, and what is expected of it.

use crate::{process::tail, trouble::Trouble};

/// The first line with all of `parts` in it.
pub(super) fn row<'a>(said: &'a str, parts: &[&str]) -> Result<&'a str, Trouble> {
    let found = said.lines().find(|line| parts.iter().all(|part| line.contains(part)));
    found.ok_or_else(|| Trouble::Answer(format!("no line with {parts:?} in: {}", shown(said))))
}

pub(super) fn expect(holds: bool, what: &str, said: &str) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Answer(format!("expected {what} in: {}", shown(said)))) }
}

fn shown(said: &str) -> String {
    tail(said, 1200).replace('\n', " | ")
}
