//! [`QueueError`]: why queues could not be read or saved.

use std::fmt;
use std::io;

use crate::journal::JournalError;

/// Why queues could not be read or saved.
#[derive(Debug)]
pub enum QueueError {
    /// The device refused. `op` is "read", "write", "flush", ...
    Io {
        /// What was tried.
        op: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A page of the queue log is not the page we wrote; `location` counts pages.
    Corrupt {
        /// Number of the page.
        location: u64,
    },
    /// A checkpoint cannot be understood: `what` says which and why.
    Damaged {
        /// The file and the fault.
        what: String,
    },
    /// The queue was deleted meanwhile.
    Deleted,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, source } => write!(f, "queue log: {op} failed: {source}"),
            Self::Corrupt { location } => write!(f, "queue log: page {location} is damaged"),
            Self::Damaged { what } => write!(f, "queue log: {what}"),
            Self::Deleted => f.write_str("queue log: the queue was deleted"),
        }
    }
}

impl std::error::Error for QueueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt { .. } | Self::Damaged { .. } | Self::Deleted => None,
        }
    }
}

impl From<JournalError> for QueueError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Io { op, source, .. } => Self::Io { op, source },
            JournalError::Damaged { .. } => Self::Damaged { what: error.to_string() },
        }
    }
}
