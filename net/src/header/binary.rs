//! The `ROCKETMQ` header (PROTOCOL.md "Binary header"): fixed integers, then length-prefixed texts.
//!
//! Texts are copied into the scratch once, so that they are checked as UTF-8 once and the ext fields of both codecs
//! look alike. Java: `RocketMQSerializable`; it trusts the lengths, we do not.

use crate::Language;
use crate::fields::{Ext, Span};
use crate::header::{ExtWriter, Header, HeaderError, Texts};

pub(super) fn decode<'a>(bytes: &'a [u8], texts: &'a mut Texts) -> Result<Header<'a>, HeaderError> {
    let mut input = Input { rest: bytes };
    let code = whole_code(i16::from_be_bytes(input.array("code")?));
    let [language] = input.array("language")?;
    let version = i32::from(i16::from_be_bytes(input.array("version")?));
    let opaque = i32::from_be_bytes(input.array("opaque")?);
    let flag = i32::from_be_bytes(input.array("flag")?);

    let mut writer = ExtWriter { unescaped: &mut texts.unescaped, entries: &mut texts.entries };
    let remark = input.long_text("remark")?;
    let remark = (!remark.is_empty()).then(|| writer.copy(remark));
    let mut fields = Input { rest: input.long_text("ext fields")? };
    while !fields.rest.is_empty() {
        let key = fields.short_text("ext field key")?;
        let value = fields.long_text("ext field value")?;
        // Java reads an empty key or value as null, and a null value as no entry.
        if key.is_empty() || value.is_empty() {
            continue;
        }
        let key = writer.copy(key);
        let value = writer.copy(value);
        writer.push(key, value)?;
    }

    let unescaped = texts.unescaped.as_str();
    Ok(Header {
        code,
        flag,
        opaque,
        version,
        language: Language::from_number(i64::from(language)),
        remark: remark.map(|span| span.of("", unescaped)),
        ext: Ext { text: "", unescaped, entries: &texts.entries, bytes: &[], known: None },
    })
}

/// The code that is meant. The codec has 16 bits for it, and Java's clients cut those of pops (200050 to 200151) without a
/// word; no other request has what is left of them. Java's broker answers them as unknown.
fn whole_code(cut: i16) -> i32 {
    const LOST: i32 = 3 << 16;
    match i32::from(cut) {
        code @ (3442..=3471 | 3543) => code + LOST,
        code => code,
    }
}

impl ExtWriter<'_> {
    fn copy(&mut self, bytes: &[u8]) -> Span {
        let from = self.unescaped.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.unescaped.push_str(text),
            Err(_) => self.unescaped.push_str(&String::from_utf8_lossy(bytes)),
        }
        Span::unescaped(from, self.unescaped.len())
    }
}

/// What is left to read.
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], HeaderError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(HeaderError::Truncated { field })?;
        self.rest = rest;
        Ok(*head)
    }

    fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], HeaderError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(HeaderError::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn long_text(&mut self, field: &'static str) -> Result<&'a [u8], HeaderError> {
        let len = i32::from_be_bytes(self.array(field)?);
        self.take(usize::try_from(len).map_err(|_| HeaderError::Truncated { field })?, field)
    }

    pub(super) fn short_text(&mut self, field: &'static str) -> Result<&'a [u8], HeaderError> {
        let len = i16::from_be_bytes(self.array(field)?);
        self.take(usize::try_from(len).map_err(|_| HeaderError::Truncated { field })?, field)
    }
}
