//! [`JsonLayout`]: what the JSON headers of one connection look like, so that the next one is compared instead of
//! scanned.
//!
//! A header that equals the one remembered everywhere but in the values that vary, and has a value of the same kind in
//! each of their places, would take the scanner through the same steps to the same result.

use std::ops::Range;

use super::escaped::EscapedText;
use super::{LastDigits, Layout, TEXT_END, VARYING_MAX, are_keys_of, same};
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
    /// The header read last had that text and no other that varies but numbers, so it is taken from there.
    is_escaped_alone: bool,
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
    last: LastDigits,
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
        self.places.push(Varying { place, what: What::Opaque, last: LastDigits::default() });
    }

    fn text_field(&mut self, entry: usize, place: Range<usize>) {
        self.places.push(Varying { place, what: What::Field(entry), last: LastDigits::default() });
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
        let image = self.text.as_bytes();
        let mut opaque = self.opaque;
        let (mut at, mut compared) = (0, 0);
        self.is_escaped_alone = false;
        for Varying { place, what, last } in &mut self.varying {
            let behind = at + (place.start - compared);
            if !same(bytes.get(at..behind)?, &image[compared..place.start]) {
                return None;
            }
            (at, compared) = (behind, place.end);
            let entry = match *what {
                What::Opaque => {
                    (opaque, at) = number(last, bytes, at)?;
                    continue;
                }
                What::Field(entry) => entry,
            };
            let (value, number);
            if let Some(end) = self.escaped.read(entry, bytes, at) {
                let plain = self.escaped.plain();
                self.is_escaped_alone = texts.is_empty();
                value =
                    if texts.is_empty() { Span::unescaped(0, plain.len()) } else { appended(texts, plain) };
                (number, at) = (None, end);
            } else if let Some((said, end)) =
                last.read(bytes, at).filter(|(_, end)| bytes.get(*end) == Some(&b'"'))
            {
                (value, number, at) = (Span::digits(at, end), Some(said), end);
            } else {
                // Texts are looked for in one place.
                if std::mem::take(&mut self.is_escaped_alone) {
                    appended(texts, self.escaped.plain());
                }
                let (inside, from) = (at, texts.len());
                at = json::text_into(bytes, at, texts)?;
                self.escaped.missed(entry, &bytes[inside..at], &texts[from..]);
                (value, number) = (Span::unescaped(from, texts.len()), None);
                texts.push(TEXT_END);
            }
            self.entries[entry].value = value;
            if let Some(known) = &mut self.known {
                known.set_number(entry, number);
            }
        }
        same(&bytes[at..], &image[compared..]).then_some(opaque)
    }

    #[inline]
    fn header<'a>(&'a self, opaque: i32, bytes: &'a [u8], texts: &'a str) -> Header<'a> {
        let text = self.text.as_str();
        let unescaped = if self.is_escaped_alone { self.escaped.plain_text() } else { texts };
        Header {
            code: self.code,
            flag: self.flag,
            opaque,
            version: self.version,
            language: self.language,
            remark: self.remark.map(|span| span.of(text, "")),
            ext: Ext { text, unescaped, bytes, entries: &self.entries, known: self.known.as_ref() },
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

/// Appends a text to those that vary.
fn appended(texts: &mut Vec<u8>, text: &[u8]) -> Span {
    let from = texts.len();
    texts.extend_from_slice(text);
    texts.push(TEXT_END);
    Span::unescaped(from, from + text.len())
}

/// A plain number of 32 bits at `at`, and the position behind it.
#[inline]
fn number(last: &mut LastDigits, bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let (number, end) = last.read(bytes, at + usize::from(negative))?;
    let number = i32::try_from(if negative { -number } else { number }).ok()?;
    Some((number, end))
}
