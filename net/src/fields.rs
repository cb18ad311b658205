//! Header fields: what lies in `extFields`, and how its texts become the typed fields of a row and back.
//!
//! [`Ext`] is the list of a decoded header; [`Field`] is a type a row may use; [`FieldSink`] is where a struct emits
//! its fields, one implementation per codec.

use std::fmt;
use std::ops::Range;

use crate::header::{Known, Value};

/// UTF-8 text of a header, borrowed from the frame or, if JSON escapes forced it, from the decoder's scratch.
pub type Text<'a> = &'a str;

/// A range of one of the texts of an [`Ext`]: where it starts, its length, and in the lowest two bits which text.
///
/// One word, so that the scanner keeps it in a register: as three fields it went through memory in pieces, and the
/// CPU time of a whole run over the codec was 540 ms instead of 394.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span(u64);

impl Span {
    /// A range of the header itself.
    #[inline]
    pub(crate) fn plain(from: usize, to: usize) -> Self {
        let fits = from <= to && to < 1 << 30;
        assert!(fits, "a range {from}..{to} of a header below 1 GiB");
        Self((from as u64) << 32 | ((to - from) as u64) << 2)
    }

    /// A range of the unescaped text.
    #[inline]
    pub(crate) fn unescaped(from: usize, to: usize) -> Self {
        Self(Self::plain(from, to).0 | UNESCAPED)
    }

    /// A range of the header as it came that was found to be decimal digits.
    #[inline]
    pub(crate) fn digits(from: usize, to: usize) -> Self {
        Self(Self::plain(from, to).0 | DIGITS)
    }

    /// It lies in the header itself.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & SOURCES == 0
    }

    /// It is digits of the header as it came.
    #[inline]
    fn is_digits(self) -> bool {
        self.0 & SOURCES == DIGITS
    }

    #[inline]
    fn range(self) -> Range<usize> {
        let from = (self.0 >> 32) as usize;
        from..from + (self.0 as u32 >> 2) as usize
    }

    /// Its text, in one of the first two.
    #[inline]
    pub(crate) fn of<'t>(self, text: &'t str, unescaped: &'t str) -> &'t str {
        debug_assert!(!self.is_digits());
        if self.is_plain() { &text[self.range()] } else { &unescaped[self.range()] }
    }
}

/// Bits of a [`Span`].
const SOURCES: u64 = 3;
const UNESCAPED: u64 = 1;
const DIGITS: u64 = 2;

/// One ext field.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) key: Span,
    pub(crate) value: Span,
}

/// The ext fields of a header in the order they came; the last of equal keys counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ext<'a> {
    pub(crate) text: &'a str,
    pub(crate) unescaped: &'a str,
    /// The header as it came, where its digits are looked for.
    pub(crate) bytes: &'a [u8],
    pub(crate) entries: &'a [Entry],
    /// What is known of these fields from earlier headers of the connection.
    pub(crate) known: Option<&'a Known>,
}

impl<'a> Ext<'a> {
    /// Keys and values. Values that were numbers or booleans are their text; nulls are not here.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let ext = *self;
        ext.entries.iter().map(move |entry| (ext.at(entry.key), ext.at(entry.value)))
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let entry = self.entries.iter().rev().find(|entry| self.at(entry.key) == key)?;
        Some(self.at(entry.value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of the entry at this position.
    #[inline]
    fn value(&self, entry: usize) -> &'a str {
        self.at(self.entries[entry].value)
    }

    #[inline]
    fn at(&self, span: Span) -> &'a str {
        if span.is_digits() {
            return str::from_utf8(&self.bytes[span.range()]).expect("digits are ASCII");
        }
        span.of(self.text, self.unescaped)
    }
}

/// A key of a row, with its JSON spelling ready to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the table.
    pub plain: &'static str,
    /// `,"key":"`.
    pub json: &'static str,
}

/// Where a struct writes its fields.
pub trait FieldSink {
    /// A text field.
    fn text(&mut self, key: Key, value: &str);
    /// A number, written in decimal.
    fn int(&mut self, key: Key, value: i64);
    /// `true` or `false`.
    fn flag(&mut self, key: Key, value: bool);
}

/// A header struct: something with fields to emit.
pub trait Fields {
    /// It has at least one field that is always there.
    fn emit<S: FieldSink>(&self, sink: &mut S);
    /// No field at all: `extFields` is left out.
    fn is_empty(&self) -> bool {
        false
    }
}

/// A header struct that can be read.
pub trait Decode<'a>: Sized {
    /// Reads the fields of this row; others are ignored.
    ///
    /// # Errors
    /// A required field is missing, or a number is none.
    fn decode(ext: &Ext<'a>) -> Result<Self, FieldError>;

    /// The same where `known` says which ext field is which of this row.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    fn decode_known(ext: &Ext<'a>, known: &'a Known) -> Result<Self, FieldError>;
}

/// A type a field of a row may have.
pub trait Field<'a>: Sized {
    /// What a text should have been, for the error.
    const EXPECTED: &'static str;
    /// From the wire; `None` if it is no such value.
    fn parse(text: &'a str) -> Option<Self>;
    /// From a text that is known to be this number; `None` if only the text can tell.
    #[inline]
    fn from_number(_: i64) -> Option<Self> {
        None
    }
    /// From a text that is not empty, and of which is known whether it says `true`; `None` if only the text can tell.
    #[inline]
    fn from_constant(_: &'a str, _is_true: bool) -> Option<Self> {
        None
    }
    /// What an absent (or empty) field means; `None` if it may not be absent.
    fn absent() -> Option<Self>;
    /// To the wire.
    fn emit<S: FieldSink>(&self, key: Key, sink: &mut S);
}

