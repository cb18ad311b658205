//! The directory before anything is measured in it: may it be, and what is it?

use std::fs;
use std::path::Path;

use rt::disk::DirLock;
use rt::real::device::{self, Facts};
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use super::error::ProbeError;

/// Looks at `dir` and refuses what no measurement should be made in.
///
/// # Errors
/// See [`ProbeError`]; nothing was written but one block to an unnamed file.
pub(crate) fn look(dir: &Path, room: u64, beside_broker: bool) -> Result<Facts, ProbeError> {
    let path = || dir.to_owned();
    match fs::metadata(dir) {
        Err(error) => return Err(ProbeError::NotADirectory { path: path(), source: Some(error) }),
        Ok(what) if !what.is_dir() => return Err(ProbeError::NotADirectory { path: path(), source: None }),
        Ok(_) => {}
    }
    let space = statvfs(dir).map_err(|error| ProbeError::io("look at the filesystem", dir, error.into()))?;
    if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(ProbeError::NotWritable { path: path(), source: rustix::io::Errno::ROFS.into() });
    }
    access(dir, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| ProbeError::NotWritable { path: path(), source: error.into() })?;
    let facts = device::probe(dir).map_err(|error| ProbeError::io("look at the device", dir, error))?;
    if facts.is_network() {
        return Err(ProbeError::Network { path: path(), filesystem: facts.filesystem });
    }
    let available = space.f_bavail * space.f_frsize;
    if available < room {
        return Err(ProbeError::NoSpace { path: path(), needed: room, available });
    }
    if !beside_broker {
        refuse_live_broker(dir)?;
    }
    Ok(facts)
}

/// A broker holds the lock of each of its shards' directories, which lie in its store's.
fn refuse_live_broker(dir: &Path) -> Result<(), ProbeError> {
    let below = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for store in below.chain([dir.to_owned()]) {
        let lock = store.join(STORE_LOCK);
        if lock.is_file() && matches!(DirLock::take(&lock), Ok(None)) {
            return Err(ProbeError::BrokerRuns { store });
        }
    }
    Ok(())
}

/// Its name: store/FORMAT.md.
const STORE_LOCK: &str = "store.lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_room_than_there_is_is_refused_with_both_figures() {
        let refused = look(&std::env::temp_dir(), 1 << 60, true).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, ProbeError::NoSpace { .. }), "{text}");
        assert!(text.contains("needed 1048576 TiB") && text.contains("--bytes"), "{text}");
    }
}
