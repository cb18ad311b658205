//! [`Disk`]: files over the shard's ring.
//!
//! Reads, writes, flushes and whatever changes a directory go through the ring, so the shard never waits for the
//! device. What only looks (lengths, listings, free space) is a plain call: rare, and served from memory.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use io_uring::{opcode, squeue, types};

use super::core::Core;
use super::ops::{Keep, Operation};
use crate::disk::DirLock;
use crate::slice::AlignedMemory;
use crate::{BLOCK, DirEntry, DiskFile, OpenMode, SharedSlice, Space};

/// Bytes of one read or write operation at most; longer ones are several.
const OPERATION_MAX: usize = 1 << 30;
const _: () = assert!(OPERATION_MAX.is_multiple_of(BLOCK));

/// The filesystem, over the ring of a shard.
#[derive(Clone)]
pub struct Disk {
    core: Rc<Core>,
}

/// An open file of a [`Disk`].
#[derive(Clone)]
pub struct File {
    core: Rc<Core>,
    fd: Rc<OwnedFd>,
    direct: bool,
}

impl Disk {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Self { core }
    }

    async fn open_raw(&self, path: &Path, flags: i32) -> io::Result<OwnedFd> {
        let path = c_path(path)?;
        let entry =
            opcode::OpenAt::new(CWD, path.as_ptr()).flags(flags | libc::O_CLOEXEC).mode(0o640).build();
        // SAFETY: the path is kept.
        let operation =
            unsafe { Operation::start(&self.core, Keep::Paths([path, CString::default()]), entry) };
        let fd = operation.await.0?;
        let fd = RawFd::try_from(fd).expect("the kernel's descriptors are positive ints");
        // SAFETY: a fresh descriptor that the kernel gave to us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    async fn on_paths(
        &self,
        paths: [CString; 2],
        entry: impl FnOnce(&[CString; 2]) -> squeue::Entry,
    ) -> io::Result<()> {
        let entry = entry(&paths);
        // SAFETY: `entry` names these paths only, and they are kept.
        unsafe { Operation::start(&self.core, Keep::Paths(paths), entry) }.await.0.map(drop)
    }
}

impl crate::Disk for Disk {
    type File = File;

    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<File> {
        let (flags, direct) = match mode {
            OpenMode::Read { direct } => (libc::O_RDONLY, direct),
            OpenMode::Write { direct } => (libc::O_RDWR, direct),
            OpenMode::CreateNew { direct } => (libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, direct),
        };
        let fd = self.open_raw(path, if direct { flags | libc::O_DIRECT } else { flags }).await?;
        Ok(File { core: self.core.clone(), fd: Rc::new(fd), direct })
    }

    async fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.on_paths([c_path(from)?, c_path(to)?], |[from, to]| {
            opcode::RenameAt::new(CWD, from.as_ptr(), CWD, to.as_ptr()).build()
        })
        .await
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.on_paths([c_path(path)?, CString::default()], |[path, _]| {
            opcode::UnlinkAt::new(CWD, path.as_ptr()).build()
        })
        .await
    }

    async fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let fd = Rc::new(self.open_raw(path, libc::O_RDONLY | libc::O_DIRECTORY).await?);
        let entry = opcode::Fsync::new(types::Fd(fd.as_raw_fd())).build();
        // SAFETY: the descriptor is kept.
        unsafe { Operation::start(&self.core, Keep::File(fd), entry) }.await.0.map(drop)
    }

    async fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let facts = entry.metadata()?;
            if facts.is_file() {
                let name = entry.file_name().into_string().map_err(|name| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("file name {name:?} is not UTF-8"))
                })?;
                found.push(DirEntry { name, bytes: facts.len() });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let facts = rustix::fs::statvfs(path)?;
        // As `df` counts: blocks reserved for root, and those a quota keeps from us, are neither used nor available.
        let used = facts.f_blocks - facts.f_bfree;
        Ok(Space {
            total: (used + facts.f_bavail) * facts.f_frsize,
            available: facts.f_bavail * facts.f_frsize,
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirLock>> {
        DirLock::take(path)
    }
}

impl File {
    async fn on_file(&self, entry: squeue::Entry) -> io::Result<()> {
        // SAFETY: `entry` names no memory, and the descriptor is kept.
        unsafe { Operation::start(&self.core, Keep::File(self.fd.clone()), entry) }.await.0.map(drop)
    }

    fn target(&self) -> types::Fd {
        types::Fd(self.fd.as_raw_fd())
    }
}

impl DiskFile for File {
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<SharedSlice> {
        let mut memory = AlignedMemory::unwritten(len);
        let mut done = 0;
        while done < len {
            let bytes = (len - done).min(OPERATION_MAX);
            let start = memory.address(done);
            let entry = opcode::Read::new(self.target(), start, bytes as u32) // at most OPERATION_MAX
                .offset(offset + done as u64)
                .build();
            // SAFETY: the memory and the descriptor are kept.
            let operation =
                unsafe { Operation::start(&self.core, Keep::Memory(self.fd.clone(), memory), entry) };
            let (result, Keep::Memory(_, back)) = operation.await else { unreachable!("kept as given") };
            memory = back;
            match result {
                Ok(0) => break,
                Ok(read) => {
                    done += read;
                    if self.direct && !read.is_multiple_of(BLOCK) {
                        break; // Direct reads end off a block only at the end of the file.
                    }
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // SAFETY: each read has written as many bytes as it returned, one behind the other.
        Ok(unsafe { memory.into_written(done) })
    }

    async fn write_at(&self, offset: u64, data: SharedSlice, durable: bool) -> io::Result<()> {
        debug_assert!(!self.direct || is_aligned(&data, offset), "a direct write off block borders");
        let len = data.len();
        let mut data = data;
        let mut done = 0;
        while done < len {
            let bytes = (len - done).min(OPERATION_MAX);
            let entry = opcode::Write::new(self.target(), data[done..].as_ptr(), bytes as u32) // at most OPERATION_MAX
                .offset(offset + done as u64)
                .rw_flags(if durable { libc::RWF_DSYNC } else { 0 })
                .build();
            // SAFETY: the slice is pinned by being kept, and so is the descriptor.
            let operation =
                unsafe { Operation::start(&self.core, Keep::Slice(self.fd.clone(), data), entry) };
            let (result, Keep::Slice(_, back)) = operation.await else { unreachable!("kept as given") };
            data = back;
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // A direct write goes on from a block border: the last piece is written again, with the same bytes.
                Ok(written) if self.direct && written < bytes => done += written - written % BLOCK,
                Ok(written) => done += written,
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn flush(&self) -> io::Result<()> {
        self.on_file(opcode::Fsync::new(self.target()).flags(types::FsyncFlags::DATASYNC).build()).await
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        self.on_file(opcode::Fallocate::new(self.target(), len).build()).await
    }

    async fn truncate(&self, len: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.fd, len)?)
    }

    async fn len(&self) -> io::Result<u64> {
        Ok(std::fs::File::from(self.fd.try_clone()?).metadata()?.size())
    }
}

const CWD: types::Fd = types::Fd(libc::AT_FDCWD);

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// The kernel was interrupted or short of memory before it did anything.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN))
}

fn is_aligned(data: &[u8], offset: u64) -> bool {
    data.as_ptr().addr().is_multiple_of(BLOCK)
        && data.len().is_multiple_of(BLOCK)
        && offset.is_multiple_of(BLOCK as u64)
}
