//! [`Knob`]: a row of `tuning/knobs.toml`.

use serde::Deserialize;

/// How much a row that is not as wanted matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Nothing starts.
    Fatal,
    /// Slower, or less steady.
    Warn,
    /// To be known.
    Info,
}

/// What of a file is the value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// All of it.
    #[default]
    Whole,
    /// The word in brackets.
    Selected,
    /// The last word.
    Last,
    /// How many lines there are behind the first.
    Rows,
    /// The hard limit of this name, in the table of `/proc/self/limits`.
    Limit(String),
}

/// Which values are fine. What is not said is not asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Want {
    at_least: Option<u64>,
    at_most: Option<u64>,
    one_of: Option<Vec<String>>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Knob {
    pub(super) name: String,
    pub(super) read: String,
    #[serde(default)]
    pub(super) value: Part,
    /// Only for disks that turn (or say so), or only for those that do not.
    pub(super) rotational: Option<bool>,
    pub(super) want: Want,
    pub(super) severity: Severity,
    pub(super) why: String,
    pub(super) source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    knob: Vec<Knob>,
}

impl Knob {
    /// All rows.
    pub(super) fn all() -> Vec<Knob> {
        let table: Table = toml::from_str(KNOBS).expect("a test reads the table");
        table.knob
    }
}

const KNOBS: &str = include_str!("../../../tuning/knobs.toml");

impl Want {
    /// Whether `value` is fine. `unlimited` is more than any number; any other word is no number.
    pub(super) fn holds(&self, value: &str) -> bool {
        let number = if value == "unlimited" { Some(u64::MAX) } else { value.parse().ok() };
        let bound = |bound: Option<u64>, fine: fn(u64, u64) -> bool| {
            bound.is_none_or(|bound| number.is_some_and(|number| fine(number, bound)))
        };
        bound(self.at_least, |number, bound| number >= bound)
            && bound(self.at_most, |number, bound| number <= bound)
            && self.one_of.as_ref().is_none_or(|words| words.iter().any(|word| word == value))
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        match (self.at_least, self.at_most, &self.one_of) {
            (_, _, Some(words)) => words.join(" or "),
            (Some(least), Some(most), None) => format!("{least} to {most}"),
            (Some(least), None, None) => format!("at least {least}"),
            (None, Some(0), None) => "0".to_owned(),
            (None, Some(most), None) => format!("at most {most}"),
            (None, None, None) => "anything".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_asks_for_something_and_says_why() {
        let all = Knob::all();
        assert!(all.len() > 30, "{}", all.len());
        for knob in all {
            let words = knob.want.one_of.as_ref().is_some_and(|words| !words.is_empty());
            let bounds = (knob.want.at_least.unwrap_or(0), knob.want.at_most.unwrap_or(u64::MAX));
            assert!(words || bounds != (0, u64::MAX), "{knob:?}");
            assert!(bounds.0 <= bounds.1, "{knob:?}");
            assert!(knob.read.starts_with("/proc/") || knob.read.starts_with("/sys/"), "{knob:?}");
            assert!(!knob.why.is_empty() && !knob.source.is_empty(), "{knob:?}");
            assert!(knob.rotational.is_none() || knob.read.contains("{disk}"), "{knob:?}");
        }
    }

    #[test]
    fn bounds_hold_at_their_ends_and_words_are_no_numbers() {
        let want: Want = toml::from_str("at_least = 5\nat_most = 7").unwrap();
        let held: Vec<&str> = ["4", "5", "7", "8", "unlimited", "many", ""]
            .into_iter()
            .filter(|value| want.holds(value))
            .collect();
        assert_eq!((held, want.shown()), (vec!["5", "7"], "5 to 7".to_owned()));
        let least: Want = toml::from_str("at_least = 5").unwrap();
        assert!(least.holds("unlimited") && !least.holds("x"));
        let words: Want = toml::from_str("one_of = [\"a\", \"b\"]").unwrap();
        assert!(words.holds("b") && !words.holds("c") && words.shown() == "a or b");
        assert!(toml::from_str::<Want>("at_last = 5").is_err(), "a misspelt bound is no silence");
    }
}
