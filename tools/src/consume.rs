//! `ringmq consume`: a topic to stdout.

use std::io::{self, Write};

use net::names;

use crate::cli::Consume;
use crate::client::cluster::Cluster;
use crate::client::consumer::{Consumer, From, Options};
use crate::client::message::Format;
use crate::client::selection::Selection;
use crate::failure::Failure;
use crate::{signals, time};

/// Runs it.
///
/// # Errors
/// No route, a queue that cannot be read, Ctrl-C.
pub(crate) fn run(command: Consume) -> Result<(), Failure> {
    let format = Format::parse(&command.format)?;
    let from = from(&command.from)?;
    if let Some(group) = &command.group {
        names::check_group(group).map_err(|error| Failure::Usage {
            what: error.to_string(),
            fix: "names have letters, digits, '-', '_', '%' and '|'".to_owned(),
        })?;
    }
    let interrupted = signals::interrupted()?;
    let options = Options {
        topic: command.topic,
        group: command.group,
        from,
        selection: command.filter.map_or(Selection::Tags(command.tags), Selection::Sql),
        follow: !command.no_follow,
        count: command.count,
    };
    let consumer = Consumer::new(Cluster::new(&command.reach)?, options)?;
    let mut out = io::stdout().lock();
    let mut text = Vec::new();
    consumer.run(&interrupted, |message, _| {
        text.clear();
        format.append(message, &mut text);
        out.write_all(&text)?;
        out.flush()?;
        Ok(())
    })
}

fn from(text: &str) -> Result<From, Failure> {
    match text {
        "earliest" => Ok(From::Earliest),
        "latest" => Ok(From::Latest),
        _ => time::parse(text, time::now_ms()).map(From::Time).ok_or_else(|| Failure::Usage {
            what: format!("--from \"{text}\" is no place to start"),
            fix: "write earliest, latest, a time such as 2026-11-21T14:00:00Z, milliseconds since 1970, or an age such as 15m"
                .to_owned(),
        }),
    }
}
