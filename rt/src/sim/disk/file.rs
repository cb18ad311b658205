//! [`SimFile`]: reading, writing and flushing one file.

use std::io;
use std::path::Path;
use std::rc::Rc;

use rustix::io::Errno;

use super::admission::WritePath;
use super::content::index;
use super::names::InodeId;
use super::{OpKind, SimDisk};
use crate::sim::completion::completion;
use crate::{BLOCK, DiskFile, SharedSlice, slice};

/// An open file of a [`SimDisk`]. Clones share the descriptor.
#[derive(Clone)]
pub struct SimFile(pub(super) Rc<Handle>);

pub(super) struct Handle {
    pub(super) disk: SimDisk,
    pub(super) inode: InodeId,
    pub(super) path: Rc<Path>,
    pub(super) direct: bool,
    pub(super) writable: bool,
}

impl DiskFile for SimFile {
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<SharedSlice> {
        let Handle { disk, inode, path, .. } = &*self.0;
        self.check_aligned(offset, len, None)?;
        let admission = disk.admit(OpKind::Read, path, offset, len as u64).await;
        disk.pause(admission.nanoseconds).await;
        if disk.state().frozen {
            return std::future::pending().await;
        }
        if let Some(errno) = admission.failure {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let state = disk.0.state.borrow();
        let view = &state.inodes[inode].view;
        let len = len.min(index(view.len.saturating_sub(offset)));
        Ok(slice::aligned(len, |memory| view.read(offset, memory)))
    }

    async fn write_at(&self, offset: u64, data: SharedSlice, durable: bool) -> io::Result<()> {
        let Handle { disk, inode, path, direct, .. } = &*self.0;
        self.check_writable()?;
        self.check_aligned(offset, data.len(), Some(&data))?;
        if data.is_empty() {
            return Ok(());
        }
        let kind = if durable { OpKind::DurableWrite } else { OpKind::Write };
        let admission = disk.admit(kind, path, offset, data.len() as u64).await;
        let nanoseconds = admission.nanoseconds;
        let offset = match admission.path_of_write {
            WritePath::Straight => offset,
            WritePath::To(elsewhere) => elsewhere,
            WritePath::Lost => {
                disk.pause(nanoseconds).await;
                return Ok(());
            }
        };
        let id = disk.state().begin_write(*inode, offset, data, *direct, durable);
        let (completer, done) = completion();
        let taken_after = disk.0.random.borrow().between(0, nanoseconds);
        let disk = disk.clone();
        disk.clone().after(taken_after, move || {
            let result = match admission.failure {
                None => disk.take_bytes(id),
                Some(errno) => {
                    disk.take_some_bytes(id);
                    Err(io::Error::from_raw_os_error(errno))
                }
            };
            let rest = nanoseconds - taken_after;
            disk.clone().after(rest, move || disk.complete_write(id, result, completer));
        });
        done.await
    }

    async fn flush(&self) -> io::Result<()> {
        let Handle { disk, inode, path, .. } = &*self.0;
        let called = disk.state().clock;
        let admission = disk.admit(OpKind::Flush, path, 0, 0).await;
        disk.pause(admission.nanoseconds).await;
        if disk.state().frozen {
            return std::future::pending().await;
        }
        disk.finish_flush(*inode, called, admission.failure)
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        let Handle { disk, inode, path, .. } = &*self.0;
        self.check_writable()?;
        disk.metadata(OpKind::Allocate, path, len, |state| {
            state.check_space(*inode, 0, len)?;
            let now = state.clock;
            state.inodes.get_mut(inode).expect("open, so kept").allocate(now, len);
            Ok(())
        })
        .await
    }

    async fn truncate(&self, len: u64) -> io::Result<()> {
        let Handle { disk, inode, path, .. } = &*self.0;
        self.check_writable()?;
        disk.metadata(OpKind::Truncate, path, 0, |state| {
            let now = state.clock;
            state.inodes.get_mut(inode).expect("open, so kept").truncate(now, len);
            Ok(())
        })
        .await
    }

    async fn len(&self) -> io::Result<u64> {
        let Handle { disk, inode, path, .. } = &*self.0;
        disk.metadata(OpKind::Lookup, path, 0, |state| Ok(state.inodes[inode].view.len)).await
    }
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.0.writable { Ok(()) } else { Err(Errno::BADF.into()) }
    }

    /// As the kernel does for `O_DIRECT`.
    fn check_aligned(&self, offset: u64, len: usize, data: Option<&[u8]>) -> io::Result<()> {
        let memory = data.map_or(0, |data| data.as_ptr().addr());
        let aligned =
            offset.is_multiple_of(BLOCK as u64) && len.is_multiple_of(BLOCK) && memory.is_multiple_of(BLOCK);
        if aligned || !self.0.direct { Ok(()) } else { Err(Errno::INVAL.into()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        let inode = state.inodes.get_mut(&self.inode).expect("open, so kept");
        inode.handles -= 1;
        if inode.handles == 0 && !state.names.may_name(self.inode) {
            state.forget(self.inode);
        }
    }
}
