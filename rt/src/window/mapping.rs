//! The memory of a window (or of an arena): one file, its header page mapped once, its data twice back to back.

use std::ffi::{OsString, c_void};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::Backing;
use super::header::{CURSORS_AT, Cursors, STATIC_BYTES};
use crate::BLOCK;

/// Unmaps on drop. The file of a named window stays.
pub(crate) struct Mapping {
    file: OwnedFd,
    /// The whole reserved range: unmapped as one.
    reserved: NonNull<c_void>,
    reserved_bytes: usize,
    header: NonNull<u8>,
    data: NonNull<u8>,
    header_bytes: usize,
    data_bytes: usize,
}

// SAFETY: raw addresses of shared memory; who writes where is the business of `Window`, which is not `Send`. Other
// threads use a `Mapping` to allocate and touch pages only.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method hands out references to the data.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `bytes` of memory of this process, twice; nothing is in its header.
    pub(crate) fn private(bytes: usize) -> io::Result<Self> {
        Self::create(&Backing::Private, bytes, |_| [0; STATIC_BYTES])
    }

    /// Makes the file (under a temporary name; see [`Mapping::publish`]), sets its size and maps it. `encode` gets the
    /// size of the header page.
    pub(super) fn create(
        backing: &Backing,
        bytes: usize,
        encode: impl FnOnce(u32) -> [u8; STATIC_BYTES],
    ) -> io::Result<Self> {
        let file = match backing {
            Backing::Private => rustix::fs::memfd_create("ringmq-window", MemfdFlags::CLOEXEC)?,
            Backing::Named(path) => create_unpublished(path)?,
        };
        let page = page_bytes(&file)?;
        if bytes == 0 || !bytes.is_multiple_of(page) || bytes > isize::MAX as usize / 4 {
            let message = format!("a window of {bytes} bytes is not a positive multiple of {page}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        rustix::fs::ftruncate(&file, (page + bytes) as u64)?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, page as u64)?;
        let mapping = Self::map(file, page, bytes)?;
        let header = encode(u32::try_from(page).expect("a page"));
        // SAFETY: the header page is mapped, allocated and longer than its static part.
        unsafe { std::ptr::copy_nonoverlapping(header.as_ptr(), mapping.header.as_ptr(), header.len()) };
        Ok(mapping)
    }

    /// Gives a named window its name, replacing what had it.
    pub(super) fn publish(&self, backing: &Backing) -> io::Result<()> {
        match backing {
            Backing::Private => Ok(()),
            Backing::Named(path) => Ok(rustix::fs::rename(unpublished(path), path)?),
        }
    }

    pub(super) fn header(&self) -> &Cursors {
        // SAFETY: mapped for as long as `self`, aligned (header.rs asserts it), and all bit patterns are valid.
        unsafe { &*self.header.as_ptr().add(CURSORS_AT).cast::<Cursors>() }
    }

    /// Where the first of the two data mappings starts.
    pub(crate) fn data(&self) -> *mut u8 {
        self.data.as_ptr()
    }

    /// Allocates `len` bytes of data at `position`, so that touching them cannot fail, and maps the pages.
    pub(super) fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        let at = self.header_bytes as u64 + position;
        rustix::fs::fallocate(&self.file, FallocateFlags::empty(), at, len)?;
        let (position, len) =
            (usize::try_from(position).expect("mapped"), usize::try_from(len).expect("mapped"));
        // Only saves the page faults of the first lap; kernels before 5.14 do not know it.
        // SAFETY: inside the first data mapping; populating changes no byte.
        let _unknown = unsafe {
            rustix::mm::madvise(self.data.as_ptr().add(position).cast(), len, Advice::LinuxPopulateWrite)
        };
        Ok(())
    }

    /// Moves the bytes `file_offset..file_offset + HUGE_PAGE` of the file, header included, onto one huge page, whatever
    /// the filesystem was mounted with. Changes no byte; who touches them meanwhile waits. Takes about a millisecond.
    ///
    /// # Errors
    /// EINVAL: the kernel (before 6.1) or its settings do not allow it; ENOMEM, EBUSY: there is no huge page to be had;
    /// EAGAIN: somebody holds a page.
    ///
    /// # Panics
    /// If that is not a place for a huge page in the first mapping.
    pub(super) fn collapse(&self, file_offset: u64) -> io::Result<()> {
        let start = usize::try_from(file_offset).expect("mapped");
        assert!(start.is_multiple_of(HUGE_PAGE) && start + HUGE_PAGE <= self.header_bytes + self.data_bytes);
        // SAFETY: inside the header and the first data mapping, which lie in one piece; moving bytes to other pages
        // changes none of them.
        let outcome =
            unsafe { libc::madvise(self.header.as_ptr().add(start).cast(), HUGE_PAGE, libc::MADV_COLLAPSE) };
        if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Bytes in front of the data: a block, or a huge page on hugetlbfs.
    pub(super) fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// Gives the memory of `len` bytes of data at `position` back to the system.
    pub(super) fn give_back(&self, position: u64, len: u64) -> io::Result<()> {
        let at = self.header_bytes as u64 + position;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.file, flags, at, len)?)
    }

    fn map(file: OwnedFd, page: usize, bytes: usize) -> io::Result<Self> {
        let used = page + 2 * bytes;
        // A huge page of the file must lie at a huge page's address, so the file begins at one.
        let alignment = if bytes < HUGE_PAGE { page } else { page.max(HUGE_PAGE) };
        let reserved_bytes = used + alignment;
        // SAFETY: a fresh range that nobody else knows.
        let reserved = unsafe {
            rustix::mm::mmap_anonymous(null_mut(), reserved_bytes, ProtFlags::empty(), MapFlags::PRIVATE)?
        };
        let skip = reserved.align_offset(alignment);
        // SAFETY: `skip` is below the alignment, and so much more than used is reserved.
        let header = unsafe { reserved.add(skip) }.cast::<u8>();
        // SAFETY: behind the header, still inside.
        let data = unsafe { header.add(page) };
        let mapping = Self {
            file,
            reserved: NonNull::new(reserved).expect("mmap never returns null"),
            reserved_bytes,
            header: NonNull::new(header).expect("inside a mapping"),
            data: NonNull::new(data).expect("inside a mapping"),
            header_bytes: page,
            data_bytes: bytes,
        };
        mapping.place(header, page, 0)?;
        mapping.place(data, bytes, page)?;
        // SAFETY: one data length behind the first mapping, still inside the reserved range.
        mapping.place(unsafe { data.add(bytes) }, bytes, page)?;
        Ok(mapping)
    }

    fn place(&self, at: *mut u8, len: usize, file_offset: usize) -> io::Result<()> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: replaces a part of the range that `self` reserved for this.
        let placed =
            unsafe { rustix::mm::mmap(at.cast(), len, protection, flags, &self.file, file_offset as u64)? };
        assert_eq!(placed, at.cast(), "a fixed mapping lies where it was asked for");
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: ours; slices keep the `Window`, and jobs the `Arc`, alive. Failing would only leak.
        let unmapped = unsafe { rustix::mm::munmap(self.reserved.as_ptr(), self.reserved_bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Makes the file under its temporary name; a stale one of a process that died here is replaced.
fn create_unpublished(path: &Path) -> io::Result<OwnedFd> {
    let name = unpublished(path);
    match rustix::fs::unlink(&name) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR)?)
}

fn unpublished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

/// The unit of mapping: a huge page on hugetlbfs, else a block.
fn page_bytes(file: &OwnedFd) -> io::Result<usize> {
    let filesystem = rustix::fs::fstatfs(file)?;
    if filesystem.f_type == HUGETLBFS_MAGIC {
        return usize::try_from(filesystem.f_bsize).map_err(io::Error::other);
    }
    Ok(BLOCK)
}

/// A huge page of x86-64, and of arm64 with small pages of 4 KiB.
pub(super) const HUGE_PAGE: usize = 2 << 20;
/// `linux/magic.h`.
const HUGETLBFS_MAGIC: rustix::fs::FsWord = 0x958458f6;
