//! Values on the command line of `ringmq bench`: rates, sizes, times, and how load arrives.

use std::fmt;
use std::time::Duration;

use super::act::Delays;

/// What `--rate` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As fast as answers come: a closed loop.
    Max,
    /// Messages per second.
    Messages(f64),
    /// Bytes of bodies per second.
    Bytes(f64),
}

/// When messages are due, at a fixed mean rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    #[default]
    Uniform,
    /// Independently of each other (exponential distances).
    Poisson,
    /// So many at once, at equal distances.
    Burst(u32),
}

/// `200k/s`, `200000`, `500MiB/s`, `max`.
///
/// # Errors
/// A sentence for clap.
pub fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    let plain = text.strip_suffix("/s").unwrap_or(text);
    let wrong = || format!("{text:?} is no rate such as 200k/s, 500MiB/s or max");
    let rate = match plain.strip_suffix('B') {
        Some(bytes) => Rate::Bytes(scaled(bytes).ok_or_else(wrong)?),
        None => Rate::Messages(scaled(plain).ok_or_else(wrong)?),
    };
    match rate {
        Rate::Messages(value) | Rate::Bytes(value) if value <= 0.0 => {
            Err(format!("a rate of {text} sends nothing; write a positive rate, or max for a closed loop"))
        }
        rate => Ok(rate),
    }
}

/// `uniform`, `poisson`, `burst:100`.
///
/// # Errors
/// A sentence for clap.
pub fn arrivals(text: &str) -> Result<Arrivals, String> {
    match (text, text.strip_prefix("burst:").map(str::parse)) {
        ("uniform", _) => Ok(Arrivals::Uniform),
        ("poisson", _) => Ok(Arrivals::Poisson),
        (_, Some(Ok(count))) if count > 0 => Ok(Arrivals::Burst(count)),
        _ => Err(format!("{text:?} is none of uniform, poisson, burst:N (N messages at once)")),
    }
}

/// `20s`, `1.5s`, `300ms`, `2m`, or a plain number of seconds.
///
/// # Errors
/// A sentence for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units =
        [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("", 1.0)];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .expect("the last suffix is empty");
    let value: f64 =
        number.trim().parse().map_err(|_| format!("{text:?} is no time such as 20s, 500ms or 2m"))?;
    Duration::try_from_secs_f64(value * unit).map_err(|error| format!("{text:?}: {error}"))
}

/// `10%`, `0.1`: a share, from 0 to 1.
///
/// # Errors
/// A sentence for clap.
pub fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no share such as 10% or 0.1");
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map_err(|_| wrong())? / 100.0,
        None => text.parse().map_err(|_| wrong())?,
    };
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(wrong()) }
}

/// `5s`, `1s..10s`, `1s..100s:1s`: delays, all of them or a step apart.
///
/// # Errors
/// A sentence for clap.
pub fn delays(text: &str) -> Result<Delays, String> {
    let ms = |text: &str| {
        let ms = duration(text)?.as_millis();
        u64::try_from(ms).map_err(|_| format!("{text:?} is too long"))
    };
    let (range, step) = text.split_once(':').unwrap_or((text, "1ms"));
    let (least, most) = range.split_once("..").unwrap_or((range, range));
    let delays = Delays { least_ms: ms(least)?, most_ms: ms(most)?, step_ms: ms(step)? };
    if delays.least_ms == 0 || delays.step_ms == 0 || delays.most_ms < delays.least_ms {
        return Err(format!("{text:?} is no delay such as 5s, 1s..10s or 1s..100s:1s"));
    }
    Ok(delays)
}

/// `1k`, `1KiB`, `1024`, `4MiB`: bytes.
///
/// # Errors
/// A sentence for clap.
pub fn bytes(text: &str) -> Result<usize, String> {
    let number = text.strip_suffix("iB").or_else(|| text.strip_suffix('B')).unwrap_or(text);
    let (digits, shift) = match number.char_indices().last() {
        Some((at, 'k' | 'K')) => (&number[..at], 10),
        Some((at, 'm' | 'M')) => (&number[..at], 20),
        Some((at, 'g' | 'G')) => (&number[..at], 30),
        _ => (number, 0),
    };
    let value: usize =
        digits.trim().parse().map_err(|_| format!("{text:?} is no size such as 1k or 4MiB"))?;
    value.checked_mul(1 << shift).ok_or_else(|| format!("{text} is more than this machine can count"))
}

/// `200k`, `1.5M`, `64Ki`: a count; binary with `i`.
fn scaled(text: &str) -> Option<f64> {
    let (text, base) = match text.strip_suffix('i') {
        Some(text) => (text, 1024.0_f64),
        None => (text, 1000.0),
    };
    let (digits, power) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 1),
        'M' => (&text[..text.len() - 1], 2),
        'G' => (&text[..text.len() - 1], 3),
        _ => (text, 0),
    };
    let value: f64 = digits.parse().ok()?;
    value.is_finite().then(|| value * base.powi(power))
}

/// A count with blanks between groups of three digits, as in `12 000 000`.
#[must_use]
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds as milliseconds with three significant digits or so.
#[must_use]
pub fn ms(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    match ms {
        ..0.1 => format!("{ms:.3}"),
        ..10.0 => format!("{ms:.2}"),
        ..100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Messages(rate) => write!(f, "{}/s", grouped(*rate)),
            Self::Bytes(rate) => write!(f, "{:.1} MiB/s", rate / f64::from(1 << 20)),
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Poisson => f.write_str("poisson"),
            Self::Burst(count) => write!(f, "burst:{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_spelling_is_read() {
        assert_eq!(rate("200k/s"), Ok(Rate::Messages(200_000.0)));
        assert_eq!(rate("1.5M"), Ok(Rate::Messages(1_500_000.0)));
        assert_eq!(rate("500MiB/s"), Ok(Rate::Bytes(500.0 * 1_048_576.0)));
        assert_eq!(rate("max"), Ok(Rate::Max));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!((bytes("1k"), bytes("4MiB"), bytes("17")), (Ok(1024), Ok(4 << 20), Ok(17)));
        assert_eq!(arrivals("burst:7"), Ok(Arrivals::Burst(7)));
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in ["", "fast", "-1", "0", "0/s", "k", "nan", "inf"] {
            assert!(rate(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "s", "-1s", "five", "1x"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "k", "-1", "99999999999999999999", "99999999999999999G"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "burst", "burst:0", "burst:x"] {
            assert!(arrivals(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(grouped(12_000_000.4), "12 000 000");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(
            [ms(212_000), ms(2_100_000), ms(43_000), ms(120_000_000)],
            ["0.21", "2.10", "0.043", "120"]
        );
    }
}
