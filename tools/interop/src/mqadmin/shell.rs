//! The JVM that runs the commands: one for all, since a start of it takes seconds.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use super::COMMAND;
use crate::{
    artifacts::{Workshop, java},
    process::Process,
    trouble::Trouble,
};

/// The JVM that runs the commands.
pub(super) struct Shell {
    stdin: ChildStdin,
    answers: Receiver<String>,
    name_servers: String,
    log: File,
    _process: Process,
}

impl Shell {
    pub(super) fn start(workshop: &Workshop, name_servers: &str, home: &Path) -> Result<Self, Trouble> {
        let path = home.join("mqadmin.log");
        let log = File::create(&path).map_err(Trouble::io("open mqadmin's log"))?;
        let errors = log.try_clone().map_err(Trouble::io("clone a log handle"))?;
        let mut command: Command = java(home, 256);
        command.arg("-cp").arg(workshop.admin_driver()?).arg("interop.Admin");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut process = Process::adopt("mqadmin", command, &path)?;
        let stdin = process.child().stdin.take().expect("piped");
        let stdout = process.child().stdout.take().expect("piped");
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(printed) = line.strip_prefix("@@").and_then(from_hex)
                    && send.send(printed).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { stdin, answers, name_servers: name_servers.to_owned(), log, _process: process })
    }

    /// Runs one command and returns all that it printed.
    pub(super) fn run(&mut self, command: &str) -> Result<String, Trouble> {
        let command = format!("{command} -n {}", self.name_servers);
        writeln!(self.stdin, "{command}").map_err(Trouble::io("talk to mqadmin"))?;
        let said = self.answers.recv_timeout(COMMAND);
        let said = said.map_err(|_| Trouble::Late { awaited: format!("mqadmin {command}"), log: None })?;
        let _ = writeln!(self.log, "$ mqadmin {command}\n{said}"); // for people; a full disk shows elsewhere
        Ok(said)
    }

    /// Runs the command again until what it prints is as awaited, for what becomes visible a little later.
    pub(super) fn run_until(
        &mut self,
        command: &str,
        good: impl Fn(&str) -> bool,
    ) -> Result<String, Trouble> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.run(command)?;
            if good(&said) || Instant::now() > end {
                return Ok(said);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn from_hex(digits: &str) -> Option<String> {
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}
