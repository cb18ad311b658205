//! NATS JetStream: published messages with acknowledgements, over the text protocol
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rt::Now;

use crate::pipeline::{Heard, Talk};
use crate::sends::{QUEUES, SIZE};

/// Its start, in `dir`.
pub(super) fn command(mut pinned: Command, dir: &Path, at: SocketAddr) -> Command {
    pinned
        .arg("nats-server")
        .args(["-a", &at.ip().to_string(), "-p", &at.port().to_string(), "-js", "-sd"])
        .arg(dir);
    pinned
}

/// What it runs with, for the record.
pub(super) fn configuration() -> String {
    format!("-js -sd DIR\nstream: {STREAM_CONFIGURATION}\n")
}

/// Publishes to as many subjects of one file stream as the others have queues.
pub(super) struct Publish {
    body: Vec<u8>,
    made: u32,
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    partial: Vec<u8>,
    /// The first acknowledgement is of the stream.
    made_stream: bool,
}

impl Publish {
    pub(super) fn new(connections: usize) -> Self {
        let lines = (0..connections).map(|_| Line::default()).collect();
        Self { body: vec![b'x'; SIZE], made: 0, lines }
    }
}

impl Talk for Publish {
    fn greet(&mut self, line: usize, out: &mut Vec<u8>) {
        let connect = r#"{"verbose":false,"pedantic":false,"tls_required":false,"lang":"rust","version":"1","protocol":1}"#;
        let create = format!(
            "CONNECT {connect}\r\nSUB {INBOX}.{line}.* 1\r\nPUB $JS.API.STREAM.CREATE.{STREAM} {INBOX}.{line}.s {}\r\n\
             {STREAM_CONFIGURATION}\r\n",
            STREAM_CONFIGURATION.len(),
        );
        out.extend_from_slice(create.as_bytes());
    }

    fn request(&mut self, line: usize, slot: usize, out: &mut Vec<u8>, _: Now) {
        let queue = self.made % QUEUES;
        self.made = self.made.wrapping_add(1);
        let head = format!("PUB bench.{queue} {INBOX}.{line}.{slot} {SIZE}\r\n");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&self.body);
        out.extend_from_slice(b"\r\n");
    }

    fn received(
        &mut self,
        line: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
        heard: &mut Heard,
    ) -> Result<(), String> {
        let line = &mut self.lines[line];
        line.partial.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((said, used)) = parse(&line.partial[at..])? {
            at += used;
            match said {
                Said::Ping => out.extend_from_slice(b"PONG\r\n"),
                Said::Nothing => {}
                Said::Answer { slot: None, .. } if !line.made_stream => {
                    line.made_stream = true;
                    heard.ready = true;
                }
                Said::Answer { slot: Some(slot), .. } => heard.answered.push(slot),
                Said::Answer { .. } => return Err("nats: an answer to nothing".to_owned()),
            }
        }
        line.partial.drain(..at);
        Ok(())
    }
}

const INBOX: &str = "_INBOX.b";
const STREAM: &str = "BENCH";
/// A file store with nothing but the defaults: the operating system writes it back.
const STREAM_CONFIGURATION: &str = r#"{"name":"BENCH","subjects":["bench.*"],"retention":"limits","storage":"file","num_replicas":1,"max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"discard":"old"}"#;

/// What the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Ping,
    /// INFO, +OK, PONG.
    Nothing,
    /// `None`: of the stream's making.
    Answer {
        slot: Option<usize>,
    },
}

/// The next thing said and its bytes; `None` if it is not whole.
///
/// # Errors
/// `-ERR`, a refused publish, or something that is not the protocol.
fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, String> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut words = text.split_ascii_whitespace();
    match words.next().unwrap_or_default() {
        "PING" => Ok(Some((Said::Ping, end + 2))),
        "INFO" | "+OK" | "PONG" => Ok(Some((Said::Nothing, end + 2))),
        "MSG" => {
            // MSG subject sid [reply] bytes; a stream is made once, and again in the same words by the other connections.
            let slot = words.next().and_then(|subject| subject.rsplit('.').next()?.parse().ok());
            let len: usize =
                words.last().and_then(|len| len.parse().ok()).ok_or("nats: a MSG without a length")?;
            let whole = end + 2 + len + 2;
            let Some(body) = bytes.get(end + 2..end + 2 + len) else { return Ok(None) };
            let body = String::from_utf8_lossy(body);
            if body.contains("\"error\"") {
                return Err(format!("nats: {body}"));
            }
            Ok((bytes.len() >= whole).then_some((Said::Answer { slot }, whole)))
        }
        _ => Err(format!("nats: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_however_they_are_cut() {
        let stream = "INFO {\"server_id\":\"x\"}\r\nMSG _INBOX.b.0.s 1 17\r\n{\"type\":\"create\"}\r\nPING\r\nMSG _INBOX.b.0.7 1 27\r\n{\"stream\":\"BENCH\", \"seq\":1}\r\n\
             MSG _INBOX.b.0.3 1 27\r\n{\"stream\":\"BENCH\", \"seq\":2}\r\n";
        for piece in 1..=stream.len() {
            let mut talk = Publish::new(1);
            let (mut out, mut heard) = (Vec::new(), Heard::default());
            for bytes in stream.as_bytes().chunks(piece) {
                talk.received(0, bytes, &mut out, &mut heard).unwrap();
            }
            assert!(heard.ready);
            assert_eq!((heard.answered, out.as_slice()), (vec![7, 3], &b"PONG\r\n"[..]), "pieces of {piece}");
        }
    }

    #[test]
    fn a_refusal_is_no_answer() {
        let refused =
            "MSG _INBOX.b.0.7 1 49\r\n{\"error\":{\"code\":503,\"description\":\"no storage\"} }\r\n";
        let mut talk = Publish::new(1);
        let said = talk.received(0, refused.as_bytes(), &mut Vec::new(), &mut Heard::default());
        assert!(said.unwrap_err().contains("no storage"));
        let error = parse(b"-ERR 'Authorization Violation'\r\n").unwrap_err();
        assert!(error.contains("Authorization"), "{error}");
    }
}
