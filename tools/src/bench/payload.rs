//! Bodies: how large, and of what. A fixed set is made before the run; sends take them in turn.

use std::fs;
use std::path::PathBuf;

use super::random::Random;
use super::units;

/// `--size`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// All alike.
    Fixed(usize),
    /// Evenly from the smallest to the largest.
    Range(usize, usize),
    /// As listed in a file, one a line, taken in turn.
    Listed(PathBuf),
}

/// `--payload`.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Zeros.
    Zero,
    /// Bytes that do not compress.
    Random,
    /// So much of it random, the rest zeros.
    Ratio(f64),
    /// The content of a file, cut or repeated to the size.
    File(PathBuf),
}

/// `1k`, `200..500`, or a file of sizes.
///
/// # Errors
/// A sentence for clap.
pub fn size(text: &str) -> Result<Size, String> {
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (units::bytes(low)?, units::bytes(high)?);
        return if low < high {
            Ok(Size::Range(low, high))
        } else {
            Err(format!("{text}: the first size must be below the second"))
        };
    }
    match units::bytes(text) {
        Ok(bytes) => Ok(Size::Fixed(bytes)),
        Err(_) if text.contains(['/', '.']) => Ok(Size::Listed(text.into())),
        Err(error) => Err(format!("{error}, nor a range such as 200..500, nor the path of a file of sizes")),
    }
}

/// `zero`, `random`, `ratio:0.5`, or a file.
///
/// # Errors
/// A sentence for clap.
pub fn payload(text: &str) -> Result<Payload, String> {
    match (text, text.strip_prefix("ratio:")) {
        ("zero", _) => Ok(Payload::Zero),
        ("random", _) => Ok(Payload::Random),
        (_, Some(ratio)) => match ratio.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Payload::Ratio(ratio)),
            _ => Err(format!("{text:?}: the random part is from 0 to 1, as in ratio:0.5")),
        },
        (path, None) if path.contains(['/', '.']) => Ok(Payload::File(path.into())),
        _ => Err(format!("{text:?} is none of zero, random, ratio:0.5, or the path of a file")),
    }
}

/// Makes the bodies of a run.
///
/// # Errors
/// A file that cannot be read, or holds no sizes; a size over `limit`.
pub fn bodies(size: &Size, payload: &Payload, seed: u64, limit: usize) -> Result<Vec<Vec<u8>>, String> {
    let sizes = sizes(size, payload, seed)?;
    if sizes.contains(&0) {
        return Err("a body of 0 bytes: no broker takes a message without one".to_owned());
    }
    if let Some(large) = sizes.iter().find(|size| **size > limit) {
        return Err(format!(
            "a body of {large} bytes is over the limit of {limit}: maxMessageSize, shared by the messages of a request"
        ));
    }
    let file = match payload {
        Payload::File(path) => {
            let content = fs::read(path).map_err(|error| format!("--payload {}: {error}", path.display()))?;
            if content.is_empty() {
                return Err(format!("--payload {}: the file is empty", path.display()));
            }
            content
        }
        _ => Vec::new(),
    };
    let mut random = Random::new(seed, 0xB0D1);
    let body = |size: usize| match payload {
        Payload::Zero => vec![0; size],
        Payload::Random => noise(&mut random, size),
        Payload::Ratio(ratio) => {
            let mut body = noise(&mut random, size);
            let from = (size as f64 * ratio).round() as usize;
            body[from..].fill(0);
            body
        }
        Payload::File(_) => file.iter().copied().cycle().take(size).collect(),
    };
    Ok(sizes.into_iter().map(body).collect())
}

fn sizes(size: &Size, payload: &Payload, seed: u64) -> Result<Vec<usize>, String> {
    match size {
        // Different content only where content is random.
        Size::Fixed(size) if matches!(payload, Payload::Random | Payload::Ratio(_)) => {
            Ok(vec![*size; variants(*size)])
        }
        Size::Fixed(size) => Ok(vec![*size]),
        Size::Range(low, high) => {
            let mut random = Random::new(seed, 0x512E);
            let span = (high - low + 1) as u64;
            Ok((0..variants(*high)).map(|_| low + random.below(span) as usize).collect())
        }
        Size::Listed(path) => {
            let at = path.display();
            let text = fs::read_to_string(path).map_err(|error| format!("--size {at}: {error}"))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let sizes: Vec<usize> = lines
                .take(LISTED_MAX)
                .map(units::bytes)
                .collect::<Result<_, _>>()
                .map_err(|error| format!("--size {at}: {error}"))?;
            if sizes.is_empty() { Err(format!("--size {at}: the file lists no size")) } else { Ok(sizes) }
        }
    }
}

/// Many for small bodies; few for large ones, so that they stay in the processor's cache.
fn variants(size: usize) -> usize {
    (VARIANT_BYTES / size.max(1)).clamp(4, VARIANTS_MAX)
}

/// Printable, so that a dump can be read; about 6.6 bits of entropy a byte.
fn noise(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| b' ' + random.below(95) as u8).collect()
}

const VARIANTS_MAX: usize = 64;
const VARIANT_BYTES: usize = 64 << 10;
const LISTED_MAX: usize = 4096;

/// What `Size` says, for people.
#[must_use]
pub fn size_text(size: &Size) -> String {
    let one = |bytes: usize| {
        if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
            format!("{} MiB", bytes >> 20)
        } else if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) {
            format!("{} KiB", bytes >> 10)
        } else {
            format!("{bytes} B")
        }
    };
    match size {
        Size::Fixed(bytes) => one(*bytes),
        Size::Range(low, high) => format!("{} to {}", one(*low), one(*high)),
        Size::Listed(path) => format!("sizes of {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_contents_are_as_asked_and_the_seed_repeats_them() {
        let all = bodies(&Size::Range(200, 500), &Payload::Ratio(0.5), 7, 1 << 20).unwrap();
        assert!(all.len() > 10 && all.iter().all(|body| (200..=500).contains(&body.len())));
        assert!(all.iter().any(|body| body.len() != all[0].len()));
        let first = &all[0];
        assert!(first[first.len() / 2 + 1..].iter().all(|byte| *byte == 0) && first[0] != 0);
        assert_eq!(bodies(&Size::Range(200, 500), &Payload::Ratio(0.5), 7, 1 << 20).unwrap(), all);
        assert_eq!(bodies(&Size::Fixed(3), &Payload::Zero, 1, 3).unwrap(), [[0; 3]]);
        assert!(bodies(&Size::Fixed(4), &Payload::Zero, 1, 3).unwrap_err().contains("over the limit"));
    }

    #[test]
    fn spellings_are_read_and_others_refused() {
        assert_eq!(size("1k"), Ok(Size::Fixed(1024)));
        assert_eq!(size("200..500"), Ok(Size::Range(200, 500)));
        assert_eq!(size("./sizes"), Ok(Size::Listed("./sizes".into())));
        assert_eq!(payload("ratio:0.25"), Ok(Payload::Ratio(0.25)));
        assert!(size("500..200").is_err() && size("much").is_err());
        assert!(payload("ratio:2").is_err() && payload("nonsense").is_err());
    }
}
