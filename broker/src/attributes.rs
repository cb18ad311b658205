//! Attributes of topics and groups: `+name=value,-name` texts against what is known. since-5.3.md 5.
//!
//! Names we give no meaning are kept all the same: tools of newer versions send them and read them back.

use std::collections::BTreeMap;

/// What one kind of object knows about its attributes.
pub(crate) struct Attributes {
    /// Names with the values they may have; other names are refused where this is not empty.
    known: &'static [(&'static str, &'static [&'static str])],
    /// Whether other names are taken.
    open: bool,
}

/// Topic attributes (behaviour.md 4.1).
pub(crate) const TOPIC: Attributes = Attributes {
    known: &[
        ("message.type", &["NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "LITE", "UNSPECIFIED"]),
        ("queue.type", &["SimpleCQ", "BatchCQ", "RocksDBCQ"]),
        ("cleanup.policy", &["DELETE", "COMPACTION"]),
        ("reserve.time", &[]),
        ("lite.topic.expiration", &[]),
    ],
    open: false,
};

/// Group attributes: all of 5.4 and later, kept without effect.
pub(crate) const GROUP: Attributes = Attributes { known: &[], open: true };

type Map = BTreeMap<String, String>;

/// Applies `+name=value,-name`; nothing is an empty change. A new object takes only additions.
pub(crate) fn apply(known: Option<Map>, change: &str, kind: &Attributes) -> Result<Map, String> {
    let mut signed = Map::new();
    for part in change.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if signed.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("attribute {name} is given twice"));
        }
    }
    apply_map(known, &signed, kind)
}

/// The same from a map whose names carry the sign; a name without one is an addition.
pub(crate) fn apply_map(known: Option<Map>, signed: &Map, kind: &Attributes) -> Result<Map, String> {
    let is_new = known.is_none();
    let mut result = known.unwrap_or_default();
    for (name, value) in signed {
        if let Some(name) = name.strip_prefix('-') {
            if is_new {
                return Err(format!("attribute -{name}: only +name=value is possible while creating"));
            }
            kind.check_name(name)?;
            result.remove(name);
        } else {
            let name = name.strip_prefix('+').unwrap_or(name);
            kind.check_name(name)?;
            kind.check_value(name, value)?;
            result.insert(name.to_owned(), value.clone());
        }
    }
    Ok(result)
}

impl Attributes {
    fn check_name(&self, name: &str) -> Result<(), String> {
        if self.open || self.known.iter().any(|(known, _)| *known == name) {
            return Ok(());
        }
        let names: Vec<&str> = self.known.iter().map(|(known, _)| *known).collect();
        Err(format!("unsupported attribute {name:?}; known are {}", names.join(", ")))
    }

    fn check_value(&self, name: &str, value: &str) -> Result<(), String> {
        let allowed =
            self.known.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, values)| values);
        if allowed.is_empty() || allowed.contains(&value) {
            return Ok(());
        }
        Err(format!("attribute {name}={value}: the value must be one of {}", allowed.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn attributes_come_and_go_by_their_sign() {
        let made = apply(None, "+message.type=FIFO,+queue.type=SimpleCQ", &TOPIC).expect("both known");
        assert_eq!(made, map(&[("message.type", "FIFO"), ("queue.type", "SimpleCQ")]));
        assert_eq!(apply(Some(made), "-queue.type", &TOPIC), Ok(map(&[("message.type", "FIFO")])));
    }

    #[test]
    fn unknown_names_and_values_are_refused_for_topics_and_kept_for_groups() {
        for change in ["+colour=red", "+message.type=PURPLE", "+message.type=FIFO,+message.type=NORMAL"] {
            assert!(apply(None, change, &TOPIC).is_err(), "{change}");
        }
        assert!(apply(None, "-message.type", &TOPIC).is_err(), "nothing to remove while creating");
        assert_eq!(apply(None, "+priority.factor=7", &GROUP), Ok(map(&[("priority.factor", "7")])));
        assert_eq!(apply_map(None, &map(&[("plain", "1")]), &GROUP), Ok(map(&[("plain", "1")])));
    }
}
