//! Dead letters sent again: `ringmq admin dlq replay`.
//!
//! Invariant: how far it came is noted after each message, so that an interruption repeats at most one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use net::ResponseCode;
use net::body::ConsumerConnection;
use net::names::{AUTO_CREATE_TOPIC, DLQ_PREFIX, RETRY_PREFIX};
use net::properties::{self, keys};
use net::requests::{GetConsumerConnectionList, SendMessageV2};
use store::record::Record;

use crate::cli::AdminCommon;
use crate::client::cluster::{Cluster, parsed, refused};
use crate::client::message::Message;
use crate::failure::Failure;
use crate::output::Rows;
use crate::signals;

use super::letters::{Letters, PROGRESS, commit, progress, queues, read};

/// `ringmq admin dlq replay`
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Consumer group
    group: String,
    /// Where to: retry reaches this group alone; origin every group of the topic it came from. Pop consumers read only
    /// origin; to a group whose members hold queue locks, because they consume in order, retry is refused
    #[arg(long, value_enum, default_value_t = To::Retry)]
    to: To,
    /// At most so many in all
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// At most so many a second
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Begin with the oldest again, whatever was sent before
    #[arg(long)]
    again: bool,
    /// Send nothing, only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// How
    #[command(flatten)]
    common: AdminCommon,
}

/// Where dead letters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// The retry topic of the group
    Retry,
    /// The topic that the message was first sent to
    Origin,
}

pub(super) fn run(wanted: &Replay) -> Result<(), Failure> {
    let interrupted = signals::interrupted()?;
    let mut cluster = Cluster::new(&wanted.common.reach)?;
    let mut rows = Rows::new(&["broker", "from", "to", "sent", "left"]);
    let mut pace = Pace::new(wanted.rate, interrupted);
    let mut room = wanted.count.unwrap_or(u64::MAX);
    let mut trouble = None;
    let letters = queues(&mut cluster, &format!("{DLQ_PREFIX}{}", wanted.group))?;
    if wanted.to == To::Retry {
        letters.iter().try_for_each(|(queue, _)| refuse_in_order(&mut cluster, queue, &wanted.group))?;
    }
    for (queue, _) in letters {
        let before = if wanted.again { None } else { progress(&mut cluster, &queue)? };
        let from = before.unwrap_or(queue.min).clamp(queue.min, queue.end);
        let (mut next, mut sent) = (from, 0u64);
        if room > 0 && trouble.is_none() {
            let outcome = read(&mut cluster, &queue, from, |cluster, record| {
                if !wanted.dry_run {
                    pace.wait()?;
                    send(cluster, &queue, wanted, record)?;
                }
                let behind = i64::try_from(record.queue_offset().get()).unwrap_or(i64::MAX) + 1;
                (next, sent, room) = (behind, sent + 1, room - 1);
                if !wanted.dry_run {
                    commit(cluster, &queue, next)?;
                }
                Ok(room > 0)
            });
            trouble = outcome.err();
        }
        rows.push(vec![
            queue.broker.into(),
            from.into(),
            next.into(),
            sent.into(),
            (queue.end - next).max(0).into(),
        ]);
    }
    rows.print(wanted.common.output)?;
    if wanted.dry_run {
        eprintln!("nothing was sent (--dry-run)");
    }
    match trouble {
        None => Ok(()),
        Some(failure) => {
            eprintln!("a further replay goes on where this one ended");
            Err(failure)
        }
    }
}

/// An error if members of the group hold queue locks at the broker of `queue`. It stores what is sent to their retry topic
/// as dead letters (behaviour.md 15.3): each replay would only make copies of them.
fn refuse_in_order(cluster: &mut Cluster, queue: &Letters, group: &str) -> Result<(), Failure> {
    let doing = "asking how the group consumes";
    let answer =
        cluster.call(&queue.address, &GetConsumerConnectionList { consumer_group: group }, &[], doing)?;
    if answer.code == ResponseCode::CONSUMER_NOT_ONLINE {
        return Ok(());
    }
    if answer.code != ResponseCode::SUCCESS {
        return Err(refused(&queue.address, doing, &answer));
    }
    let live: ConsumerConnection = parsed(&queue.address, doing, &answer.body)?;
    let Some(locked) = live.locked_queues else { return Ok(()) };
    Err(Failure::Usage {
        what: format!(
            "{group} consumes in order: its members hold {locked} queue locks at {}, and while they do, what is sent to \
             {RETRY_PREFIX}{group} becomes a dead letter again",
            queue.broker
        ),
        fix:
            "--to origin, which reaches every group of the topic; or stop the members, replay, and start them"
                .to_owned(),
    })
}

