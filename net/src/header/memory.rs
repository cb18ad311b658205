//! [`HeaderMemory`]: what the headers of one connection look like, so that the next one is compared instead of scanned.
//!
//! A client spells its requests the same way each time: a few values differ (the opaque, a time, the properties), and
//! everything between them is equal byte for byte. The memory keeps one header of each codec that was scanned, with the
//! places of the values that were seen to differ. A header that equals it everywhere else gives the same result; any
//! other header goes to the scanner. Which values differ is learnt from what the scanner had to be asked for.
//!
//! Memory is bounded by [`HEADER_BYTES_MAX`] and [`VARYING_MAX`] and reused; nothing is allocated per header.

mod binary;
mod escaped;
mod json;

use self::binary::BinaryLayout;
use self::json::JsonLayout;
use super::known::FIELDS_MAX;
use super::{EXT_FIELDS_MAX, Header, HeaderError, Scratch};
use crate::Codec;
use crate::fields::Entry;

/// What the headers of one connection look like. Empty until enough came for a next one to be likely: ten thousand
/// connections that ask one thing and then wait remember nothing.
#[derive(Debug, Default)]
pub struct HeaderMemory {
    json: Remembered<JsonLayout>,
    binary: Remembered<BinaryLayout>,
}

impl HeaderMemory {
    /// Decodes a header as the scanner of its codec does, but quicker if it looks like those before.
    pub(super) fn decode<'a>(
        &'a mut self,
        codec: Codec,
        bytes: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Header<'a>, HeaderError> {
        let Scratch { texts, varying } = scratch;
        varying.clear();
        let opaque = match codec {
            Codec::Json => self.json.read(bytes, varying),
            Codec::Binary => self.binary.read(bytes, varying),
        };
        // One check for all texts: none runs into the next, for what ends them is a character of its own.
        if let Some(opaque) = opaque
            && let Ok(varying) = if varying.is_empty() { Ok("") } else { str::from_utf8(varying) }
        {
            return Ok(match codec {
                Codec::Json => self.json.header(opaque, bytes, varying),
                Codec::Binary => self.binary.header(opaque, bytes, varying),
            });
        }
        let scanned = Header::scan(codec, bytes, texts);
        if let Ok(header) = &scanned {
            match codec {
                Codec::Json => self.json.missed(header, bytes),
                Codec::Binary => self.binary.missed(header, bytes),
            }
        }
        scanned
    }
}

/// One header of a codec and what of it may change.
trait Layout: Default {
    /// A header's bytes in the form that [`Layout::learn`] takes.
    type Spelled<'b>;

    /// `bytes`, which are `header`, in that form; `None` if they are nothing to learn from.
    fn spelled<'b>(header: &Header<'_>, bytes: &'b [u8]) -> Option<Self::Spelled<'b>>;

    /// Takes over a header. What differs from the one remembered so far varies from now on. False if it cannot be
    /// remembered.
    fn learn(&mut self, header: &Header<'_>, spelled: Self::Spelled<'_>) -> bool;

    /// The code of the header remembered.
    fn code(&self) -> i32;

    /// Compares `bytes` with the header remembered and appends the texts that vary; its opaque, or `None` if it is another
    /// one. It is known only if the texts are UTF-8, too.
    fn read(&mut self, bytes: &[u8], texts: &mut Vec<u8>) -> Option<i32>;

    /// The header that was read last, from these bytes.
    fn header<'a>(&'a self, opaque: i32, bytes: &'a [u8], texts: &'a str) -> Header<'a>;
}

/// Headers of one codec. Empty until enough came for a next one to be likely.
#[derive(Debug, Default)]
struct Remembered<L> {
    layout: Option<Box<L>>,
    tries: Tries,
}

impl<L: Layout> Remembered<L> {
    /// See [`Layout::read`].
    fn read(&mut self, bytes: &[u8], texts: &mut Vec<u8>) -> Option<i32> {
        self.layout.as_mut()?.read(bytes, texts)
    }

    /// See [`Layout::header`].
    #[inline]
    fn header<'a>(&'a mut self, opaque: i32, bytes: &'a [u8], texts: &'a str) -> Header<'a> {
        self.tries.succeeded();
        self.layout.as_deref().expect("it was read").header(opaque, bytes, texts)
    }

    /// `bytes` had to be scanned and are `header`: learns from it, unless that never pays on this connection.
    fn missed(&mut self, header: &Header<'_>, bytes: &[u8]) {
        let is_due = self.tries.is_due();
        let is_early = self.layout.is_none() && self.tries.misses < MISSES_BEFORE_MEMORY;
        // One of another kind among many (a heartbeat) changes nothing.
        let other = self.layout.as_ref().is_some_and(|layout| layout.code() != header.code);
        if !is_due || is_early || other && self.tries.misses == 1 {
            return;
        }
        if bytes.len() > HEADER_BYTES_MAX || header.ext.len() > FIELDS_MAX {
            return;
        }
        let Some(spelled) = L::spelled(header, bytes) else { return };
        let mut layout = self.layout.take().unwrap_or_default();
        if layout.learn(header, spelled) {
            self.layout = Some(layout);
        }
    }
}

