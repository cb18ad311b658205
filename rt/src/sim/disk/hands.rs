//! What tests do to a disk from outside: let it fail, crash it, copy it, look into it, damage it.

use std::path::Path;

use super::faults::{FaultRule, Operation, Verdict};
use super::{DiskStatistics, SimDisk};
use crate::sim::Random;
use crate::sim::random::mix;

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

impl SimDisk {
    /// Makes operations fail.
    pub fn inject(&self, rule: FaultRule) {
        self.0.state.borrow_mut().rules.add(rule);
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

    /// Ends all that [`SimDisk::inject`] started and removes the hook.
    pub fn heal(&self) {
        self.0.state.borrow_mut().rules.clear();
        let _hook = self.0.hook.borrow_mut().take();
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
}
