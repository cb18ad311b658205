//! Room on the filesystem: brokers delete or refuse when it gets tight, and then measure something else.

use std::io;
use std::path::Path;

/// Refuses a filesystem without room for a comparison.
///
/// # Errors
/// When there is too little.
pub(super) fn check(dir: &Path) -> io::Result<()> {
    let room = left_mib(dir);
    if room < ROOM_MIB_MIN {
        return Err(io::Error::other(format!(
            "{}: {room} MiB before brokers delete or refuse for lack of space ({FULL_PERCENT} % full): make room, or \
             choose another --dir",
            dir.display()
        )));
    }
    Ok(())
}

/// MiB of bodies a run may store: three quarters of what is left, at most 12 GiB.
pub(super) fn bodies_mib(dir: &Path) -> u64 {
    (left_mib(dir) / 4 * 3).clamp(ROOM_MIB_MIN / 4, 12 << 10)
}

/// MiB before brokers begin to delete.
fn left_mib(dir: &Path) -> u64 {
    let Ok(facts) = rustix::fs::statvfs(dir) else { return 0 };
    // As `df` and the brokers reckon: what only root may use is no room.
    let used = facts.f_blocks - facts.f_bfree;
    let limit = (used + facts.f_bavail) / 100 * FULL_PERCENT;
    (limit.saturating_sub(used) * facts.f_frsize) >> 20
}

/// Brokers delete the oldest segments by force beyond 85 % and refuse messages beyond 90 %.
const FULL_PERCENT: u64 = 84;
/// Less than this is no room for a comparison.
const ROOM_MIB_MIN: u64 = 2 << 10;
