//! [`Tables`]: small keyed facts of a shard (topics, groups, consumer offsets, progress) in memory, saved by an append
//! log with snapshots.
//!
//! A put is in memory at once and on the medium after at most the flush interval, or when somebody waits for
//! [`Tables::durable`]. What is put between two commits becomes durable together or not at all. The first failed
//! write or flush is final; a full disk is not: it is tried again at the next interval.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rt::Env;

use crate::journal::{Journal, JournalError, JournalSettings};

mod committer;
mod map;
mod operation;
#[cfg(test)]
mod tests;

use committer::Committer;
use map::Map;

/// How the tables of a shard are kept.
#[derive(Clone, Debug)]
pub struct TablesConfig {
    /// Their directory; made if missing.
    pub directory: PathBuf,
    /// Longest time that a put stays without a commit.
    pub flush_interval: Duration,
    /// Most bytes of keys and values.
    pub bytes_max: usize,
    /// A snapshot is due when the log has at least this many bytes and twice those of the last snapshot.
    pub snapshot_bytes: u64,
    /// Whether files are opened with `O_DIRECT`.
    pub direct: bool,
}

impl TablesConfig {
    /// The defaults for tables in `directory`.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            flush_interval: Duration::from_secs(1),
            bytes_max: 256 << 20,
            snapshot_bytes: 4 << 20,
            direct: true,
        }
    }
}

/// Why a put was refused, or did not become durable.
#[derive(Clone, Debug)]
pub enum TablesError {
    /// Key or value are over their limits ([`KEY_MAX`], [`VALUE_MAX`]). Nothing changed.
    TooLarge {
        /// Bytes of the key.
        key: usize,
        /// Bytes of the value.
        value: usize,
    },
    /// The tables hold all they may. Nothing changed.
    Full {
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// The disk has no room. The puts stay in memory and are tried again.
    NoSpace {
        /// What was tried, and what the system said.
        what: Rc<str>,
    },
    /// A write or flush failed; nothing more becomes durable until the process starts again.
    Failed {
        /// What was tried, and what the system said.
        what: Rc<str>,
    },
    /// The file on disk is not what was written; nothing was changed.
    Damaged {
        /// Which file and where.
        what: Rc<str>,
    },
}

impl fmt::Display for TablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { key, value } => write!(
                f,
                "a key of {key} and a value of {value} bytes, the limits are {KEY_MAX} and {VALUE_MAX}"
            ),
            Self::Full { bytes_max } => write!(f, "metadata has reached its limit of {bytes_max} bytes"),
            Self::NoSpace { what } => write!(f, "no space for metadata: {what}"),
            Self::Failed { what } => write!(f, "metadata can no longer be saved: {what}"),
            Self::Damaged { what } => write!(f, "metadata cannot be read: {what}"),
        }
    }
}

impl std::error::Error for TablesError {}

impl From<JournalError> for TablesError {
    fn from(error: JournalError) -> Self {
        let what: Rc<str> = error.to_string().into();
        match error {
            JournalError::Damaged { .. } => Self::Damaged { what },
            JournalError::Io { .. } if error.is_full() => Self::NoSpace { what },
            JournalError::Io { .. } => Self::Failed { what },
        }
    }
}

/// One change; for [`Tables::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'b> {
    /// Sets the value of a key.
    Put {
        /// Which table.
        table: u8,
        /// Key, unique in its table.
        key: &'b [u8],
        /// The new value.
        value: &'b [u8],
    },
    /// Removes a key; fine if it is not there.
    Delete {
        /// Which table.
        table: u8,
        /// Key.
        key: &'b [u8],
    },
}

/// Most bytes of a key.
pub const KEY_MAX: usize = 4 << 10;
/// Most bytes of a value.
pub const VALUE_MAX: usize = 128 << 10;

/// The tables of a shard.
pub struct Tables<E: Env> {
    shared: Rc<Shared<E>>,
}

struct Shared<E: Env> {
    env: E,
    config: TablesConfig,
    map: RefCell<Map>,
    committer: RefCell<Committer<E>>,
}

