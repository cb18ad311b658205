//! Logs of a server: stderr, filtered.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// For people.
    Pretty,
    /// For people who have many.
    Compact,
    /// For machines.
    Json,
}

/// Starts logging. Once per process.
///
/// # Errors
/// The filter is none.
pub(crate) fn start(filter: &str, look: Look) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::Usage {
        what: format!("log.filter \"{filter}\": {error}"),
        fix:
            "write a level (error, warn, info, debug, trace) or target=level pairs, such as info,store=debug"
                .to_owned(),
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours())
        .with_target(true);
    let started = match look {
        Look::Pretty => lines.try_init(),
        Look::Compact => lines.compact().try_init(),
        Look::Json => lines.json().try_init(),
    };
    started.map_err(|error| Failure::Server(format!("error[E0213]: cannot start logging: {error}")))
}

/// Colours are for terminals whose owner did not say no (`NO_COLOR`).
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
