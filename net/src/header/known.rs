//! [`Known`]: which ext field of a remembered header is which field of its row, and what its numbers are.
//!
//! Looking names up and reading digits was half of the cost of a header that equals the one before
//! (`cargo xtask instructions`, send).

use crate::codes::RequestCode;
use crate::fields::Ext;

/// What the memory of a connection knows of the ext fields of the header it holds.
#[derive(Debug)]
pub struct Known {
    code: i32,
    /// By field of the row: the position of its ext field, or [`ABSENT`].
    entries: [u8; FIELDS_MAX],
    /// By ext field: its value, if it is a plain number.
    numbers: [Option<i64>; FIELDS_MAX],
}

const ABSENT: u8 = u8::MAX;
/// Rows and headers with more fields are not remembered; the largest request of a client has some twenty.
pub(super) const FIELDS_MAX: usize = 32;

impl Known {
    /// What there is to know of a header of `code` with these ext fields. `None` if it has no row, or too many fields.
    pub(super) fn of(code: i32, ext: &Ext<'_>) -> Option<Self> {
        let row = RequestCode(code).row()?;
        if row.keys.len() > FIELDS_MAX || ext.len() > FIELDS_MAX {
            return None;
        }
        let mut known = Self { code, entries: [ABSENT; FIELDS_MAX], numbers: [None; FIELDS_MAX] };
        for (entry, (key, value)) in ext.iter().enumerate() {
            known.numbers[entry] = value.parse().ok();
            // Of equal keys the last counts.
            if let Some(field) = row.keys.iter().position(|wanted| *wanted == key) {
                known.entries[field] = u8::try_from(entry).expect("at most FIELDS_MAX");
            }
        }
        Some(known)
    }

    /// The value of an ext field in the header at hand.
    #[inline]
    pub(super) fn set_number(&mut self, entry: usize, number: Option<i64>) {
        self.numbers[entry] = number;
    }

    /// The code whose row this is.
    #[inline]
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// The ext field that holds field `field` of the row, and its value if it is a number.
    #[inline]
    pub(crate) fn field(&self, field: usize) -> Option<(usize, Option<i64>)> {
        let entry = *self.entries.get(field)?;
        (entry != ABSENT).then(|| (usize::from(entry), self.numbers[usize::from(entry)]))
    }
}
