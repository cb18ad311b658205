//! What a consumer wants of a topic: by tag, whose codes a queue entry is compared with, or by a filter over properties.
//!
//! A queue entry keeps the 32-bit hash of a message's tag, so filtering costs no read of the log. Two tags may share
//! a hash: such a message is delivered and the client, which knows the text, drops it. PROTOCOL.md "Filtering".

use std::rc::Rc;

use hashbrown::HashMap;
use net::properties::tags_code;
use smallvec::SmallVec;
use store::{Accept, Candidate};

use crate::sql::{self, ParseError};

/// Which messages of a topic somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    /// By tag: the queue entry decides.
    Tags(TagFilter),
    /// By properties: the record decides.
    Sql(sql::Filter),
}

impl Filter {
    /// Whether every message is wanted.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::Tags(TagFilter::All)
    }

    /// Whether the message of this entry is wanted, as far as the broker can tell.
    pub(crate) fn accepts(&self, entry: &Candidate<'_>) -> bool {
        match self {
            Self::Tags(tags) => tags.accepts(entry.tags_code),
            Self::Sql(filter) => {
                entry.record().is_some_and(|record| filter.matches_stored(record.properties()))
            }
        }
    }
}

/// What a consumer of messages that left memory wants: everything without a filter.
#[derive(Clone, Debug)]
pub(crate) struct Chosen(pub(crate) Option<Rc<Filter>>);

impl Accept for Chosen {
    fn may_want(&self, tags_code: i64) -> bool {
        match self.0.as_deref() {
            Some(Filter::Tags(tags)) => tags.accepts(tags_code),
            Some(Filter::Sql(_)) | None => true,
        }
    }

    fn wants(&mut self, candidate: &Candidate<'_>) -> bool {
        self.0.as_ref().is_none_or(|filter| filter.accepts(candidate))
    }
}

/// Filters over properties, compiled once for everybody who sends the same text.
#[derive(Debug, Default)]
pub(crate) struct SqlFilters {
    compiled: HashMap<String, Rc<Filter>>,
}

/// Texts that are remembered; RocketMQ's number.
const COMPILED_MAX: usize = 100;

impl SqlFilters {
    /// The filter of `text`.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn get(&mut self, text: &str) -> Result<Rc<Filter>, ParseError> {
        if let Some(known) = self.compiled.get(text) {
            return Ok(known.clone());
        }
        let filter = Rc::new(Filter::Sql(sql::Filter::compile(text)?));
        if self.compiled.len() >= COMPILED_MAX {
            self.compiled.clear();
        }
        self.compiled.insert(text.to_owned(), filter.clone());
        Ok(filter)
    }
}

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
