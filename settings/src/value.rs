//! Values as text: how each type of a table reads and writes itself.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::Limits;

/// A type that a key may have.
pub trait Value: Sized {
    /// Reads `text` (trimmed by the caller).
    ///
    /// # Errors
    /// [`Rejection`] says what was expected instead.
    fn parse(text: &str, limits: &Limits) -> Result<Self, Rejection>;
    /// The text that [`Value::parse`] reads back.
    fn show(&self) -> String;
    /// The text that RocketMQ would read back.
    fn show_java(&self) -> String {
        self.show()
    }
    /// What to call the type in `config explain`.
    fn kind() -> String;
}

/// Why a text is no value of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Not of the type; says what is.
    Expected(&'static str),
    /// A number outside `low..=high`.
    OutOfRange {
        /// Smallest allowed.
        low: i64,
        /// Largest allowed.
        high: i64,
    },
    /// None of the allowed numbers.
    NotOneOfNumbers(&'static [i64]),
    /// None of the allowed words.
    NotOneOf(&'static [&'static str]),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Expected(what) => write!(f, "expected {what}"),
            Rejection::OutOfRange { low, high } => write!(f, "expected a number from {low} to {high}"),
            Rejection::NotOneOfNumbers(all) => {
                let all: Vec<String> = all.iter().map(i64::to_string).collect();
                write!(f, "expected one of {}", all.join(", "))
            }
            Rejection::NotOneOf(all) => write!(f, "expected one of {}", all.join(", ")),
        }
    }
}

impl Limits {
    /// Checks a number against the limits.
    ///
    /// # Errors
    /// The limit it misses.
    pub fn check(&self, number: i64) -> Result<(), Rejection> {
        match *self {
            Limits::Within(low, high) if !(low..=high).contains(&number) => {
                Err(Rejection::OutOfRange { low, high })
            }
            Limits::OneOf(all) if !all.contains(&number) => Err(Rejection::NotOneOfNumbers(all)),
            _ => Ok(()),
        }
    }
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Value for $int {
            fn parse(text: &str, limits: &Limits) -> Result<Self, Rejection> {
                // TOML writes 1_000; Java writes plain digits. Both mean the same number.
                let number: i64 =
                    text.replace('_', "").parse().map_err(|_| Rejection::Expected("a whole number"))?;
                limits.check(number)?;
                <$int>::try_from(number).map_err(|_| Rejection::OutOfRange {
                    low: i64::try_from(<$int>::MIN).unwrap_or(i64::MIN),
                    high: i64::try_from(<$int>::MAX).unwrap_or(i64::MAX),
                })
            }
            fn show(&self) -> String {
                self.to_string()
            }
            fn kind() -> String {
                "whole number".to_owned()
            }
        }
    )*};
}

integers!(u16, u32, u64, i32, i64);

impl Value for bool {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            // Java reads everything but "true" as false; a typo must not switch something off.
            _ => Err(Rejection::Expected("true or false")),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn kind() -> String {
        "true or false".to_owned()
    }
}

impl Value for String {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
    fn kind() -> String {
        "text".to_owned()
    }
}

impl Value for PathBuf {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        if text.is_empty() || text.contains('\0') {
            return Err(Rejection::Expected("a path"));
        }
        Ok(PathBuf::from(text))
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
    fn kind() -> String {
        "path".to_owned()
    }
}

impl Value for IpAddr {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        text.parse().map_err(|_| Rejection::Expected("an IP address, such as 0.0.0.0 or 10.0.0.5"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn kind() -> String {
        "IP address".to_owned()
    }
}

/// `auto` (or nothing) leaves the choice to the server.
impl<T: Value> Value for Option<T> {
    fn parse(text: &str, limits: &Limits) -> Result<Self, Rejection> {
        if text.is_empty() || text.eq_ignore_ascii_case("auto") {
            return Ok(None);
        }
        T::parse(text, limits).map(Some)
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "auto".to_owned(), Value::show)
    }
    fn show_java(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show_java)
    }
    fn kind() -> String {
        format!("{} or auto", T::kind())
    }
}

/// `host:port` addresses, separated by `;` as in RocketMQ (a TOML list in TOML). Hosts are resolved when used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(pub Vec<String>);

impl Addresses {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Value for Addresses {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        let mut all = Vec::new();
        for piece in text.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
            let well_formed = piece.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains(',') && port.parse::<u16>().is_ok_and(|port| port > 0)
            });
            if !well_formed {
                return Err(Rejection::Expected("host:port, several separated by ';'"));
            }
            all.push(piece.to_owned());
        }
        Ok(Addresses(all))
    }
    fn show(&self) -> String {
        self.0.join(";")
    }
    fn kind() -> String {
        "host:port list".to_owned()
    }
}