impl<E: Env> Tables<E> {
    /// Opens or creates the tables; everything that was durable is there.
    ///
    /// # Errors
    /// [`TablesError::Damaged`] names the file that is not what was written; it is left alone.
    pub async fn open(env: E, config: TablesConfig) -> Result<Self, TablesError> {
        let settings =
            JournalSettings { directory: config.directory.clone(), kind: *b"TABL", direct: config.direct };
        let mut map = Map::default();
        let mut sound = true;
        let journal = Journal::open(env.clone(), settings, |payload| {
            for change in operation::decode(payload) {
                match change {
                    Some(change) => map.apply(change),
                    None => sound = false,
                }
            }
        })
        .await?;
        if !sound {
            let what = format!("{}: a change cannot be decoded", config.directory.display());
            return Err(TablesError::Damaged { what: what.into() });
        }
        map.forget_pending();
        let committer = RefCell::new(Committer::new(journal));
        Ok(Self { shared: Rc::new(Shared { env, config, map: RefCell::new(map), committer }) })
    }

    /// A second handle, for a task of the store.
    pub(crate) fn share(&self) -> Self {
        Self { shared: self.shared.clone() }
    }

    /// Sets a value. In memory on return; durable later, see [`Self::durable`]. Setting a value of the same length
    /// again before it is committed allocates nothing.
    ///
    /// # Errors
    /// [`TablesError::TooLarge`], [`TablesError::Full`] and [`TablesError::Failed`] leave the tables untouched.
    pub fn put(&mut self, table: u8, key: &[u8], value: &[u8]) -> Result<(), TablesError> {
        self.apply(&[Change::Put { table, key, value }])
    }

    /// Removes a value, if it is there.
    ///
    /// # Errors
    /// [`TablesError::Failed`] leaves the tables untouched.
    pub fn delete(&mut self, table: u8, key: &[u8]) -> Result<(), TablesError> {
        self.apply(&[Change::Delete { table, key }])
    }

    /// Makes all `changes`, in order; they become durable together.
    ///
    /// # Errors
    /// As [`Self::put`]; nothing was changed.
    pub fn apply(&mut self, changes: &[Change<'_>]) -> Result<(), TablesError> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let mut map = self.shared.map.borrow_mut();
        let mut added = 0;
        for change in changes {
            if let Change::Put { key, value, .. } = change {
                if key.len() > KEY_MAX || value.len() > VALUE_MAX {
                    return Err(TablesError::TooLarge { key: key.len(), value: value.len() });
                }
                added += key.len() + value.len();
            }
        }
        if map.bytes() + map.pending_bytes() + added > self.shared.config.bytes_max {
            return Err(TablesError::Full { bytes_max: self.shared.config.bytes_max });
        }
        for change in changes {
            map.apply(*change);
        }
        drop(map);
        committer::arm(&self.shared);
        Ok(())
    }

    /// The value of a key. Do not hold it across an await.
    #[must_use]
    pub fn get(&self, table: u8, key: &[u8]) -> Option<Ref<'_, [u8]>> {
        Ref::filter_map(self.shared.map.borrow(), |map| map.get(table, key)).ok()
    }

    /// Visits the pairs of a table whose keys begin with `prefix`, in key order.
    pub fn for_each(&self, table: u8, prefix: &[u8], mut visit: impl FnMut(&[u8], &[u8])) {
        let map = self.shared.map.borrow();
        for (key, value) in map.from(table, prefix).take_while(|(key, _)| key.starts_with(prefix)) {
            visit(key, value);
        }
    }

    /// All pairs of a table in key order, copied.
    #[must_use]
    pub fn iter(&self, table: u8) -> std::vec::IntoIter<(Vec<u8>, Vec<u8>)> {
        let mut pairs = Vec::new();
        self.for_each(table, b"", |key, value| pairs.push((key.to_vec(), value.to_vec())));
        pairs.into_iter()
    }

    /// Completes when everything put so far is on the medium. Starts a commit at once. Cancelling is safe and
    /// cancels nothing.
    pub fn durable(&self) -> impl Future<Output = Result<(), TablesError>> + use<E> {
        let ticket = self.shared.map.borrow().changes();
        {
            let mut committer = self.shared.committer.borrow_mut();
            committer.wanted = committer.wanted.max(ticket);
        }
        committer::start(&self.shared);
        committer::wait(self.shared.clone(), ticket)
    }

    /// Commits what is pending, if there is anything; for an orderly stop.
    ///
    /// # Errors
    /// As [`Self::durable`].
    pub async fn close(self) -> Result<(), TablesError> {
        self.durable().await
    }

    /// The failure that ended durability, if one has.
    #[must_use]
    pub fn failure(&self) -> Option<TablesError> {
        self.shared.committer.borrow().failure.clone()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.map.borrow().bytes()
    }
}
