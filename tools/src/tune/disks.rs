//! The disks in question: those under a directory, down through stacked devices; or all of the host.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names of the disks under `dir`; of all disks below `root` without one, or if nothing tells where it lies.
pub(super) fn disks(root: &Path, dir: Option<&Path>) -> BTreeSet<String> {
    let under = dir.and_then(|dir| under(root, dir)).unwrap_or_default();
    if !under.is_empty() {
        return under;
    }
    let all = fs::read_dir(root.join("sys/block")).into_iter().flatten().flatten();
    // Loops, ramdisks, zram and stacked ones have no device of their own.
    all.filter(|disk| disk.path().join("device").exists())
        .filter_map(|disk| disk.file_name().into_string().ok())
        .collect()
}

fn under(root: &Path, dir: &Path) -> Option<BTreeSet<String>> {
    let number = fs::metadata(dir).ok()?.dev();
    let link = format!("sys/dev/block/{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
    let place = fs::canonicalize(root.join(link)).ok()?;
    let disk = if place.join("partition").exists() { place.parent()?.to_owned() } else { place };
    let mut found = BTreeSet::new();
    leaves(&disk, &mut found, STACKED_MOST);
    Some(found)
}

/// A stack has a bottom; a tree of links that has none is not followed for ever.
fn leaves(disk: &Path, found: &mut BTreeSet<String>, deep: u32) {
    let below: Vec<PathBuf> = fs::read_dir(disk.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|slave| fs::canonicalize(slave.path()).ok())
        .collect();
    if deep == 0 || below.is_empty() {
        found.extend(disk.file_name().and_then(|name| name.to_str()).map(str::to_owned));
    }
    for disk in below.iter().filter(|_| deep > 0) {
        let whole = if disk.join("partition").exists() { disk.parent().unwrap_or(disk) } else { disk };
        leaves(whole, found, deep - 1);
    }
}

const STACKED_MOST: u32 = 8;
