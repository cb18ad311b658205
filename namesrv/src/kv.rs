//! The key-value configuration: namespaces of strings, the only state of a name server that survives it.
//!
//! Readers see a change once it is on disk, and its sender is answered then. Changes that arrive while a write is
//! under way share the next one. A change whose write fails is taken back and refused; the table on disk and in
//! memory is then the one before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rt::{Class, Env};
use serde::{Deserialize, Serialize};

pub use self::error::KvError;

mod error;
mod file;
#[cfg(test)]
mod tests;

/// The namespace that maps ordered topics to `broker:queues;broker:queues`.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Bytes of the file; a change that would pass it is refused.
pub const KV_BYTES_MAX: usize = 4 << 20;

/// The keys and values of one namespace.
pub type Namespace = BTreeMap<String, String>;

/// All namespaces. Its JSON is RocketMQ's `kvConfig.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvTable {
    #[serde(rename = "configTable", default)]
    namespaces: BTreeMap<String, Namespace>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// PUT_KV_CONFIG (100).
    Put {
        /// Namespace, made if new.
        namespace: String,
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// DELETE_KV_CONFIG (102); what is not there is deleted already.
    Delete {
        /// Namespace; stays when its last key goes, as in Java.
        namespace: String,
        /// Key.
        key: String,
    },
}

/// The table, its file, and the changes on their way to it. `T` says whom to answer.
pub struct Kv<E: Env, T: 'static> {
    env: E,
    path: PathBuf,
    shared: Rc<RefCell<Shared<T>>>,
}

struct Shared<T> {
    table: KvTable,
    waiting: Vec<(Change, T)>,
    writing: bool,
    /// The directory of the file is there, durably.
    prepared: bool,
    done: Vec<(T, Result<(), KvError>)>,
}

impl KvTable {
    /// One value.
    #[must_use]
    pub fn value(&self, namespace: &str, key: &str) -> Option<&str> {
        self.namespaces.get(namespace)?.get(key).map(String::as_str)
    }

    /// One namespace.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Option<&Namespace> {
        self.namespaces.get(namespace)
    }

    /// Makes a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { namespace, key, value } => {
                self.namespaces.entry(namespace.clone()).or_default().insert(key.clone(), value.clone());
            }
            Change::Delete { namespace, key } => {
                if let Some(values) = self.namespaces.get_mut(namespace) {
                    values.remove(key);
                }
            }
        }
    }

    fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("maps of strings are JSON")
    }
}

impl<E: Env, T: 'static> Kv<E, T> {
    /// Reads the file at `path`; an absent one is an empty table. If it is damaged, the state before the last change
    /// is taken from beside it, with a warning.
    ///
    /// # Errors
    /// [`KvError`]: unreadable, or damaged with nothing beside it. Nothing was changed.
    pub async fn open(env: E, path: &Path) -> Result<Self, KvError> {
        let table = file::load(env.disk(), path).await?;
        let shared = Shared { table, waiting: Vec::new(), writing: false, prepared: false, done: Vec::new() };
        Ok(Self { env, path: path.to_owned(), shared: Rc::new(RefCell::new(shared)) })
    }

    /// Reads the table as it is on disk.
    pub fn read<R>(&self, look: impl FnOnce(&KvTable) -> R) -> R {
        look(&self.shared.borrow().table)
    }

    /// Starts a change; [`Kv::next_done`] tells when it is durable, or why it is not made.
    pub fn change(&self, change: Change, whom: T) {
        let start = {
            let mut shared = self.shared.borrow_mut();
            shared.waiting.push((change, whom));
            !std::mem::replace(&mut shared.writing, true)
        };
        if start {
            let task = write_waiting(self.env.clone(), self.path.clone(), self.shared.clone());
            self.env.spawn(Class::Admin, task);
        }
    }

    /// A change that is decided, with whom to answer. The reactor is kicked when there is one.
    pub fn next_done(&self) -> Option<(T, Result<(), KvError>)> {
        self.shared.borrow_mut().done.pop()
    }
}

/// Writes until no change waits: one file for all that came meanwhile.
async fn write_waiting<E: Env, T: 'static>(env: E, path: PathBuf, shared: Rc<RefCell<Shared<T>>>) {
    loop {
        let (batch, before, prepared) = {
            let mut shared = shared.borrow_mut();
            let batch = std::mem::take(&mut shared.waiting);
            if batch.is_empty() {
                shared.writing = false;
                return;
            }
            (batch, shared.table.clone(), shared.prepared)
        };
        let mut after = before.clone();
        batch.iter().for_each(|(change, _)| after.apply(change));
        let mut outcome = if prepared { Ok(()) } else { file::prepare(env.disk(), &path).await };
        if outcome.is_ok() {
            outcome = file::save(env.disk(), &path, &before.to_json(), &after.to_json()).await;
        }
        if let Err(error) = &outcome {
            tracing::error!(%error, "key-value configuration not changed");
        }
        let mut shared = shared.borrow_mut();
        // After a failure somebody may have to put the directory back first.
        shared.prepared = outcome.is_ok();
        if outcome.is_ok() {
            shared.table = after;
        }
        shared.done.extend(batch.into_iter().map(|(_, whom)| (whom, outcome.clone())));
        drop(shared);
        env.kick();
    }
}
