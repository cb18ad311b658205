//! Servers under test, as processes that end with the test.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::ringmq::Place;

/// A server that printed its boot lines. Killed if the test ends early.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) lines: Vec<String>,
}

impl Server {
    /// Starts it and reads its output up to the line that starts with `ready`.
    pub(crate) fn start(mut command: Command, ready: &str) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut server = Self { child, lines: Vec::new() };
        let mut out = BufReader::new(server.child.stdout.take().unwrap());
        loop {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                let mut errors = String::new();
                server.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("{:#?}\n{errors}", server.lines);
            }
            server.lines.push(line.trim_end().to_owned());
            if line.starts_with(ready) {
                return server;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Stops it as Ctrl-C does; its exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::INT);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port for a name server and one for two shards, with what lies around each: free a moment ago, below the range from
/// which the kernel hands out ports, and not given to another test of this process.
pub(crate) fn ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    loop {
        let port = first + 50 * NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_000, "no free ports");
        if [0, 8, 10, 11, 18, 20, 21].iter().all(|aside| free(port + aside)) {
            return (port, port + 10);
        }
    }
}

/// A node on loopback.
pub(crate) fn dev(place: &Place, namesrv: u16, port: u16, more: &[&str]) -> Server {
    std::fs::create_dir_all(place.windows()).unwrap();
    let mut command = place.ringmq();
    command.arg("dev").arg("--set").arg(format!("store.window_dir={}", place.windows().display()));
    command.args(["--namesrv-port", &namesrv.to_string(), "--port", &port.to_string()]).args(more);
    Server::start(command, "stop ")
}
