//! What is known about one key.

/// One row of a table: everything an operator may ask about a key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name in TOML, in `--set` and (as `RINGMQ_STORE__IO_MODE`) in the environment.
    pub name: &'static str,
    /// RocketMQ's name; empty if it has none.
    pub java: &'static str,
    /// What one unit of the value is: `ms`, `bytes`, `percent`; empty if it counts or names.
    pub unit: &'static str,
    /// The default as it would be written in a file.
    pub default: &'static str,
    /// What values make sense.
    pub limits: Limits,
    /// What a new value needs to take effect.
    pub applies: Applies,
    /// What it does and why it is as it is.
    pub doc: &'static str,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// At once, by SIGHUP or UPDATE_BROKER_CONFIG.
    Hot,
    /// At the next start.
    Restart,
    /// Never for an existing store: it is written into it.
    Format,
}

impl Applies {
    /// One word for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Applies::Hot => "hot",
            Applies::Restart => "restart",
            Applies::Format => "fixed at format",
        }
    }
}

/// Limits of a value beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// None.
    Any,
    /// Both ends included.
    Within(i64, i64),
    /// One of these numbers.
    OneOf(&'static [i64]),
}

/// No limits.
pub const ANY: Limits = Limits::Any;

/// From `low` to `high`, both included.
#[must_use]
pub const fn within(low: i64, high: i64) -> Limits {
    Limits::Within(low, high)
}

/// One of `values`.
#[must_use]
pub const fn one_of(values: &'static [i64]) -> Limits {
    Limits::OneOf(values)
}

impl Key {
    /// The environment variable that sets it: `store.io_mode` is `RINGMQ_STORE__IO_MODE`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("RINGMQ_{}", self.name.replace('.', "__").to_uppercase())
    }
}
