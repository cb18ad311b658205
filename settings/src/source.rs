//! Where values come from: files, environment, command line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Problem, Settings, properties, toml_file};

/// One value before it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Key as written: native or Java name.
    pub key: String,
    /// Value as text; list elements joined by `;`.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the table's default.
    Default,
    /// The server chose it from what it saw of the machine; says how.
    Found(&'static str),
    /// A file.
    File {
        /// Path as given.
        path: Arc<Path>,
        /// Line, from 1.
        line: u32,
        /// That line.
        text: Arc<str>,
    },
    /// The file of remote changes in the store.
    Overlay,
    /// An environment variable.
    Environment(String),
    /// A flag, as given.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(f, "default"),
            Origin::Found(how) => write!(f, "found: {how}"),
            Origin::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Origin::Overlay => write!(f, "runtime overlay"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A file that could not be read at all.
#[derive(Debug)]
pub enum FileError {
    /// The system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what its name says.
    Syntax(Box<Problem>),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Io { path, source } => {
                writeln!(f, "error[E0101]: cannot read the configuration file {}", path.display())?;
                write!(f, "  cause  {source}\n  fix    give the path of an existing, readable file after -c")
            }
            FileError::Syntax(problem) => write!(f, "{problem}"),
        }
    }
}

impl std::error::Error for FileError {}

/// Reads a configuration file: `*.toml` is TOML, every other name Java properties.
///
/// # Errors
/// [`FileError`]: unreadable, not UTF-8 (an I/O error of kind `InvalidData`), or not of its format.
pub fn read_file(path: &Path) -> Result<Vec<Entry>, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    from_text(path, &text).map_err(|problem| FileError::Syntax(Box::new(problem)))
}

/// [`read_file`] for text already read; `path` decides the format.
///
/// # Errors
/// The first place where the text is not of its format.
pub fn from_text(path: &Path, text: &str) -> Result<Vec<Entry>, Problem> {
    let place = Place { path: path.into(), lines: text.lines().map(Arc::from).collect() };
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        return toml_file::parse(text, &place);
    }
    let lines = properties::parse(text).map_err(|error| Problem {
        code: "E0102",
        what: format!("{} at {}:{}", error.what, path.display(), error.line),
        marked: "".into(),
        origin: place.at(error.line),
        fix: "write \\uXXXX with four hexadecimal digits, or the character itself in UTF-8".to_owned(),
    })?;
    Ok(lines
        .into_iter()
        .map(|pair| Entry { origin: place.at(pair.line), key: pair.key, value: pair.value })
        .collect())
}

/// The values of `RINGMQ_…` variables, for the keys of `C`. A variable of ours that names no key is still an entry, so
/// that it is refused with a suggestion; `others` are variables of ours that are no keys.
#[must_use]
pub fn environment<C: Settings>(
    variables: impl Iterator<Item = (String, String)>,
    others: &[&str],
) -> Vec<Entry> {
    variables
        .filter(|(name, _)| name.starts_with("RINGMQ_") && !others.contains(&name.as_str()))
        .map(|(name, value)| {
            let known = C::KEYS.iter().find(|key| key.variable() == name);
            let key = known.map_or_else(
                || name["RINGMQ_".len()..].to_lowercase().replace("__", "."),
                |key| key.name.to_owned(),
            );
            Entry { key, value, origin: Origin::Environment(name) }
        })
        .collect()
}

/// A `key=value` of `--set`, or a flag that stands for a key.
///
/// # Errors
/// A [`Problem`] if there is no `=`.
pub fn override_entry(text: &str, flag: &str) -> Result<Entry, Problem> {
    let origin = Origin::Flag(format!("{flag} {text}"));
    let Some((key, value)) = text.split_once('=') else {
        return Err(Problem {
            code: "E0103",
            what: format!("{flag} {text:?} has no '='"),
            marked: "".into(),
            origin,
            fix: format!("write {flag} key=value, for example {flag} store.io_mode=buffered"),
        });
    };
    Ok(Entry { key: key.trim().to_owned(), value: value.trim().to_owned(), origin })
}

/// A file's path and lines, for origins.
pub(crate) struct Place {
    pub(crate) path: Arc<Path>,
    pub(crate) lines: Vec<Arc<str>>,
}

impl Place {
    pub(crate) fn at(&self, line: u32) -> Origin {
        let text = self.lines.get(line.saturating_sub(1) as usize).cloned().unwrap_or_else(|| Arc::from(""));
        Origin::File { path: self.path.clone(), line, text }
    }
}
