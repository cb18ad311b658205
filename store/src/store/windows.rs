//! The log window over the life of a store: what an earlier process left in it, a new one behind the recovered log, and
//! its end at a clean stop.
//!
//! A window that may hold what is nowhere else is never overwritten: a foreign one is renamed, and a damaged store leaves
//! the old one where it is.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rt::window::{Backing, Leftover, Window, WindowIdentity};
use rt::{BLOCK, Env};

use crate::commitlog::segments::Segments;
use crate::recovery::Recovered;
use crate::superblock::Checkpoint;
use crate::{Canary, RecoveryReport, StoreConfig, StoreError, WindowBacking};

/// What a killed process left in the window, if it is this store's and holds something new. What is not is renamed.
pub(super) fn find_leftover(
    config: &StoreConfig,
    identity: WindowIdentity,
    checkpoint: Checkpoint,
    report: &mut RecoveryReport,
) -> Result<Option<Leftover>, StoreError> {
    let WindowBacking::Named(path) = &config.window else { return Ok(None) };
    let window_error = |source| StoreError::Window { path: Some(path.clone()), source };
    let leftover = match Window::leftover(path) {
        Ok(None) => return Ok(None),
        Ok(Some(leftover)) => Some(leftover),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(window_error(error)),
    };
    let ours = leftover.filter(|window| window.identity() == identity);
    match ours {
        _ if config.canary == Some(Canary::SkipReplay) => Ok(None),
        // After a clean stop, or left by an older run that lived in another window: nothing new in it.
        Some(window) if window.end() < checkpoint.boundary => Ok(None),
        Some(window) if checkpoint.clean && window.end() == checkpoint.boundary => Ok(None),
        Some(window) => Ok(Some(window)),
        None => {
            let aside = set_aside(path).map_err(window_error)?;
            report.set_aside = Some(aside);
            Ok(None)
        }
    }
}

/// Renames a window file that is not ours to a free name beside it.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".foreign-{number}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
        number += 1;
    }
}

pub(super) fn remove_window(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::Window { path: Some(path.to_owned()), source })
        }
        _ => Ok(()),
    }
}

/// A new window behind the recovered log, with the tail block in it. A damaged store gets private memory: what the old
/// window holds may still be needed.
pub(super) async fn make_window<E: Env>(
    config: &StoreConfig,
    identity: WindowIdentity,
    segments: &Segments<E>,
    recovered: &Recovered,
) -> Result<Rc<Window>, StoreError> {
    let end = recovered.end;
    let backing = match &config.window {
        WindowBacking::Named(_) if recovered.damage.is_some() => Backing::Private,
        configured => configured.clone(),
    };
    let path = match &config.window {
        WindowBacking::Named(path) => Some(path.clone()),
        WindowBacking::Private => None,
    };
    let window = Window::create(backing, config.window_bytes, identity, end);
    let window = window.map_err(|source| StoreError::Window { path, source })?;
    let tail = end - end % BLOCK as u64;
    if tail < end && end <= segments.ready_end() {
        let bytes = segments.read(tail, (end - tail) as usize).await?;
        window.seed(tail, &bytes);
    }
    if config.window_huge {
        window.move_to_huge_pages();
    }
    Ok(window)
}
