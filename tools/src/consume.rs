//! `ringmq consume`: a topic to stdout.

use std::io::{self, Write};
use std::time::Duration;

use net::names;

use crate::cli::Consume;
use crate::client::cluster::Cluster;
use crate::client::consumer::{Consumer, From, Options};
use crate::client::message::{Format, Message};
use crate::client::popper;
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
    let selection = command.filter.map_or(Selection::Tags(command.tags), Selection::Sql);
    let cluster = Cluster::new(&command.reach)?;
    let mut out = io::stdout().lock();
    let mut text = Vec::new();
    let mut show = |message: &Message<'_>| {
        text.clear();
        format.append(message, &mut text);
        out.write_all(&text)?;
        out.flush()?;
        Ok(())
    };
    if let (true, Some(group)) = (command.pop, &command.group) {
        let options = popper::Options {
            topic: command.topic,
            group: group.clone(),
            from_latest: start_of_pops(from)?,
            selection,
            invisible: Duration::from_secs(command.invisible),
            follow: !command.no_follow,
            count: command.count,
        };
        return popper::run(cluster, &options, &interrupted, show);
    }
    let options = Options {
        topic: command.topic,
        group: command.group,
        from,
        selection,
        follow: !command.no_follow,
        count: command.count,
    };
    Consumer::new(cluster, options)?.run(&interrupted, |message, _| show(message))
}

/// A pop starts at one of the ends: brokers keep the place of the group, and offer no other.
fn start_of_pops(from: From) -> Result<bool, Failure> {
    match from {
        From::Earliest => Ok(false),
        From::Latest => Ok(true),
        From::Time(_) => Err(Failure::Usage {
            what: "a group that pops starts at one of the ends of the topic".to_owned(),
            fix: "write --from earliest or latest, or set its place with ringmq admin group reset".to_owned(),
        }),
    }
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
