//! [`Held`]: log bytes that a reader keeps while it goes from record to record.

use rt::SharedSlice;

/// Bytes of the log that somebody has at hand.
#[derive(Debug)]
pub struct Held {
    at: u64,
    bytes: SharedSlice,
}

impl Held {
    /// These `bytes`, which begin at log offset `at`.
    #[must_use]
    pub fn new(at: u64, bytes: SharedSlice) -> Self {
        Self { at, bytes }
    }

    /// The `len` bytes at log offset `at`; `None` if they are not all in it.
    #[must_use]
    pub fn part(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }

    /// The same bytes, to be kept.
    ///
    /// # Panics
    /// If they are not all in it.
    #[must_use]
    pub fn range(&self, at: u64, len: usize) -> SharedSlice {
        let from = usize::try_from(at - self.at).expect("a place in an extent");
        self.bytes.range(from, from + len)
    }
}
