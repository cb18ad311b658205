//! [`Letters`]: dead letters where they lie, and how far replays of them came.
//!
//! Invariant: what is read ends at the end that was found first; a replay does not chase letters that die meanwhile.

use net::ResponseCode;
use net::body::TopicStatsTable;
use net::requests::{
    GetTopicStatsInfo, OffsetReply, PullMessage, PullReply, QueryConsumerOffset, UpdateConsumerOffset,
};
use store::record::Record;

use crate::admin::message::each_record;
use crate::client::cluster::{Cluster, odd, parsed, refused};
use crate::failure::Failure;
use crate::time;

/// One queue of dead letters: where it is, and what of it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Letters {
    pub(super) topic: String,
    pub(super) broker: String,
    pub(super) address: String,
    pub(super) queue_id: i32,
    pub(super) min: i64,
    pub(super) end: i64,
}

/// Every queue of a dead letter topic, with the time of its last message.
pub(super) fn queues(cluster: &mut Cluster, topic: &str) -> Result<Vec<(Letters, i64)>, Failure> {
    let doing = format!("asking for the offsets of {topic}");
    let mut all = Vec::new();
    for place in cluster.route(topic)? {
        let Some(address) = place.readable().map(str::to_owned) else { continue };
        let answer = cluster.ask(&address, &GetTopicStatsInfo { topic }, &[], &doing)?;
        let stats: TopicStatsTable = parsed(&address, &doing, &answer.body)?;
        for (queue, offsets) in stats.queues {
            let letters = Letters {
                topic: topic.to_owned(),
                broker: place.broker.clone(),
                address: address.clone(),
                queue_id: queue.queue_id,
                min: offsets.min_offset,
                end: offsets.max_offset,
            };
            all.push((letters, offsets.updated_at_ms));
        }
    }
    Ok(all)
}

/// Where replays stand in a queue; `None` if there was none.
pub(super) fn progress(cluster: &mut Cluster, queue: &Letters) -> Result<Option<i64>, Failure> {
    let doing = "asking how far replays came";
    let request = QueryConsumerOffset {
        consumer_group: PROGRESS,
        topic: &queue.topic,
        queue_id: queue.queue_id,
        set_zero_if_not_found: Some(false),
    };
    let answer = cluster.call(&queue.address, &request, &[], doing)?;
    match answer.code {
        ResponseCode::SUCCESS => {
            let reply: OffsetReply =
                answer.reply().map_err(|error| odd(&queue.address, doing, error.to_string()))?;
            Ok(Some(reply.offset))
        }
        ResponseCode::QUERY_NOT_FOUND => Ok(None),
        _ => Err(refused(&queue.address, doing, &answer)),
    }
}

/// Notes that a replay came to `next`.
pub(super) fn commit(cluster: &mut Cluster, queue: &Letters, next: i64) -> Result<(), Failure> {
    let request = UpdateConsumerOffset {
        consumer_group: PROGRESS,
        topic: &queue.topic,
        queue_id: queue.queue_id,
        commit_offset: next,
    };
    cluster.ask(&queue.address, &request, &[], "noting how far the replay came").map(|_| ())
}

/// Shows the letters of a queue from `from` to its end as it was found, until `show` says that it was enough.
pub(super) fn read(
    cluster: &mut Cluster,
    queue: &Letters,
    from: i64,
    mut show: impl FnMut(&mut Cluster, &Record<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut next = from;
    while next < queue.end {
        let request = PullMessage {
            max_msg_nums: BATCH,
            sub_version: time::now_ms(),
            ..PullMessage::everything(PROGRESS, &queue.topic, queue.queue_id, next)
        };
        let doing = format!("reading {}", queue.topic);
        let answer = cluster.call(&queue.address, &request, &[], &doing)?;
        match answer.code {
            ResponseCode::SUCCESS
            | ResponseCode::PULL_RETRY_IMMEDIATELY
            | ResponseCode::PULL_OFFSET_MOVED => {}
            ResponseCode::PULL_NOT_FOUND => return Ok(()),
            _ => return Err(refused(&queue.address, &doing, &answer)),
        }
        let reply: PullReply =
            answer.reply().map_err(|error| odd(&queue.address, &doing, error.to_string()))?;
        let mut ended = None;
        if answer.code == ResponseCode::SUCCESS {
            each_record(&queue.address, &doing, &answer.body, |record| {
                let is_asked_for = i64::try_from(record.queue_offset().get()).is_ok_and(|at| at < queue.end);
                if ended.is_none() {
                    match show(cluster, record) {
                        Ok(true) if is_asked_for => {}
                        other => ended = Some(other.map(|_| ())),
                    }
                }
            })?;
        }
        if let Some(ended) = ended {
            return ended;
        }
        next = reply.next_begin_offset.max(next + i64::from(answer.code != ResponseCode::PULL_OFFSET_MOVED));
    }
    Ok(())
}

/// The group whose offsets say how far replays came.
pub(super) const PROGRESS: &str = "ringmq_dlq_replay";
/// Messages per pull.
const BATCH: i32 = 32;
