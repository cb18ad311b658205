//! RocketMQ's own keys: every name of its configuration classes, its default, and what we make of it.
//!
//! The list is data (a tab-separated file of the crate that brings the table): class, name, type, default,
//! `-` or `note:REASON` or `refuse:REASON`. It was read off the setters of RocketMQ's configuration classes, which is
//! how RocketMQ itself finds its keys.

use std::collections::BTreeMap;

/// What happens to a key of RocketMQ's that is not at its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JavaClass {
    /// It is a key of ours.
    Honoured,
    /// No effect here; the start goes on and says why.
    Noted(&'static str),
    /// Going on would change the meaning: the start stops and says why.
    Refused(&'static str),
}

/// One key of RocketMQ's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JavaKey {
    /// Configuration class it belongs to: broker, store, server, client, auth, namesrv.
    pub owner: &'static str,
    /// Name.
    pub name: &'static str,
    /// Java type.
    pub kind: &'static str,
    /// Default; empty if none or if it depends on the machine.
    pub default: &'static str,
    /// What we make of it.
    pub class: JavaClass,
}

/// All keys of one server.
#[derive(Clone, Debug)]
pub struct JavaKeys {
    by_name: BTreeMap<&'static str, JavaKey>,
}

impl JavaKeys {
    /// Reads the data file. `reasons` gives the sentence of each reason's short name.
    ///
    /// # Panics
    /// If the file, which is part of the program, is malformed.
    #[must_use]
    pub fn parse(data: &'static str, reasons: &[(&str, &'static str)]) -> Self {
        let reason = |short: &str| {
            let found = reasons.iter().find(|(name, _)| *name == short);
            found.expect("every reason of the list has its sentence").1
        };
        let mut by_name = BTreeMap::new();
        for line in data.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let mut next = || columns.next().expect("a row of the list has five columns");
            let (owner, name, kind, default, class) = (next(), next(), next(), next(), next());
            let class = match class.split_once(':') {
                None => JavaClass::Honoured,
                Some(("note", short)) => JavaClass::Noted(reason(short)),
                Some((_, short)) => JavaClass::Refused(reason(short)),
            };
            // Some names live in two classes with the same meaning; the first row speaks for both.
            by_name.entry(name).or_insert(JavaKey { owner, name, kind, default, class });
        }
        Self { by_name }
    }

    /// The key of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&JavaKey> {
        self.by_name.get(name)
    }

    /// All keys, by name.
    pub fn iter(&self) -> impl Iterator<Item = &JavaKey> {
        self.by_name.values()
    }
}

impl JavaKey {
    /// `value` means the same as the default.
    #[must_use]
    pub fn is_default(&self, value: &str) -> bool {
        let value = value.trim();
        self.default.split('|').any(|default| self.equal(value, default))
    }

    fn equal(&self, value: &str, default: &str) -> bool {
        let equal_numbers = || match (value.parse::<f64>(), default.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b).is_eq(),
            _ => false,
        };
        value == default || (self.kind == "boolean" && value.eq_ignore_ascii_case(default)) || equal_numbers()
    }
}
