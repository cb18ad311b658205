//! Debian packages and other programs the clients need, installed when missing.

use std::{process::Command, sync::Mutex, time::Duration};

use crate::{process::output, trouble::Trouble};

/// A program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 6] = [
    ("java", "default-jre-headless"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("go", "golang-go"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

const PATIENCE: Duration = Duration::from_secs(600);

/// One installation at a time: apt has a lock.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Makes sure that `program` can be run.
///
/// # Errors
/// [`Trouble::Missing`] names the package if it is not there and cannot be installed.
pub(crate) fn need(program: &str) -> Result<(), Trouble> {
    let _one = INSTALLING.lock().expect("no holder panics");
    if on_path(program) {
        return Ok(());
    }
    let package = PROGRAMS.iter().find(|(name, _)| *name == program).map_or(program, |(_, package)| package);
    if !rustix::process::geteuid().is_root() {
        return Err(Trouble::Missing(format!(
            "`{program}`: not root; run `apt-get install {package}` yourself"
        )));
    }
    println!("  installing {package} for `{program}`");
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        output(command, PATIENCE)
    };
    apt(&["update", "-q"])
        .and_then(|_| apt(&["install", "-qy", "--no-install-recommends", package]))
        .map_err(|e| Trouble::Missing(format!("`{program}` (Debian package {package}): {e}")))?;
    if on_path(program) {
        Ok(())
    } else {
        Err(Trouble::Missing(format!("`{program}`: {package} does not bring it")))
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
