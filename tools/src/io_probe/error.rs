//! Why a probe has no result.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::size;

/// What kept the probe from its end. Whatever it had made in the directory is gone again.
#[derive(Debug)]
pub(crate) enum ProbeError {
    /// Not a directory that is there.
    NotADirectory { path: PathBuf, source: Option<io::Error> },
    /// Files cannot be made there.
    NotWritable { path: PathBuf, source: io::Error },
    /// The bytes would go over a network.
    Network { path: PathBuf, filesystem: String },
    /// Too little room before anything was written, or none in the middle.
    NoSpace { path: PathBuf, needed: u64, available: u64 },
    /// A broker has its store there.
    BrokerRuns { store: PathBuf },
    /// Another probe is at work there.
    ProbeRuns { lock: PathBuf },
    /// An operation failed.
    Io { op: &'static str, path: PathBuf, source: io::Error },
    /// The ring could not be set up, or broke.
    Ring(String),
    /// The probe is through, but a file of its results could not be written.
    Unwritten { path: PathBuf, source: io::Error },
    /// Ctrl-C.
    Interrupted,
}

impl ProbeError {
    /// Of operation `op` on `path`; no room left is an error of its own.
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        ProbeError::Io { op, path: path.into(), source }
    }

    /// Whether the command line names the wrong thing.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, ProbeError::NotADirectory { .. })
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeError::NotADirectory { path, source } => {
                let why = source.as_ref().map_or_else(|| "it is a file".to_owned(), io::Error::to_string);
                write!(
                    f,
                    "error[E0401]: {} is no directory\n  cause  {why}\n  fix    name the directory that holds the store, \
                     or will",
                    path.display()
                )
            }
            ProbeError::NotWritable { path, source } => write!(
                f,
                "error[E0402]: cannot write in {}\n  cause  {source}\n  fix    run as the broker's user, on a filesystem that \
                 is mounted read-write",
                path.display()
            ),
            ProbeError::Network { path, filesystem } => write!(
                f,
                "error[E0403]: {} is on {filesystem}, a network filesystem\n  effect a flush there says what a server \
                 says, and a log on it can tear in ways no probe shows\n  fix    name a directory on a local disk",
                path.display()
            ),
            ProbeError::NoSpace { path, needed, available } => write!(
                f,
                "error[E0404]: too little room in {}\n  now    {} available\n  needed {}\n  fix    free space, or ask for less: \
                 --bytes 64MiB",
                path.display(),
                size::show(*available),
                size::show(*needed),
            ),
            ProbeError::BrokerRuns { store } => write!(
                f,
                "error[E0405]: a broker runs on {}\n  effect the probe would slow it down, and measure it\n  fix    stop it \
                 first, or say --beside-broker",
                store.display()
            ),
            ProbeError::ProbeRuns { lock } => write!(
                f,
                "error[E0406]: another io-probe is at work here\n  lock   {}\n  fix    wait for it",
                lock.display()
            ),
            ProbeError::Io { op, path, source } => write!(
                f,
                "error[E0407]: {op} failed\n  file   {}\n  cause  {source}\n  effect nothing was concluded, the probe's files \
                 are removed",
                path.display()
            ),
            ProbeError::Ring(what) => write!(f, "error[E0408]: {what}"),
            ProbeError::Unwritten { path, source } => write!(
                f,
                "error[E0409]: {} cannot be written\n  cause  {source}\n  effect what was found is on stdout and in the files \
                 before this one\n  fix    make room, and probe again",
                path.display()
            ),
            ProbeError::Interrupted => write!(f, "interrupted"),
        }
    }
}