/// A list of CPUs in the kernel's notation: `1-3,8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpus(pub Vec<usize>);

impl Cpus {
    /// Their numbers, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

/// More than any machine has; keeps `0-4000000000` from being expanded.
const CPUS_MAX: usize = 4096;

impl Value for Cpus {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        let bad = Rejection::Expected("a CPU list, such as 1-3,8");
        let mut all = Vec::new();
        for piece in text.split(',').map(str::trim) {
            let (low, high) = piece.split_once('-').unwrap_or((piece, piece));
            let (Ok(low), Ok(high)) = (low.trim().parse::<usize>(), high.trim().parse::<usize>()) else {
                return Err(bad);
            };
            if low > high || high >= CPUS_MAX {
                return Err(bad);
            }
            all.extend(low..=high);
        }
        all.sort_unstable();
        all.dedup();
        Ok(Cpus(all))
    }
    fn show(&self) -> String {
        let mut pieces: Vec<String> = Vec::new();
        let mut rest = self.0.as_slice();
        while let Some(&low) = rest.first() {
            let run = rest.iter().enumerate().take_while(|(at, cpu)| **cpu == low + at).count();
            let high = low + run - 1;
            pieces.push(if run == 1 { low.to_string() } else { format!("{low}-{high}") });
            rest = &rest[run..];
        }
        pieces.join(",")
    }
    fn kind() -> String {
        "CPU list".to_owned()
    }
}

/// An enum whose values are words: `Variant = "ours" | "RocketMQ's"`.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal $(| $other:literal)*),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl $crate::Value for $name {
            fn parse(text: &str, _: &$crate::Limits) -> Result<Self, $crate::Rejection> {
                // Ours is lower case; RocketMQ's enums are read as it does, in any case. ASYNC is neither.
                $(if text == $word $(|| text.eq_ignore_ascii_case($other))* {
                    return Ok($name::$variant);
                })*
                Err($crate::Rejection::NotOneOf(&[$($word $(, $other)*),*]))
            }
            fn show(&self) -> String {
                match self { $($name::$variant => $word),* }.to_owned()
            }
            fn show_java(&self) -> String {
                match self {
                    $($name::$variant => {
                        let spellings: &[&str] = &[$word $(, $other)*];
                        spellings[spellings.len() - 1]
                    }),*
                }
                .to_owned()
            }
            fn kind() -> String {
                [$($word),*].join(" | ")
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ANY, within};

    #[test]
    fn a_number_at_its_limits_is_taken_and_one_beyond_is_not() {
        let limits = within(1, 16);
        assert_eq!(u16::parse("1", &limits), Ok(1));
        assert_eq!(u16::parse("16", &limits), Ok(16));
        assert_eq!(u16::parse("0", &limits), Err(Rejection::OutOfRange { low: 1, high: 16 }));
        assert_eq!(u16::parse("17", &limits), Err(Rejection::OutOfRange { low: 1, high: 16 }));
        assert_eq!(u16::parse("70000", &ANY), Err(Rejection::OutOfRange { low: 0, high: 65535 }));
        assert!(u16::parse("many", &ANY).is_err());
    }

    #[test]
    fn a_misspelt_boolean_is_no_false() {
        assert_eq!(bool::parse("TRUE", &ANY), Ok(true));
        assert!(bool::parse("ture", &ANY).is_err());
    }

    #[test]
    fn addresses_need_a_port_and_are_separated_as_in_rocketmq() {
        let two = Addresses::parse("10.0.0.1:9876; ns:9876;", &ANY).unwrap();
        assert_eq!(two.0, ["10.0.0.1:9876", "ns:9876"]);
        assert!(Addresses::parse("10.0.0.1", &ANY).is_err());
        assert!(Addresses::parse("a:1,b:2", &ANY).is_err());
        assert!(Addresses::parse("a:0", &ANY).is_err());
    }

    proptest! {
        #[test]
        fn a_cpu_list_reads_back_what_it_shows(cpus in proptest::collection::btree_set(0usize..CPUS_MAX, 1..40)) {
            let list = Cpus(cpus.into_iter().collect());
            prop_assert_eq!(Cpus::parse(&list.show(), &ANY), Ok(list));
        }

        #[test]
        fn no_text_makes_a_value_parser_panic(text in ".{0,40}") {
            let _ = Cpus::parse(&text, &ANY);
            let _ = Addresses::parse(&text, &ANY);
            let _ = i64::parse(&text, &ANY);
            let _ = Option::<u16>::parse(&text, &ANY);
        }
    }
}
