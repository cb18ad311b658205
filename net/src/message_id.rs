//! Message ids (PROTOCOL.md "Message ids"): the offset id that a broker gives, and the unique id that a producer gives.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Characters of the longest offset id: IPv6, port, offset in hex.
pub const OFFSET_ID_CHARS_MAX: usize = 56;
/// Characters of a unique id made by [`UniqueIds`].
pub const UNIQUE_ID_CHARS: usize = 32;

/// Where a message was stored: `msgId` of a send reply, `offsetMsgId` elsewhere. Tools derive the broker's address
/// from it, so the host must be the one that clients reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OffsetMessageId {
    /// The broker's store host.
    pub host: SocketAddr,
    /// Physical offset in its commitlog.
    pub offset: u64,
}

impl OffsetMessageId {
    /// Writes the id into `buffer` and returns its text: upper-case hex, 32 characters (IPv4) or 56.
    #[must_use]
    pub fn format<'b>(&self, buffer: &'b mut [u8; OFFSET_ID_CHARS_MAX]) -> &'b str {
        let mut hex = Hex { out: buffer, at: 0 };
        match self.host.ip() {
            IpAddr::V4(ip) => hex.push(&ip.octets()),
            IpAddr::V6(ip) => hex.push(&ip.octets()),
        }
        hex.push(&u32::from(self.host.port()).to_be_bytes());
        hex.push(&self.offset.to_be_bytes());
        let len = hex.at;
        std::str::from_utf8(&buffer[..len]).expect("hex digits are ASCII")
    }

    /// Appends the id to a text, as for the comma-joined ids of a batch.
    pub fn append(&self, out: &mut String) {
        out.push_str(self.format(&mut [0; OFFSET_ID_CHARS_MAX]));
    }

    /// Reads an id, in either case.
    ///
    /// # Errors
    /// Not 32 or 56 hex digits, or a port beyond 65535.
    pub fn parse(text: &str) -> Result<Self, MessageIdError> {
        let mut bytes = [0; OFFSET_ID_CHARS_MAX / 2];
        let bytes = unhex(text, &mut bytes).ok_or(MessageIdError)?;
        let (ip, rest): (IpAddr, &[u8]) = if bytes.len() == 16 {
            let (ip, rest) = bytes.split_first_chunk::<4>().ok_or(MessageIdError)?;
            (Ipv4Addr::from(*ip).into(), rest)
        } else if bytes.len() == 28 {
            let (ip, rest) = bytes.split_first_chunk::<16>().ok_or(MessageIdError)?;
            (Ipv6Addr::from(*ip).into(), rest)
        } else {
            return Err(MessageIdError);
        };
        let (port, offset) = rest.split_first_chunk::<4>().ok_or(MessageIdError)?;
        let port = u16::try_from(u32::from_be_bytes(*port)).map_err(|_| MessageIdError)?;
        let offset = u64::from_be_bytes(*offset.first_chunk().ok_or(MessageIdError)?);
        Ok(Self { host: SocketAddr::new(ip, port), offset })
    }
}

impl fmt::Display for OffsetMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.format(&mut [0; OFFSET_ID_CHARS_MAX]))
    }
}

/// Makes unique ids (`UNIQ_KEY`) in Java's layout: address, process id, a salt, milliseconds since the month began
/// (tools read the time back from it), a counter.
#[derive(Clone, Debug)]
pub struct UniqueIds {
    fixed: [u8; 10],
    counter: u16,
}

impl UniqueIds {
    /// A source of ids. `salt` keeps two sources of one process apart: take it from the environment's randomness.
    #[must_use]
    pub fn new(ip: Ipv4Addr, process_id: u32, salt: u32) -> Self {
        let mut fixed = [0; 10];
        fixed[..4].copy_from_slice(&ip.octets());
        fixed[4..6].copy_from_slice(&(process_id as u16).to_be_bytes());
        fixed[6..].copy_from_slice(&salt.to_be_bytes());
        Self { fixed, counter: 0 }
    }

    /// The next id, written into `buffer`. Unique as long as fewer than 65,536 are made per millisecond.
    pub fn next<'b>(&mut self, now_unix_ms: i64, buffer: &'b mut [u8; UNIQUE_ID_CHARS]) -> &'b str {
        self.counter = self.counter.wrapping_add(1);
        let since_month = now_unix_ms - month_start_ms(now_unix_ms);
        let mut hex = Hex { out: buffer, at: 0 };
        hex.push(&self.fixed);
        hex.push(&(since_month as u32).to_be_bytes());
        hex.push(&self.counter.to_be_bytes());
        std::str::from_utf8(buffer).expect("hex digits are ASCII")
    }
}

