//! [`Reading`]: what of a queue is read, and in which order.

use std::ops::Range;

/// How a queue is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// From this offset on, waiting for more.
    Follow(i64),
    /// This range again and again.
    Again(Range<i64>),
    /// This range once.
    Once(Range<i64>),
    /// This range again and again, beginning somewhere in it, beside others that follow: its pulls are `scan`.
    Scan(Range<i64>, i64),
}

impl Reading {
    /// Messages in it; beyond any count if it follows what comes.
    #[must_use]
    pub fn messages(&self) -> i64 {
        match self {
            Self::Follow(_) => i64::MAX,
            Self::Again(range) | Self::Once(range) | Self::Scan(range, _) => range.end - range.start,
        }
    }

    /// There is nothing to read, and nothing will come.
    pub(super) fn is_empty(&self) -> bool {
        self.messages() <= 0
    }

    /// Offset of the first pull.
    pub(super) fn first(&self) -> i64 {
        match self {
            Self::Follow(from) | Self::Scan(_, from) => *from,
            Self::Again(range) | Self::Once(range) => range.start,
        }
    }

    /// The first offset behind it.
    pub(super) fn end(&self) -> i64 {
        match self {
            Self::Follow(_) => i64::MAX,
            Self::Again(range) | Self::Once(range) | Self::Scan(range, _) => range.end,
        }
    }

    /// Where to read on once everything below `next` was read, and whether that was all.
    pub(super) fn onwards(&self, next: i64) -> (i64, bool) {
        match self {
            Self::Again(range) | Self::Scan(range, _) if next >= range.end => (range.start, false),
            Self::Once(range) => (next, next >= range.end),
            Self::Follow(_) | Self::Again(_) | Self::Scan(..) => (next, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_range_is_its_start_again_or_the_end_of_reading() {
        assert_eq!(Reading::Again(3..9).onwards(8), (8, false));
        assert_eq!(Reading::Again(3..9).onwards(9), (3, false));
        assert_eq!(Reading::Scan(3..9, 5).onwards(9), (3, false));
        assert_eq!(Reading::Once(3..9).onwards(8), (8, false));
        assert_eq!(Reading::Once(3..9).onwards(9), (9, true));
        assert_eq!(Reading::Follow(3).onwards(9), (9, false));
    }
}
