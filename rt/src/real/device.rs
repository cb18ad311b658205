//! What the device under a directory is, and how to make writes to it durable.
//!
//! The facts come from `/sys`, through the mount's device number: a partition leads to its disk, a stacked device
//! (dm, md) to the devices below it. Filesystems with a device number of their own (btrfs, overlay) are looked up by
//! the source of their mount.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags};

use crate::BLOCK;
use crate::slice::AlignedMemory;

mod choice;
mod record;

pub use choice::{CHUNK_DEFAULT, CHUNKS, FlushMethod, IoMode, Measured};
pub use record::{RECORD, Record, RecordError};

/// The volatile cache of a device, as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteCache {
    /// Completed writes may be lost with the power until flushed.
    Back,
    /// Completed writes are safe: no cache, or one that the power cannot take.
    Through,
}

/// The block device (or the stack of them) under a filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Kernel name of the disk, such as `nvme0n1` or `dm-0`.
    pub name: String,
    /// The devices below a stacked one, down to the disks. Empty for a disk.
    pub below: Vec<String>,
    /// The weakest of the stack.
    pub write_cache: WriteCache,
    /// Whether every device of the stack takes FUA writes.
    pub fua: bool,
    /// Bytes of a logical sector.
    pub logical_block: u32,
    /// Bytes of a physical sector.
    pub physical_block: u32,
    /// Spins, or says so (virtual disks often do).
    pub rotational: bool,
}

/// What [`probe`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Such as `ext4`; the kernel's magic number in hex if we do not know its name.
    pub filesystem: String,
    /// Whether files here can be written with `O_DIRECT` in blocks of [`BLOCK`] bytes.
    pub direct: bool,
    /// What statx(2) says `O_DIRECT` needs here; `None` if the filesystem (or a kernel before 6.1) does not say.
    pub direct_alignment: Option<DirectAlignment>,
    /// `None` for filesystems without a block device (tmpfs, network), or if `/sys` does not tell.
    pub device: Option<BlockDevice>,
}

/// `STATX_DIOALIGN`, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectAlignment {
    /// Of memory addresses.
    pub memory: u32,
    /// Of file offsets and lengths. 0: no `O_DIRECT` on this file.
    pub offset: u32,
}

impl Facts {
    /// Whether the bytes lie on another host, where neither flushes nor failures mean what they mean on a disk.
    #[must_use]
    pub fn is_network(&self) -> bool {
        NETWORK.contains(&self.filesystem.as_str())
    }
}

/// Looks at the filesystem and device under the directory `path`. Writes one block to an unnamed file in it.
///
/// # Errors
/// When `path` cannot be looked at. Facts that `/sys` does not give are left out instead.
pub fn probe(path: &Path) -> io::Result<Facts> {
    let magic = rustix::fs::statfs(path)?.f_type;
    let number = fs::metadata(path)?.dev();
    let (direct, direct_alignment) = try_direct(path);
    Ok(Facts {
        filesystem: filesystem_name(magic),
        direct,
        direct_alignment,
        device: sys_device(number, path).and_then(|dir| block_device(&dir)),
    })
}

/// The directory of the disk in `/sys` that holds device `number`, or the source of the mount of `path`.
fn sys_device(number: u64, path: &Path) -> Option<PathBuf> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let number = if major == 0 {
        let source = fs::metadata(mount_source(path)?).ok()?.rdev();
        (rustix::fs::major(source), rustix::fs::minor(source))
    } else {
        (major, minor)
    };
    disk_of(Path::new("/sys/dev/block").join(format!("{}:{}", number.0, number.1)))
}

/// A disk's directory; of a partition, its parent's.
fn disk_of(link: PathBuf) -> Option<PathBuf> {
    let dir = fs::canonicalize(link).ok()?;
    if dir.join("partition").exists() { dir.parent().map(Path::to_path_buf) } else { Some(dir) }
}

/// The source of the innermost mount above `path`, if it is a device node.
fn mount_source(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    innermost_source(&mounts, &path).filter(|source| source.starts_with("/dev"))
}

/// mountinfo(5): the mount point is field 5, the source the second field behind the lone dash.
fn innermost_source(mounts: &str, path: &Path) -> Option<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let point = PathBuf::from(left.split(' ').nth(4)?.replace("\\040", " "));
            let source = PathBuf::from(right.split(' ').nth(1)?.replace("\\040", " "));
            path.starts_with(&point).then_some((point.components().count(), source))
        })
        .max_by_key(|(depth, _)| *depth) // The last of equals, which is the mount on top.
        .map(|(_, source)| source)
}

