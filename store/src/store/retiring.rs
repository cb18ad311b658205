//! The task that gives up old segments, and refuses sends while the filesystem is too full.

use std::rc::Rc;

use rt::{Disk, Env, Space};

use crate::commitlog::Log;
use crate::consume_queue::ConsumeQueues;
use crate::record::{Parsed, parse};
use crate::retention::{RetentionFacts, SegmentFacts, decide, refuses, used_ratio};
use crate::{PhysicalOffset, StoreError};

/// Looks from time to time what may go, until the store closes or fails.
pub(super) async fn retire_expired<E: Env>(log: Rc<Log<E>>, queues: ConsumeQueues<E>) {
    let mut known = Vec::new();
    while !log.segments.is_closing() && log.failure().is_none() {
        log.env.sleep(log.config.retention_interval).await;
        match look(&log, &queues, &mut known).await {
            Ok(()) => {}
            // Reading a record for its age failed: nothing goes for now, and sends are none the worse.
            Err(error) => tracing::warn!(shard = log.config.shard, "retention: {error}"),
        }
    }
}

/// One look. `known` keeps the ages of segments, which do not change.
async fn look<E: Env>(
    log: &Rc<Log<E>>,
    queues: &ConsumeQueues<E>,
    known: &mut Vec<SegmentFacts>,
) -> Result<(), StoreError> {
    let first = log.segments.first();
    known.retain(|facts| facts.start.get() >= first);
    let bytes = log.config.segment_bytes;
    let active = log.end() - log.end() % bytes;
    let mut start = known.last().map_or(first, |facts| facts.end.get());
    while start < active {
        let end = start + bytes;
        let Some(last_stored_at_ms) = first_store_time(log, end).await? else { break };
        let (start_at, end_at) = (PhysicalOffset::new(start), PhysicalOffset::new(end));
        known.push(SegmentFacts { start: start_at, end: end_at, last_stored_at_ms, in_use: false });
        start = end;
    }
    let mut segments = known.clone();
    segments.push(SegmentFacts {
        start: PhysicalOffset::new(active),
        end: PhysicalOffset::new(active + bytes),
        last_stored_at_ms: i64::MAX,
        in_use: true,
    });
    let space = space_of(log)?;
    let mut facts = RetentionFacts {
        now_unix_ms: log.env.now().unix_ms,
        disk_total: space.total,
        disk_available: space.available,
        spare_segments: log.segments.spares(),
        spare_wanted: log.config.segments_ahead as usize,
        saved_to: queues.saved_to(),
        refusing: log.segments.is_crowded(),
        requested: false,
    };
    let decision = decide(&log.config.retention, &facts, &segments);
    for number in 0..decision.segments {
        log.segments.retire_first(number < decision.recycle).await?;
    }
    if decision.segments > 0 {
        log.forget_cold();
        tracing::info!(
            shard = log.config.shard,
            "{} segments given up: {:?}",
            decision.segments,
            decision.reason
        );
        // What has just been freed counts now, and not only at the next look.
        facts.disk_available = space_of(log)?.available;
    }
    let percent = (used_ratio(&facts) * 100.0).round();
    let refuse = refuses(&log.config.retention, &facts);
    log.segments.set_crowded(refuse.then(|| format!("the filesystem is {percent} % full")));
    log.env.kick();
    Ok(())
}

/// The filesystem of the log.
fn space_of<E: Env>(log: &Log<E>) -> Result<Space, StoreError> {
    let space = log.env.disk().space(&log.config.dir);
    space.map_err(|source| StoreError::Io { op: "statvfs", path: log.config.dir.clone(), source })
}

/// The store time of the first record at a segment's start: the newest that the segment before it can have.
async fn first_store_time<E: Env>(log: &Rc<Log<E>>, at: u64) -> Result<Option<i64>, StoreError> {
    let Some(head) = log.peek(at, 8).await? else { return Ok(None) };
    let bytes = crate::record::stated_bytes(&head).unwrap_or(0) as usize;
    let slice = log.fetch(at, bytes, None).await?;
    Ok(slice.and_then(|slice| match parse(&slice) {
        Ok(Parsed::Record(record)) => Some(record.stored_at_ms()),
        Ok(Parsed::Blank { .. }) | Err(_) => None,
    }))
}
