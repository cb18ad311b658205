//! Mutations without a fuzzer: what `cargo test` does to every input of the corpora.

/// A changed copy of `input`, the same one for the same `number`.
#[must_use]
pub fn mutated(input: &[u8], number: u32) -> Vec<u8> {
    let mut random = Numbers(u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ input.len() as u64);
    let mut bytes = input.to_vec();
    for _ in 0..1 + random.below(4) {
        change(&mut bytes, &mut random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, random: &mut Numbers) {
    if bytes.is_empty() {
        return bytes.push(random.byte());
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes[at] = INTERESTING[random.below(INTERESTING.len())],
        3 => bytes.truncate(at),
        4 => bytes.insert(at, random.byte()),
        5 => drop(bytes.remove(at)),
        6 => {
            let end = (at + 1 + random.below(16)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            // A length field, as likely as not.
            let end = (at + 4).min(bytes.len());
            let value = [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF_u32][random.below(4)].to_be_bytes();
            bytes[at..end].copy_from_slice(&value[..end - at]);
        }
    }
}

const INTERESTING: [u8; 14] = [0, 1, 2, 0x7F, 0x80, 0xFF, b'"', b'\\', b'{', b'}', b'[', b':', b',', b'-'];

/// splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
