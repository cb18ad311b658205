//! CRC-32 of two texts that follow each other, from the CRCs of both: the body of a record is hashed once, although two
//! of its fields cover it.
//!
//! A CRC is a remainder modulo a polynomial over GF(2). Appending `n` bytes multiplies what stood before by `x^(8n)`;
//! these factors lie in two tables.

/// The CRC of `first` and `second` in a row, from the CRC of each; `second_len` is in bytes.
pub(super) fn joined(first: u32, second: u32, second_len: usize) -> u32 {
    let mut moved = moved(first, second_len % LOW_LENGTHS);
    let mut pieces = second_len / LOW_LENGTHS;
    while pieces > 0 {
        let step = pieces.min(HIGH_LENGTHS - 1);
        moved = product(moved, HIGH[step]);
        pieces -= step;
    }
    moved ^ second
}

/// `crc` times `x^(8 len)`: of its four bytes side by side, since the factor of the next byte is the next of the table.
fn moved(crc: u32, len: usize) -> u32 {
    let mut factors: [u32; 4] = *LOW[len..].first_chunk().expect("three more than lengths");
    let bytes = crc.to_be_bytes();
    let mut sums = [0; 4];
    for bit in (0..8).rev() {
        for ((sum, factor), byte) in sums.iter_mut().zip(&mut factors).zip(bytes) {
            *sum ^= *factor & 0_u32.wrapping_sub(u32::from(byte) >> bit & 1);
            *factor = times_x(*factor);
        }
    }
    sums[0] ^ sums[1] ^ sums[2] ^ sums[3]
}

/// The product modulo the polynomial. Bits are reflected, as in the CRC: the highest is the power 0.
const fn product(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 32;
    while bit > 0 {
        bit -= 1;
        product ^= b & 0_u32.wrapping_sub(a >> bit & 1);
        b = times_x(b);
    }
    product
}

const fn times_x(a: u32) -> u32 {
    (a >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(a & 1))
}

/// `factor` to the powers 0, 1, 2 and so on.
const fn powers<const N: usize>(factor: u32) -> [u32; N] {
    let mut powers = [ONE; N];
    let mut n = 1;
    while n < N {
        powers[n] = product(powers[n - 1], factor);
        n += 1;
    }
    powers
}

/// IEEE 802.3.
const POLYNOMIAL: u32 = 0xedb8_8320;
const ONE: u32 = 1 << 31;
/// `x^8`.
const BYTE: u32 = ONE >> 8;
const LOW_LENGTHS: usize = 1 << 11;
/// Factors of 0 to 2,050 bytes.
static LOW: [u32; LOW_LENGTHS + 3] = powers(BYTE);
const HIGH_LENGTHS: usize = 1 << 8;
/// Factors of multiples of 2 KiB, below 512 KiB.
static HIGH: [u32; HIGH_LENGTHS] = powers(LOW_POWER);
const LOW_POWER: u32 = {
    let powers: [u32; LOW_LENGTHS + 1] = powers(BYTE);
    powers[LOW_LENGTHS]
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), len)
    }

    proptest! {
        #[test]
        fn joining_is_hashing_both_in_a_row(first in bytes(0..200), second in bytes(0..20_000)) {
            let parts = (crc32fast::hash(&first), crc32fast::hash(&second));
            let both = [&first[..], &second].concat();
            prop_assert_eq!(joined(parts.0, parts.1, second.len()), crc32fast::hash(&both));
        }
    }

    #[test]
    fn lengths_at_the_ends_of_the_tables_have_their_factors() {
        let step = HIGH_LENGTHS * LOW_LENGTHS;
        for len in [0, 1, LOW_LENGTHS - 1, LOW_LENGTHS, step - 1, step, step + 1, 8 * step + 5] {
            let both: Vec<u8> = (0..=len).map(|at| (at % 251) as u8).collect();
            let (first, second) = both.split_at(1);
            let joined = joined(crc32fast::hash(first), crc32fast::hash(second), len);
            assert_eq!(joined, crc32fast::hash(&both), "{len} bytes");
        }
    }
}
