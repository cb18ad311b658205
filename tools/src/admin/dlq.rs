//! `ringmq admin dlq`: dead letters, what there are, what they say, and back into the flow.
//!
//! How far a replay came is a consumer offset on the dead letter topic, committed after every message: a replay that is
//! interrupted goes on behind the last one, and one that is repeated sends only what died since. A message carries the
//! offset id of its dead letter as its unique key, so that a broker with `dedup.window` stores even the one message
//! once whose answer was lost.

use clap::Subcommand;
use net::names::DLQ_PREFIX;
use net::properties::keys;
use serde_json::Value;

use crate::cli::AdminCommon;
use crate::client::cluster::Cluster;
use crate::client::message::Message;
use crate::failure::Failure;
use crate::output::Rows;
use crate::time;

mod letters;
mod replay;

use letters::{progress, queues, read};
use replay::Replay;

/// `ringmq admin dlq`
#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Which groups have dead letters, and how many
    List(AdminCommon),
    /// The dead letters of a group, oldest first
    Show {
        /// Consumer group
        group: String,
        /// At most so many per broker
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
        /// Only what no replay has sent
        #[arg(long)]
        left: bool,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Send the dead letters of a group again, each once
    Replay(Replay),
}

pub(crate) fn run(command: &DlqCommand) -> Result<(), Failure> {
    match command {
        DlqCommand::List(common) => list(common),
        DlqCommand::Show { group, count, left, common } => show(group, *count, *left, common),
        DlqCommand::Replay(replay) => replay::run(replay),
    }
}

fn list(common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut rows = Rows::new(&["group", "broker", "messages", "not_replayed", "last_at"]);
    for topic in cluster.topics()?.into_iter().filter(|topic| topic.starts_with(DLQ_PREFIX)) {
        for (queue, updated_at_ms) in queues(&mut cluster, &topic)? {
            let next = progress(&mut cluster, &queue)?.unwrap_or(queue.min).max(queue.min);
            rows.push(vec![
                topic.strip_prefix(DLQ_PREFIX).unwrap_or(&topic).into(),
                queue.broker.into(),
                (queue.end - queue.min).into(),
                (queue.end - next).max(0).into(),
                if updated_at_ms > 0 { time::show(updated_at_ms).into() } else { Value::Null },
            ]);
        }
    }
    Ok(rows.print(common.output)?)
}

fn show(group: &str, count: u64, only_left: bool, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut rows = Rows::new(&[
        "broker",
        "offset",
        "dead_since",
        "origin_topic",
        "origin_msg_id",
        "msg_id",
        "tags",
        "keys",
        "reconsume_times",
        "body",
    ]);
    for (queue, _) in queues(&mut cluster, &format!("{DLQ_PREFIX}{group}"))? {
        let sent = if only_left { progress(&mut cluster, &queue)? } else { None };
        let mut left = count;
        read(&mut cluster, &queue, sent.unwrap_or(queue.min), |_, record| {
            let message = Message::new(*record, &queue.broker);
            rows.push(vec![
                queue.broker.clone().into(),
                record.queue_offset().get().into(),
                time::show(record.stored_at_ms()).into(),
                message.property(keys::RETRY_TOPIC).into(),
                message.property(keys::ORIGIN_MESSAGE_ID).into(),
                message.id().into(),
                message.tag().into(),
                message.property(keys::KEYS).into(),
                record.reconsume_times().into(),
                String::from_utf8_lossy(message.body()).into(),
            ]);
            left -= 1;
            Ok(left > 0)
        })?;
    }
    Ok(rows.print(common.output)?)
}
