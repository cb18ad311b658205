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
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state, u64::from_le_bytes(last))
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
    fn ten_thousand_similar_keys_do_not_collide() {
        let mut seen: Vec<u64> =
            (0..10_000).map(|number| stable(7, &[b"Orders", format!("key-{number}").as_bytes()])).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
