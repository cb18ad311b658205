//! [`Stamp`]: what a message carries so that its receiver can tell how late, how whole and which it is.
//!
//! A property of fixed width, so that a warm send patches it in place: run, stream (a connection of the generator),
//! number in the stream, both times on CLOCK_MONOTONIC, CRC of the body, and whether it is delivered later, or is half a transaction. Only sent when somebody will look (`e2e`,
//! `--verify`).

/// Name of the property.
pub const NAME: &str = "RINGMQ_BENCH";
/// Characters of its value.
pub const CHARS: usize = 65;
/// Streams that can be told apart.
pub const STREAMS_MAX: usize = 1 << 16;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which run sent it.
    pub run: u32,
    /// Which connection of the generator.
    pub stream: u16,
    /// Number of the message in its stream, below 2^48.
    pub number: u64,
    /// When it was due, ns; if it is delivered later, when its delivery is.
    pub intended: u64,
    /// When it was written, ns.
    pub written: u64,
    /// CRC-32 of the body as sent.
    pub crc: u32,
    /// It is delivered later.
    pub later: bool,
    /// It is half a transaction: seen once that is committed, so in the order of commits and not of sends.
    pub half: bool,
}

impl Stamp {
    /// Writes it into the [`CHARS`] bytes of `out`.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn write(&self, out: &mut [u8]) {
        assert_eq!(out.len(), CHARS);
        hex(&mut out[0..8], u64::from(self.run));
        hex(&mut out[8..12], u64::from(self.stream));
        hex(&mut out[12..24], self.number);
        hex(&mut out[24..40], self.intended);
        hex(&mut out[40..56], self.written);
        hex(&mut out[56..64], u64::from(self.crc));
        hex(&mut out[64..65], u64::from(self.later) | u64::from(self.half) << 1);
    }

    /// Reads the value of a property; `None` if it is no stamp.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        if text.len() != CHARS {
            return None;
        }
        let number = |from: usize, to: usize| unhex(&text[from..to]);
        Some(Self {
            run: u32::try_from(number(0, 8)?).ok()?,
            stream: u16::try_from(number(8, 12)?).ok()?,
            number: number(12, 24)?,
            intended: number(24, 40)?,
            written: number(40, 56)?,
            crc: u32::try_from(number(56, 64)?).ok()?,
            later: number(64, 65)? & 1 != 0,
            half: number(64, 65)? & 2 != 0,
        })
    }
}

/// Writes `value` in upper-case hex, filling `out`.
pub(super) fn hex(out: &mut [u8], mut value: u64) {
    for place in out.iter_mut().rev() {
        *place = b"0123456789ABCDEF"[(value & 15) as usize];
        value >>= 4;
    }
}

fn unhex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |value, letter| Some(value << 4 | u64::from((*letter as char).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_reads_back_as_written(
            run: u32, stream: u16, number in 0_u64..1 << 48, intended: u64, written: u64, crc: u32, later: bool, half: bool,
        ) {
            let stamp = Stamp { run, stream, number, intended, written, crc, later, half };
            let mut text = [0; CHARS];
            stamp.write(&mut text);
            prop_assert_eq!(Stamp::read(&text), Some(stamp));
            prop_assert_eq!(Stamp::read(&text[1..]), None);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: Vec<u8>) {
            let _ = Stamp::read(&text);
        }
    }
}
