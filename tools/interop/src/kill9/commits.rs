//! A consumer's offsets: what a kill may take back of them is at most a second old.

use std::{
    collections::HashSet,
    thread::sleep,
    time::{Duration, Instant},
};

use super::PATIENCE;
use super::messages::{GROUP, TOPIC};
use crate::{trouble::Trouble, wire::Wire};

/// Offsets committed to queue 0 of one shard, with the moment each was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Commits {
    acknowledged: Vec<(i64, Instant)>,
    sent: HashSet<i64>,
}

impl Commits {
    pub(super) fn run(address: &str, from: i64) -> Self {
        let mut commits = Self::default();
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return commits };
        if wire.heartbeat("127.0.0.1@kill9", "Kill9Producers", GROUP, TOPIC).is_err() {
            return commits;
        }
        for offset in from.. {
            commits.sent.insert(offset);
            if wire.commit_offset(GROUP, TOPIC, 0, offset).is_err() {
                break;
            }
            commits.acknowledged.push((offset, Instant::now()));
            sleep(Duration::from_millis(5)); // a consumer commits now and then, not as fast as it can
        }
        commits
    }

    pub(super) fn last(&self) -> i64 {
        self.sent.iter().copied().max().unwrap_or(0)
    }

    /// The longest time without an answer: that long at least somebody else had the processors.
    fn longest_gap(&self, killed: Instant) -> Duration {
        let times = self.acknowledged.iter().map(|(_, at)| *at).chain([killed]);
        let later = times.clone().skip(1);
        times.zip(later).map(|(one, next)| next.saturating_duration_since(one)).max().unwrap_or_default()
    }

    /// Whether an offset was old enough at the kill; if so, it or a later one must be there now.
    pub(super) fn check(&self, address: &str, killed: Instant, age_max: Duration) -> Result<bool, Trouble> {
        let age_max = age_max + 2 * self.longest_gap(killed);
        let Some(due) = self.acknowledged.iter().rev().find(|(_, at)| *at + age_max < killed) else {
            return Ok(false);
        };
        let mut wire = Wire::connect_to(address, PATIENCE)?;
        wire.heartbeat("127.0.0.1@kill9", "Kill9Producers", GROUP, TOPIC)?;
        let kept = wire.consumer_offset(GROUP, TOPIC, 0)?;
        if kept.is_some_and(|kept| kept >= due.0 && kept <= self.last()) {
            return Ok(true);
        }
        Err(Trouble::Answer(format!(
            "consumer offset {kept:?}, but {} was committed more than {age_max:?} before",
            due.0
        )))
    }
}