impl<'a> Field<'a> for &'a str {
    const EXPECTED: &'static str = "text";
    #[inline]
    fn from_constant(text: &'a str, _: bool) -> Option<Self> {
        Some(text)
    }
    #[inline]
    fn parse(text: &'a str) -> Option<Self> {
        Some(text)
    }
    fn absent() -> Option<Self> {
        None
    }
    fn emit<S: FieldSink>(&self, key: Key, sink: &mut S) {
        sink.text(key, self);
    }
}

impl<'a> Field<'a> for i32 {
    const EXPECTED: &'static str = "a 32 bit number";
    #[inline]
    fn from_number(number: i64) -> Option<Self> {
        number.try_into().ok()
    }
    #[inline]
    fn parse(text: &'a str) -> Option<Self> {
        text.parse().ok()
    }
    fn absent() -> Option<Self> {
        None
    }
    fn emit<S: FieldSink>(&self, key: Key, sink: &mut S) {
        sink.int(key, i64::from(*self));
    }
}

impl<'a> Field<'a> for i64 {
    const EXPECTED: &'static str = "a 64 bit number";
    #[inline]
    fn from_number(number: i64) -> Option<Self> {
        Some(number)
    }
    #[inline]
    fn parse(text: &'a str) -> Option<Self> {
        text.parse().ok()
    }
    fn absent() -> Option<Self> {
        None
    }
    fn emit<S: FieldSink>(&self, key: Key, sink: &mut S) {
        sink.int(key, *self);
    }
}

impl<'a> Field<'a> for bool {
    const EXPECTED: &'static str = "true or false";
    #[inline]
    fn from_constant(_: &'a str, is_true: bool) -> Option<Self> {
        Some(is_true)
    }
    /// Java: only the text `true`, in any case, is true.
    #[inline]
    fn parse(text: &'a str) -> Option<Self> {
        Some(text.eq_ignore_ascii_case("true"))
    }
    fn absent() -> Option<Self> {
        None
    }
    fn emit<S: FieldSink>(&self, key: Key, sink: &mut S) {
        sink.flag(key, *self);
    }
}

impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    #[inline]
    fn from_number(number: i64) -> Option<Self> {
        T::from_number(number).map(Some)
    }
    #[inline]
    fn from_constant(text: &'a str, is_true: bool) -> Option<Self> {
        T::from_constant(text, is_true).map(Some)
    }
    #[inline]
    fn parse(text: &'a str) -> Option<Self> {
        T::parse(text).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn emit<S: FieldSink>(&self, key: Key, sink: &mut S) {
        if let Some(value) = self {
            value.emit(key, sink);
        }
    }
}

/// Field `field` of a row, found by what is known of its header.
#[expect(clippy::inline_always, reason = "fourteen calls a send, whose results went through memory")]
#[inline(always)]
pub(crate) fn known<'a, T: Field<'a>>(
    ext: &Ext<'a>,
    known: &'a Known,
    field: usize,
    header: &'static str,
    key: &'static str,
) -> Result<Option<T>, FieldError> {
    let value = match known.value(field) {
        Value::Absent => return Ok(None),
        Value::Number(number) => T::from_number(*number),
        Value::Constant { text, is_true } => T::from_constant(text, *is_true),
        Value::Varying => None,
    };
    match value {
        Some(value) => Ok(Some(value)),
        None => parse(ext.value(known.entry(field)), header, key),
    }
}

/// Reads one field: an empty text is as good as none, for the binary codec cannot tell them apart.
///
/// A required text may be empty, though: JSON can say so, and its handler knows better what to answer.
#[inline]
pub(crate) fn parse<'a, T: Field<'a>>(
    text: &'a str,
    header: &'static str,
    field: &'static str,
) -> Result<Option<T>, FieldError> {
    match T::parse(text) {
        Some(value) if !text.is_empty() => Ok(Some(value)),
        Some(value) => Ok(Some(T::absent().unwrap_or(value))),
        None if text.is_empty() => Ok(None),
        None => Err(FieldError::Invalid {
            header,
            field,
            value: text.chars().take(VALUE_CHARS_SHOWN).collect(),
            expected: T::EXPECTED,
        }),
    }
}

/// The value of a field after all ext fields were seen.
pub(crate) fn finish<'a, T: Field<'a>>(
    value: Option<T>,
    header: &'static str,
    field: &'static str,
) -> Result<T, FieldError> {
    match value.or_else(T::absent) {
        Some(value) => Ok(value),
        None => Err(FieldError::Missing { header, field }),
    }
}

/// How much of a bad value an error repeats.
const VALUE_CHARS_SHOWN: usize = 64;

/// The fields of a header are not those of its row. Its text becomes the remark of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// A required field is not there.
    Missing {
        /// The row.
        header: &'static str,
        /// Its key on the wire.
        field: &'static str,
    },
    /// A field is not of its type.
    Invalid {
        /// The row.
        header: &'static str,
        /// Its key on the wire.
        field: &'static str,
        /// What came, shortened.
        value: String,
        /// What should have come.
        expected: &'static str,
    },
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldError::Missing { header, field } => {
                write!(f, "{header}: the required field {field} is missing")
            }
            FieldError::Invalid { header, field, value, expected } => {
                write!(f, "{header}: the field {field} is {value:?}, not {expected}")
            }
        }
    }
}

impl std::error::Error for FieldError {}
