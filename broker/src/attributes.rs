//! Attributes of topics and groups: `+name=value,-name` texts against what is known. since-5.3.md 5.
//!
//! Names we give no meaning are kept all the same: tools of newer versions send them and read them back.

use std::collections::BTreeMap;

/// What one kind of object knows about its attributes.
pub(crate) struct Attributes {
    /// Names with the values they may have.
    known: &'static [(&'static str, Values)],
    /// Whether other names are taken.
    open: bool,
}

/// What an attribute may be.
enum Values {
    Any,
    OneOf(&'static [&'static str]),
    Number(i64, i64),
}

const YES_NO: Values = Values::OneOf(&["true", "false"]);

/// Topic attributes (behaviour.md 4.1).
pub(crate) const TOPIC: Attributes = Attributes {
    known: &[
        (
            "message.type",
            Values::OneOf(&[
                "NORMAL",
                "FIFO",
                "DELAY",
                "TRANSACTION",
                "MIXED",
                "PRIORITY",
                "LITE",
                "UNSPECIFIED",
            ]),
        ),
        ("queue.type", Values::OneOf(&["SimpleCQ", "BatchCQ", "RocksDBCQ"])),
        ("cleanup.policy", Values::OneOf(&["DELETE", "COMPACTION"])),
        ("reserve.time", Values::Any),
        ("lite.topic.expiration", Values::Number(-1, 43_200)),
    ],
    open: false,
};

/// Group attributes: those of 5.4 and later are checked; all are kept.
pub(crate) const GROUP: Attributes = Attributes {
    known: &[
        ("priority.factor", Values::Number(0, 100)),
        ("lite.bind.topic", Values::Any),
        ("lite.sub.model", Values::OneOf(&["Shared", "Exclusive"])),
        ("lite.sub.client.quota", Values::Number(-1, i64::MAX)),
        ("lite.sub.client.max.event.cnt", Values::Number(10, i64::MAX)),
        ("lite.sub.reset.offset.exclusive", YES_NO),
        ("lite.sub.reset.offset.unsubscribe", YES_NO),
        ("lite.sub.wildcard", Values::Any),
    ],
    open: true,
};

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
        let Some((_, values)) = self.known.iter().find(|(known, _)| *known == name) else { return Ok(()) };
        let wanted = match values {
            Values::Any => return Ok(()),
            Values::OneOf(words) if words.contains(&value) => return Ok(()),
            Values::OneOf(words) => format!("one of {}", words.join(", ")),
            Values::Number(low, high) => match value.parse::<i64>() {
                Ok(number) if (*low..=*high).contains(&number) => return Ok(()),
                _ if *high == i64::MAX => format!("a number from {low}"),
                _ => format!("a number from {low} to {high}"),
            },
        };
        Err(format!("attribute {name}={value}: the value must be {wanted}"))
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
        for change in ["+priority.factor=101", "+priority.factor=much", "+lite.sub.model=Both"] {
            let refused = apply(None, change, &GROUP).expect_err("no such value");
            assert!(refused.contains("must be"), "{refused}");
        }
        assert_eq!(apply(None, "+priority.factor=7", &GROUP), Ok(map(&[("priority.factor", "7")])));
        assert_eq!(apply_map(None, &map(&[("plain", "1")]), &GROUP), Ok(map(&[("plain", "1")])));
    }
}
