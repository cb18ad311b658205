//! Tag subscriptions: the expression a consumer sends, and the codes a queue entry is compared with.
//!
//! A queue entry keeps the 32-bit hash of a message's tag, so filtering costs no read of the log. Two tags may share
//! a hash: such a message is delivered and the client, which knows the text, drops it. PROTOCOL.md "Filtering".

use net::properties::tags_code;
use smallvec::SmallVec;

/// Which messages a consumer wants, by tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TagFilter {
    /// `*` or nothing.
    All,
    /// Messages whose tag hashes to one of these, sorted.
    Codes(SmallVec<[i64; 4]>),
}

impl TagFilter {
    /// Parses `a || b`, `*` or the empty expression. Blank alternatives are skipped; an expression of separators only
    /// (` || `) names no tag at all and is refused.
    ///
    /// # Errors
    /// A sentence for the remark of SUBSCRIPTION_PARSE_FAILED (23).
    ///
    /// Source: `FilterAPI.buildSubscriptionData`, RocketMQ 5.3.
    pub(crate) fn parse(expression: &str) -> Result<Self, &'static str> {
        if expression.is_empty() || expression == "*" {
            return Ok(Self::All);
        }
        let mut codes: SmallVec<[i64; 4]> =
            expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(tags_code).collect();
        if codes.is_empty() {
            return Err("the subscription expression names no tag; write TagA || TagB, or * for all");
        }
        codes.sort_unstable();
        codes.dedup();
        Ok(Self::Codes(codes))
    }

    /// Whether a message with this code may be wanted.
    #[must_use]
    pub(crate) fn accepts(&self, tags_code: i64) -> bool {
        match self {
            Self::All => true,
            Self::Codes(codes) => codes.binary_search(&tags_code).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_accepts_its_tags_and_no_other() {
        let filter = TagFilter::parse("TagA ||  TagB||").expect("two tags");
        assert!(filter.accepts(tags_code("TagA")) && filter.accepts(tags_code("TagB")));
        assert!(!filter.accepts(tags_code("TagC")) && !filter.accepts(0));
    }

    #[test]
    fn star_and_nothing_mean_all() {
        assert_eq!(TagFilter::parse("*"), Ok(TagFilter::All));
        assert_eq!(TagFilter::parse(""), Ok(TagFilter::All));
    }

    #[test]
    fn separators_alone_are_refused() {
        assert!(TagFilter::parse(" || ").is_err());
    }
}
