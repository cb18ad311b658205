//! `--fail-if`: figures that end a run with exit code 3.

use super::units;

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written.
    pub text: String,
    /// Which figure.
    pub figure: Figure,
    relation: Relation,
    limit: f64,
}

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A percentile of the headline latency, ns.
    Percentile(f64),
    /// Its maximum, ns.
    Max,
    /// Its mean, ns.
    Mean,
    /// Failed requests.
    Errors,
    /// Messages per second with success.
    Rate,
    /// Lost messages.
    Lost,
    /// Generator lag at p99.9, ns.
    Lag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Threshold {
    /// Whether `value` is what the run shall fail for.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Above => value > self.limit,
            Relation::AtLeast => value >= self.limit,
            Relation::Below => value < self.limit,
            Relation::AtMost => value <= self.limit,
        }
    }
}

/// Reads `p99>2ms,err>0`.
///
/// # Errors
/// Names the part that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Threshold>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(one).collect()
}

fn one(text: &str) -> Result<Threshold, String> {
    let wrong = |why: &str| format!("--fail-if {text:?}: {why}");
    let at = text.find(['<', '>']).ok_or_else(|| wrong("no < or > in it"))?;
    let (name, rest) = text.split_at(at);
    let (relation, limit) = match (rest.as_bytes()[0], rest[1..].strip_prefix('=')) {
        (b'>', Some(limit)) => (Relation::AtLeast, limit),
        (b'>', None) => (Relation::Above, &rest[1..]),
        (_, Some(limit)) => (Relation::AtMost, limit),
        (_, None) => (Relation::Below, &rest[1..]),
    };
    let (name, limit) = (name.trim(), limit.trim());
    let figure = match (name, name.strip_prefix('p').map(str::parse::<f64>)) {
        ("max", _) => Figure::Max,
        ("mean", _) => Figure::Mean,
        ("err", _) => Figure::Errors,
        ("rate", _) => Figure::Rate,
        ("lost", _) => Figure::Lost,
        ("lag", _) => Figure::Lag,
        (_, Some(Ok(percentile))) if (0.0..100.0).contains(&percentile) => Figure::Percentile(percentile),
        _ => return Err(wrong("the figure is none of p50 ... p99.99, max, mean, err, rate, lost, lag")),
    };
    let limit = match figure {
        Figure::Percentile(_) | Figure::Max | Figure::Mean | Figure::Lag => {
            if limit.ends_with(|letter: char| letter.is_ascii_digit()) {
                return Err(wrong("a time needs its unit: us, ms or s"));
            }
            units::duration(limit).map_err(|error| wrong(&error))?.as_nanos() as f64
        }
        Figure::Rate => match units::rate(limit) {
            Ok(units::Rate::Messages(rate)) => rate,
            _ => return Err(wrong("the rate is in messages per second, such as 100k")),
        },
        Figure::Errors | Figure::Lost => limit.parse().map_err(|_| wrong("a count is a number"))?,
    };
    Ok(Threshold { text: text.to_owned(), figure, relation, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_hold_on_their_side_of_the_limit() {
        let all = parse("p99>2ms, err>0,rate<=100k,p99.9>=1.5s").unwrap();
        assert_eq!(all[0].figure, Figure::Percentile(99.0));
        assert!(!all[0].holds(2e6) && all[0].holds(2e6 + 1.0));
        assert!(!all[1].holds(0.0) && all[1].holds(1.0));
        assert!(all[2].holds(100_000.0) && !all[2].holds(100_001.0));
        assert!(all[3].holds(1.5e9) && !all[3].holds(1.4e9));
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for bad in ["p99", "p99=2ms", "p99>2", "p100>1ms", "speed>1", "err>many", "rate<1MiB/s"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
