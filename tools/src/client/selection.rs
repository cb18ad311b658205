//! Which messages of a topic a consumer asks for.

use net::body::SubscriptionData;
use store::record::java_hash;

/// By tag, or by properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// `*` or `A || B`.
    Tags(String),
    /// A SQL92 condition; the broker decides.
    Sql(String),
}

impl Selection {
    /// Everything.
    pub(crate) fn all() -> Self {
        Self::Tags("*".to_owned())
    }

    /// As requests carry it: expression and its type.
    pub(crate) fn on_the_wire(&self) -> (&str, &'static str) {
        match self {
            Self::Tags(tags) if tags.trim().is_empty() => ("*", "TAG"),
            Self::Tags(tags) => (tags.trim(), "TAG"),
            Self::Sql(condition) => (condition, "SQL92"),
        }
    }

    /// The broker compares hashes of tags; here the tags themselves.
    pub(crate) fn wants(&self, tag: &str) -> bool {
        match self.on_the_wire() {
            (_, "SQL92") | ("*", _) => true,
            (tags, _) => tags.split("||").any(|one| one.trim() == tag),
        }
    }

    /// For a heartbeat.
    pub(crate) fn subscription(&self, topic: &str, version: i64) -> SubscriptionData {
        let (expression, kind) = self.on_the_wire();
        let all = SubscriptionData::all(topic, version);
        if kind == "SQL92" {
            let (expression, expression_type) = (expression.to_owned(), Some(kind.to_owned()));
            return SubscriptionData { expression, expression_type, ..all };
        }
        if expression == "*" {
            return all;
        }
        let tags: Vec<String> =
            expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        let codes = tags.iter().map(|tag| java_hash(tag.as_bytes())).collect();
        SubscriptionData { expression: expression.to_owned(), codes, tags, ..all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Selection {
        Selection::Tags(text.to_owned())
    }

    #[test]
    fn a_subscription_carries_the_hashes_that_the_broker_compares() {
        let both = tags("TagA || TagB").subscription("t", 1);
        assert_eq!(both.tags, ["TagA", "TagB"]);
        // "TagA".hashCode() in Java.
        assert_eq!(both.codes, [2_598_919, 2_598_920]);
        assert!(tags(" * ").subscription("t", 1).tags.is_empty());
        let sql = Selection::Sql("a > 5".to_owned()).subscription("t", 1);
        assert_eq!((sql.expression.as_str(), sql.expression_type.as_deref()), ("a > 5", Some("SQL92")));
    }

    #[test]
    fn a_tag_is_wanted_if_it_is_one_of_those_asked_for() {
        assert!(tags("*").wants("") && tags("").wants("A"));
        assert!(tags("A || B").wants("B") && tags("A").wants("A"));
        assert!(!tags("A || B").wants("C") && !tags("A").wants(""));
    }
}
