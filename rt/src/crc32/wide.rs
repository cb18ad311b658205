//! CRC-32 by multiplication without carries, 64 bytes at a time (AVX-512 with VPCLMULQDQ).
//!
//! After "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009): what has been read is
//! a remainder of 16 bytes or several in a row; moving a remainder on by `d` bits is two products, by `x^(d + 32)` and
//! `x^(d - 32)`, reflected as everything here.

use std::arch::x86_64::*;

use super::{POLYNOMIAL, power_of_x};

/// Shortest text that [`Unit::append`] takes.
pub(super) const SHORTEST: usize = LANE;

/// Proof that the processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit(());

impl Unit {
    /// None if it does not.
    #[inline]
    pub(super) fn of_this_processor() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("vpclmulqdq")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("sse4.1");
        has_all.then_some(Self(()))
    }

    /// As [`super::append`], for [`SHORTEST`] bytes and more.
    #[inline]
    pub(super) fn append(self, crc: u32, bytes: &[u8]) -> u32 {
        // SAFETY: `Unit::of_this_processor`, which alone makes a `Unit`, has found every feature that is named there.
        unsafe { append(crc, bytes) }
    }

    /// The product of two remainders of 32 bits.
    #[inline]
    pub(super) fn product(self, a: u32, b: u32) -> u32 {
        // SAFETY: as above.
        unsafe { product(a, b) }
    }
}

#[target_feature(enable = "avx512f,vpclmulqdq,pclmulqdq,sse4.1")]
fn append(crc: u32, bytes: &[u8]) -> u32 {
    let seed = _mm_cvtsi32_si128(!crc as i32);
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (mut remainder, rest) = match blocks {
        [first, blocks @ ..] => {
            let first = _mm512_xor_si512(load_block(first), _mm512_zextsi128_si512(seed));
            (one_lane(fold_blocks(first, blocks)), rest)
        }
        [] => {
            let (first, rest) = rest.split_first_chunk().expect("the shortest is a lane");
            (_mm_xor_si128(load_lane(first), seed), rest)
        }
    };
    let (lanes, rest) = rest.as_chunks::<LANE>();
    for lane in lanes {
        remainder = fold_lane(remainder, load_lane(lane));
    }
    if !rest.is_empty() {
        let last = bytes.last_chunk().expect("the shortest is a lane");
        remainder = fold_part(remainder, load_lane(last), rest.len());
    }
    !reduce(remainder)
}

/// Four blocks in flight hide the latency of a product.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn fold_blocks(first: __m512i, blocks: &[[u8; BLOCK]]) -> __m512i {
    let mut folded = first;
    let mut left = blocks;
    if let [second, third, fourth, blocks @ ..] = left
        && blocks.len() >= 4
    {
        let mut four = [first, load_block(second), load_block(third), load_block(fourth)];
        let by_four = factors(4 * BLOCK);
        let (rounds, blocks) = blocks.as_chunks::<4>();
        for round in rounds {
            for (folded, block) in four.iter_mut().zip(round) {
                *folded = fold(*folded, by_four, load_block(block));
            }
        }
        let by_two = factors(2 * BLOCK);
        let even = fold(four[0], by_two, four[2]);
        let odd = fold(four[1], by_two, four[3]);
        folded = fold(even, factors(BLOCK), odd);
        left = blocks;
    }
    for block in left {
        folded = fold(folded, factors(BLOCK), load_block(block));
    }
    folded
}

/// Moves `folded` on to where `next` stands.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn fold(folded: __m512i, factors: __m512i, next: __m512i) -> __m512i {
    let low = _mm512_clmulepi64_epi128::<0x00>(folded, factors);
    let high = _mm512_clmulepi64_epi128::<0x11>(folded, factors);
    _mm512_ternarylogic_epi64::<XOR>(low, high, next)
}

/// Moves the first three lanes on to the last.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn one_lane(folded: __m512i) -> __m128i {
    const FIRST: [u64; 2] = by(3 * LANE);
    const SECOND: [u64; 2] = by(2 * LANE);
    const THIRD: [u64; 2] = by(LANE);
    let factors = _mm512_setr_epi64(
        FIRST[0] as i64,
        FIRST[1] as i64,
        SECOND[0] as i64,
        SECOND[1] as i64,
        THIRD[0] as i64,
        THIRD[1] as i64,
        0,
        0,
    );
    let low = _mm512_clmulepi64_epi128::<0x00>(folded, factors);
    let high = _mm512_clmulepi64_epi128::<0x11>(folded, factors);
    let last = _mm512_maskz_mov_epi64(0b1100_0000, folded);
    let lanes = _mm512_ternarylogic_epi64::<XOR>(low, high, last);
    let halves = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
    _mm_xor_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
}

#[target_feature(enable = "pclmulqdq,sse4.1")]
#[inline]
fn fold_lane(remainder: __m128i, next: __m128i) -> __m128i {
    const FACTORS: [u64; 2] = by(LANE);
    let factors = _mm_set_epi64x(FACTORS[1] as i64, FACTORS[0] as i64);
    let low = _mm_clmulepi64_si128::<0x00>(remainder, factors);
    let high = _mm_clmulepi64_si128::<0x11>(remainder, factors);
    _mm_xor_si128(_mm_xor_si128(low, high), next)
}

