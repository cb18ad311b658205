//! What can go wrong in the harness itself, as opposed to in a scenario.

use std::{fmt, io, path::PathBuf};

/// A reason why a suite could not run, or a server did not do as asked.
#[derive(Debug)]
pub enum Trouble {
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
    /// A program ended with a failure.
    Failed {
        /// Its command line, shortened.
        program: String,
        /// The end of what it printed.
        said: String,
    },
    /// Something did not happen in time.
    Late {
        /// What was awaited.
        awaited: String,
        /// Where the log lies that may say why.
        log: Option<PathBuf>,
    },
    /// A server answered what it must not.
    Answer(String),
    /// A program or package is missing and could not be installed.
    Missing(String),
}

impl Trouble {
    /// For `map_err`: names what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Failed { program, said } => write!(f, "{program} failed: {said}"),
            Self::Late { awaited, log: None } => write!(f, "not in time: {awaited}"),
            Self::Late { awaited, log: Some(log) } => {
                write!(f, "not in time: {awaited} (log {})", log.display())
            }
            Self::Answer(what) => write!(f, "{what}"),
            Self::Missing(what) => write!(f, "cannot install {what}"),
        }
    }
}

impl std::error::Error for Trouble {}
