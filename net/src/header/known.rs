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
    /// By field of the row: the position of its ext field, or [`ABSENT`].
    entries: [u8; FIELDS_MAX],
    /// By ext field: the field of the row that it is, or [`ABSENT`].
    fields: [u8; FIELDS_MAX],
}

/// What a field of the row says.
#[derive(Debug)]
pub(crate) enum Value {
    /// It is not there.
    Absent,
    /// A plain number.
    Number(i64),
    /// A text that is not empty and the same in every header.
    Constant {
        /// It.
        text: Box<str>,
        /// It is `true`, in any case.
        is_true: bool,
    },
    /// What is in its ext field.
    Varying,
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
        let mut known = Self {
            code,
            values: [const { Value::Absent }; FIELDS_MAX],
            entries: [ABSENT; FIELDS_MAX],
            fields: [ABSENT; FIELDS_MAX],
        };
        for (field, wanted) in row.keys.iter().enumerate() {
            // Of equal keys the last counts.
            let last = ext.iter().enumerate().filter(|(_, (key, _))| key == wanted).last();
            let Some((entry, (_, value))) = last else { continue };
            let small = |position: usize| u8::try_from(position).expect("at most FIELDS_MAX");
            known.values[field] = match value.parse() {
                Ok(number) => Value::Number(number),
                Err(_) if value.is_empty() => Value::Varying,
                Err(_) => Value::Constant { text: value.into(), is_true: value.eq_ignore_ascii_case("true") },
            };
            known.entries[field] = small(entry);
            known.fields[entry] = small(field);
        }
        Some(known)
    }

    /// The value of an ext field in the header at hand, if it is a number.
    #[inline]
    pub(super) fn set_number(&mut self, entry: usize, number: Option<i64>) {
        if let Some(value) = self.values.get_mut(usize::from(self.fields[entry])) {
            *value = number.map_or(Value::Varying, Value::Number);
        }
    }

    /// The code whose row this is.
    #[inline]
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// What field `field` of the row says.
    #[inline]
    pub(crate) fn value(&self, field: usize) -> &Value {
        self.values.get(field).unwrap_or(&Value::Absent)
    }

    /// The position of the ext field that is field `field` of the row, which is there.
    #[inline]
    pub(crate) fn entry(&self, field: usize) -> usize {
        usize::from(self.entries[field])
    }
}