/// Midnight UTC of the first of the month that holds `unix_ms`.
fn month_start_ms(unix_ms: i64) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    let days = unix_ms.div_euclid(DAY_MS);
    // Day of the month after Howard Hinnant's `civil_from_days`.
    let day_of_era = (days + 719_468).rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5;
    (days - day_of_month) * DAY_MS
}

struct Hex<'b> {
    out: &'b mut [u8],
    at: usize,
}

impl Hex<'_> {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.out[self.at..self.at + 2].copy_from_slice(&PAIRS[usize::from(*byte)]);
            self.at += 2;
        }
    }
}

/// The part of an offset id that says where the record lies.
pub(crate) fn hex_of_offset(offset: u64) -> [u8; 16] {
    let half = |word: u32| hex_digits(word).to_be_bytes();
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&half((offset >> 32) as u32));
    digits[8..].copy_from_slice(&half(offset as u32));
    digits
}

/// Eight digits at once: each half of the word is spread over twice its bits until every byte holds one of its nibbles.
#[inline]
fn hex_digits(word: u32) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from(word);
    let word = (word << 16 | word) & 0x0000_FFFF_0000_FFFF;
    let word = (word << 8 | word) & 0x00FF_00FF_00FF_00FF;
    let nibbles = (word << 4 | word) & (EACH * 0x0F);
    let above_nine = ((nibbles + EACH * 6) >> 4) & EACH;
    nibbles + EACH * u64::from(b'0') + above_nine * u64::from(b'A' - b'9' - 1)
}

/// `00` to `FF`.
static PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

fn unhex<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    if !text.len().is_multiple_of(2) || text.len() / 2 > buffer.len() {
        return None;
    }
    for (pair, byte) in text.as_bytes().chunks_exact(2).zip(buffer.iter_mut()) {
        let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
        *byte = (high * 16 + low) as u8;
    }
    Some(&buffer[..text.len() / 2])
}

/// Not an offset message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIdError;

impl fmt::Display for MessageIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an offset message id: 32 or 56 hex digits are expected")
    }
}

impl std::error::Error for MessageIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_hex_are_those_of_the_standard_library() {
        for shift in 0..64 {
            for offset in [u64::MAX >> shift, 0x0123_4567_89AB_CDEF_u64.rotate_left(shift), 1 << shift] {
                assert_eq!(hex_of_offset(offset), *format!("{offset:016X}").as_bytes());
            }
        }
    }

    #[test]
    fn ids_of_both_families_come_back() {
        for (host, text) in [
            ("127.0.0.1:10911", "7F00000100002A9F0000000000001234"),
            ("[2001:db8::1]:10911", "20010DB800000000000000000000000100002A9F0000000000001234"),
        ] {
            let id = OffsetMessageId { host: host.parse().unwrap(), offset: 0x1234 };
            assert_eq!(id.to_string(), text);
            assert_eq!(OffsetMessageId::parse(text), Ok(id));
            assert_eq!(OffsetMessageId::parse(&text.to_lowercase()), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in
            ["", "7F", "7F00000100002A9F000000000000123", "7F000001FFFF2A9F0000000000001234", &"é".repeat(16)]
        {
            assert_eq!(OffsetMessageId::parse(text), Err(MessageIdError), "{text}");
        }
    }

    #[test]
    fn unique_ids_differ_and_carry_the_time_since_the_month_began() {
        let mut ids = UniqueIds::new(Ipv4Addr::new(10, 0, 0, 1), 0x1_2345, 7);
        let now = 1_700_000_000_000; // 2023-11-14T22:13:20Z
        let (mut first, mut second) = ([0; 32], [0; 32]);
        let since_month = ((13 * 24 + 22) * 3600 + 13 * 60 + 20) * 1000;
        assert_eq!(ids.next(now, &mut first), format!("0A000001234500000007{since_month:08X}0001"));
        assert_ne!(ids.next(now, &mut second).to_owned().as_bytes(), first);
    }

    #[test]
    fn months_begin_at_their_first() {
        for (day, first) in [(0, 0), (30, 0), (31, 31), (58, 31), (59, 59), (19_782, 19_754), (-1, -31)] {
            assert_eq!(month_start_ms(day * 86_400_000 + 5), first * 86_400_000, "{day}");
        }
    }
}
