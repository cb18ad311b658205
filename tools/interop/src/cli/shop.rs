//! [`Shop`]: the binary under test, how its commands are run, and what is expected of them.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    cluster::Cluster,
    ports,
    process::{Finished, finish, tail},
    trouble::Trouble,
};

use super::PATIENCE;

/// The binary, and servers to talk to.
pub(super) struct Shop<'a> {
    pub(super) ringmq: PathBuf,
    pub(super) cluster: &'a Cluster,
    pub(super) home: PathBuf,
}

impl Shop<'_> {
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.ringmq);
        command.args(line.split_whitespace()).current_dir(&self.home);
        command.env("NAMESRV_ADDR", self.cluster.name_servers()).env("RINGMQ_RUN_DIR", self.home.join("run"));
        command
    }

    pub(super) fn finish(&self, line: &str, stdin: &str) -> Result<Finished, Trouble> {
        finish(&mut self.command(line), stdin.as_bytes(), PATIENCE)
    }

    /// stdout of a command that must end with 0.
    pub(super) fn ok(&self, line: &str, stdin: &str) -> Result<String, Trouble> {
        let done = self.finish(line, stdin)?;
        expect(done.code() == 0, "exit code 0", line, &done)?;
        Ok(done.stdout)
    }

    pub(super) fn json(&self, line: &str) -> Result<Vec<Value>, Trouble> {
        let said = self.ok(&format!("{line} --output json"), "")?;
        match serde_json::from_str(&said) {
            Ok(Value::Array(rows)) => Ok(rows),
            _ => Err(Trouble::Answer(format!("`{line}` does not print an array: {}", tail(&said, 500)))),
        }
    }

    /// A configuration file of its own, with a free port and a store that does not exist yet.
    pub(super) fn config(&self, name: &str, extra: &str) -> Result<(PathBuf, PathBuf, u16), Trouble> {
        let (file, store, port) =
            (self.home.join(format!("{name}.conf")), self.home.join(format!("{name}-store")), ports::group());
        let text = format!(
            "brokerName={name}\nbrokerClusterName={name}\nlistenPort={port}\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\n\
             storePathRootDir={}\nmappedFileSizeCommitLog=67108864\n{extra}",
            store.display()
        );
        fs::write(&file, text).map_err(Trouble::io("write a configuration"))?;
        Ok((file, store, port))
    }
}

pub(super) fn expect(holds: bool, what: &str, line: &str, done: &Finished) -> Result<(), Trouble> {
    if holds {
        return Ok(());
    }
    let said = format!("{}{}", tail(&done.stdout, 600), tail(&done.stderr, 600)).replace('\n', " | ");
    Err(Trouble::Answer(format!("`{line}`: expected {what}; exit code {}, said: {said}", done.code())))
}

pub(super) fn that(holds: bool, what: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Answer(what())) }
}
