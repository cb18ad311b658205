//! The JSON header (PROTOCOL.md "JSON header"): a scanner that goes over the bytes once and keeps positions.
//!
//! It understands the eight members that matter in any order and skips the rest. The header is checked as UTF-8 as a
//! whole, up front, so that every text is a plain slice of it.

use std::ops::Range;

use memchr::memchr2;

use crate::Language;
use crate::fields::{Entry, Ext, Span};
use crate::header::{ExtWriter, Header, HeaderError, JSON_DEPTH_MAX, Texts};

pub(super) fn decode<'a>(bytes: &'a [u8], texts: &'a mut Texts) -> Result<Header<'a>, HeaderError> {
    let Texts { lossy, unescaped, entries } = texts;
    let text: &'a str = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            // A C++ client that puts GBK into its properties is answered, not cut off.
            lossy.push_str(&String::from_utf8_lossy(bytes));
            lossy
        }
    };
    let ext = ExtWriter { unescaped, entries };
    let mut scanner = Scanner { text, at: 0, ext, fault: None, places: &mut Unnoticed };
    let members = scanner.header().map_err(|Stop| scanner.fault.expect("a stop leaves its reason"))?;
    let (unescaped, entries) = (&*unescaped, &*entries);
    let ext = Ext { text, unescaped, entries, bytes: &[], known: None };
    Ok(Header {
        code: members.code,
        flag: members.flag,
        opaque: members.opaque,
        version: members.version,
        language: members.language,
        remark: members.remark.map(|span| span.of(text, unescaped)),
        ext,
    })
}

/// Where values were met; positions are bytes of the header, in ascending order.
pub(super) trait Places {
    /// The value of a member `opaque`.
    fn opaque(&mut self, place: Range<usize>);
    /// The inside of the text that ext field `entry` has.
    fn text_field(&mut self, entry: usize, place: Range<usize>);
}

/// Nobody wants to know.
struct Unnoticed;

impl Places for Unnoticed {
    fn opaque(&mut self, _: Range<usize>) {}
    fn text_field(&mut self, _: usize, _: Range<usize>) {}
}

/// What [`scan_with`] finds besides the places; reused.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) remark: Option<Span>,
    pub(super) entries: Vec<Entry>,
    unescaped: String,
}

/// Scans a header once more, telling `places`. False if it is none.
pub(super) fn scan_with(text: &str, into: &mut Scanned, places: &mut impl Places) -> bool {
    into.entries.clear();
    into.unescaped.clear();
    let ext = ExtWriter { unescaped: &mut into.unescaped, entries: &mut into.entries };
    let mut scanner = Scanner { text, at: 0, ext, fault: None, places };
    let Ok(members) = scanner.header() else { return false };
    into.remark = members.remark;
    true
}

/// Appends the text whose inside begins at `from`, without its escapes; the position of its closing quote. `None` if
/// the scanner has to say what is wrong. That it is UTF-8 is not checked.
#[inline]
pub(super) fn text_into(bytes: &[u8], from: usize, into: &mut Vec<u8>) -> Option<usize> {
    let end = plain_end(bytes, from);
    if bytes.get(end) == Some(&b'"') {
        into.extend_from_slice(&bytes[from..end]);
        return Some(end);
    }
    escaped_text_into(bytes, from, into)
}

/// The same for a text with escapes. Escapes stand for whole characters, so the text is UTF-8 without them exactly if it
/// is with them.
fn escaped_text_into(bytes: &[u8], from: usize, into: &mut Vec<u8>) -> Option<usize> {
    let mut rest = &bytes[from..];
    loop {
        let run = memchr2(b'"', b'\\', rest)?;
        into.extend_from_slice(&rest[..run]);
        rest = &rest[run..];
        if rest[0] == b'"' {
            return Some(bytes.len() - rest.len());
        }
        let read = match rest {
            // The separators of properties: most of all there is.
            [_, b'u', b'0', b'0', b'0', digit @ b'0'..=b'9', ..] => {
                into.push(digit - b'0');
                6
            }
            [_, letter @ (b'"' | b'\\' | b'/'), ..] => {
                into.push(*letter);
                2
            }
            _ => {
                let escape = &rest[..rest.len().min(ESCAPE_BYTES_MAX)];
                // What is cut off or bad behind it belongs to what follows.
                let text = escape.utf8_chunks().next()?.valid();
                let (letter, read) = unescape(text).ok()?;
                into.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                read
            }
        };
        rest = &rest[read..];
    }
}

