//! `ringmq admin message`: single messages, found by what people know of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use net::ResponseCode;
use net::message_id::OffsetMessageId;
use net::requests::{QueryMessage, RecallMessage, ViewMessageById};
use serde_json::Value;
use store::record::{Parsed, Record, parse, stated_bytes};

use super::trace;
use crate::cli::AdminCommon;
use crate::client::cluster::{Cluster, odd, refused};
use crate::client::message::Message;
use crate::failure::Failure;
use crate::output::Rows;
use crate::time;

/// `ringmq admin message`
#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// The message with an offset id, from the broker that the id names
    Get {
        /// Offset id: what a send answers as offsetMsgId
        id: String,
        /// Refuse it if it is not of this topic
        #[arg(long)]
        topic: Option<String>,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Messages of a topic by a key or by their unique id, newest first
    Find(Find),
    /// What clients traced of a message: sent, received, consumed, decided, recalled
    Trace {
        /// Unique id, offset id or key of the message
        id: String,
        /// Topic that clients trace to
        #[arg(long, default_value = "RMQ_SYS_TRACE_TOPIC")]
        trace_topic: String,
        /// Traced since: a time (2026-11-21T14:00:00Z, milliseconds since 1970) or an age (15m, 2h)
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Traced until
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
    /// Take a message back that waits for its time
    Recall {
        /// Recall handle: what the send of the message answered
        handle: String,
        /// How
        #[command(flatten)]
        common: AdminCommon,
    },
}

/// `ringmq admin message find`
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// Topic
    topic: String,
    /// One of the message's keys
    #[arg(long, required_unless_present = "id", conflicts_with = "id")]
    key: Option<String>,
    /// Unique id: what producers and consumers call msgId
    #[arg(long)]
    id: Option<String>,
    /// Stored since: a time (2026-11-21T14:00:00Z, milliseconds since 1970) or an age (15m, 2h)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Stored until
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// At most so many per broker
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    count: u32,
    /// How
    #[command(flatten)]
    common: AdminCommon,
}

/// A message as a row, see [`row`].
pub(super) const COLUMNS: &[&str] = &[
    "topic",
    "broker",
    "queue",
    "offset",
    "msg_id",
    "offset_msg_id",
    "stored_at",
    "born_at",
    "born_host",
    "tags",
    "keys",
    "reconsume_times",
    "properties",
    "body",
];

pub(crate) fn run(command: &MessageCommand) -> Result<(), Failure> {
    match command {
        MessageCommand::Get { id, topic, common } => get(id, topic.as_deref(), common),
        MessageCommand::Find(find) => self::find(find),
        MessageCommand::Trace { id, trace_topic, from, to, common } => {
            trace::trace(id, trace_topic, span(from.as_deref(), to.as_deref())?, common)
        }
        MessageCommand::Recall { handle, common } => recall(handle, common),
    }
}

fn get(id: &str, topic: Option<&str>, common: &AdminCommon) -> Result<(), Failure> {
    let place = OffsetMessageId::parse(id).map_err(|_| Failure::Usage {
        what: format!("\"{id}\" is no offset id"),
        fix: "an offset id has 32 hex digits (56 with IPv6) and names its broker; a unique id is looked up with: \
              ringmq admin message find TOPIC --id ID"
            .to_owned(),
    })?;
    let mut cluster = Cluster::new(&common.reach)?;
    let address = place.host.to_string();
    let doing = format!("asking for the message at {}", place.offset);
    let offset = i64::try_from(place.offset).unwrap_or(i64::MAX);
    let answer = cluster.ask(&address, &ViewMessageById { topic, offset }, &[], &doing)?;
    let mut rows = Rows::new(COLUMNS);
    each_record(&address, &doing, &answer.body, |record| rows.push(row(record, &address)))?;
    Ok(rows.print(common.output)?)
}

fn find(wanted: &Find) -> Result<(), Failure> {
    let span = span(wanted.from.as_deref(), wanted.to.as_deref())?;
    let (key, is_unique) = match (&wanted.key, &wanted.id) {
        (_, Some(id)) => (id, true),
        (Some(key), None) => (key, false),
        (None, None) => unreachable!("clap wants one of them"),
    };
    let mut cluster = Cluster::new(&wanted.common.reach)?;
    let mut found: Vec<(i64, Vec<Value>)> = Vec::new();
    for (broker, bytes) in by_key(&mut cluster, &wanted.topic, key, is_unique, wanted.count, span)? {
        each_record(&broker, "reading messages", &bytes, |record| {
            found.push((record.stored_at_ms(), row(record, &broker)));
        })?;
    }
    if found.is_empty() {
        let what = if is_unique { "unique id" } else { "key" };
        return Err(Failure::Partly { what: format!("no message of {} has the {what} {key}", wanted.topic) });
    }
    found.sort_by_key(|(stored_at_ms, _)| std::cmp::Reverse(*stored_at_ms));
    let mut rows = Rows::new(COLUMNS);
    for (_, row) in found {
        rows.push(row);
    }
    Ok(rows.print(wanted.common.output)?)
}

