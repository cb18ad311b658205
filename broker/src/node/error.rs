//! [`NodeError`]: why a node did not start, or ended.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rt::real::ShardError;
use rt::real::checks::HostError;

use crate::start::StartError;

/// Why a node did not start, or ended.
#[derive(Debug)]
pub enum NodeError {
    /// The host does not give what the node needs.
    Host(Vec<HostError>),
    /// A file or directory.
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name server's or our own address has no meaning here.
    Address {
        /// As configured.
        text: String,
        /// Why.
        source: io::Error,
    },
    /// A shard.
    Shard {
        /// Its name.
        name: String,
        /// Why.
        source: ShardError<StartError>,
    },
    /// A thread or doorbell.
    Thread(io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(errors) => errors.iter().try_for_each(|error| writeln!(f, "{error}")),
            Self::Io { op, path, source } => write!(f, "cannot {op} {}: {source}", path.display()),
            Self::Address { text, source } => write!(f, "address {text:?}: {source}"),
            Self::Shard { name, source } => write!(f, "{name}: {source}"),
            Self::Thread(source) => write!(f, "cannot start a shard: {source}"),
        }
    }
}

impl std::error::Error for NodeError {}
