//! The JSON header (PROTOCOL.md "JSON header"): a scanner that goes over the bytes once and keeps positions.
//!
//! It understands the eight members that matter in any order and skips the rest. The header is checked as UTF-8 as a
//! whole, up front, so that every text is a plain slice of it.

use crate::Language;
use crate::fields::{Ext, Span};
use crate::header::{ExtWriter, Header, HeaderError, JSON_DEPTH_MAX, Scratch};

pub(super) fn decode<'a>(bytes: &'a [u8], scratch: &'a mut Scratch) -> Result<Header<'a>, HeaderError> {
    let Scratch { lossy, unescaped, entries } = scratch;
    let text: &'a str = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            // A C++ client that puts GBK into its properties is answered, not cut off.
            lossy.push_str(&String::from_utf8_lossy(bytes));
            lossy
        }
    };
    let mut scanner = Scanner { text, at: 0, ext: ExtWriter { unescaped, entries }, fault: None };
    let members = scanner.header().map_err(|Stop| scanner.fault.expect("a stop leaves its reason"))?;
    let (unescaped, entries) = (&*unescaped, &*entries);
    let ext = Ext { text, unescaped, entries };
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

struct Scanner<'t, 's> {
    text: &'t str,
    at: usize,
    ext: ExtWriter<'s>,
    fault: Option<HeaderError>,
}

impl<'t> Scanner<'t, '_> {
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
                "opaque" => members.opaque = self.number("opaque")?,
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
            match self.value(2)? {
                Scalar::Text(value) | Scalar::Bare(value) => {
                    self.ext.push(key, value).map_err(|fault| self.stop(fault))?
                }
                Scalar::Null => {}
            }
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
        self.at += 1;
        let letter = self.peek().ok_or_else(|| self.syntax("an escape"))?;
        self.at += 1;
        let plain = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(self.syntax("a known escape")),
        };
        self.ext.unescaped.push(plain);
        Ok(())
    }

    /// The digits of `\u`, and of a second one if they are half a pair. Half a pair alone becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Stop> {
        let high = self.hex4()?;
        if !(0xD800..0xDC00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        self.at += 2;
        let low = self.hex4()?;
        if !(0xDC00..0xE000).contains(&low) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let pair = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, Stop> {
        let digits =
            self.text.as_bytes().get(self.at..self.at + 4).ok_or_else(|| self.syntax("four digits"))?;
        let mut number = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or_else(|| self.syntax("a hex digit"))?;
            number = number * 16 + value;
        }
        self.at += 4;
        Ok(number)
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
