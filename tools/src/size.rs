//! Sizes as people write them: `64MiB`, `4k`, `1g`. Powers of 1024.

/// Bytes of a size with an optional unit (k, m, g, t, each with `iB` or `B` if liked).
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match lower[digits.len()..].trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("a number with k, m, g or t, such as 64MiB".to_owned()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| "a whole number, such as 64MiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that many bytes do not exist".to_owned())
}

/// With the largest unit that leaves a number of at least 1.
pub(crate) fn show(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (bytes.max(1).ilog2() / 10).min(4);
    let number = bytes as f64 / (1u64 << (10 * unit)) as f64;
    let digits = usize::from(number.fract() != 0.0);
    format!("{number:.digits$} {}", units[unit as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4k", 4096),
            ("64MiB", 64 << 20),
            ("1 g", 1 << 30),
            ("2TB", 2 << 40),
            ("7b", 7),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "x", "1.5g", "-1", "1e", "99999999t", "k"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_a_unit() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (58 << 30, "58 GiB")]
        {
            assert_eq!(show(bytes), text);
        }
    }
}