/// The messages of a topic with a key, as records one behind the other, by broker.
pub(super) fn by_key(
    cluster: &mut Cluster,
    topic: &str,
    key: &str,
    is_unique: bool,
    count: u32,
    (from, to): (i64, i64),
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let doing = format!("looking for {key} in {topic}");
    let request = QueryMessage {
        topic,
        key,
        max_num: i32::try_from(count).unwrap_or(i32::MAX),
        begin_timestamp: from,
        end_timestamp: to,
        unique_key_query: is_unique.then_some(true),
        index_type: Some(if is_unique { "U" } else { "K" }),
        last_key: None,
    };
    let mut found = Vec::new();
    for place in cluster.route(topic)? {
        let Some(address) = place.readable() else { continue };
        let answer = cluster.call(address, &request, &[], &doing)?;
        match answer.code {
            ResponseCode::SUCCESS => found.push((place.broker.clone(), answer.body)),
            ResponseCode::QUERY_NOT_FOUND => {}
            _ => return Err(refused(address, &doing, &answer)),
        }
    }
    Ok(found)
}

fn recall(handle: &str, common: &AdminCommon) -> Result<(), Failure> {
    let wrong = || Failure::Usage {
        what: format!("\"{handle}\" is no recall handle"),
        fix: "take it from the answer of the send, where it is called recallHandle".to_owned(),
    };
    let text = unbase64(handle).ok_or_else(wrong)?;
    let mut parts = text.splitn(5, ' ');
    let (Some("v1"), Some(topic), Some(broker)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let mut cluster = Cluster::new(&common.reach)?;
    let places = cluster.route(topic)?;
    let address =
        places.iter().find(|place| place.broker == broker).and_then(|place| place.master()).ok_or_else(
            || Failure::Partly {
                what: format!("the handle is of broker {broker}, which does not serve {topic} now"),
            },
        )?;
    let doing = "recalling the message";
    let request = RecallMessage { producer_group: Some("ringmq_admin"), topic, recall_handle: handle };
    let answer = cluster.ask(address, &request, &[], doing)?;
    let mut rows = Rows::new(&["topic", "broker", "msg_id"]);
    rows.push(vec![topic.into(), broker.into(), answer.ext("msgId").map_or(Value::Null, Value::from)]);
    Ok(rows.print(common.output)?)
}

/// Milliseconds since 1970 of both ends; all time without them.
fn span(from: Option<&str>, to: Option<&str>) -> Result<(i64, i64), Failure> {
    let now = time::now_ms();
    let read = |flag: &str, text: Option<&str>, without: i64| match text {
        None => Ok(without),
        Some(text) => time::parse(text, now).ok_or_else(|| Failure::Usage {
            what: format!("--{flag} \"{text}\" is no time"),
            fix: "write 2026-11-21T14:00:00Z, milliseconds since 1970, or an age such as 15m".to_owned(),
        }),
    };
    // A clock may be a little ahead of ours.
    const AHEAD_MS: i64 = 86_400_000;
    Ok((read("from", from, 0)?, read("to", to, now + AHEAD_MS)?))
}

/// Shows records that lie one behind the other.
pub(super) fn each_record(
    address: &str,
    doing: &str,
    mut bytes: &[u8],
    mut show: impl FnMut(&Record<'_>),
) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let stated = stated_bytes(bytes).map_or(0, |bytes| bytes as usize);
        let record = bytes.get(..stated).filter(|record| !record.is_empty()).map(parse);
        let Some(Ok(Parsed::Record(record))) = record else {
            return Err(odd(address, doing, "the answer holds what is no message"));
        };
        show(&record);
        bytes = &bytes[stated..];
    }
    Ok(())
}

/// A message in [`COLUMNS`].
pub(super) fn row(record: &Record<'_>, broker: &str) -> Vec<Value> {
    let message = Message::new(*record, broker);
    vec![
        record.topic().into(),
        broker.into(),
        record.queue_id().into(),
        record.queue_offset().get().into(),
        message.id().into(),
        message.offset_id().into(),
        time::show(record.stored_at_ms()).into(),
        time::show(record.born_at_ms()).into(),
        record.born_host().to_string().into(),
        message.tag().into(),
        message.property(net::properties::keys::KEYS).into(),
        record.reconsume_times().into(),
        message.properties().into(),
        String::from_utf8_lossy(message.body()).into(),
    ]
}

/// The text behind base64url, padded or not.
fn unbase64(text: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_with_or_without_padding() {
        assert_eq!(unbase64("djEgVCBiIDEyIEs=").as_deref(), Some("v1 T b 12 K"));
        assert_eq!(unbase64("djEgVCBiIDEyIEs").as_deref(), Some("v1 T b 12 K"));
        assert_eq!(unbase64("Pz8-Pj8_").as_deref(), Some("??>>??"));
        assert_eq!(unbase64("no handle!"), None);
    }
}