/// Bytes of the longest escape: both halves of a pair.
const ESCAPE_BYTES_MAX: usize = 12;

#[derive(Default)]
struct Members {
    code: i32,
    flag: i32,
    opaque: i32,
    version: i32,
    language: Language,
    remark: Option<Span>,
}

/// A value that was read.
enum Scalar {
    Text(Span),
    /// A number, a boolean, or the raw text of an object or list.
    Bare(Span),
    Null,
}

/// Scanning ends here; the reason is in [`Scanner::fault`], so that results fit into registers.
#[derive(Clone, Copy)]
struct Stop;

struct Scanner<'t, 's, P> {
    text: &'t str,
    at: usize,
    ext: ExtWriter<'s>,
    fault: Option<HeaderError>,
    places: &'s mut P,
}

impl<P: Places> Scanner<'_, '_, P> {
    fn header(&mut self) -> Result<Members, Stop> {
        let mut members = Members::default();
        self.blanks();
        self.expect(b'{', "{")?;
        let mut first = true;
        while self.more(&mut first, b'}')? {
            let name = self.name()?;
            match self.slice(name) {
                "code" => members.code = self.number("code")?,
                "flag" => members.flag = self.number("flag")?,
                "opaque" => {
                    let from = self.at;
                    members.opaque = self.number("opaque")?;
                    self.places.opaque(from..self.at);
                }
                "version" => members.version = self.number("version")?,
                "language" => members.language = self.language()?,
                "remark" => {
                    members.remark = match self.value(1)? {
                        Scalar::Text(span) => Some(span),
                        _ => None,
                    }
                }
                "extFields" => self.ext_fields()?,
                _ => {
                    self.value(1)?;
                }
            }
        }
        self.blanks();
        if self.at < self.text.len() { Err(self.syntax("the end")) } else { Ok(members) }
    }

    fn ext_fields(&mut self) -> Result<(), Stop> {
        if self.peek() != Some(b'{') {
            self.value(1)?;
            return Ok(());
        }
        self.at += 1;
        let mut first = true;
        while self.more(&mut first, b'}')? {
            let key = self.name()?;
            let from = self.at;
            let value = match self.value(2)? {
                Scalar::Text(value) => {
                    self.places.text_field(self.ext.entries.len(), from + 1..self.at - 1);
                    value
                }
                Scalar::Bare(value) => value,
                Scalar::Null => continue,
            };
            self.ext.push(key, value).map_err(|fault| self.stop(fault))?;
        }
        Ok(())
    }

    /// A number, or a text that is one: fastjson takes both. Null is 0.
    fn number(&mut self, member: &'static str) -> Result<i32, Stop> {
        match self.value(1)? {
            Scalar::Text(span) | Scalar::Bare(span) => {
                let number = self.slice(span).parse();
                number.map_err(|_| self.stop(HeaderError::NotANumber { member }))
            }
            Scalar::Null => Ok(0),
        }
    }

    fn language(&mut self) -> Result<Language, Stop> {
        Ok(match self.value(1)? {
            Scalar::Text(span) => Language::from_name(self.slice(span)),
            Scalar::Bare(span) => self.slice(span).parse().map_or(Language::Other, Language::from_number),
            Scalar::Null => Language::default(),
        })
    }

    /// A member name and its colon; stands at the value then.
    fn name(&mut self) -> Result<Span, Stop> {
        let name = self.string()?;
        self.blanks();
        self.expect(b':', ":")?;
        self.blanks();
        Ok(name)
    }

    /// Whether another element follows before `close`; stands at it then.
    fn more(&mut self, first: &mut bool, close: u8) -> Result<bool, Stop> {
        self.blanks();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::replace(first, false) {
            self.expect(b',', ",")?;
            self.blanks();
        }
        Ok(true)
    }

