//! The binary under test, in a place of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory for one test, and the binary with an environment that depends on nothing else.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
}

/// What a run said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ringmq-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Where servers of this test keep their log windows: a killed one removes none, and memory is not for ever.
    pub(crate) fn windows(&self) -> PathBuf {
        Path::new("/dev/shm").join(self.dir.file_name().unwrap())
    }

    /// Called through a link of this name.
    #[allow(dead_code, reason = "not every test binary that shares this module calls links")]
    pub(crate) fn link(&self, name: &str) -> Command {
        let link = self.dir.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ringmq"), &link).unwrap();
        }
        self.command(&link)
    }

    pub(crate) fn ringmq(&self) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_ringmq")))
    }

    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(&self.dir).env_clear();
        command.env("RINGMQ_RUN_DIR", self.dir.join("run")).env("TMPDIR", &self.dir).env("HOME", &self.dir);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.ringmq().args(arguments).output().unwrap())
    }
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_dir_all(self.windows());
    }
}
