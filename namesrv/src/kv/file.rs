//! The file of the key-value configuration: whole states, replaced by rename.
//!
//! A state is written beside its name, flushed, renamed, and the directory is flushed, so that after any cut the name
//! holds the state before or the state after. The state before is kept under `.bak`, for damage from elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rt::{Disk, DiskFile, OpenMode, SharedSlice};

use super::{KV_BYTES_MAX, KvError, KvTable};

/// The table in the file at `path`, or in its `.bak` if it is damaged.
pub(super) async fn load<D: Disk>(disk: &D, path: &Path) -> Result<KvTable, KvError> {
    let damage = match read(disk, path).await? {
        None => None,
        Some(bytes) => match KvTable::from_json(&bytes) {
            Ok(table) => return Ok(table),
            Err(error) => Some(error.to_string()),
        },
    };
    let backup = beside(path, "bak");
    let kept = read(disk, &backup).await?.and_then(|bytes| KvTable::from_json(&bytes).ok());
    match (damage, kept) {
        (Some(what), Some(table)) => {
            tracing::error!(path = %path.display(), what, "damaged; the state before the last change is used");
            Ok(table)
        }
        (Some(what), None) => Err(KvError::Damaged { path: path.to_owned(), what }),
        // Without the file itself the backup is a leftover of somebody who moved the file away on purpose.
        (None, _) => Ok(KvTable::default()),
    }
}

/// Makes `after` the state at `path`; durable on return. On an error the state is `before` or `after`.
pub(super) async fn save<D: Disk>(disk: &D, path: &Path, before: &[u8], after: &[u8]) -> Result<(), KvError> {
    if after.len() > KV_BYTES_MAX {
        return Err(KvError::Full { bytes: after.len(), limit: KV_BYTES_MAX });
    }
    let directory = directory(path);
    let backup = beside(path, "bak");
    replace(disk, &backup, before).await?;
    replace(disk, path, after).await?;
    disk.sync_dir(directory).await.map_err(failed("flush", directory))
}

/// Makes the directory of `path`, durable on return with all its parents: a file in a directory that is itself lost
/// is lost. Once per process is enough.
pub(super) async fn prepare<D: Disk>(disk: &D, path: &Path) -> Result<(), KvError> {
    let directory = directory(path);
    disk.create_dir(directory).await.map_err(failed("create", directory))?;
    for parent in directory.ancestors().skip(1).map(or_here) {
        match disk.sync_dir(parent).await {
            // Where we may not look we have not made anything.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            outcome => outcome.map_err(failed("flush", parent))?,
        }
    }
    Ok(())
}

async fn replace<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> Result<(), KvError> {
    let fresh = beside(path, "tmp");
    match disk.remove(&fresh).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &fresh)(error)),
        _ => {}
    }
    let file =
        disk.open(&fresh, OpenMode::CreateNew { direct: false }).await.map_err(failed("create", &fresh))?;
    file.write_at(0, SharedSlice::copied(bytes), false).await.map_err(failed("write", &fresh))?;
    file.flush().await.map_err(failed("flush", &fresh))?;
    disk.rename(&fresh, path).await.map_err(failed("rename", &fresh))
}

async fn read<D: Disk>(disk: &D, path: &Path) -> Result<Option<SharedSlice>, KvError> {
    let file = match disk.open(path, OpenMode::Read { direct: false }).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let bytes = file.len().await.map_err(failed("read", path))?;
    // More than we ever write: another program's file. What is read up to here is then no JSON.
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(4 * KV_BYTES_MAX);
    file.read_at(0, bytes).await.map(Some).map_err(failed("read", path))
}

fn failed(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KvError {
    let path = path.to_owned();
    move |source| KvError::Io { op, path, source: Arc::new(source) }
}

fn directory(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(path))
}

/// The parent of a relative name is nothing, which means here.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// `kvConfig.json` and `bak` make `kvConfig.json.bak`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
