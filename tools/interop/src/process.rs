//! A child process that cannot outlive its owner.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::trouble::Trouble;

const POLL: Duration = Duration::from_millis(5);

/// A running server or client; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with stdout and stderr appended to `log`.
    pub(crate) fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self, Trouble> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(Trouble::io(format!("open {}", log.display())))?;
        let err = file.try_clone().map_err(Trouble::io("clone a log handle"))?;
        command.stdin(Stdio::null()).stdout(file).stderr(err);
        Self::adopt(name, command, log)
    }

    /// Starts `command` with its output going where the caller directed it.
    pub(crate) fn adopt(name: &str, mut command: Command, log: &Path) -> Result<Self, Trouble> {
        let child =
            command.spawn().map_err(Trouble::io(format!("start {name} ({:?})", command.get_program())))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_owned() })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `Some` once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// SIGKILL, then reaps it.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended by itself; `wait` reaps it either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; the process has `patience` to end by itself.
    pub(crate) fn terminate(&mut self, patience: Duration) -> Result<ExitStatus, Trouble> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        self.wait(patience)
    }

    /// SIGINT, as Ctrl-C sends it.
    pub(crate) fn interrupt(&mut self, patience: Duration) -> Result<ExitStatus, Trouble> {
        self.signal(Signal::INT)?;
        self.wait(patience)
    }

    fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
        let doing = || format!("{signal:?} to {}", self.name);
        kill_process(pid, signal).map_err(|e| Trouble::Io { doing: doing(), source: e.into() })
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<ExitStatus, Trouble> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(Trouble::Late {
                    awaited: format!("the end of {}", self.name),
                    log: Some(self.log.clone()),
                });
            }
            sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end and returns what it printed; fails unless it ends well within `patience`.
pub(crate) fn output(mut command: Command, patience: Duration) -> Result<String, Trouble> {
    let program = shortened(&command);
    let finished = finish(&mut command, b"", patience)?;
    if finished.status.success() {
        return Ok(finished.stdout);
    }
    let said = format!("{}{}", finished.stdout, finished.stderr);
    Err(Trouble::Failed { program, said: tail(&said, 1500).to_owned() })
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The exit code; a signal counts as 128 + its number, as in a shell.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// Runs a program to its end, however it ends; it gets `stdin`.
pub(crate) fn finish(command: &mut Command, stdin: &[u8], patience: Duration) -> Result<Finished, Trouble> {
    let program = shortened(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Trouble::io(format!("start {program}")))?;
    let mut input = child.stdin.take().expect("piped");
    let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let mut child = Process { child, name: program, log: PathBuf::from("/dev/null") };
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || text(out));
        let stderr = scope.spawn(move || text(err));
        scope.spawn(move || input.write_all(stdin)); // a program may end without reading it all
        let status = child.wait(patience);
        child.kill(); // closes the pipes if it is still there
        let stdout = stdout.join().expect("a reader does not panic");
        let stderr = stderr.join().expect("a reader does not panic");
        Ok(Finished { status: status?, stdout, stderr })
    })
}

/// Waits until the file holds `text`.
pub(crate) fn await_text(file: &Path, text: &str, patience: Duration) -> Result<(), Trouble> {
    let end = Instant::now() + patience;
    while !std::fs::read_to_string(file).is_ok_and(|all| all.contains(text)) {
        if Instant::now() > end {
            return Err(Trouble::Late { awaited: format!("{text:?}"), log: Some(file.to_owned()) });
        }
        sleep(POLL);
    }
    Ok(())
}

/// Everything until the end; what arrived before an error is what there is to show.
fn text(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last `bytes` of `text`, cut at a character.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

fn shortened(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        line.push(' ');
        line.push_str(if arg.len() > 60 { "..." } else { &arg });
    }
    line
}
