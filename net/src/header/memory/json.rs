//! [`JsonLayout`]: what the JSON headers of one connection look like, so that the next one is compared instead of
//! scanned.
//!
//! A header that equals the one remembered everywhere but in the values that vary, and has a value of the same kind in
//! each of their places, would take the scanner through the same steps to the same result.

use std::ops::Range;

use super::escaped::EscapedText;
use super::{Layout, TEXT_END, VARYING_MAX, are_keys_of, digits};
use crate::Language;
use crate::fields::{Entry, Ext, Span};
use crate::header::json::{self, Places, Scanned};
use crate::header::{Header, Known};

/// A JSON header and what of it may change.
#[derive(Debug, Default)]
pub(super) struct JsonLayout {
    /// The header as it was last scanned.
    pub(super) text: String,
    code: i32,
    flag: i32,
    opaque: i32,
    version: i32,
    language: Language,
    remark: Option<Span>,
    /// Positions in `text`, but for varying values: those lie in what was read of the header at hand.
    entries: Vec<Entry>,
    /// In the order of their places.
    pub(super) varying: Vec<Varying>,
    /// Nothing if the code has no row.
    known: Option<Known>,
    /// The text whose escapes have to be taken out, if there is one: the properties of a send.
    escaped: EscapedText,
    /// Buffers for learning.
    scanned: Scanned,
    met: Met,
}

/// A value that is read anew from each header.
#[derive(Clone, Debug)]
pub(super) struct Varying {
    /// Its bytes in `JsonLayout::text`, without quotes.
    place: Range<usize>,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The bare number behind `opaque`.
    Opaque,
    /// The text of an ext field.
    Field(usize),
}

/// Where the scanner met the values that may vary.
#[derive(Debug, Default)]
struct Met {
    /// In order.
    places: Vec<Varying>,
}

impl Places for Met {
    fn opaque(&mut self, place: Range<usize>) {
        self.places.push(Varying { place, what: What::Opaque });
    }

    fn text_field(&mut self, entry: usize, place: Range<usize>) {
        self.places.push(Varying { place, what: What::Field(entry) });
    }
}

impl Layout for JsonLayout {
    type Spelled<'b> = &'b str;

    /// Bad UTF-8 is replaced by the scanner, so its positions are not those of the bytes.
    fn spelled<'b>(_: &Header<'_>, bytes: &'b [u8]) -> Option<&'b str> {
        str::from_utf8(bytes).ok()
    }

    fn learn(&mut self, header: &Header<'_>, text: &str) -> bool {
        self.met.places.clear();
        if !json::scan_with(text, &mut self.scanned, &mut self.met) {
            return false;
        }
        let is_plain = |entry: &Entry| entry.key.is_plain();
        if self.scanned.remark.is_some_and(|remark| !remark.is_plain())
            || !self.scanned.entries.iter().all(is_plain)
        {
            return false;
        }
        // Of a member that comes twice the last counts.
        if self.met.places.iter().filter(|one| one.what == What::Opaque).count() > 1 {
            return false;
        }
        let alike = self.code == header.code && are_keys_of(&self.entries, &self.text, header);
        let mut places = std::mem::take(&mut self.met.places);
        places.retain(|one| match one.what {
            What::Opaque => !text[one.place.clone()].starts_with('"'),
            What::Field(entry) => {
                // What is escaped has to be rewritten each time, so it is not compared.
                !self.scanned.entries[entry].value.is_plain()
                    || alike && (self.is_varying(entry) || self.value(entry) != &text[one.place.clone()])
            }
        });
        self.met.places = places;
        if self.met.places.len() > VARYING_MAX {
            return false;
        }
        (self.code, self.flag, self.opaque) = (header.code, header.flag, header.opaque);
        (self.version, self.language, self.remark) = (header.version, header.language, self.scanned.remark);
        std::mem::swap(&mut self.entries, &mut self.scanned.entries);
        std::mem::swap(&mut self.varying, &mut self.met.places);
        self.text.clear();
        self.text.push_str(text);
        self.known = Known::of(header.code, &header.ext);
        true
    }

    fn code(&self) -> i32 {
        self.code
    }

    fn read(&mut self, bytes: &[u8], texts: &mut Vec<u8>) -> Option<i32> {
        let known = self.text.as_bytes();
        let mut opaque = self.opaque;
        let (mut at, mut compared) = (0, 0);
        for varying in &self.varying {
            at = equal(bytes, at, &known[compared..varying.place.start])?;
            match varying.what {
                What::Opaque => (opaque, at) = number(bytes, at)?,
                What::Field(entry) => {
                    let from = texts.len();
                    let digits = digits(bytes, at);
                    if let Some((_, end)) = digits {
                        texts.extend_from_slice(&bytes[at..end]);
                        at = end;
                    } else if let Some(end) = self.escaped.read(entry, bytes, at, texts) {
                        at = end;
                    } else {
                        let inside = at;
                        at = json::text_into(bytes, at, texts)?;
                        self.escaped.missed(entry, &bytes[inside..at], &texts[from..]);
                    }
                    self.entries[entry].value = Span::unescaped(from, texts.len());
                    texts.push(TEXT_END);
                    if let Some(known) = &mut self.known {
                        known.set_number(entry, digits.map(|(number, _)| number));
                    }
                }
            }
            compared = varying.place.end;
        }
        (bytes[at..] == known[compared..]).then_some(opaque)
    }

    fn header<'a>(&'a self, opaque: i32, texts: &'a str) -> Header<'a> {
        let text = self.text.as_str();
        Header {
            code: self.code,
            flag: self.flag,
            opaque,
            version: self.version,
            language: self.language,
            remark: self.remark.map(|span| span.of(text, "")),
            ext: Ext { text, unescaped: texts, entries: &self.entries, known: self.known.as_ref() },
        }
    }
}

impl JsonLayout {
    fn is_varying(&self, entry: usize) -> bool {
        self.varying.iter().any(|one| one.what == What::Field(entry))
    }

    /// The value of an entry that does not vary.
    fn value(&self, entry: usize) -> &str {
        self.entries[entry].value.of(&self.text, "")
    }
}

/// The position behind `constant`, if it stands at `at`.
#[inline]
fn equal(bytes: &[u8], at: usize, constant: &[u8]) -> Option<usize> {
    let to = at + constant.len();
    (bytes.get(at..to)? == constant).then_some(to)
}

/// A plain number of 32 bits at `at`, and the position behind it.
#[inline]
fn number(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let first = at + usize::from(negative);
    let mut number = 0_i64;
    let mut next = first;
    while let Some(digit @ b'0'..=b'9') = bytes.get(next) {
        number = number * 10 + i64::from(digit - b'0');
        next += 1;
        if next - first > DIGITS_MAX {
            return None;
        }
    }
    let number = i32::try_from(if negative { -number } else { number }).ok()?;
    (next > first).then_some((number, next))
}

/// Digits of the largest 32-bit number.
const DIGITS_MAX: usize = 10;
