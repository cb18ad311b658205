//! [`Marks`]: places in encoded properties that are written over for each message.
//!
//! A template is encoded with a text of the right width, a mark, where the value of a message goes. A mark occurs once, so
//! that the place is found by looking for it; so none of [`MARKS`] may occur in a user's properties (`plan` refuses those).

use super::Message;
use crate::bench::stamp::{self, Stamp, hex};

/// Where the parts of one message's properties stand that differ from those of the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) unique: Option<usize>,
    pub(super) key: Option<usize>,
    pub(super) stamp: Option<usize>,
    /// Due time of a delayed message, and the same under a name of the user's.
    pub(super) due: [Option<usize>; 2],
    /// For the stamp: it is half a transaction.
    pub(super) half: bool,
}

impl Marks {
    /// Nothing differs between two messages.
    pub(super) fn is_empty(&self) -> bool {
        self.unique.is_none() && self.key.is_none() && self.stamp.is_none() && self.due == [None; 2]
    }

    /// The same in bytes that begin `by` earlier.
    pub(super) fn moved(self, by: usize) -> Self {
        let add = |at: Option<usize>| at.map(|at| at + by);
        Self {
            unique: add(self.unique),
            key: add(self.key),
            stamp: add(self.stamp),
            due: self.due.map(add),
            half: self.half,
        }
    }

    /// Writes what `message` says over the marks in `bytes`; `crc` is that of its body.
    pub(super) fn write(&self, bytes: &mut [u8], message: &Message, crc: u32, run: u32) {
        if let Some(at) = self.unique {
            let number = u64::from(message.stream) << 48 | message.number;
            hex(&mut bytes[at..at + UNIQUE_MARK.len()], number);
        }
        if let Some(at) = self.key {
            hex(&mut bytes[at + 1..at + KEY_MARK.len()], u64::from(message.key));
        }
        if let Some(due) = message.deliver_at_ms {
            for at in self.due.into_iter().flatten() {
                digits(&mut bytes[at..at + DUE_MARK.len()], due.unsigned_abs());
            }
        }
        if let Some(at) = self.stamp {
            let Message { stream, number, intended, written, .. } = *message;
            let later = message.deliver_at_ms.is_some();
            Stamp { run, stream, number, intended, written, crc, later, half: self.half }
                .write(&mut bytes[at..at + stamp::CHARS]);
        }
    }
}

/// The half of the unique key that changes.
pub(super) const UNIQUE_MARK: &str = "FEDCBA9876543210";
/// A key; all but its first letter changes.
pub(super) const KEY_MARK: &str = "kZZZZZZZZ";
pub(super) const STAMP_MARK: &str = "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS";
/// Due times of 13 digits that occur nowhere else.
pub(super) const DUE_MARK: &str = "1888888888888";
pub(super) const DUE_MARK_2: &str = "1999999999999";
const _: () = assert!(STAMP_MARK.len() == stamp::CHARS);
/// Texts that may occur in no property: they mark what is patched.
pub const MARKS: [&str; 7] =
    [UNIQUE_MARK, KEY_MARK, STAMP_MARK, DUE_MARK, DUE_MARK_2, "1777777777777", "1000000000"];

/// Where `mark` is.
///
/// # Panics
/// If it is not there exactly once.
pub(super) fn only(bytes: &[u8], mark: &[u8]) -> usize {
    let mut found = bytes.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
    let (at, _) = found.next().expect("the mark was just encoded");
    assert!(found.next().is_none(), "the mark occurs once");
    at
}

/// Fills `out` with the last decimal digits of `value`.
pub(super) fn digits(out: &mut [u8], mut value: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}