fn block_device(dir: &Path) -> Option<BlockDevice> {
    let queue = dir.join("queue");
    let number = |name: &str| read(&queue.join(name)).and_then(|text| text.parse::<u32>().ok());
    let cache = read(&queue.join("write_cache"))?;
    let mut device = BlockDevice {
        name: dir.file_name()?.to_string_lossy().into_owned(),
        below: Vec::new(),
        write_cache: if cache == "write through" { WriteCache::Through } else { WriteCache::Back },
        fua: number("fua") == Some(1),
        logical_block: number("logical_block_size")?,
        physical_block: number("physical_block_size")?,
        rotational: number("rotational") == Some(1),
    };
    for slave in fs::read_dir(dir.join("slaves")).into_iter().flatten().flatten() {
        let below = disk_of(slave.path()).and_then(|dir| block_device(&dir))?;
        if below.write_cache == WriteCache::Back {
            device.write_cache = WriteCache::Back;
        }
        device.fua &= below.fua;
        device.rotational |= below.rotational;
        device.below.push(below.name);
        device.below.extend(below.below);
    }
    Some(device)
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// An unnamed file (or one removed at once) takes a direct block, or it does not; and what statx says about it.
fn try_direct(dir: &Path) -> (bool, Option<DirectAlignment>) {
    let open = |path: &Path, flags: i32| {
        fs::OpenOptions::new().write(true).custom_flags(flags | libc::O_DIRECT).mode(0o600).open(path)
    };
    let file = open(dir, libc::O_TMPFILE).or_else(|_| {
        let name = dir.join(format!(".direct-{}", std::process::id()));
        let file = open(&name, libc::O_CREAT | libc::O_EXCL);
        let _ = fs::remove_file(&name);
        file
    });
    let Ok(file) = file else { return (false, None) };
    let block = AlignedMemory::zeroed(BLOCK).into_slice(BLOCK);
    let taken = file.write_at(&block, 0).is_ok_and(|written| written == BLOCK);
    (taken, direct_alignment(&file))
}

fn direct_alignment(file: &fs::File) -> Option<DirectAlignment> {
    let wanted = StatxFlags::from_bits_retain(libc::STATX_DIOALIGN);
    let facts = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted).ok()?;
    let told = facts.stx_mask & libc::STATX_DIOALIGN != 0;
    told.then_some(DirectAlignment { memory: facts.stx_dio_mem_align, offset: facts.stx_dio_offset_align })
}

/// Names of [`filesystem_name`] whose bytes lie elsewhere.
const NETWORK: [&str; 8] = ["nfs", "cifs", "smb2", "ceph", "9p", "lustre", "afs", "gpfs"];

/// statfs(2).
fn filesystem_name(magic: i64) -> String {
    match magic {
        0xEF53 => "ext4".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683E => "btrfs".to_owned(),
        0xF2F5_2010 => "f2fs".to_owned(),
        0x2FC1_2FC1 => "zfs".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x794C_7630 => "overlay".to_owned(),
        0x6969 => "nfs".to_owned(),
        0xFF53_4D42 => "cifs".to_owned(),
        0x6573_5546 => "fuse".to_owned(),
        0x00C3_6400 => "ceph".to_owned(),
        0xFE53_4D42 => "smb2".to_owned(),
        0x0102_1997 => "9p".to_owned(),
        0x0BD0_0BD0 => "lustre".to_owned(),
        0x5346_414F => "afs".to_owned(),
        0x4750_4653 => "gpfs".to_owned(),
        0x9584_58F6 => "hugetlbfs".to_owned(),
        other => format!("{other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_as_safe_as_its_weakest_device() {
        let sys = std::env::temp_dir().join(format!("rt-device-{}", std::process::id()));
        let disk = |name: &str, cache: &str, fua: &str| {
            let queue = sys.join(name).join("queue");
            fs::create_dir_all(&queue).unwrap();
            let values = [
                ("write_cache", cache),
                ("fua", fua),
                ("logical_block_size", "512\n"),
                ("physical_block_size", "4096\n"),
                ("rotational", "0\n"),
            ];
            for (file, value) in values {
                fs::write(queue.join(file), value).unwrap();
            }
        };
        disk("sda", "write back\n", "0\n");
        disk("dm-0", "write through\n", "1\n");
        fs::create_dir_all(sys.join("sda/sda1")).unwrap();
        fs::write(sys.join("sda/sda1/partition"), "1").unwrap();
        fs::create_dir_all(sys.join("dm-0/slaves")).unwrap();
        std::os::unix::fs::symlink(sys.join("sda/sda1"), sys.join("dm-0/slaves/sda1")).unwrap();
        let found = block_device(&sys.join("dm-0")).unwrap();
        fs::remove_dir_all(&sys).unwrap();
        assert_eq!(found.below, ["sda"]);
        assert_eq!((found.write_cache, found.fua), (WriteCache::Back, false));
        assert_eq!((found.logical_block, found.physical_block), (512, 4096));
    }

    #[test]
    fn the_innermost_mount_on_top_wins() {
        let mounts = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      30 27 0:40 / /var/lib\\040x rw shared:1 - btrfs /dev/sdb1 rw\n\
                      31 27 0:41 / /var rw - tmpfs none rw\n\
                      32 27 0:42 / /var rw - btrfs /dev/sdc rw\n";
        let source = |path: &str| innermost_source(mounts, Path::new(path)).unwrap();
        assert_eq!(source("/var/lib x/store"), Path::new("/dev/sdb1"));
        assert_eq!(source("/var/other"), Path::new("/dev/sdc"));
        assert_eq!(source("/variety"), Path::new("/dev/vda"));
    }

    #[test]
    fn this_hosts_directories_can_be_probed() {
        let here = probe(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(!here.flush_method(IoMode::Direct, None).1.is_empty());
        assert!(!here.is_network(), "{}", here.filesystem);
        if let Some(alignment) = here.direct_alignment {
            assert_eq!(alignment.offset > 0, here.direct, "{alignment:?}");
        }
        if let Ok(shm) = probe(Path::new("/dev/shm"))
            && shm.filesystem == "tmpfs"
        {
            assert_eq!(shm.device, None);
            assert_eq!(shm.flush_method(IoMode::Direct, None).0, FlushMethod::Fdatasync);
        }
    }
}
