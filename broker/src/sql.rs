//! SQL92 filters: RocketMQ's small language over the properties of a message, compiled once, bounded in depth.
//!
//! The language is that of behaviour.md 8.2 to 8.4, quirks included: a filter that selects other messages here than on
//! the broker it comes from would lose them. `tools/interop` holds it against RocketMQ's own evaluator.

mod evaluate;
mod lexer;
mod parser;

pub use parser::ParseError;

use evaluate::Node;

/// A compiled filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    root: Node,
}

/// Longest text of a filter, bytes.
pub const TEXT_MAX: usize = 32_767;

impl Filter {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong and where, for the remark of SUBSCRIPTION_PARSE_FAILED (23).
    ///
    /// Source: the grammar `SelectorParser.jj`, RocketMQ 5.3. It allocates per evaluation; this one does not.
    pub fn compile(text: &str) -> Result<Self, ParseError> {
        parser::parse(text).map(|root| Self { root })
    }

    /// Whether a message matches whose properties `find` looks up. What cannot be evaluated does not match.
    pub fn matches<'m>(&'m self, find: impl Fn(&str) -> Option<&'m str>) -> bool {
        evaluate::is_true(&self.root, &|name| find(name.text()))
    }

    /// Whether a message with these properties, in wire form, matches. A value that is no text is none.
    #[must_use]
    pub fn matches_stored(&self, properties: &[u8]) -> bool {
        evaluate::is_true(&self.root, &|name| str::from_utf8(name.find(properties)?).ok())
    }
}

#[cfg(test)]
mod tests;
