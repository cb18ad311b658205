//! [`Process`]: a server we started, and the promise that it ends with us, however we end.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command` with its output in `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> io::Result<Self> {
        let out = File::create(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child =
            command.spawn().map_err(|error| io::Error::other(format!("cannot start {name}: {error}")))?;
        RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(child.id());
        Ok(Self { child, name: name.to_owned() })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops its clock: it uses no CPU until [`Process::thaw`].
    pub(crate) fn freeze(&self) {
        signal(self.pid(), Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        signal(self.pid(), Signal::CONT);
    }

    /// An error if it has ended.
    ///
    /// # Errors
    /// That it has.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("{} ended: {status}", self.name))),
        }
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// When it does not stop in time (it is killed) or ends with a failure.
    pub(crate) fn stop(mut self) -> io::Result<Duration> {
        let began = clock::now();
        self.thaw();
        signal(self.pid(), Signal::TERM);
        while began.elapsed() < STOP {
            if let Some(status) = self.child.try_wait()? {
                // A JVM ends with 143 for SIGTERM.
                let clean = status.success() || status.code() == Some(143);
                return if clean {
                    Ok(began.elapsed())
                } else {
                    Err(io::Error::other(format!("{} ended: {status}", self.name)))
                };
            }
            clock::pause(Duration::from_millis(2));
        }
        Err(io::Error::other(format!("{} did not stop in {} s", self.name, STOP.as_secs())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.thaw();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let pid = self.pid();
        RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|known| *known != pid);
    }
}

/// From now on, a signal that ends us ends every server first.
///
/// # Errors
/// When signals cannot be watched.
pub(crate) fn end_servers_with_us() -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let Some(number) = signals.forever().next() else { return };
        for pid in RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            signal(*pid, Signal::KILL);
        }
        std::process::exit(128 + number);
    })?;
    Ok(())
}

fn signal(pid: u32, signal: Signal) {
    // A process that is gone needs no signal.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Servers that run. Entries go only after their process was waited for, so a number is never somebody else's.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// A Java broker flushes and unregisters for some seconds.
const STOP: Duration = Duration::from_secs(60);