    fn value(&mut self, depth: usize) -> Result<Scalar, Stop> {
        let from = self.at;
        match self.peek() {
            Some(b'"') => Ok(Scalar::Text(self.string()?)),
            Some(b'{' | b'[') => {
                self.skip_nested(depth + 1)?;
                Ok(Scalar::Bare(Span::plain(from, self.at)))
            }
            _ => {
                let bare = self.text.as_bytes()[from..].iter();
                let len =
                    bare.take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
                if len == 0 {
                    return Err(self.syntax("a value"));
                }
                self.at += len;
                let span = Span::plain(from, self.at);
                Ok(if self.slice(span) == "null" { Scalar::Null } else { Scalar::Bare(span) })
            }
        }
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), Stop> {
        if depth > JSON_DEPTH_MAX {
            return Err(self.stop(HeaderError::TooDeep { limit: JSON_DEPTH_MAX }));
        }
        let close = if self.peek() == Some(b'{') { b'}' } else { b']' };
        self.at += 1;
        let mut first = true;
        while self.more(&mut first, close)? {
            if close == b'}' {
                self.name()?;
            }
            self.value(depth)?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Span, Stop> {
        self.expect(b'"', "\"")?;
        let from = self.at;
        self.at = plain_end(self.text.as_bytes(), from);
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Span::plain(from, self.at - 1))
            }
            Some(_) => self.unescape(from),
            None => Err(self.syntax("\"")),
        }
    }

    /// The rest of a string whose first escape is at `self.at`, rewritten into the scratch.
    fn unescape(&mut self, start: usize) -> Result<Span, Stop> {
        let target = self.ext.unescaped.len();
        let mut from = start;
        loop {
            self.ext.unescaped.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => break,
                Some(_) => self.escape()?,
                None => return Err(self.syntax("\"")),
            }
            from = self.at;
            self.at = plain_end(self.text.as_bytes(), from);
        }
        self.at += 1;
        Ok(Span::unescaped(target, self.ext.unescaped.len()))
    }

    /// One escape, `self.at` at its backslash.
    fn escape(&mut self) -> Result<(), Stop> {
        match unescape(&self.text[self.at..]) {
            Ok((letter, read)) => {
                self.ext.unescaped.push(letter);
                self.at += read;
                Ok(())
            }
            Err(BadEscape { read, expected }) => {
                self.at += read;
                Err(self.syntax(expected))
            }
        }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(self.syntax(name));
        }
        self.at += 1;
        Ok(())
    }

    fn slice(&self, span: Span) -> &str {
        span.of(self.text, self.ext.unescaped)
    }

    #[cold]
    fn syntax(&mut self, expected: &'static str) -> Stop {
        self.stop(HeaderError::Syntax { at: self.at, expected })
    }

    #[cold]
    fn stop(&mut self, fault: HeaderError) -> Stop {
        self.fault = Some(fault);
        Stop
    }
}

/// An escape that is none: what was missing, and how far behind the backslash.
struct BadEscape {
    read: usize,
    expected: &'static str,
}

/// The character of the escape at the start of `text`, and the length of the escape.
fn unescape(text: &str) -> Result<(char, usize), BadEscape> {
    let plain = match text.as_bytes().get(1) {
        Some(letter @ (b'"' | b'\\' | b'/')) => char::from(*letter),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(text),
        Some(_) => return Err(BadEscape { read: 2, expected: "a known escape" }),
        None => return Err(BadEscape { read: 1, expected: "an escape" }),
    };
    Ok((plain, 2))
}

/// The digits of `\u`, and of a second one if they are half a pair. Half a pair alone becomes U+FFFD.
fn unescape_unicode(text: &str) -> Result<(char, usize), BadEscape> {
    let high = hex4(text, 2)?;
    let or_replacement = |number| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    if !(0xD800..0xDC00).contains(&high) {
        return Ok((or_replacement(high), 6));
    }
    if !text.as_bytes()[6..].starts_with(b"\\u") {
        return Ok((char::REPLACEMENT_CHARACTER, 6));
    }
    let low = hex4(text, 8)?;
    if !(0xDC00..0xE000).contains(&low) {
        return Ok((char::REPLACEMENT_CHARACTER, 6));
    }
    Ok((or_replacement(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), 12))
}

/// Four digits at byte `at` of an escape.
fn hex4(text: &str, at: usize) -> Result<u32, BadEscape> {
    let digits = text.as_bytes()[at..].first_chunk::<4>();
    let digits = digits.ok_or(BadEscape { read: at, expected: "four digits" })?;
    let mut number = 0;
    for digit in digits {
        let value = char::from(*digit).to_digit(16);
        number = number * 16 + value.ok_or(BadEscape { read: at, expected: "a hex digit" })?;
    }
    Ok(number)
}

/// Where the run of bytes without quote and backslash that starts at `from` ends. Eight at a time: the texts of a
/// header are most of its bytes.
fn plain_end(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let mut at = from;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\'));
    tail.map_or(bytes.len(), |offset| at + offset)
}
