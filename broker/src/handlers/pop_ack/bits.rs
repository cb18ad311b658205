//! The bits of a batch acknowledgement.

/// Longest bit set of one of them, in bytes: the scan of a filtered pop is shorter.
const BITS_MAX: usize = 8_192;

/// A `BitSet` of Java, as it comes in Base64.
pub(crate) struct Bits(Vec<u8>);

impl Bits {
    /// Reads the text; `None` if it is none or too long.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('=');
        if text.len() > BITS_MAX / 3 * 4 {
            return None;
        }
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
        let (mut buffer, mut have) = (0u32, 0u32);
        for byte in text.bytes() {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            buffer = ((buffer << 6) | u32::from(value)) & 0xffff;
            have += 6;
            if have >= 8 {
                have -= 8;
                bytes.push(((buffer >> have) & 0xff) as u8);
            }
        }
        Some(Self(bytes))
    }

    /// Whether bit `number` is set.
    pub(crate) fn is_set(&self, number: i64) -> bool {
        let Ok(number) = usize::try_from(number) else { return false };
        self.0.get(number / 8).is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> Option<Vec<i64>> {
        let bits = Bits::parse(text)?;
        Some((-1..100).filter(|number| bits.is_set(*number)).collect())
    }

    #[test]
    fn bit_sets_are_read_as_java_writes_them() {
        // Base64 of BitSet.toByteArray: {0}, {0, 2, 8}, {}, and two bytes without padding.
        assert_eq!(bits("AQ=="), Some(vec![0]));
        assert_eq!(bits("BQE="), Some(vec![0, 2, 8]));
        assert_eq!(bits(""), Some(vec![]));
        assert_eq!(bits("BQE"), Some(vec![0, 2, 8]));
        assert_eq!(bits("/w=="), Some((0..8).collect()));
        assert_eq!(bits("A*"), None);
        assert_eq!(bits(&"A".repeat(100_000)), None);
    }
}
