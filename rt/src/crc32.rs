//! CRC-32 (IEEE 802.3), as records, pages and frames carry it: with the widest instructions of the processor.
//!
//! `crc32fast` takes some 30 ns a call before the first byte, and a record is three calls. Where the processor
//! multiplies 64 bytes at a time, `wide` hashes what is long enough; elsewhere, and under valgrind, `crc32fast` does.
//! `benches micro CRC` measures it beside what `crc32fast` takes.

use std::sync::LazyLock;

use crc32fast::Hasher;

mod joined;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use joined::joined;

/// The CRC of `bytes`.
#[must_use]
pub fn hash(bytes: &[u8]) -> u32 {
    append(0, bytes)
}

/// The CRC of what has the CRC `crc`, followed by `bytes`; nothing has the CRC 0.
#[must_use]
pub fn append(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= wide::SHORTEST
        && let Some(unit) = wide::Unit::of_this_processor()
    {
        return unit.append(crc, bytes);
    }
    let mut hasher = if crc == 0 { UNFED.clone() } else { Hasher::new_with_initial(crc) };
    hasher.update(bytes);
    hasher.finalize()
}

/// `x` to the power `n` modulo the polynomial. Bits are reflected, as in the CRC: the highest is the power 0.
const fn power_of_x(n: usize) -> u32 {
    let mut power = ONE;
    let mut times = 0;
    while times < n {
        power = times_x(power);
        times += 1;
    }
    power
}

const fn times_x(a: u32) -> u32 {
    (a >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(a & 1))
}

/// A hasher asks the processor what it can whenever it is made; a copy of one does not.
static UNFED: LazyLock<Hasher> = LazyLock::new(Hasher::new);
/// IEEE 802.3.
const POLYNOMIAL: u32 = 0xedb8_8320;
const ONE: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_value_of_the_standard_comes_out() {
        assert_eq!(hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(hash(b""), 0);
    }

    #[test]
    fn every_length_to_past_two_rounds_of_the_widest_loop_hashes_as_the_library_does() {
        let bytes: Vec<u8> = (0..1200_u32).map(|at| (at * 7 + at / 251) as u8).collect();
        for len in 0..bytes.len() {
            // Another place in a cache line each.
            let part = &bytes[len % 13..len.max(len % 13)];
            assert_eq!(hash(part), crc32fast::hash(part), "{} bytes", part.len());
        }
    }

    proptest! {
        #[test]
        fn hashing_in_pieces_is_hashing_at_once(
            bytes in prop::collection::vec(any::<u8>(), 0..9000),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut crc, mut from) = (0, 0);
            for to in cuts.into_iter().chain([bytes.len()]) {
                crc = append(crc, &bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(crc, crc32fast::hash(&bytes));
        }
    }
}
