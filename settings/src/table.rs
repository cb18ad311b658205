//! `settings!`: a table of keys as a struct.

use crate::{Key, Rejection};

/// A struct made by `settings!`: its fields are the values of its keys, in the same order.
pub trait Settings: Default {
    /// The keys, in the order of the table.
    const KEYS: &'static [Key];

    /// Sets the key at `index` of [`Settings::KEYS`].
    ///
    /// # Errors
    /// What was expected instead; the old value stays.
    fn set(&mut self, index: usize, text: &str) -> Result<(), Rejection>;
    /// The value of the key at `index`, as a file would spell it.
    fn show(&self, index: usize) -> String;
    /// The value of the key at `index`, as RocketMQ would spell it.
    fn show_java(&self, index: usize) -> String;
    /// What the type of the key at `index` is called.
    fn kind(index: usize) -> String;

    /// The index of the key with this native or Java name.
    #[must_use]
    fn find(name: &str) -> Option<usize> {
        Self::KEYS.iter().position(|key| key.name == name || (!key.java.is_empty() && key.java == name))
    }
}

/// Makes a settings struct from a table. One row: doc comment (job and reason), `field: Type = "default"`, then
/// native name, Java name (`""` if none), unit, when it applies, limits.
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:literal, $native:literal, $java:literal, $unit:literal, $applies:ident, $limits:expr;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name { $($(#[doc = $doc])+ $vis $field: $type),* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: <$type as $crate::Value>::parse($default, &$limits).expect("the default of a key is one of its values")),* }
            }
        }

        impl $crate::Settings for $name {
            const KEYS: &'static [$crate::Key] = &[$($crate::Key {
                name: $native,
                java: $java,
                unit: $unit,
                default: $default,
                limits: $limits,
                applies: $crate::Applies::$applies,
                doc: concat!($($doc),+),
            }),*];

            fn set(&mut self, index: usize, text: &str) -> Result<(), $crate::Rejection> {
                let setters: &[fn(&mut Self, &str) -> Result<(), $crate::Rejection>] = &[$(|config, text| {
                    config.$field = <$type as $crate::Value>::parse(text, &$limits)?;
                    Ok(())
                }),*];
                setters[index](self, text)
            }

            fn show(&self, index: usize) -> String {
                let readers: &[fn(&Self) -> String] = &[$(|config| $crate::Value::show(&config.$field)),*];
                readers[index](self)
            }

            fn show_java(&self, index: usize) -> String {
                let readers: &[fn(&Self) -> String] = &[$(|config| $crate::Value::show_java(&config.$field)),*];
                readers[index](self)
            }

            fn kind(index: usize) -> String {
                let kinds: &[fn() -> String] = &[$(<$type as $crate::Value>::kind),*];
                kinds[index]()
            }
        }
    };
}
