//! [`EscapedText`]: a text with escapes that comes again and again with other values between them.
//!
//! The properties of a message are the longest text of its header, and Java escapes each of their separators. From one
//! message to the next of a producer the separators stay where they are, and so do most values. The memory keeps one
//! text and the stretches between escapes that were seen to differ: a text that is equal everywhere else, and has
//! nothing special in these stretches, is put together from pieces instead of being searched for its escapes.

use std::ops::Range;

use super::{HEADER_BYTES_MAX, Tries};

/// One text of the headers of a connection.
#[derive(Debug, Default)]
pub(super) struct EscapedText {
    /// The ext field whose text it is.
    entry: usize,
    /// As it came, without its quotes. Empty if there is none.
    escaped: Vec<u8>,
    /// Without its escapes.
    plain: Vec<u8>,
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
    /// Appends the text of ext field `entry`, whose inside begins at `from`, without its escapes; the position of its
    /// closing quote. `None`, with nothing appended, if it is not like the one remembered.
    #[inline]
    pub(super) fn read(
        &mut self,
        entry: usize,
        bytes: &[u8],
        from: usize,
        into: &mut Vec<u8>,
    ) -> Option<usize> {
        let end = from + self.escaped.len();
        if entry != self.entry || self.escaped.is_empty() || bytes.get(end) != Some(&b'"') {
            return None;
        }
        let before = into.len();
        if self.put_together(&bytes[from..end], into).is_none() {
            into.truncate(before);
            return None;
        }
        self.tries.succeeded();
        Some(end)
    }

    fn put_together(&self, text: &[u8], into: &mut Vec<u8>) -> Option<()> {
        let (mut at, mut plain_at) = (0, 0);
        for stretch in &self.varying {
            let Range { start, end } = stretch.escaped;
            if text[at..start] != self.escaped[at..start] || !is_plain(&text[start..end]) {
                return None;
            }
            into.extend_from_slice(&self.plain[plain_at..stretch.plain_at]);
            into.extend_from_slice(&text[start..end]);
            (at, plain_at) = (end, stretch.plain_at + (end - start));
        }
        if text[at..] != self.escaped[at..] {
            return None;
        }
        into.extend_from_slice(&self.plain[plain_at..]);
        Some(())
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
        if stretches(escaped).all(|stretch| stretch.is_some()) {
            self.escaped.extend_from_slice(escaped);
            self.plain.extend_from_slice(plain);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(memory: &mut EscapedText, text: &str) -> Option<String> {
        let header = format!("\"{text}\",");
        let mut into = b"before".to_vec();
        let end = memory.read(3, header.as_bytes(), 1, &mut into);
        assert!(end.is_none_or(|end| end == text.len() + 1));
        assert!(end.is_some() || into == b"before", "{into:?}");
        end.map(|_| String::from_utf8(into.split_off("before".len())).unwrap())
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
