//! `ringmq produce`: stdin to a topic, a message per line.

use std::io::{self, BufRead, IsTerminal};
use std::sync::atomic::Ordering;

use clap::ValueEnum;
use net::names;
use net::properties::keys;

use crate::cli::Produce;
use crate::client::cluster::Cluster;
use crate::client::producer::{Draft, Producer};
use crate::failure::Failure;
use crate::output::line;
use crate::{signals, time};

/// Longest line: what a broker takes at most by default.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Runs it.
///
/// # Errors
/// The first line that could not be sent ends it: lines after it were not sent.
pub(crate) fn run(command: &Produce) -> Result<(), Failure> {
    check(command)?;
    let mut properties =
        command.properties.iter().map(|pair| property(pair)).collect::<Result<Vec<_>, _>>()?;
    properties.extend(when(command)?);
    if command.tx.is_some() {
        properties.push((keys::TRAN_MSG.to_owned(), "true".to_owned()));
        properties.push((keys::PGROUP.to_owned(), command.group.clone()));
    }
    let queue = command.queue.as_deref().map(queue).transpose()?;
    let interrupted = signals::interrupted()?;
    let mut producer = Producer::new(Cluster::new(&command.reach)?, &command.group, &command.topic)?;
    if io::stdin().is_terminal() {
        eprintln!("each line is a message to {}; Ctrl-D ends", command.topic);
    }
    let mut input = io::stdin().lock();
    let mut body = Vec::new();
    let mut sent = 0u64;
    while read_line(&mut input, &mut body)? {
        if interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        if body.is_empty() {
            // RocketMQ has no messages without a body.
            continue;
        }
        let draft = Draft {
            tag: command.tag.as_deref(),
            keys: &command.keys,
            properties: &properties,
            queue,
            is_half: command.tx.is_some(),
            body: &body,
        };
        let landed =
            producer.send(&draft).inspect_err(|_| eprintln!("{sent} messages were sent before this:"))?;
        if let Some(is_commit) = command.tx.and_then(Decision::is_commit) {
            producer.decide(&landed, is_commit)?;
        }
        sent += 1;
        if command.verbose {
            line(&landed.as_java(&command.topic))?;
        }
    }
    let what = command.tx.map_or("messages", Decision::what);
    eprintln!("sent {sent} {what} to {}", command.topic);
    Ok(())
}

/// What becomes of a half message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decision {
    /// Consumers see it
    Commit,
    /// Nobody ever sees it
    Rollback,
    /// Not decided: the broker asks the producers of the group, and gives it up in the end
    Unknown,
}

impl Decision {
    /// `None` if it is none.
    fn is_commit(self) -> Option<bool> {
        match self {
            Self::Commit => Some(true),
            Self::Rollback => Some(false),
            Self::Unknown => None,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Commit => "half messages, all committed,",
            Self::Rollback => "half messages, all rolled back,",
            Self::Unknown => "half messages, none decided,",
        }
    }
}

fn check(command: &Produce) -> Result<(), Failure> {
    let wrong = |what: String| Failure::Usage {
        what,
        fix: "names have letters, digits, '-', '_', '%' and '|'".to_owned(),
    };
    names::check_topic(&command.topic).map_err(|error| wrong(error.to_string()))?;
    names::check_group(&command.group).map_err(|error| wrong(error.to_string()))?;
    let texts = command.keys.iter().chain(&command.tag).chain(&command.properties);
    for text in texts {
        if text.contains(['\u{1}', '\u{2}']) {
            return Err(Failure::Usage {
                what: format!("{text:?} has a character that separates properties"),
                fix: "leave out U+0001 and U+0002".to_owned(),
            });
        }
    }
    Ok(())
}

fn property(pair: &str) -> Result<(String, String), Failure> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(Failure::Usage {
            what: format!("--prop \"{pair}\" is no property"),
            fix: "write --prop name=value, neither of them empty".to_owned(),
        }),
    }
}

/// The property by which a broker delivers later.
fn when(command: &Produce) -> Result<Option<(String, String)>, Failure> {
    let wrong = |flag: &str, text: &str, fix: &str| Failure::Usage {
        what: format!("--{flag} \"{text}\" is no time"),
        fix: fix.to_owned(),
    };
    if let Some(text) = &command.delay {
        let ms = time::span_ms(text).ok_or_else(|| wrong("delay", text, "write 500ms, 5s, 10m, 2h or 7d"))?;
        return Ok(Some((keys::TIMER_DELAY_MS.to_owned(), ms.to_string())));
    }
    let Some(text) = &command.at else { return Ok(None) };
    let fix = "write 2026-11-21T14:00:00Z or milliseconds since 1970";
    let at = time::span_ms(text)
        .map_or_else(|| time::parse(text, 0), |_| None)
        .ok_or_else(|| wrong("at", text, fix))?;
    Ok(Some((keys::TIMER_DELIVER_MS.to_owned(), at.to_string())))
}

fn queue(text: &str) -> Result<(Option<&str>, i32), Failure> {
    let (broker, id) = text.rsplit_once(':').map_or((None, text), |(broker, id)| (Some(broker), id));
    match id.parse::<i32>() {
        Ok(id) if id >= 0 => Ok((broker, id)),
        _ => Err(Failure::Usage {
            what: format!("--queue \"{text}\" is no queue"),
            fix: "write --queue ID or --queue BROKER:ID".to_owned(),
        }),
    }
}

/// The next line without its end; `false` at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(available.len(), |at| at + 1);
        line.extend_from_slice(&available[..end.unwrap_or(taken)]);
        input.consume(taken);
        if line.len() > LINE_BYTES_MAX {
            return Err(Failure::Usage {
                what: format!("a line is longer than {LINE_BYTES_MAX} bytes"),
                fix: "split it: this is the most that a message may have".to_owned(),
            });
        }
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_either_line_end_and_the_last_needs_none() {
        let mut input: &[u8] = b"one\r\n\ntwo";
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while read_line(&mut input, &mut line).unwrap() {
            lines.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(lines, ["one", "", "two"]);
    }

    #[test]
    fn a_line_at_the_limit_is_sent_and_one_byte_more_is_not() {
        let mut line = Vec::new();
        let fits = vec![b'x'; LINE_BYTES_MAX];
        assert!(read_line(&mut fits.as_slice(), &mut line).unwrap());
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        assert!(read_line(&mut long.as_slice(), &mut line).is_err());
    }

    #[test]
    fn a_queue_is_a_number_with_or_without_its_broker() {
        assert_eq!(queue("3").unwrap(), (None, 3));
        assert_eq!(queue("broker-a-1:0").unwrap(), (Some("broker-a-1"), 0));
        assert!(queue("-1").is_err());
        assert!(queue("a:b").is_err());
    }
}
