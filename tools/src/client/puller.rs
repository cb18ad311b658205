//! The thread that reads one queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use net::ResponseCode;
use net::requests::{
    GetMaxOffset, GetMinOffset, OffsetReply, PullMessage, PullReply, QueryConsumerOffset,
    SearchOffsetByTimestamp,
};

use super::assign::Queue;
use super::cluster::{Cluster, odd, refused};
use super::consumer::{From, TOOLS_GROUP};
use crate::client::selection::Selection;
use crate::failure::Failure;
use crate::time;

/// What a puller says.
#[derive(Debug)]
pub(crate) enum Event {
    /// Messages.
    Batch(Batch),
    /// It reached what was the end when it started, and does not follow.
    Finished {
        /// Which queue.
        queue: Queue,
        /// Which puller.
        generation: u64,
    },
    /// It could not read. When following it tries again.
    Trouble(Failure),
}

/// Messages of one queue, as they came.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Where from.
    pub(crate) queue: Queue,
    /// The broker's address.
    pub(crate) address: String,
    /// Which puller.
    pub(crate) generation: u64,
    /// Records.
    pub(crate) bytes: Vec<u8>,
    /// Oldest offset and end of the queue.
    pub(crate) bounds: (i64, i64),
    /// Where to read on.
    pub(crate) next: i64,
}

/// Reads one queue.
pub(crate) struct Puller {
    pub(crate) cluster: Cluster,
    pub(crate) address: String,
    pub(crate) queue: Queue,
    pub(crate) generation: u64,
    pub(crate) group: Option<String>,
    pub(crate) from: From,
    pub(crate) selection: Selection,
    pub(crate) follow: bool,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: SyncSender<Event>,
}

/// Messages per pull.
const BATCH: i32 = 32;
/// How long the broker may hold a pull. Short enough that a revoked queue is let go soon.
const HOLD: Duration = Duration::from_secs(10);
/// How much later than asked a broker may answer a held pull: RocketMQ's looks every 5 s.
const LATENESS: Duration = Duration::from_secs(10);
/// Pause after trouble, as RocketMQ's consumer makes.
const PAUSE: Duration = Duration::from_secs(1);

impl Puller {
    /// Starts the thread. It ends soon after `stop` is set or nobody listens any more.
    #[expect(clippy::disallowed_methods, reason = "a tool with blocking sockets, not a shard")]
    pub(crate) fn spawn(mut self) -> std::thread::Thread {
        std::thread::spawn(move || self.run()).thread().clone()
    }

