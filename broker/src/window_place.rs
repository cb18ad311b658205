//! Where the log windows live: a file system in memory that outlives the process, so that ASYNC_FLUSH may answer at
//! memory speed (performance.md 3, "Log window").

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatFs, access, statfs};

/// The place for all windows of a node, if there is one.
pub(crate) struct WindowPlace {
    pub(crate) directory: Option<PathBuf>,
    reason: &'static str,
}

/// Candidates, best first. `/run/ringmq` is made by the service unit and is safe from systemd's RemoveIPC, which may
/// clean `/dev/shm` of ordinary users who log out.
const CANDIDATES: [&str; 2] = ["/run/ringmq", "/dev/shm"];
const TMPFS_MAGIC: u64 = 0x0102_1994;
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

impl WindowPlace {
    /// For the operator: where, and what it means for an acknowledgement.
    pub(crate) fn describe(&self, flush_async: bool) -> String {
        match (&self.directory, flush_async) {
            (Some(directory), true) => {
                format!("{} (named memory: answers at memory speed survive kill -9)", directory.display())
            }
            (Some(directory), false) => format!("{} (named memory)", directory.display()),
            (None, true) => format!("private memory ({}): answers wait for the write", self.reason),
            (None, false) => format!("private memory ({})", self.reason),
        }
    }
}

/// The directory that was asked for, or a memory file system with room for `bytes`.
///
/// # Errors
/// What was asked for is none, or is full.
pub(crate) fn choose(asked: Option<&Path>, bytes: u64) -> io::Result<WindowPlace> {
    let Some(asked) = asked else { return Ok(find(bytes)) };
    let problem = if !is_memory(asked) {
        "store.window_dir is no writable directory on tmpfs or hugetlbfs".to_owned()
    } else if !has_room(asked, bytes) {
        format!("store.window_dir has no room for the windows of {} MiB", bytes >> 20)
    } else {
        return Ok(WindowPlace { directory: Some(asked.to_owned()), reason: "" });
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

fn find(bytes: u64) -> WindowPlace {
    if std::process::id() == 1 {
        let reason = "process 1 of a container: its memory files die with it";
        return WindowPlace { directory: None, reason };
    }
    let found = CANDIDATES.iter().map(Path::new).find(|place| is_memory(place) && has_room(place, bytes));
    WindowPlace { directory: found.map(Into::into), reason: "no writable tmpfs with room for the windows" }
}

/// Name of a shard's window file: stores of other directories have other names, and the file itself names its store.
pub(crate) fn file_name(store_dir: &Path, shard: u16) -> String {
    let absolute = std::fs::canonicalize(store_dir).unwrap_or_else(|_| store_dir.to_owned());
    let hash =
        absolute.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
    format!("ringmq-{hash:016x}-{shard}.window")
}

fn is_memory(place: &Path) -> bool {
    let kind = statfs(place).map(|facts| facts.f_type.cast_unsigned());
    matches!(kind, Ok(TMPFS_MAGIC | HUGETLBFS_MAGIC)) && access(place, Access::WRITE_OK).is_ok()
}

fn has_room(place: &Path, bytes: u64) -> bool {
    statfs(place).is_ok_and(|facts: StatFs| facts.f_bavail * facts.f_bsize.cast_unsigned() >= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_and_shards_have_files_of_their_own() {
        let names =
            [file_name(Path::new("/a"), 0), file_name(Path::new("/a"), 1), file_name(Path::new("/b"), 0)];
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
    }
}
