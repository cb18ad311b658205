//! A stable 64-bit hash: the same bytes hash the same on every machine and in every version, because the key index
//! stores it. Not for secrets and not against chosen collisions; users re-check the key behind a hit.

/// Hashes the concatenation `parts[0] '#' parts[1] '#' ...`, so that ("a", "b") and ("ab", "") differ.
///
/// FORMAT.md, "Key index".
#[must_use]
pub(crate) fn stable(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut state = seed ^ START;
    for part in parts {
        state = absorb(state, part);
        state = mix(state, u64::from(b'#') ^ ((part.len() as u64) << 8));
    }
    finish(state)
}

/// Spreads one number; for tables keyed by small integers.
#[must_use]
pub(crate) fn spread(number: u64) -> u64 {
    finish(number ^ START)
}

fn absorb(mut state: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    mix(state, last_word(bytes, rest.len()))
}

/// The last `len` bytes, 7 at most, as a number, least significant first. Short copies into a word are a call each, and a
/// load that waits for its stores: so the last 8 bytes are read at once where there are as many.
fn last_word(bytes: &[u8], len: usize) -> u64 {
    match bytes.last_chunk() {
        Some(_) if len == 0 => 0,
        Some(last) => u64::from_le_bytes(*last) >> (u64::BITS as usize - 8 * len),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

const fn mix(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(MULTIPLIER);
    product ^ (product >> 29)
}

const fn finish(state: u64) -> u64 {
    let mut state = (state ^ (state >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    state = (state ^ (state >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    state ^ (state >> 33)
}

const START: u64 = 0x9e37_79b9_7f4a_7c15;
const MULTIPLIER: u64 = 0xd6e8_feb8_6659_fd93;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes_because_it_is_on_disk() {
        assert_eq!(stable(0, &[b"Topic", b"order-17 and more"]), 16_598_468_426_159_527_895);
        assert_ne!(stable(0, &[b"ab", b""]), stable(0, &[b"a", b"b"]));
        assert_ne!(stable(0, &[b"a"]), stable(0, &[b"a\0"]));
        assert_ne!(stable(0, &[b"a"]), stable(1, &[b"a"]));
    }

    #[test]
    fn every_length_is_padded_with_zeros() {
        let text = b"0123456789abcdefghijklmnopqrstuv";
        for len in 0..text.len() {
            let mut padded = text[..len].to_vec();
            padded.resize(len / 8 * 8 + 8, 0);
            let words = padded.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
            assert_eq!(absorb(5, &text[..len]), words.fold(5, mix), "{len} bytes");
        }
    }

    #[test]
    fn ten_thousand_similar_keys_do_not_collide() {
        let mut seen: Vec<u64> =
            (0..10_000).map(|number| stable(7, &[b"Orders", format!("key-{number}").as_bytes()])).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