/// Sends a dead letter again, to the broker on which it lies.
fn send(cluster: &mut Cluster, queue: &Letters, wanted: &Replay, record: &Record<'_>) -> Result<(), Failure> {
    let message = Message::new(*record, &queue.broker);
    let origin = message.property(keys::RETRY_TOPIC).into_owned();
    let topic = match wanted.to {
        To::Retry => format!("{RETRY_PREFIX}{}", wanted.group),
        To::Origin if origin.is_empty() => {
            return Err(Failure::Partly {
                what: format!(
                    "the dead letter at offset {} does not say which topic it came from; --to retry needs no topic",
                    record.queue_offset().get()
                ),
            });
        }
        To::Origin => origin,
    };
    let stored = renewed(record, &message.offset_id(), wanted.to);
    let text = String::from_utf8_lossy(&stored);
    let request = SendMessageV2 {
        producer_group: PROGRESS,
        topic: &topic,
        default_topic: AUTO_CREATE_TOPIC,
        default_queues: 4,
        queue_id: -1,
        sys_flag: record.sys_flag() & COMPRESSION,
        born_at_ms: record.born_at_ms(),
        flag: record.flag(),
        properties: Some(&text),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        max_reconsume_times: None,
        batch: Some(false),
        broker_name: Some(&queue.broker),
    };
    let doing = format!("sending the dead letter at offset {} to {topic}", record.queue_offset().get());
    let answer = cluster.call(&queue.address, &request, record.body(), &doing)?;
    // Stored, though not known to be flushed or copied: what more could a repetition bring?
    let stored = [
        ResponseCode::SUCCESS,
        ResponseCode::FLUSH_DISK_TIMEOUT,
        ResponseCode::FLUSH_SLAVE_TIMEOUT,
        ResponseCode::SLAVE_NOT_AVAILABLE,
    ];
    if stored.contains(&answer.code) { Ok(()) } else { Err(refused(&queue.address, &doing, &answer)) }
}

/// The properties of a dead letter for its next life, under the unique key `key`.
fn renewed(record: &Record<'_>, key: &str, to: To) -> Vec<u8> {
    let mut out = Vec::new();
    let is_spent = |name: &[u8]| {
        SPENT.iter().any(|spent| spent.as_bytes() == name)
            || to == To::Origin && name == keys::RETRY_TOPIC.as_bytes()
    };
    properties::append_without(&mut out, record.properties(), is_spent);
    properties::append(&mut out, 0, keys::UNIQ_KEY, key.as_bytes());
    out
}

/// Keeps sends apart, and ends them when somebody presses Ctrl-C.
struct Pace {
    pause: Duration,
    interrupted: Arc<AtomicBool>,
    started: bool,
}

impl Pace {
    fn new(rate: Option<u32>, interrupted: Arc<AtomicBool>) -> Self {
        let pause = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate);
        Self { pause, interrupted, started: false }
    }

    fn wait(&mut self) -> Result<(), Failure> {
        if self.started && !self.pause.is_zero() {
            std::thread::park_timeout(self.pause);
        }
        self.started = true;
        if self.interrupted.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
    }
}

/// Bits of `sysFlag` that say how the body is compressed.
const COMPRESSION: i32 = 0x701;
/// Properties that belong to the life that ended: marks of the broker, waits, counts, places.
const SPENT: &[&str] = &[
    keys::UNIQ_KEY,
    keys::CRC32,
    keys::REAL_TOPIC,
    keys::REAL_QID,
    keys::DELAY,
    keys::WAIT,
    keys::TIMER_DELAY_SEC,
    keys::TIMER_DELAY_MS,
    keys::TIMER_DELIVER_MS,
    "TIMER_OUT_MS",
    "TIMER_ENQUEUE_MS",
    "TIMER_DEQUEUE_MS",
    "TIMER_ROLL_TIMES",
    keys::TRAN_MSG,
    keys::RECONSUME_TIME,
    keys::MAX_RECONSUME_TIMES,
    "POP_CK",
    "1ST_POP_TIME",
    "MIN_OFFSET",
    "MAX_OFFSET",
    "CONSUME_START_TIME",
    "CLUSTER",
    "MSG_REGION",
    "TRACE_ON",
];
