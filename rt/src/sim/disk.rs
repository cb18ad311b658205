//! [`SimDisk`]: a filesystem in memory that forgets what a real one may forget.
//!
//! The running system sees one state, the *view*. Beside it each file knows its durable bytes and every change since,
//! so that a crash can decide about each (reliability.md 3.1):
//!
//! - a flush covers the writes that returned before it was called, a `durable` write only itself (and the length);
//! - an unflushed write is kept, dropped, or torn by sectors of 512 bytes, in any order;
//! - space that was only allocated is *unwritten*: an unflushed write into it mostly reads as zeros afterwards, one
//!   into space that was filled and flushed before may survive;
//! - names, renames and removals are durable only after `sync_dir`, per directory in order;
//! - a write in flight reads its memory at some moment before it completes; completions come out of order;
//! - a failed flush loses what it covered, and the next one succeeds.
//!
//! Attached to a machine its operations take virtual time; on its own they end at once.

mod admission;
mod content;
mod faults;
mod file;
mod hands;
mod in_flight;
mod inode;
mod names;
mod state;

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::{Rc, Weak};

pub use admission::DiskLatency;
pub use faults::{FaultRule, OpKind, Operation, Repeat, Verdict};
pub use file::SimFile;
pub use hands::{Corruption, Crash};

use file::Handle;
use names::InodeId;
use state::State;

use super::Random;
use super::world::World;
use crate::{DirEntry, Disk, OpenMode, Space};

/// What was done to a disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStatistics {
    /// Operations of all kinds.
    pub operations: u64,
    /// Reads.
    pub reads: u64,
    /// Bytes asked for by reads.
    pub bytes_read: u64,
    /// Writes, durable ones included.
    pub writes: u64,
    /// Durable writes.
    pub durable_writes: u64,
    /// Bytes handed to writes.
    pub bytes_written: u64,
    /// Flushes of files.
    pub flushes: u64,
    /// Flushes of directories.
    pub dir_syncs: u64,
    /// Operations that failed by a rule, a hook or for lack of space.
    pub failures: u64,
    /// Most writes in flight at once.
    pub writes_in_flight_max: usize,
}

/// A simulated filesystem. Clones share it.
#[derive(Clone)]
pub struct SimDisk(Rc<Device>);

struct Device {
    state: RefCell<State>,
    world: RefCell<Weak<World>>,
    random: RefCell<Random>,
    latency: Cell<DiskLatency>,
    hook: RefCell<Option<Hook>>,
}

type Hook = Box<dyn FnMut(&Operation) -> Verdict>;

impl SimDisk {
    /// An empty disk without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(State::default(), 0)
    }

    /// Limits its size; beyond it writes into new space fail with ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.state.borrow_mut().capacity = bytes;
    }

    /// Changes how long operations take.
    pub fn set_latency(&self, latency: DiskLatency) {
        self.0.latency.set(latency);
    }

    pub(super) fn attach(&self, world: &Rc<World>) {
        *self.0.world.borrow_mut() = Rc::downgrade(world);
        *self.0.random.borrow_mut() = Random::new(world.random.next());
    }

    fn with_state(state: State, seed: u64) -> Self {
        Self(Rc::new(Device {
            state: RefCell::new(state),
            world: RefCell::default(),
            random: RefCell::new(Random::new(seed)),
            latency: Cell::new(DiskLatency::default()),
            hook: RefCell::default(),
        }))
    }

    fn state(&self) -> std::cell::RefMut<'_, State> {
        self.0.state.borrow_mut()
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SimFile> {
        let (kind, direct, writable) = match mode {
            OpenMode::Read { direct } => (OpKind::Lookup, direct, false),
            OpenMode::Write { direct } => (OpKind::Lookup, direct, true),
            OpenMode::CreateNew { direct } => (OpKind::Create, direct, true),
        };
        let inode = self
            .metadata(kind, path, 0, |state| {
                let inode = match kind {
                    OpKind::Create => {
                        let inode = state.new_inode();
                        state.names.add_file(path, inode).inspect_err(|_| state.forget(inode))?;
                        inode
                    }
                    _ => state.names.file(path)?,
                };
                state.inodes.get_mut(&inode).expect("named, so kept").handles += 1;
                Ok(inode)
            })
            .await?;
        Ok(SimFile(Rc::new(Handle { disk: self.clone(), inode, path: path.into(), direct, writable })))
    }

    async fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.metadata(OpKind::CreateDir, path, 0, |state| state.names.add_dirs(path)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.metadata(OpKind::Rename, from, 0, |state| state.names.rename(from, to)).await
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.metadata(OpKind::Remove, path, 0, |state| state.names.remove(path).map(drop)).await
    }

    async fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.metadata(OpKind::SyncDir, path, 0, |state| {
            state.names.sync(path)?;
            state.drop_unreachable();
            Ok(())
        })
        .await
    }

    async fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.metadata(OpKind::Lookup, path, 0, |state| {
            let files = state.names.list(path)?;
            let entry = |(path, inode): (&Path, InodeId)| DirEntry {
                name: path.file_name().expect("a file has a name").to_string_lossy().into_owned(),
                bytes: state.inodes[&inode].view.len,
            };
            Ok(files.map(entry).collect())
        })
        .await
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = self.0.state.borrow();
        let total = state.capacity.unwrap_or(UNLIMITED_BYTES);
        Ok(Space { total, available: total.saturating_sub(state.bytes_used()) })
    }
}

/// Size of a disk without a limit.
const UNLIMITED_BYTES: u64 = 1 << 50;
