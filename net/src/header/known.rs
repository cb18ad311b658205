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
    /// By field of the row.
    values: [Value; FIELDS_MAX],
    /// By ext field: the field of the row that it is, or [`ABSENT`].
    fields: [u8; FIELDS_MAX],
}

/// Where a field of the row has its value.
#[derive(Clone, Copy, Debug)]
struct Value {
    /// The position of its ext field, or [`ABSENT`].
    entry: u8,
    /// What it says, if it is a plain number.
    number: Option<i64>,
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
        let absent = Value { entry: ABSENT, number: None };
        let mut known = Self { code, values: [absent; FIELDS_MAX], fields: [ABSENT; FIELDS_MAX] };
        for (field, wanted) in row.keys.iter().enumerate() {
            // Of equal keys the last counts.
            let last = ext.iter().enumerate().filter(|(_, (key, _))| key == wanted).last();
            let Some((entry, (_, value))) = last else { continue };
            let small = |position: usize| u8::try_from(position).expect("at most FIELDS_MAX");
            known.values[field] = Value { entry: small(entry), number: value.parse().ok() };
            known.fields[entry] = small(field);
        }
        Some(known)
    }

    /// The value of an ext field in the header at hand.
    #[inline]
    pub(super) fn set_number(&mut self, entry: usize, number: Option<i64>) {
        if let Some(value) = self.values.get_mut(usize::from(self.fields[entry])) {
            value.number = number;
        }
    }

    /// The code whose row this is.
    #[inline]
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// The ext field that holds field `field` of the row, and its value if it is a number.
    #[inline]
    pub(crate) fn field(&self, field: usize) -> Option<(usize, Option<i64>)> {
        let value = self.values.get(field)?;
        (value.entry != ABSENT).then_some((usize::from(value.entry), value.number))
    }
}
