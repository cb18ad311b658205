//! Writes and flushes on their way: when their bytes are taken, and what is left when they fail.

use std::io;
use std::rc::Rc;

use super::SimDisk;
use super::names::InodeId;
use crate::sim::Random;
use crate::sim::completion::Completer;

impl SimDisk {
    /// The moment at which a write's bytes are taken from memory.
    pub(super) fn take_bytes(&self, id: u64) -> io::Result<()> {
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
    pub(super) fn take_some_bytes(&self, id: u64) {
        let data = {
            let mut state = self.state();
            let seed = self.0.random.borrow().next();
            state.apply_part(id, &Random::new(seed));
            state.writes.get_mut(&id).and_then(|write| write.data.take())
        };
        drop(data);
    }

    pub(super) fn complete_write(
        &self,
        id: u64,
        result: io::Result<()>,
        completer: Completer<io::Result<()>>,
    ) {
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

    pub(super) fn finish_flush(&self, inode: InodeId, called: u64, failure: Option<i32>) -> io::Result<()> {
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
