//! [`EscapedText`]: a text with escapes that comes again and again with other values between them.
//!
//! The properties of a message are the longest text of its header, and Java escapes each of their separators. From one
//! message to the next of a producer the separators stay where they are, and so do most values. The memory keeps one
//! text and the stretches between escapes that were seen to differ: a text that is equal everywhere else, and has
//! nothing special in these stretches, is put together from pieces instead of being searched for its escapes.

use std::ops::Range;

use super::{HEADER_BYTES_MAX, Tries, same};

/// One text of the headers of a connection.
#[derive(Debug, Default)]
pub(super) struct EscapedText {
    /// The ext field whose text it is.
    entry: usize,
    /// As it came, without its quotes. Empty if there is none.
    escaped: Vec<u8>,
    /// The text read last without its escapes, UTF-8, with [`PADDING`] behind it.
    plain: Vec<u8>,
    /// Bytes of `plain` without the padding.
    plain_len: usize,
    /// Stretches that differ, in order.
    varying: Vec<Stretch>,
    /// Where `varying` is made anew.
    learnt: Vec<Stretch>,
    tries: Tries,
}

/// A stretch without escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    escaped: Range<usize>,
    /// Where it begins in the plain text.
    plain_at: usize,
}

impl EscapedText {
    /// Whether the text of ext field `entry`, whose inside begins at `from`, is like the one remembered: the position of its
    /// closing quote then, and [`EscapedText::plain`] is what it says.
    #[inline]
    pub(super) fn read(&mut self, entry: usize, bytes: &[u8], from: usize) -> Option<usize> {
        let end = from + self.escaped.len();
        if entry != self.entry || self.escaped.is_empty() || bytes.get(end) != Some(&b'"') {
            return None;
        }
        let text = &bytes[from..end];
        let mut at = 0;
        for Stretch { escaped, plain_at } in &self.varying {
            let new = &text[escaped.clone()];
            if !same(&text[at..escaped.start], &self.escaped[at..escaped.start]) || !is_plain(new) {
                return None;
            }
            self.plain[*plain_at..plain_at + new.len()].copy_from_slice(new);
            at = escaped.end;
        }
        if !same(&text[at..], &self.escaped[at..]) {
            return None;
        }
        self.tries.succeeded();
        Some(end)
    }

    /// The text read last, without its escapes.
    #[inline]
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain[..self.plain_len]
    }

    /// The same.
    #[inline]
    pub(super) fn plain_text(&self) -> &str {
        let text = str::from_utf8(&self.plain);
        &text.expect("what was learnt was checked, and only ASCII replaces ASCII")[..self.plain_len]
    }

    /// The text was read the long way: `escaped` is it as it came, `plain` without its escapes. Learns from it, unless
    /// that never pays on this connection.
    pub(super) fn missed(&mut self, entry: usize, escaped: &[u8], plain: &[u8]) {
        if escaped.len() == plain.len() {
            return; // It has none.
        }
        // The header is compared with one remembered, but may be longer than any that would be.
        if escaped.len() > HEADER_BYTES_MAX {
            return;
        }
        if !self.tries.is_due() {
            return;
        }
        if entry != self.entry || !self.differs_only_between_escapes(escaped) {
            self.varying.clear();
        }
        self.entry = entry;
        self.escaped.clear();
        self.plain.clear();
        self.plain_len = 0;
        if stretches(escaped).all(|stretch| stretch.is_some()) && str::from_utf8(plain).is_ok() {
            self.escaped.extend_from_slice(escaped);
            self.plain.extend_from_slice(plain);
            self.plain_len = plain.len();
            self.plain.resize(plain.len().next_multiple_of(PADDING), b' ');
        }
    }

    /// Whether the same escapes stand at the same places as in the text remembered; if so, what differs between them
    /// varies from now on.
    fn differs_only_between_escapes(&mut self, escaped: &[u8]) -> bool {
        if escaped.len() != self.escaped.len() {
            return false;
        }
        self.learnt.clear();
        let mut at = 0;
        for (known, new) in stretches(&self.escaped).zip(stretches(escaped)) {
            let (Some(known), Some(new)) = (known, new) else { return false };
            let Range { start, end } = new.escaped;
            if known != new || self.escaped[at..start] != escaped[at..start] {
                return false;
            }
            if self.varying.contains(&new) || self.escaped[start..end] != escaped[start..end] {
                self.learnt.push(new);
            }
            at = end;
        }
        if self.escaped[at..] != escaped[at..] {
            return false;
        }
        std::mem::swap(&mut self.varying, &mut self.learnt);
        true
    }
}