    fn run(&mut self) {
        let mut offset = None;
        let mut end = None;
        while !self.stop.load(Ordering::Relaxed) {
            match self.step(&mut offset, &mut end) {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    if self.events.send(Event::Trouble(failure)).is_err() || !self.follow {
                        return;
                    }
                    std::thread::park_timeout(PAUSE);
                }
            }
        }
    }

    /// Finds out where to start, or pulls once. `false`: done.
    fn step(&mut self, offset: &mut Option<i64>, end: &mut Option<i64>) -> Result<bool, Failure> {
        let Some(from) = *offset else {
            if !self.follow {
                *end = Some(self.max()?);
            }
            *offset = Some(self.start()?);
            return Ok(true);
        };
        if end.is_some_and(|end| from >= end) {
            let finished = Event::Finished { queue: self.queue.clone(), generation: self.generation };
            let _ = self.events.send(finished);
            return Ok(false);
        }
        let (next, batch) = self.pull(from)?;
        *offset = Some(next);
        Ok(batch.is_none_or(|batch| self.events.send(Event::Batch(batch)).is_ok()))
    }

    /// Where the group stands, or where the options say.
    fn start(&mut self) -> Result<i64, Failure> {
        if let Some(group) = self.group.clone() {
            let header = QueryConsumerOffset {
                consumer_group: &group,
                topic: &self.queue.topic,
                queue_id: self.queue.id,
                set_zero_if_not_found: None,
            };
            let doing = "asking where the group stands";
            let answer = self.cluster.call(&self.address, &header, &[], doing)?;
            match answer.code {
                ResponseCode::SUCCESS => {
                    let reply: OffsetReply =
                        answer.reply().map_err(|error| odd(&self.address, doing, error.to_string()))?;
                    return Ok(reply.offset);
                }
                ResponseCode::QUERY_NOT_FOUND => {}
                _ => return Err(refused(&self.address, doing, &answer)),
            }
        }
        match self.from {
            From::Earliest => self.min(),
            From::Latest => self.max(),
            From::Time(unix_ms) => self.at(unix_ms),
        }
    }

    fn max(&mut self) -> Result<i64, Failure> {
        let header = GetMaxOffset { topic: &self.queue.topic, queue_id: self.queue.id, committed: true };
        let doing = "asking for the end of the queue";
        let answer = self.cluster.ask(&self.address, &header, &[], doing)?;
        let reply: OffsetReply =
            answer.reply().map_err(|error| odd(&self.address, doing, error.to_string()))?;
        Ok(reply.offset)
    }

    fn min(&mut self) -> Result<i64, Failure> {
        let header = GetMinOffset { topic: &self.queue.topic, queue_id: self.queue.id };
        let doing = "asking for the start of the queue";
        let answer = self.cluster.ask(&self.address, &header, &[], doing)?;
        let reply: OffsetReply =
            answer.reply().map_err(|error| odd(&self.address, doing, error.to_string()))?;
        Ok(reply.offset)
    }

    fn at(&mut self, unix_ms: i64) -> Result<i64, Failure> {
        let header = SearchOffsetByTimestamp {
            topic: &self.queue.topic,
            queue_id: self.queue.id,
            timestamp: unix_ms,
            boundary_type: Some("LOWER"),
            lite_topic: None,
        };
        let doing = "searching the queue by time";
        let answer = self.cluster.ask(&self.address, &header, &[], doing)?;
        let reply: OffsetReply =
            answer.reply().map_err(|error| odd(&self.address, doing, error.to_string()))?;
        Ok(reply.offset)
    }

    /// One pull: where to go on, and what came.
    fn pull(&mut self, offset: i64) -> Result<(i64, Option<Batch>), Failure> {
        let hold = if self.follow { HOLD } else { Duration::ZERO };
        let group = self.group.clone().unwrap_or_else(|| TOOLS_GROUP.to_owned());
        let (expression, kind) = self.selection.on_the_wire();
        let suspend = if self.follow { PullMessage::SUSPEND } else { 0 };
        let header = PullMessage {
            max_msg_nums: BATCH,
            sys_flag: PullMessage::SUBSCRIPTION | suspend,
            suspend_timeout_ms: i64::try_from(hold.as_millis()).unwrap_or(0),
            subscription: Some(expression),
            sub_version: time::now_ms(),
            expression_type: Some(kind),
            ..PullMessage::everything(&group, &self.queue.topic, self.queue.id, offset)
        };
        let doing = format!("reading {} queue {} at {}", self.queue.topic, self.queue.id, self.queue.broker);
        let timeout = hold + self.cluster.timeout().max(LATENESS);
        let answer = self.cluster.call_within(&self.address, &header, &[], &doing, timeout)?;
        let found = match answer.code {
            ResponseCode::SUCCESS => true,
            ResponseCode::PULL_NOT_FOUND
            | ResponseCode::PULL_RETRY_IMMEDIATELY
            | ResponseCode::PULL_OFFSET_MOVED => false,
            _ => return Err(refused(&self.address, &doing, &answer)),
        };
        let reply: PullReply =
            answer.reply().map_err(|error| odd(&self.address, &doing, error.to_string()))?;
        let batch = found.then(|| Batch {
            queue: self.queue.clone(),
            address: self.address.clone(),
            generation: self.generation,
            bytes: answer.body,
            bounds: (reply.min_offset, reply.max_offset),
            next: reply.next_begin_offset,
        });
        Ok((reply.next_begin_offset, batch))
    }
}
