//! The [`Disk`] seam: files by offset, with an explicit line between *written* and *flushed*.

use std::io;
use std::path::Path;

use crate::SharedSlice;

/// A filesystem. Every method names its path; none follows a name that came from the wire.
#[expect(async_fn_in_trait, reason = "shards are single-threaded; futures are !Send on purpose")]
pub trait Disk: Clone + 'static {
    /// An open file.
    type File: DiskFile;

    /// Opens or creates the file at `path`. Creation is durable only after [`Disk::sync_dir`] of its directory.
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Self::File>;
    /// Creates a directory and its missing parents; existing ones are fine.
    async fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames within one filesystem, replacing `to`. Durable after `sync_dir` of both directories.
    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Unlinks a file.
    async fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of the directory durable.
    async fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The files (not directories) in `path`, sorted by name.
    async fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Bytes of the filesystem that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes the exclusive lock of the file at `path`, made if need be; `None` if another process has it. On a
    /// simulated machine there is no other process.
    fn lock(&self, path: &Path) -> io::Result<Option<DirLock>> {
        let _no_other_process = path;
        Ok(Some(DirLock { _held: None }))
    }
}

/// An exclusive lock on a directory's lock file, held until dropped; the kernel drops it with the process.
#[derive(Debug)]
pub struct DirLock {
    _held: Option<std::fs::File>,
}

impl DirLock {
    /// `flock` of the file at `path`, for the real disk.
    ///
    /// # Errors
    /// What the kernel says; another holder is `Ok(None)`.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _held: Some(file) })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// One open file; closes when the last clone goes. Clones share the descriptor.
#[expect(async_fn_in_trait, reason = "shards are single-threaded; futures are !Send on purpose")]
#[expect(
    clippy::len_without_is_empty,
    reason = "asks the filesystem; whether a file is empty is nobody's question"
)]
pub trait DiskFile: Clone + 'static {
    /// Reads up to `len` bytes at `offset`; shorter only at the end of the file. For a direct file both are
    /// multiples of [`crate::BLOCK`].
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<SharedSlice>;
    /// Writes all of `data` at `offset`, reissuing short writes. On return it is readable, and flushed only if
    /// `durable` (`RWF_DSYNC`). A failure is final: the caller stops writing instead of trying again.
    async fn write_at(&self, offset: u64, data: SharedSlice, durable: bool) -> io::Result<()>;
    /// `fdatasync`: makes every write that *returned before this was called* durable. A failure is final: the
    /// kernel may have dropped the dirty pages, and the next call would report success.
    async fn flush(&self) -> io::Result<()>;
    /// Reserves `len` bytes from 0 (`fallocate`). The space reads as zeros but is *unwritten*: overwrite it with
    /// zeros and flush before it may hold unsynced data that must survive an OS crash.
    async fn allocate(&self, len: u64) -> io::Result<()>;
    /// Sets the length.
    async fn truncate(&self, len: u64) -> io::Result<()>;
    /// The present length.
    async fn len(&self) -> io::Result<u64>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist.
    Read {
        /// `O_DIRECT`: offsets, lengths and memory aligned to [`crate::BLOCK`].
        direct: bool,
    },
    /// Must exist; read and write.
    Write {
        /// As in `Read`.
        direct: bool,
    },
    /// Created, empty; read and write. Fails if it exists.
    CreateNew {
        /// As in `Read`.
        direct: bool,
    },
}

/// A file of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// File name without its directory.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Room on a filesystem, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is used and what an unprivileged writer may still use, together.
    pub total: u64,
    /// What an unprivileged writer may still use.
    pub available: u64,
}
