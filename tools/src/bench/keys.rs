//! `--keys`: which keys messages carry, as a fixed list that is taken in turn.

use super::random::Random;

/// Reads `none`, `rr`, `rr:1000`, `zipf:1.1`, `zipf:1.1:100000`; draws the list from `seed`.
///
/// # Errors
/// What is wrong with `text`.
pub fn keys(text: &str, seed: u64) -> Result<Vec<u32>, String> {
    let wrong = || format!("--keys {text:?} is none of none, rr[:N], zipf:S[:N]");
    let mut parts = text.split(':');
    let kind = parts.next().unwrap_or_default();
    let mut number = |default: Option<f64>| match parts.next() {
        None => default.ok_or_else(wrong),
        Some(part) => part.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(wrong),
    };
    let keys = match kind {
        "none" => Vec::new(),
        "rr" => (0..count(number(Some(f64::from(KEYS)))?).ok_or_else(wrong)?).collect(),
        "zipf" => {
            let exponent = number(None)?;
            let count = count(number(Some(f64::from(KEYS)))?).ok_or_else(wrong)?;
            if !(0.0..=10.0).contains(&exponent) {
                return Err(wrong());
            }
            zipf(exponent, count, seed)
        }
        _ => return Err(wrong()),
    };
    if parts.next().is_some() { Err(wrong()) } else { Ok(keys) }
}

fn count(value: f64) -> Option<u32> {
    (1.0..=f64::from(KEYS_MAX)).contains(&value).then_some(value as u32)
}

/// Reads `even` or `zipf:1.1`, which is how messages spread over queues: Zipf's exponent.
///
/// # Errors
/// What is wrong with `text`.
pub fn spread(text: &str) -> Result<Option<f64>, String> {
    match (text, text.strip_prefix("zipf:").map(str::parse::<f64>)) {
        ("even", _) => Ok(None),
        (_, Some(Ok(exponent))) if (0.0..=10.0).contains(&exponent) => Ok(Some(exponent)),
        _ => Err(format!("{text:?} is neither even nor zipf:S with S from 0 to 10")),
    }
}

/// Numbers below `count`; k is drawn in proportion to 1 / (k + 1)^exponent.
#[must_use]
pub fn zipf(exponent: f64, count: u32, seed: u64) -> Vec<u32> {
    let mut sums = Vec::with_capacity(count as usize);
    let mut sum = 0.0;
    for rank in 1..=count {
        sum += f64::from(rank).powf(-exponent);
        sums.push(sum);
    }
    let mut random = Random::new(seed, 0x21BF);
    (0..DRAWN)
        .map(|_| {
            let wanted = random.unit() * sum;
            let at = sums.partition_point(|sum| *sum < wanted);
            (at as u32).min(count - 1)
        })
        .collect()
}

const KEYS: u32 = 10_000;
const KEYS_MAX: u32 = 1_000_000;
/// Length of a drawn list: long enough that its period means nothing.
const DRAWN: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_turn_or_by_zipfs_law() {
        assert_eq!(keys("none", 1).unwrap(), Vec::<u32>::new());
        assert_eq!(keys("rr:3", 1).unwrap(), [0, 1, 2]);
        let drawn = keys("zipf:1:1000", 1).unwrap();
        let first = drawn.iter().filter(|key| **key == 0).count() as f64 / drawn.len() as f64;
        // 1 / H(1000), and four standard deviations of 65,536 draws.
        assert!((first - 1.0 / 7.485).abs() < 0.006, "{first}");
        assert_eq!(keys("zipf:1:1000", 1).unwrap(), drawn);
    }

    #[test]
    fn messages_spread_evenly_or_by_zipfs_law() {
        assert_eq!((spread("even"), spread("zipf:1.5")), (Ok(None), Ok(Some(1.5))));
        assert!(["", "zipf", "zipf:x", "zipf:-1", "odd"].iter().all(|bad| spread(bad).is_err()));
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in ["", "zipf", "rr:0", "rr:x", "zipf:-1", "zipf:1:2:3", "none:1", "random"] {
            assert!(keys(bad, 1).is_err(), "{bad:?}");
        }
    }
}
