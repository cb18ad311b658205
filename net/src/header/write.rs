//! Headers to bytes, as Java writes them: members sorted by name, no blanks, ext values as strings, nothing null.
//!
//! Only appends to a `Vec` that its owner reuses; every literal piece is one copy of a constant.

use crate::fields::{FieldSink, Fields, Key};
use crate::{Codec, Language};

/// The version ordinal we answer and ask with: `V5_5_1` (spec/since-5.3.md 1). It opens every gate of every client:
/// SQL92 from 232, standard JSON routes from 401, GO_AWAY above 475.
pub const OUR_VERSION: i16 = 515;
/// Every client knows it; `RUST` is null to older ones.
pub const OUR_LANGUAGE: Language = Language::Java;

/// The members of a header but its ext fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'a> {
    pub(crate) code: i32,
    pub(crate) flag: i32,
    pub(crate) opaque: i32,
    pub(crate) remark: Option<&'a str>,
}

/// Appends a header.
pub(crate) fn header<F: Fields>(out: &mut Vec<u8>, codec: Codec, members: &Members<'_>, fields: &F) {
    match codec {
        Codec::Json => json(out, members, fields),
        Codec::Binary => binary(out, members, fields),
    }
}

fn json<F: Fields>(out: &mut Vec<u8>, members: &Members<'_>, fields: &F) {
    out.extend_from_slice(b"{\"code\":");
    decimal(out, i64::from(members.code));
    if !fields.is_empty() {
        out.extend_from_slice(b",\"extFields\":{");
        fields.emit(&mut JsonSink { out, first: true });
        out.push(b'}');
    }
    out.extend_from_slice(b",\"flag\":");
    decimal(out, i64::from(members.flag));
    out.extend_from_slice(b",\"language\":\"JAVA\",\"opaque\":");
    decimal(out, i64::from(members.opaque));
    if let Some(remark) = members.remark {
        out.extend_from_slice(b",\"remark\":\"");
        escaped(out, remark.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":515}");
}

const _: () = assert!(OUR_VERSION == 515 && matches!(OUR_LANGUAGE, Language::Java));

fn binary<F: Fields>(out: &mut Vec<u8>, members: &Members<'_>, fields: &F) {
    // Java truncates the same way: codes above 32767 are unusable in this codec (PROTOCOL.md "Binary header").
    out.extend_from_slice(&(members.code as i16).to_be_bytes());
    out.push(OUR_LANGUAGE as u8);
    out.extend_from_slice(&OUR_VERSION.to_be_bytes());
    out.extend_from_slice(&members.opaque.to_be_bytes());
    out.extend_from_slice(&members.flag.to_be_bytes());
    long_text(out, members.remark.unwrap_or("").as_bytes());
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    fields.emit(&mut BinarySink { out });
    let len = u32::try_from(out.len() - at - 4).expect("ext fields below 4 GiB");
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

struct JsonSink<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl JsonSink<'_> {
    fn key(&mut self, key: Key) {
        let skip = usize::from(std::mem::replace(&mut self.first, false));
        self.out.extend_from_slice(&key.json.as_bytes()[skip..]);
    }
}

impl FieldSink for JsonSink<'_> {
    fn text(&mut self, key: Key, value: &str) {
        self.key(key);
        escaped(self.out, value.as_bytes());
        self.out.push(b'"');
    }

    fn int(&mut self, key: Key, value: i64) {
        self.key(key);
        decimal(self.out, value);
        self.out.push(b'"');
    }

    fn flag(&mut self, key: Key, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true\"" } else { b"false\"" });
    }
}

struct BinarySink<'o> {
    out: &'o mut Vec<u8>,
}

impl BinarySink<'_> {
    fn key(&mut self, key: Key) {
        let len = i16::try_from(key.plain.len()).expect("keys of rows are short");
        self.out.extend_from_slice(&len.to_be_bytes());
        self.out.extend_from_slice(key.plain.as_bytes());
    }
}

impl FieldSink for BinarySink<'_> {
    fn text(&mut self, key: Key, value: &str) {
        self.key(key);
        long_text(self.out, value.as_bytes());
    }

    fn int(&mut self, key: Key, value: i64) {
        let mut digits = [0; DIGITS_MAX];
        self.key(key);
        long_text(self.out, format_decimal(&mut digits, value));
    }

    fn flag(&mut self, key: Key, value: bool) {
        self.key(key);
        long_text(self.out, if value { b"true" } else { b"false" });
    }
}

fn long_text(out: &mut Vec<u8>, text: &[u8]) {
    let len = i32::try_from(text.len()).expect("a text below 2 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text);
}

/// Longest decimal form of an `i64`, sign included.
const DIGITS_MAX: usize = 20;

/// Appends `value` in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0; DIGITS_MAX];
    out.extend_from_slice(format_decimal(&mut digits, value));
}

/// `value` in decimal, at the end of `digits`.
#[inline]
fn format_decimal(digits: &mut [u8; DIGITS_MAX], value: i64) -> &[u8] {
    let mut at = pairs_of(value.unsigned_abs(), digits);
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

/// Writes `value` in decimal to the end of `digits`, which are enough of them; where it begins.
#[inline]
pub(crate) fn pairs_of(value: u64, digits: &mut [u8]) -> usize {
    let mut rest = value;
    let mut at = digits.len();
    // Two digits a division: an offset of eight digits takes four.
    while rest >= 100 {
        let pair = (rest % 100) as usize;
        rest /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair]);
    }
    if rest >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[rest as usize]);
    } else {
        at -= 1;
        digits[at] = b'0' + rest as u8;
    }
    at
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Appends text in UTF-8 as the inside of a JSON string. Control characters, quotes and backslashes only, as fastjson2.
pub(crate) fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if !any_needs_escape(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| needs_escape(**byte)) {
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        escape(out, *byte);
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Eight bytes at a time: nearly every text is short and has nothing to escape.
#[inline]
pub(crate) fn any_needs_escape(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.iter().any(|byte| needs_escape(*byte)) };
    let (words, _) = bytes.as_chunks::<8>();
    // The last eight bytes may overlap those before them.
    words.iter().fold(word_needs_escape(*last), |found, word| found | word_needs_escape(*word)) != 0
}

/// Not zero if one of eight bytes needs an escape: the high bit of a byte is set where taking away its limit borrows.
#[inline]
fn word_needs_escape(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_ne_bytes(bytes);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equal_to = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal_to(b'"') | equal_to(b'\\')) & HIGHS
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0C => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_needs_an_escape_exactly_if_it_is_one() {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 32] {
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    for around in [b'a', 0x7F, 0x80, 0xFF, 0x21, b'#', b'['] {
                        let mut bytes = vec![around; len];
                        bytes[place] = byte;
                        assert_eq!(
                            any_needs_escape(&bytes),
                            needs_escape(byte),
                            "{byte} at {place} of {len}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn decimals_are_those_of_the_standard_library() {
        let around = |power: u32| [10_i64.pow(power) - 1, 10_i64.pow(power), 10_i64.pow(power) + 1];
        for value in (0..19).flat_map(around).chain([i64::MAX, 0, 5, 42]) {
            for value in [value, -value] {
                let mut out = Vec::new();
                decimal(&mut out, value);
                assert_eq!(out, value.to_string().as_bytes());
            }
        }
        let mut out = Vec::new();
        decimal(&mut out, i64::MIN);
        assert_eq!(out, i64::MIN.to_string().as_bytes());
    }
}
