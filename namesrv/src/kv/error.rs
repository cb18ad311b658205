//! [`KvError`].

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the key-value file was not read or written.
#[derive(Clone, Debug)]
pub enum KvError {
    /// The system refused. `op` is "read", "write", ...
    Io {
        /// What was tried.
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// Its answer.
        source: Arc<io::Error>,
    },
    /// The file is not JSON of RocketMQ's form, and there is no good state beside it. It is left as it is.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The change does not fit.
    Full {
        /// What the file would take.
        bytes: usize,
        /// [`super::KV_BYTES_MAX`].
        limit: usize,
    },
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, path, source } => write!(f, "cannot {op} {}: {source}", path.display()),
            Self::Damaged { path, what } => {
                write!(f, "{} is damaged ({what}); restore it or move it away", path.display())
            }
            Self::Full { bytes, limit } => {
                write!(f, "the key-value configuration would take {bytes} bytes, {limit} are allowed")
            }
        }
    }
}

impl std::error::Error for KvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(&**source),
            Self::Damaged { .. } | Self::Full { .. } => None,
        }
    }
}
