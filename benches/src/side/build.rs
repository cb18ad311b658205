//! The binary that is measured.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cargo target directory this binary lies in.
pub(super) fn target_dir() -> io::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.ancestors().nth(2).map(Path::to_owned);
    target.ok_or_else(|| {
        io::Error::other("benches does not lie in a target directory: give --dir and --ringmq")
    })
}

/// Builds the release binary that is measured.
pub(super) fn release(target: &Path) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "-q", "-p", "ringmq", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if status.success() {
        Ok(target.join("release").join("ringmq"))
    } else {
        Err(io::Error::other(format!("cargo build: {status}")))
    }
}