/// The stretches of a text between its escapes, empty ones too; the last is `None` if there is an escape that does not
/// stand for one byte.
fn stretches(escaped: &[u8]) -> impl Iterator<Item = Option<Stretch>> {
    let (mut at, mut plain_at, mut is_over) = (0, 0, false);
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let rest = &escaped[at..];
        let len = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        let stretch = Stretch { escaped: at..at + len, plain_at };
        let escape = match &rest[len..] {
            [] => {
                is_over = true;
                0
            }
            [_, b'u', b'0', b'0', b'0', b'0'..=b'9', ..] => 6,
            [_, b'"' | b'\\' | b'/', ..] => 2,
            _ => {
                is_over = true;
                return Some(None);
            }
        };
        (at, plain_at) = (at + len + escape, plain_at + len + 1);
        Some(Some(stretch))
    })
}

/// Whether these bytes are text that ends nothing and begins no escape. No branch a byte, so that it becomes a few
/// vectors.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |is, byte| is & (*byte >= b' ') & (*byte < 0x80) & (*byte != b'"') & (*byte != b'\\'))
}

/// The standard library checks ASCII in steps of this many bytes, and what is left one by one.
const PADDING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(memory: &mut EscapedText, text: &str) -> Option<String> {
        let header = format!("\"{text}\",");
        let end = memory.read(3, header.as_bytes(), 1)?;
        assert_eq!(end, text.len() + 1);
        assert_eq!(memory.plain(), memory.plain_text().as_bytes());
        Some(memory.plain_text().to_owned())
    }

    fn plain(text: &str) -> String {
        text.replace("\\u0001", "\u{1}").replace("\\u0002", "\u{2}").replace("\\\"", "\"")
    }

    #[test]
    fn what_differs_between_escapes_is_learnt_from_two_texts() {
        let mut memory = EscapedText::default();
        let text = |key: &str| format!("KEYS\\u0001k\\u0002UNIQ_KEY\\u0001{key}\\u0002q\\\"\u{e9}");
        for key in ["7F01", "7F02"] {
            assert_eq!(read(&mut memory, &text(key)), None);
            memory.missed(3, text(key).as_bytes(), plain(&text(key)).as_bytes());
        }
        assert_eq!(read(&mut memory, &text("7F99")), Some(plain(&text("7F99"))));
        for other in ["7F9", "7F991", "7\u{e9}9", "7\\\"9", "\\\\99"] {
            assert_eq!(read(&mut memory, &text(other)), None, "{other}");
        }
        assert_eq!(read(&mut memory, &text("7F99").replace('k', "j")), None, "a stretch that never differed");
    }

    #[test]
    fn every_byte_at_every_place_is_plain_exactly_if_it_is() {
        for len in [1, 15, 16, 17, 31, 32, 33] {
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'F'; len];
                    bytes[place] = byte;
                    let is = (b' '..0x80).contains(&byte) && !b"\"\\".contains(&byte);
                    assert_eq!(is_plain(&bytes), is, "{byte} at {place} of {len}");
                }
            }
        }
    }

    #[test]
    fn a_text_longer_than_headers_that_are_remembered_is_not() {
        let mut memory = EscapedText::default();
        let text = format!("\\u0001{}", "x".repeat(HEADER_BYTES_MAX));
        memory.missed(3, text.as_bytes(), plain(&text).as_bytes());
        assert_eq!(read(&mut memory, &text), None);
        assert_eq!((memory.escaped.capacity(), memory.plain.capacity()), (0, 0));
    }

    #[test]
    fn a_text_with_other_escapes_is_not_remembered() {
        let mut memory = EscapedText::default();
        for text in ["a\\u00e9b", "a\\nb"] {
            memory.missed(3, text.as_bytes(), b"a?b");
            assert_eq!(read(&mut memory, text), None);
        }
    }
}
