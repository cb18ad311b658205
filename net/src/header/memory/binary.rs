//! [`BinaryLayout`]: what the binary headers of one connection look like, so that the next one is compared instead of
//! taken apart.
//!
//! Java writes the ext fields from a hash table: in another order than the row, but in the same for the same keys. So
//! from one send to the next the opaque, the length of the fields, and some values differ, each value with its length
//! before it. A header that equals the one remembered everywhere else would be taken apart to the same result; any
//! other goes the long way. Which values differ is learnt from the headers that did.

use std::ops::Range;

use super::{LastDigits, Layout, TEXT_END, VARYING_MAX, are_keys_of, same};
use crate::Language;
use crate::fields::{Entry, Ext, Span};
use crate::header::binary::Input;
use crate::header::{Header, Known};

/// A binary header and what of it may change.
#[derive(Debug, Default)]
pub(super) struct BinaryLayout {
    /// The header as it came.
    image: Vec<u8>,
    code: i32,
    flag: i32,
    version: i32,
    language: Language,
    /// Keys and values, one behind the other.
    text: String,
    /// Positions in `text`, but for varying values: those lie in what was read of the header at hand.
    entries: Vec<Entry>,
    /// Values that are read anew from each header, in order.
    varying: Vec<Varying>,
    /// Nothing if the code has no row.
    known: Option<Known>,
}

/// A value that is read anew from each header.
#[derive(Debug)]
struct Varying {
    /// Its length and its bytes in `BinaryLayout::image`.
    place: Range<usize>,
    entry: usize,
    last: LastDigits,
}

impl BinaryLayout {
    /// [`Layout::learn`]; `None` for false.
    fn take_over(&mut self, header: &Header<'_>, bytes: &[u8]) -> Option<()> {
        let alike = self.code == header.code && are_keys_of(&self.entries, &self.text, header);
        let mut text = String::new();
        let mut varying = Vec::new();
        let mut entries = Vec::new();
        let mut fields = Input { rest: bytes.get(FIELDS_AT..)? };
        for (entry, (key, value)) in header.ext.iter().enumerate() {
            // Fields that the header leaves out, or whose bytes it replaced, are not where they are looked for.
            let key_is_alike = fields.short_text("").ok()? == key.as_bytes();
            let start = bytes.len() - fields.rest.len();
            let value_is_alike = fields.long_text("").ok()? == value.as_bytes();
            if !key_is_alike || !value_is_alike {
                return None;
            }
            let differs = |known: &Self| {
                known.varying.iter().any(|one| one.entry == entry)
                    || known.entries[entry].value.of(&known.text, "") != value
            };
            if alike && differs(self) {
                varying.push(Varying {
                    place: start..bytes.len() - fields.rest.len(),
                    entry,
                    last: LastDigits::default(),
                });
            }
            let at = text.len();
            text.push_str(key);
            let value_at = text.len();
            text.push_str(value);
            entries.push(Entry { key: Span::plain(at, value_at), value: Span::plain(value_at, text.len()) });
        }
        if !fields.rest.is_empty() || varying.len() > VARYING_MAX {
            return None;
        }
        (self.code, self.flag) = (header.code, header.flag);
        (self.version, self.language) = (header.version, header.language);
        self.image.clear();
        self.image.extend_from_slice(bytes);
        (self.text, self.entries, self.varying) = (text, entries, varying);
        self.known = Known::of(header.code, &header.ext);
        Some(())
    }
}

impl Layout for BinaryLayout {
    type Spelled<'b> = &'b [u8];

    fn spelled<'b>(header: &Header<'_>, bytes: &'b [u8]) -> Option<&'b [u8]> {
        header.remark.is_none().then_some(bytes)
    }

    fn learn(&mut self, header: &Header<'_>, bytes: &[u8]) -> bool {
        self.take_over(header, bytes).is_some()
    }

    fn code(&self) -> i32 {
        self.code
    }

    fn read(&mut self, bytes: &[u8], texts: &mut Vec<u8>) -> Option<i32> {
        let image = &self.image[..];
        let (head, fields) = bytes.split_at_checked(FIELDS_AT)?;
        let opaque = i32::from_be_bytes(*head[OPAQUE_AT..].first_chunk()?);
        let fields_len = u32::from_be_bytes(*head[FIELDS_AT - 4..].first_chunk()?);
        let behind_opaque = OPAQUE_AT + 4..FIELDS_AT - 4;
        let is_alike = head[..OPAQUE_AT] == image[..OPAQUE_AT]
            && head[behind_opaque.clone()] == image[behind_opaque]
            && usize::try_from(fields_len) == Ok(fields.len());
        if !is_alike {
            return None;
        }
        let mut input = Input { rest: fields };
        let mut compared = FIELDS_AT;
        for Varying { place, entry, last } in &mut self.varying {
            let (constant, rest) = input.rest.split_at_checked(place.start - compared)?;
            if !same(constant, &image[compared..place.start]) {
                return None;
            }
            input.rest = rest;
            let value = input.long_text("").ok().filter(|value| !value.is_empty())?;
            let end = bytes.len() - input.rest.len();
            let start = end - value.len();
            let number =
                last.read(bytes, start).filter(|(_, behind)| *behind == end).map(|(number, _)| number);
            self.entries[*entry].value = if number.is_some() {
                Span::digits(start, end)
            } else {
                let from = texts.len();
                texts.extend_from_slice(value);
                texts.push(TEXT_END);
                Span::unescaped(from, from + value.len())
            };
            if let Some(known) = &mut self.known {
                known.set_number(*entry, number);
            }
            compared = place.end;
        }
        same(input.rest, &image[compared..]).then_some(opaque)
    }

    #[inline]
    fn header<'a>(&'a self, opaque: i32, bytes: &'a [u8], texts: &'a str) -> Header<'a> {
        Header {
            code: self.code,
            flag: self.flag,
            opaque,
            version: self.version,
            language: self.language,
            remark: None,
            ext: Ext {
                text: &self.text,
                unescaped: texts,
                bytes,
                entries: &self.entries,
                known: self.known.as_ref(),
            },
        }
    }
}

/// Behind the code, the language and the version.
const OPAQUE_AT: usize = 5;
/// Behind the opaque, the flag, the length of an empty remark and the length of the fields.
const FIELDS_AT: usize = OPAQUE_AT + 4 * 4;
