//! [`Name`]: a key that is looked up in the properties of many messages.

use std::fmt;

use memchr::{memchr, memmem};

use super::{ENTRY_END, NAME_VALUE};

/// A key, prepared for look-ups: filters ask for the same few names in every message of a queue.
#[derive(Clone)]
pub struct Name {
    text: Box<str>,
    /// Of the key with the separator behind it, as it stands in properties.
    finder: memmem::Finder<'static>,
}

impl Name {
    /// The key `text`.
    ///
    /// # Panics
    /// If it is empty or contains a separator: no entry has such a key.
    #[must_use]
    pub fn new(text: &str) -> Self {
        assert!(!text.is_empty(), "a name is not empty");
        assert!(!text.bytes().any(|byte| matches!(byte, NAME_VALUE | ENTRY_END)), "no separator in {text:?}");
        let mut framed = Vec::with_capacity(text.len() + 1);
        framed.extend_from_slice(text.as_bytes());
        framed.push(NAME_VALUE);
        Self { text: text.into(), finder: memmem::Finder::new(&framed).into_owned() }
    }

    /// The key.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of this key; the same as [`super::find`], in about the time it takes to look at the bytes once.
    #[must_use]
    pub fn find<'a>(&self, properties: &'a [u8]) -> Option<&'a [u8]> {
        let mut found = None;
        // Matches cannot overlap: the separator is in none of them but at the end.
        for at in self.finder.find_iter(properties) {
            // Behind anything else it is the end of a longer key, or part of a value.
            if at > 0 && properties[at - 1] != ENTRY_END {
                continue;
            }
            let rest = &properties[at + self.text.len() + 1..];
            let value = &rest[..memchr(ENTRY_END, rest).unwrap_or(rest.len())];
            if !value.is_empty() {
                found = Some(value);
            }
        }
        found
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::find;
    use super::*;

    proptest! {
        #[test]
        fn a_name_finds_what_a_look_at_every_entry_finds(
            properties in prop::collection::vec(prop::sample::select(b"ab\x01\x01\x02\x02".to_vec()), 0..200),
            name in "[ab]{1,3}",
        ) {
            prop_assert_eq!(Name::new(&name).find(&properties), find(&properties, &name));
        }
    }

    #[test]
    fn a_name_is_a_whole_key_and_the_last_of_equal_keys_counts() {
        let properties =
            b"AKEYS\x011\x02KEYS\x012\x02x\x01KEYS\x013\x02KEYS\x01\x02KEYSB\x014\x02KEYS\x015\x02KEYS\x01";
        assert_eq!(Name::new("KEYS").find(properties), Some(&b"5"[..]));
        assert_eq!(Name::new("EYS").find(properties), None);
    }
}
