//! Which servers run on this host: one locked file per server, for `mqshutdown`.
//!
//! The lock, not the file, says that a server lives: the kernel drops it with the process, so a stale file is never
//! believed and a process id is never mistaken for another process's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, getuid, kill_process};

/// A server's entry. It lasts as long as this value.
#[derive(Debug)]
pub(crate) struct Running {
    path: PathBuf,
    _lock: File,
}

/// The kinds of servers, by RocketMQ's command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A broker node.
    Broker,
    /// A name server.
    Namesrv,
}

impl Kind {
    /// RocketMQ's command.
    #[must_use]
    pub(crate) fn command(self) -> &'static str {
        match self {
            Kind::Broker => "mqbroker",
            Kind::Namesrv => "mqnamesrv",
        }
    }
}

/// Enters this process as a running server.
///
/// # Errors
/// If the directory or the file cannot be made. A server runs without it; only `mqshutdown` does not find it.
pub(crate) fn enter(kind: Kind) -> io::Result<Running> {
    enter_in(&directory()?, kind, std::process::id())
}

/// The process ids of the running servers of this kind that this user may know of, ascending.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn running(kind: Kind) -> io::Result<Vec<u32>> {
    running_in(&directory()?, kind)
}

/// Asks a server to stop.
///
/// # Errors
/// If it is another user's, or just went.
pub(crate) fn stop(process: u32) -> io::Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a process id"))?;
    Ok(kill_process(pid, Signal::TERM)?)
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is lost if this fails: the lock is what counts.
        let _ = fs::remove_file(&self.path);
    }
}

/// `RINGMQ_RUN_DIR`, or the directory of this user's volatile files. Never one that another user could prepare.
fn directory() -> io::Result<PathBuf> {
    let user = getuid().as_raw();
    let path = match std::env::var_os("RINGMQ_RUN_DIR").or_else(|| std::env::var_os("RUNTIME_DIRECTORY")) {
        Some(path) => PathBuf::from(path),
        None if user == 0 => PathBuf::from("/run/ringmq"),
        None => match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(path) => PathBuf::from(path).join("ringmq"),
            None => std::env::temp_dir().join(format!("ringmq-{user}")),
        },
    };
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let meta = fs::symlink_metadata(&path)?;
    if meta.is_dir() && meta.uid() == user {
        return Ok(path);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} belongs to somebody else", path.display()),
    ))
}

fn enter_in(directory: &Path, kind: Kind, process: u32) -> io::Result<Running> {
    let path = directory.join(format!("{}-{process}.pid", kind.command()));
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.set_len(0)?;
    writeln!(file, "{process}")?;
    Ok(Running { path, _lock: file })
}

fn running_in(directory: &Path, kind: Kind) -> io::Result<Vec<u32>> {
    let prefix = format!("{}-", kind.command());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(&prefix)) else { continue };
        let Ok(mut file) = File::open(entry.path()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            // Nobody holds it: a server that was killed left it behind.
            let _ = fs::remove_file(directory.join(name));
            continue;
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        found.extend(text.trim().parse::<u32>());
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ringmq-run-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_server_is_found_while_it_lives_and_not_after() {
        let directory = scratch("lives");
        let broker = enter_in(&directory, Kind::Broker, 4711).unwrap();
        assert_eq!(running_in(&directory, Kind::Broker).unwrap(), [4711]);
        assert_eq!(running_in(&directory, Kind::Namesrv).unwrap(), Vec::<u32>::new());
        drop(broker);
        assert_eq!(running_in(&directory, Kind::Broker).unwrap(), Vec::<u32>::new());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_file_of_a_killed_server_is_removed_and_not_believed() {
        let directory = scratch("killed");
        let left = directory.join("mqbroker-1.pid");
        fs::write(&left, "1\n").unwrap();
        assert_eq!(running_in(&directory, Kind::Broker).unwrap(), Vec::<u32>::new());
        assert!(!left.exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