/// Folds in the last `len` bytes of `last`, of which the others are part of `remainder`: the remainder and these bytes
/// in a row are its first `len` bytes, right-aligned, and 16 bytes that follow.
#[target_feature(enable = "pclmulqdq,sse4.1")]
#[inline]
fn fold_part(remainder: __m128i, last: __m128i, len: usize) -> __m128i {
    let first = _mm_shuffle_epi8(remainder, load_lane(window(len)));
    let to_front = load_lane(window(LANE + len));
    // Where `to_front` finds nothing, the sign bit that says so chooses `last`.
    let following = _mm_blendv_epi8(_mm_shuffle_epi8(remainder, to_front), last, to_front);
    fold_lane(first, following)
}

/// Places for a shuffle that moves what is before by `LANE - at` bytes (back, below `LANE`; on, above); a set sign bit
/// says that a byte comes from elsewhere.
fn window(at: usize) -> &'static [u8; LANE] {
    const PLACES: [u8; 3 * LANE] = {
        let mut places = [0x80; 3 * LANE];
        let mut at = 0;
        while at < LANE {
            places[LANE + at] = at as u8;
            at += 1;
        }
        places
    };
    PLACES[at..].first_chunk().expect("at most two lanes")
}

/// 16 bytes modulo the polynomial: to 12, to 8, and to 4 as Barrett did.
#[target_feature(enable = "pclmulqdq,sse4.1")]
#[inline]
fn reduce(remainder: __m128i) -> u32 {
    const FACTORS: [u64; 2] = [(power_of_x(64) as u64) << 1, by(LANE)[1]];
    let factors = _mm_set_epi64x(FACTORS[1] as i64, FACTORS[0] as i64);
    let low_word = _mm_setr_epi32(-1, 0, 0, 0);
    let twelve =
        _mm_xor_si128(_mm_clmulepi64_si128::<0x10>(remainder, factors), _mm_srli_si128::<8>(remainder));
    let moved = _mm_clmulepi64_si128::<0x00>(_mm_and_si128(twelve, low_word), factors);
    reduce_half(_mm_xor_si128(moved, _mm_srli_si128::<4>(twelve)))
}

/// The lower 8 bytes modulo the polynomial.
#[target_feature(enable = "pclmulqdq,sse4.1")]
#[inline]
fn reduce_half(half: __m128i) -> u32 {
    /// The quotient of `x^64` and the polynomial, reflected.
    const QUOTIENT: i64 = 0x1_f701_1641;
    const WHOLE_POLYNOMIAL: i64 = ((POLYNOMIAL as i64) << 1) | 1;
    let factors = _mm_set_epi64x(QUOTIENT, WHOLE_POLYNOMIAL);
    let low_word = _mm_setr_epi32(-1, 0, 0, 0);
    let times = _mm_clmulepi64_si128::<0x10>(_mm_and_si128(half, low_word), factors);
    let multiple = _mm_clmulepi64_si128::<0x00>(_mm_and_si128(times, low_word), factors);
    _mm_extract_epi32::<1>(_mm_xor_si128(multiple, half)) as u32
}

#[target_feature(enable = "pclmulqdq,sse4.1")]
#[inline]
fn product(a: u32, b: u32) -> u32 {
    let (a, b) = (_mm_cvtsi64_si128(i64::from(a)), _mm_cvtsi64_si128(i64::from(b)));
    // Reflected factors of 32 bits make a product of 63: it belongs one further up.
    reduce_half(_mm_slli_epi64::<1>(_mm_clmulepi64_si128::<0x00>(a, b)))
}

/// The factors by `bytes`, in each lane.
#[target_feature(enable = "avx512f")]
#[inline]
fn factors(bytes: usize) -> __m512i {
    const ONE: [u64; 2] = by(BLOCK);
    const TWO: [u64; 2] = by(2 * BLOCK);
    const FOUR: [u64; 2] = by(4 * BLOCK);
    let [low, high] = match bytes / BLOCK {
        1 => ONE,
        2 => TWO,
        _ => FOUR,
    };
    let (low, high) = (low as i64, high as i64);
    _mm512_setr_epi64(low, high, low, high, low, high, low, high)
}

/// The factors that move the lower and the higher half of a lane on by `bytes`.
const fn by(bytes: usize) -> [u64; 2] {
    [(power_of_x(8 * bytes + 32) as u64) << 1, (power_of_x(8 * bytes - 32) as u64) << 1]
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_block(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: 64 readable bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[target_feature(enable = "sse4.1")]
#[inline]
fn load_lane(lane: &[u8; LANE]) -> __m128i {
    // SAFETY: 16 readable bytes; the load asks for no alignment.
    unsafe { _mm_loadu_si128(lane.as_ptr().cast()) }
}

/// Bytes of a register.
const BLOCK: usize = 64;
/// Bytes that a product takes.
const LANE: usize = 16;
/// `a ^ b ^ c`, as a table of truth.
const XOR: i32 = 0x96;
