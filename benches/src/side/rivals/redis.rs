//! Redis Streams: pipelined `XADD` in RESP2 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rt::Now;

use crate::pipeline::{Heard, Talk, Waiting};
use crate::sends::{QUEUES, SIZE};
use crate::side::server::Flush;

/// Its start, in `dir`.
pub(super) fn command(mut pinned: Command, dir: &Path, at: SocketAddr, flush: Flush) -> Command {
    let fsync = if flush == Flush::Sync { "always" } else { "everysec" };
    pinned.arg("redis-server").args(["--bind", &at.ip().to_string(), "--port", &at.port().to_string()]);
    // Its log on the disk, no snapshots beside it.
    pinned
        .args(["--appendonly", "yes", "--appendfsync", fsync, "--save", "", "--daemonize", "no", "--dir"])
        .arg(dir);
    pinned
}

/// What it runs with, for the record.
pub(super) fn configuration(flush: Flush) -> String {
    let fsync = if flush == Flush::Sync { "always" } else { "everysec" };
    format!("appendonly yes\nappendfsync {fsync}\nsave \"\"\n")
}

/// Sends as entries of as many streams as the others have queues.
pub(super) struct Xadd {
    requests: Vec<Vec<u8>>,
    made: usize,
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    waiting: Waiting,
    partial: Vec<u8>,
}

impl Xadd {
    pub(super) fn new(connections: usize) -> Self {
        let body = [b'x'; SIZE];
        let request = |queue| {
            let stream = format!("bench:{queue}");
            let mut out = Vec::new();
            array(&mut out, &[b"XADD", stream.as_bytes(), b"*", b"b", &body]);
            out
        };
        let lines = (0..connections).map(|_| Line::default()).collect();
        Self { requests: (0..QUEUES).map(request).collect(), made: 0, lines }
    }
}

impl Talk for Xadd {
    fn greet(&mut self, line: usize, out: &mut Vec<u8>) {
        array(out, &[b"PING"]);
        self.lines[line].waiting.greeted();
    }

    fn request(&mut self, line: usize, slot: usize, out: &mut Vec<u8>, _: Now) {
        out.extend_from_slice(&self.requests[self.made % self.requests.len()]);
        self.made += 1;
        self.lines[line].waiting.asked(slot);
    }

    fn received(
        &mut self,
        line: usize,
        bytes: &[u8],
        _: &mut Vec<u8>,
        heard: &mut Heard,
    ) -> Result<(), String> {
        let line = &mut self.lines[line];
        line.partial.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = reply(&line.partial[at..])? {
            at += used;
            line.waiting.answered(heard)?;
        }
        line.partial.drain(..at);
        Ok(())
    }
}

fn array(out: &mut Vec<u8>, items: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", items.len()).as_bytes());
    for item in items {
        out.extend_from_slice(format!("${}\r\n", item.len()).as_bytes());
        out.extend_from_slice(item);
        out.extend_from_slice(b"\r\n");
    }
}

/// Bytes of the reply that starts here; `None` if it is not whole.
///
/// # Errors
/// An error reply, or a kind that `XADD` and `PING` do not give.
fn reply(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[1..end]);
    match bytes[0] {
        b'+' => Ok(Some(end + 2)),
        b'$' => {
            let len: usize = text.parse().map_err(|_| format!("redis: a bulk string of {text} bytes"))?;
            let whole = end + 2 + len + 2;
            Ok((bytes.len() >= whole).then_some(whole))
        }
        b'-' => Err(format!("redis: {text}")),
        other => Err(format!("redis: a reply of kind {:?}", char::from(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_however_they_are_cut() {
        let stream = b"+PONG\r\n$15\r\n1700000000000-0\r\n$15\r\n1700000000000-1\r\n";
        for piece in 1..=stream.len() {
            let mut talk = Xadd::new(1);
            let (mut out, mut heard) = (Vec::new(), Heard::default());
            talk.greet(0, &mut out);
            talk.request(0, 5, &mut out, Now::default());
            talk.request(0, 9, &mut out, Now::default());
            for bytes in stream.chunks(piece) {
                talk.received(0, bytes, &mut out, &mut heard).unwrap();
            }
            assert!(heard.ready);
            assert_eq!(heard.answered, [5, 9], "pieces of {piece}");
        }
    }

    #[test]
    fn a_refusal_is_no_answer() {
        let mut talk = Xadd::new(1);
        talk.greet(0, &mut Vec::new());
        let refused =
            talk.received(0, b"-OOM command not allowed\r\n", &mut Vec::new(), &mut Heard::default());
        assert_eq!(refused.unwrap_err(), "redis: OOM command not allowed");
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        array(&mut out, &[b"XADD", b"s"]);
        assert_eq!(out, b"*2\r\n$4\r\nXADD\r\n$1\r\ns\r\n");
    }
}
