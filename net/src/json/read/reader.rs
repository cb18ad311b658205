//! [`Reader`]: a place in the text of a body, and what stands there. Knows the dialects, and nothing of serde.

use std::borrow::Cow;
use std::str::FromStr;

use super::{DEPTH_MAX, ReadError};

/// See the module. After an error it stands anywhere.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

/// A value that is no list and no object.
pub(super) enum Scalar<'t> {
    Text(Cow<'t, str>),
    /// A number, `true`, `false`.
    Bare(&'t str),
    Null,
}

impl<'t> Reader<'t> {
    /// At the start of `text`, which lies `depth` lists and objects deep in the body.
    pub(super) fn new(text: &'t str, depth: usize) -> Self {
        Self { text, at: 0, depth }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    pub(super) fn syntax(&self, expected: &'static str) -> ReadError {
        ReadError::Syntax { at: self.at, expected }
    }

    pub(super) fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), ReadError> {
        self.blanks();
        if self.peek() != Some(byte) {
            return Err(self.syntax(name));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes into a list or object.
    pub(super) fn enter(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(ReadError::TooDeep) } else { Ok(()) }
    }

    /// Whether another element follows before `close`, stray commas skipped; leaves the list or object if not.
    pub(super) fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, ReadError> {
        self.blanks();
        let mut commas = 0;
        while self.peek() == Some(b',') {
            self.at += 1;
            commas += 1;
            self.blanks();
        }
        if self.peek() == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !std::mem::replace(first, false) && commas == 0 {
            return Err(self.syntax(","));
        }
        Ok(true)
    }

    pub(super) fn scalar(&mut self) -> Result<Scalar<'t>, ReadError> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Ok(Scalar::Text(self.string(quote)?)),
            _ => match self.bare()? {
                "null" | "undefined" => Ok(Scalar::Null),
                text => Ok(Scalar::Bare(text)),
            },
        }
    }

    /// A run of characters that need no quotes.
    fn bare(&mut self) -> Result<&'t str, ReadError> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._$%@".contains(byte) || *byte >= 0x80;
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.syntax("a value"));
        }
        self.at += len;
        Ok(&self.text[self.at - len..self.at])
    }

    pub(super) fn string(&mut self, quote: u8) -> Result<Cow<'t, str>, ReadError> {
        self.at += 1;
        let from = self.at;
        let rest = &self.text.as_bytes()[from..];
        let len = rest.iter().position(|byte| *byte == quote || *byte == b'\\');
        self.at += len.ok_or_else(|| self.syntax("the end of a string"))?;
        if self.peek() == Some(quote) {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[from..self.at - 1]));
        }
        let mut out = self.text[from..self.at].to_owned();
        self.unescape(quote, &mut out)?;
        Ok(Cow::Owned(out))
    }

    fn unescape(&mut self, quote: u8, out: &mut String) -> Result<(), ReadError> {
        loop {
            let letter =
                self.text[self.at..].chars().next().ok_or_else(|| self.syntax("the end of a string"))?;
            self.at += letter.len_utf8();
            if letter == char::from(quote) {
                return Ok(());
            }
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            let escape = self.peek().ok_or_else(|| self.syntax("an escape"))?;
            self.at += 1;
            out.push(match escape {
                b'"' | b'\'' | b'\\' | b'/' => char::from(escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'0' => '\0',
                b'v' => '\u{b}',
                b'x' => char::from_u32(self.hex(2)?).unwrap_or(char::REPLACEMENT_CHARACTER),
                b'u' => self.unicode()?,
                _ => return Err(self.syntax("a known escape")),
            });
        }
    }

    fn unicode(&mut self) -> Result<char, ReadError> {
        let high = self.hex(4)?;
        if !(0xD800..0xDC00).contains(&high) || !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        self.at += 2;
        let low = self.hex(4)?;
        if !(0xDC00..0xE000).contains(&low) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let pair = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, count: usize) -> Result<u32, ReadError> {
        let digits =
            self.text.as_bytes().get(self.at..self.at + count).ok_or_else(|| self.syntax("hex digits"))?;
        let mut number = 0;
        for digit in digits {
            number =
                number * 16 + char::from(*digit).to_digit(16).ok_or_else(|| self.syntax("a hex digit"))?;
        }
        self.at += count;
        Ok(number)
    }

    /// Skips a value of any kind.
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        self.blanks();
        let close = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return self.scalar().map(drop),
        };
        self.enter()?;
        let mut first = true;
        while self.more(close, &mut first)? {
            self.skip()?;
            if close == b'}' {
                self.expect(b':', ":")?;
                self.skip()?;
            }
        }
        Ok(())
    }

    /// A number: as such, as text, or nothing for 0. `None`: it is none.
    pub(super) fn number<N: FromStr + Default>(&mut self) -> Result<N, ReadError> {
        self.blanks();
        let text = match self.scalar()? {
            Scalar::Null => return Ok(N::default()),
            Scalar::Text(text) if text.is_empty() => return Ok(N::default()),
            Scalar::Text(text) => text,
            Scalar::Bare(text) => Cow::Borrowed(text),
        };
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        text.parse().or_else(|_| whole.parse()).map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            ReadError::Shape(format!("{shown:?} is no number of its kind"))
        })
    }
}
