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

use self::binary::BinaryMemory;
use self::json::JsonMemory;
use super::known::FIELDS_MAX;
use super::{EXT_FIELDS_MAX, Header, HeaderError, Scratch};
use crate::Codec;

/// What the headers of one connection look like. Empty until enough came for a next one to be likely: ten thousand
/// connections that ask one thing and then wait remember nothing.
#[derive(Debug, Default)]
pub struct HeaderMemory {
    json: JsonMemory,
    binary: BinaryMemory,
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
        if let (Some(opaque), Ok(varying)) = (opaque, str::from_utf8(varying)) {
            return Ok(match codec {
                Codec::Json => self.json.header(opaque, varying),
                Codec::Binary => self.binary.header(opaque, varying),
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

/// When learning from a header pays.
#[derive(Debug, Default)]
struct Tries {
    /// Headers in a row that were not as remembered.
    misses: u32,
}

impl Tries {
    /// A header was as remembered.
    fn succeeded(&mut self) {
        self.misses = 0;
    }

    /// A header was not: whether to learn from it. `other`: one with another code is remembered.
    fn are_worth_it(&mut self, remembers: bool, other: bool) -> bool {
        self.misses = self.misses.saturating_add(1);
        // Unlike ever again: look now and then only, so that it costs nothing.
        let is_rare = self.misses > MISSES_TRIED && !self.misses.is_multiple_of(MISSES_BETWEEN_TRIES);
        let is_early = !remembers && self.misses < MISSES_BEFORE_MEMORY;
        // One of another kind among many (a heartbeat) changes nothing.
        let is_guest = other && self.misses == 1;
        !(is_rare || is_early || is_guest)
    }
}

/// A text of decimal digits whose inside begins at `at`: what it says, and the position of its closing quote.
#[inline]
fn digits(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let text = bytes.get(at..)?;
    let (mut number, mut count) =
        text.first_chunk().and_then(eight_digits).map_or((0, 0), |eight| (eight, 8));
    loop {
        let byte = *text.get(count)?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (byte == b'"' && count > 0).then_some((number, at + count));
        }
        if count == DIGITS_OF_I64 {
            return None;
        }
        number = number * 10 + i64::from(digit);
        count += 1;
    }
}

/// Eight decimal digits at once: neighbours are joined in pairs, pairs in fours, fours in the whole.
#[inline]
fn eight_digits(text: &[u8; 8]) -> Option<i64> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let bytes = u64::from_le_bytes(*text);
    let high = EACH * 0xF0;
    let are_digits = bytes & high == EACH * 0x30 && ((bytes & !high) + EACH * 6) & high == 0;
    let digits = bytes & !high;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let whole = (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF;
    are_digits.then_some(whole as i64)
}

/// Stands behind each text that varies.
const TEXT_END: u8 = b'"';
/// Longer headers are not remembered.
const HEADER_BYTES_MAX: usize = 1024;
const _: () = assert!(FIELDS_MAX <= EXT_FIELDS_MAX);
/// Nor are those in which more values differ from header to header.
const VARYING_MAX: usize = 16;
/// Decimal digits that always fit an `i64`.
const DIGITS_OF_I64: usize = 18;
/// Headers of a connection before the first that is remembered.
const MISSES_BEFORE_MEMORY: u32 = 3;
/// Misses in a row after which learning is tried rarely.
const MISSES_TRIED: u32 = 16;
const MISSES_BETWEEN_TRIES: u32 = 64;

#[cfg(test)]
mod tests;