/// Whether the keys of these entries, in `text`, are those of `header`, in its order.
fn are_keys_of(entries: &[Entry], text: &str, header: &Header<'_>) -> bool {
    entries.iter().map(|entry| entry.key.of(text, "")).eq(header.ext.iter().map(|(key, _)| key))
}

/// When learning from what was not as remembered pays.
#[derive(Debug, Default)]
struct Tries {
    /// Such ones in a row.
    misses: u32,
}

impl Tries {
    /// One was as remembered.
    fn succeeded(&mut self) {
        self.misses = 0;
    }

    /// One was not: whether to learn from it.
    fn is_due(&mut self) -> bool {
        self.misses = self.misses.saturating_add(1);
        // Unlike ever again: look now and then only, so that it costs nothing.
        self.misses <= MISSES_TRIED || self.misses.is_multiple_of(MISSES_BETWEEN_TRIES)
    }
}

/// The digits that a value had last, in words: most values begin as the one before, and many are it.
#[derive(Clone, Debug, Default)]
struct LastDigits {
    high: LastWord,
    low: LastWord,
}

/// What [`leading_digits`] said of a word.
#[derive(Clone, Debug, Default)]
struct LastWord {
    word: u64,
    number: i64,
    count: usize,
}

impl LastDigits {
    /// The number whose decimal digits begin at `at`, and the position behind the last. `None` if there is no digit, or
    /// more than [`DIGITS_MAX`].
    #[inline]
    fn read(&mut self, bytes: &[u8], at: usize) -> Option<(i64, usize)> {
        let begin = word(bytes, at)?;
        let [first, second] = [begin as u8, (begin >> 8) as u8].map(|byte| byte.wrapping_sub(b'0'));
        // Most often a queue.
        if second > 9 {
            return (first <= 9).then_some((i64::from(first), at + 1));
        }
        let (high, count) = self.high.read(begin);
        if count < 8 {
            return (count > 0).then_some((high, at + count));
        }
        let (low, more) = self.low.read(word(bytes, at + 8)?);
        let power = POWERS_OF_TEN.get(more)?;
        Some((high * power + low, at + 8 + more))
    }
}

impl LastWord {
    #[inline]
    fn read(&mut self, word: u64) -> (i64, usize) {
        if word != self.word {
            (self.number, self.count) = leading_digits(word);
            self.word = word;
        }
        (self.number, self.count)
    }
}

/// What the decimal digits say that a word begins with, and how many there are.
#[inline]
fn leading_digits(word: u64) -> (i64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const ZEROS: u64 = EACH * 0x30;
    let digits = word ^ ZEROS;
    // The first byte above 9 sets its high bit; only those behind it may be wrong.
    let others = (digits.wrapping_add(EACH * (0x80 - 10)) | digits) & (EACH << 7);
    let count = others.trailing_zeros() / 8;
    // As if there were zeros before them. Neighbours are joined in pairs, pairs in fours, fours in the whole.
    let digits = digits.unbounded_shl(64 - 8 * count);
    let pairs = ((digits * 10).wrapping_add(digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = ((pairs * 100).wrapping_add(pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let whole = ((fours * 10_000).wrapping_add(fours >> 32)) & 0xFFFF_FFFF;
    (whole as i64, count as usize)
}

/// Eight bytes at `at`; behind the end there are zeros.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let rest = bytes.get(at..)?;
    Some(u64::from_le_bytes(rest.first_chunk().copied().unwrap_or_else(|| padded(rest))))
}

#[cold]
fn padded(bytes: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    word
}

/// Whether two texts are equal. What stands between two values is often so short that a call costs more than comparing
/// it, so that is done in two words that overlap.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    let ends = |text: &[u8]| Some((*text.first_chunk::<8>()?, *text.last_chunk::<8>()?));
    let wide_ends = |text: &[u8]| Some((*text.first_chunk::<16>()?, *text.last_chunk::<16>()?));
    one.len() == other.len()
        && match one.len() {
            8..=16 => ends(one) == ends(other),
            17..=32 => wide_ends(one) == wide_ends(other),
            _ => one == other,
        }
}

/// Stands behind each text that varies.
const TEXT_END: u8 = b'"';
/// Longer headers are not remembered.
const HEADER_BYTES_MAX: usize = 1024;
const _: () = assert!(FIELDS_MAX <= EXT_FIELDS_MAX);
/// Nor are those in which more values differ from header to header.
const VARYING_MAX: usize = 16;
const POWERS_OF_TEN: [i64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// Numbers with more digits are texts here.
const DIGITS_MAX: usize = 8 + POWERS_OF_TEN.len() - 1;
const _: () = assert!(DIGITS_MAX == 15);
/// Headers of a connection before the first that is remembered.
const MISSES_BEFORE_MEMORY: u32 = 3;
/// Misses in a row after which learning is tried rarely.
const MISSES_TRIED: u32 = 16;
const MISSES_BETWEEN_TRIES: u32 = 64;

#[cfg(test)]
mod tests;
