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
        escaped(out, remark);
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
        escaped(self.out, value);
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
fn format_decimal(digits: &mut [u8; DIGITS_MAX], value: i64) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

/// Appends `text` as the inside of a JSON string. Control characters, quotes and backslashes only, as fastjson2.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Without early exit, so that it vectorises: nearly every text has nothing to escape.
    if !bytes.iter().fold(false, |found, byte| found | needs_escape(*byte)) {
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
