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

mod content;
mod faults;
mod file;
mod inode;
mod names;
mod state;

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::{Rc, Weak};

pub use faults::{FaultRule, OpKind, Operation, Repeat, Verdict};
pub use file::SimFile;

use file::Handle;
use names::InodeId;
use state::State;

use super::Random;
use super::completion::{Completer, completion};
use super::random::mix;
use super::world::World;
use crate::{DirEntry, Disk, OpenMode, Space};

/// How a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies. The page cache stays; writes in flight may have been applied in part.
    Process,
    /// The system dies: the page cache is gone, the device keeps what it has.
    Os,
    /// The power goes, and with it the device's cache.
    Power,
}

/// What [`SimDisk::corrupt`] makes of bytes at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// One bit of the first byte changes.
    FlipBit,
    /// All zeros.
    Zeros,
    /// Bytes drawn from this seed.
    Garbage(u64),
}

/// How long operations take, in virtual nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskLatency {
    /// Least and most for a read or write.
    pub io_ns: (u64, u64),
    /// Least and most for a flush, a durable write, or anything about names.
    pub flush_ns: (u64, u64),
    /// One operation in so many ...
    pub spike_one_in: u64,
    /// ... takes this much longer.
    pub spike_ns: u64,
}

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

    /// Makes operations fail.
    pub fn inject(&self, rule: FaultRule) {
        self.0.state.borrow_mut().rules.add(rule);
    }

    /// Ends all that [`SimDisk::inject`] started and removes the hook.
    pub fn heal(&self) {
        self.0.state.borrow_mut().rules.clear();
        let _hook = self.0.hook.borrow_mut().take();
    }

    /// Asks `hook` before every operation. The hook may look at the disk but must start no operation on it.
    pub fn on_operation(&self, hook: impl FnMut(&Operation) -> Verdict + 'static) {
        *self.0.hook.borrow_mut() = Some(Box::new(hook));
    }

    /// Lets operations go well up to number `index` (from 0), which never ends, nor does any later one.
    pub fn freeze_at(&self, index: u64) {
        self.on_operation(
            move |operation| {
                if operation.index >= index { Verdict::Freeze } else { Verdict::Proceed }
            },
        );
    }

    /// A disk as the next boot sees it after a crash now. This one goes on: ask again for another outcome.
    ///
    /// The new disk has the same size and no faults.
    #[must_use]
    pub fn crash(&self, kind: Crash) -> Self {
        let seed = self.0.random.borrow().next();
        self.crash_seeded(kind, seed)
    }

    /// As [`SimDisk::crash`], with the outcome chosen by `seed`.
    #[must_use]
    pub fn crash_seeded(&self, kind: Crash, seed: u64) -> Self {
        let state = self.0.state.borrow().crashed(kind, &Random::new(seed));
        Self::with_state(state, mix(seed))
    }

    /// A copy of the running filesystem with everything in it durable; for a fixture to start many runs from.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let state = self.0.state.borrow();
        let mut copy = state.crashed(Crash::Process, &Random::new(0));
        copy.names.sync_all();
        copy.clock += 1;
        let now = copy.clock;
        copy.inodes.values_mut().for_each(|inode| inode.flush(now));
        drop(state);
        Self::with_state(copy, self.0.random.borrow().next())
    }

    /// What was done so far.
    #[must_use]
    pub fn statistics(&self) -> DiskStatistics {
        self.0.state.borrow().statistics
    }

    /// All files of the running system, by path.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.0.state.borrow().names.files().map(|(path, _)| path.display().to_string()).collect()
    }

    /// The bytes of a file as a reader would see them; `None` if there is no such file.
    #[must_use]
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.0.state.borrow();
        let inode = state.names.file(path.as_ref()).ok()?;
        Some(state.inodes[&inode].view.to_vec())
    }

    /// Places a file with these bytes, directories included, all of it durable: a fixture.
    ///
    /// # Panics
    /// If the path cannot be made.
    pub fn install(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        let mut state = self.0.state.borrow_mut();
        let dir = path.parent().expect("a path with a name");
        state.names.add_dirs(dir).expect("directories can be made");
        if state.names.file(path).is_ok() {
            let _old = state.names.remove(path);
        }
        let inode = state.new_inode();
        state.names.add_file(path, inode).expect("no directory has this name");
        state.names.sync_all();
        let file = state.inodes.get_mut(&inode).expect("just made");
        file.overwrite(0, bytes);
    }

    /// Damages bytes at rest, in the cache and on the device.
    ///
    /// # Panics
    /// If the file has no such bytes.
    pub fn corrupt(&self, path: impl AsRef<Path>, offset: u64, bytes: usize, how: Corruption) {
        let mut state = self.0.state.borrow_mut();
        let inode = state.names.file(path.as_ref()).expect("the file exists");
        let file = state.inodes.get_mut(&inode).expect("named, so kept");
        assert!(offset + bytes as u64 <= file.view.len, "bytes inside the file");
        let mut content = vec![0; bytes];
        file.view.read(offset, &mut content);
        match how {
            Corruption::FlipBit => content[0] ^= 0x10,
            Corruption::Zeros => content.fill(0),
            Corruption::Garbage(seed) => {
                let random = Random::new(seed);
                content.iter_mut().for_each(|byte| *byte = random.next().to_le_bytes()[0]);
            }
        }
        file.overwrite(offset, &content);
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

    /// Counts an operation, asks who may have a say, and returns how long it takes and how it ends.
    async fn admit(&self, kind: OpKind, path: &Rc<Path>, offset: u64, bytes: u64) -> Admission {
        let operation = {
            let mut state = self.state();
            let index = state.statistics.operations;
            state.count(kind, bytes);
            Operation { index, kind, path: path.clone(), offset, bytes }
        };
        let ruled = self.state().rules.strike(&operation);
        // Taken out while it runs: it may look at this disk.
        let hook = self.0.hook.borrow_mut().take();
        let mut verdict = ruled.map_or(Verdict::Proceed, Verdict::Fail);
        if let Some(mut hook) = hook {
            if verdict == Verdict::Proceed {
                verdict = hook(&operation);
            }
            self.0.hook.borrow_mut().get_or_insert(hook);
        }
        if verdict == Verdict::Freeze || self.state().frozen {
            self.state().frozen = true;
            return std::future::pending().await;
        }
        let mut nanoseconds = self.latency_ns(kind, bytes);
        let (mut failure, mut path_of_write) = (None, WritePath::Straight);
        match verdict {
            Verdict::Delay(longer) => nanoseconds += u64::try_from(longer.as_nanos()).unwrap_or(u64::MAX / 4),
            Verdict::Fail(errno) => failure = Some(errno),
            Verdict::Lose => path_of_write = WritePath::Lost,
            Verdict::Misdirect(offset) => path_of_write = WritePath::To(offset),
            Verdict::Proceed | Verdict::Freeze => {}
        }
        if failure.is_some() {
            self.state().statistics.failures += 1;
        }
        if let Some(world) = self.0.world.borrow().upgrade() {
            world.trace(mix(kind as u64 ^ (operation.index << 8)) ^ mix(offset) ^ bytes);
        }
        Admission { nanoseconds, failure, path_of_write }
    }

    fn latency_ns(&self, kind: OpKind, bytes: u64) -> u64 {
        let latency = self.0.latency.get();
        let random = self.0.random.borrow();
        let (least, most) = match kind {
            OpKind::Read | OpKind::Write => latency.io_ns,
            OpKind::Lookup => return random.between(0, latency.io_ns.0),
            _ => latency.flush_ns,
        };
        let spike = if random.below(latency.spike_one_in.max(1)) == 0 { latency.spike_ns } else { 0 };
        // 4 GiB/s.
        random.between(least, most) + spike + bytes / 4
    }

    /// Runs `action` after `nanoseconds`, or at once if this disk belongs to no machine.
    fn after(&self, nanoseconds: u64, action: impl FnOnce() + 'static) {
        let world = self.0.world.borrow().upgrade();
        match world {
            Some(world) => world.at(world.now().0 + nanoseconds, action),
            None => action(),
        }
    }

    async fn pause(&self, nanoseconds: u64) {
        let (completer, done) = completion();
        self.after(nanoseconds, move || completer.complete(()));
        done.await;
    }

    /// An operation on names or lengths: admitted, waited for, then done at one moment.
    async fn metadata<T>(
        &self,
        kind: OpKind,
        path: &Path,
        bytes: u64,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let admission = self.admit(kind, &path.into(), 0, bytes).await;
        self.pause(admission.nanoseconds).await;
        if let Some(errno) = admission.failure {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if self.state().frozen {
            return std::future::pending().await;
        }
        let mut state = self.state();
        state.clock += 1;
        let result = act(&mut state);
        if result.is_err() {
            state.statistics.failures += 1;
        }
        result
    }

    /// The moment at which a write's bytes are taken from memory.
    fn take_bytes(&self, id: u64) -> io::Result<()> {
        let data = {
            let mut state = self.state();
            if state.frozen {
                return Ok(());
            }
            let write = state.writes.get_mut(&id).expect("in flight until it completes");
            let data = write.data.take().expect("taken once");
            let (inode, offset, direct) = (write.inode, write.offset, write.direct);
            state.check_space(inode, offset, data.len() as u64)?;
            state.clock += 1;
            if let Some(file) = state.inodes.get_mut(&inode) {
                file.apply(id, offset, Rc::from(&*data), direct);
            }
            data
        };
        // Unpinned with nothing borrowed.
        drop(data);
        Ok(())
    }

    /// A write that fails may have reached the medium in part; it never returned, so no flush covers it.
    fn take_some_bytes(&self, id: u64) {
        let data = {
            let mut state = self.state();
            let seed = self.0.random.borrow().next();
            state.apply_part(id, &Random::new(seed));
            state.writes.get_mut(&id).and_then(|write| write.data.take())
        };
        drop(data);
    }

    fn complete_write(&self, id: u64, result: io::Result<()>, completer: Completer<io::Result<()>>) {
        {
            let mut state = self.state();
            if state.frozen {
                return;
            }
            let write = state.writes.remove(&id).expect("completes once");
            debug_assert!(write.data.is_none(), "its bytes were taken before");
            state.clock += 1;
            let now = state.clock;
            if result.is_ok() {
                if let Some(file) = state.inodes.get_mut(&write.inode) {
                    file.complete(id, now, write.durable);
                }
            } else {
                state.statistics.failures += 1;
            }
        }
        completer.complete(result);
    }

    fn finish_flush(&self, inode: InodeId, called: u64, failure: Option<i32>) -> io::Result<()> {
        let mut state = self.state();
        let file = state.inodes.get_mut(&inode).expect("open, so kept");
        match failure {
            None => {
                file.flush(called);
                Ok(())
            }
            Some(errno) => {
                file.fail_flush(called);
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for DiskLatency {
    /// A good NVMe device without power-loss protection, with a hiccup now and then.
    fn default() -> Self {
        Self { io_ns: (20_000, 120_000), flush_ns: (80_000, 200_000), spike_one_in: 64, spike_ns: 2_000_000 }
    }
}

struct Admission {
    nanoseconds: u64,
    failure: Option<i32>,
    path_of_write: WritePath,
}

/// Where the bytes of a write end up.
#[derive(Clone, Copy)]
enum WritePath {
    Straight,
    Lost,
    To(u64),
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
