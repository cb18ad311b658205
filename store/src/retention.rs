//! Retention: which commitlog segments may go, and whether sends must stop. A pure function of facts; whoever owns the
//! files carries the decision out.
//!
//! RocketMQ's rules (spec/store.md 8, behaviour.md 20), with one difference: a segment's age is that of its last
//! message and not the file system's time stamp, so that copying a store does not make it younger.

use crate::PhysicalOffset;

/// What an operator chose; the RocketMQ key of each is in its text.
#[derive(Clone, Debug, PartialEq)]
pub struct RetentionConfig {
    /// `fileReservedTime`: hours that a segment is kept behind its last message.
    pub reserved_hours: u32,
    /// `deleteWhen`: when expired segments go while there is room.
    pub delete_when: DeleteWhen,
    /// `diskMaxUsedSpaceRatio`: above it expired segments go at any hour. A fraction.
    pub max_used_ratio: f64,
    /// `diskSpaceCleanForciblyRatio`: above it the oldest segments go, expired or not.
    pub clean_forcibly_ratio: f64,
    /// `cleanFileForciblyEnable`: whether that may happen.
    pub clean_forcibly: bool,
    /// `diskSpaceWarningLevelRatio`: above it sends are refused, until usage is back at `clean_forcibly_ratio`.
    pub warning_ratio: f64,
    /// `deleteFileBatchMax`: most segments per decision.
    pub batch_max: usize,
    /// Local time minus UTC, in minutes; for `deleteWhen`.
    pub utc_offset_minutes: i32,
}

/// When expired segments are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteWhen {
    /// As soon as they have expired.
    Steady,
    /// In these hours of the day, local time.
    Hours(Vec<u8>),
}

impl DeleteWhen {
    /// Reads the value of `deleteWhen`: hours of two digits separated by `;`, or `steady`. `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "steady" {
            return Some(Self::Steady);
        }
        let hours = text.split(';').map(str::trim).filter(|hour| !hour.is_empty());
        let hours =
            hours.map(|hour| hour.parse().ok().filter(|hour| *hour < 24)).collect::<Option<Vec<u8>>>()?;
        (!hours.is_empty()).then_some(Self::Hours(hours))
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            reserved_hours: 72,
            delete_when: DeleteWhen::Hours(vec![4]),
            max_used_ratio: 0.75,
            clean_forcibly_ratio: 0.85,
            clean_forcibly: true,
            warning_ratio: 0.90,
            batch_max: 10,
            utc_offset_minutes: 0,
        }
    }
}

/// What is known about one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its first byte.
    pub start: PhysicalOffset,
    /// The byte behind its last.
    pub end: PhysicalOffset,
    /// Store time of its last record, Unix milliseconds.
    pub last_stored_at_ms: i64,
    /// Somebody reads it now, or must still (a replica, an import): not this time.
    pub in_use: bool,
}

/// The state of a shard's disk and clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetentionFacts {
    /// Wall clock, Unix milliseconds.
    pub now_unix_ms: i64,
    /// Bytes of the filesystem.
    pub disk_total: u64,
    /// What can still be written.
    pub disk_available: u64,
    /// Segments kept ready for reuse; with enough of them a segment is deleted and not recycled.
    pub spare_segments: usize,
    /// How many of those are wanted.
    pub spare_wanted: usize,
    /// Checkpoints of the queues cover the log up to here; what lies behind must stay
    /// ([`crate::consume_queue::ConsumeQueues::saved_to`]).
    pub saved_to: PhysicalOffset,
    /// Sends are being refused for lack of space.
    pub refusing: bool,
    /// An operator asked for expired segments to go now (`deleteExpiredCommitLog`).
    pub requested: bool,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionDecision {
    /// How many of the oldest segments go.
    pub segments: usize,
    /// How many of those are renamed into spares; the rest is unlinked.
    pub recycle: usize,
    /// Where the log begins afterwards: the new minimum for queues, index and cold cache.
    pub log_min: PhysicalOffset,
    /// Why segments go, for the log line.
    pub reason: Option<Reason>,
}

/// Why segments go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Their time is over and the hour has come.
    Expired,
    /// Their time is over and somebody asked.
    Requested,
    /// Their time is over and the disk is above `diskMaxUsedSpaceRatio`.
    ExpiredUnderPressure,
    /// The disk is above `diskSpaceCleanForciblyRatio`; age does not count.
    Forced,
}

/// Decides about `segments`, oldest first; the last is the active one and always stays.
#[must_use]
pub fn decide(
    config: &RetentionConfig,
    facts: &RetentionFacts,
    segments: &[SegmentFacts],
) -> RetentionDecision {
    let used = used_ratio(facts);
    let forced = config.clean_forcibly && used > config.clean_forcibly_ratio;
    let reason = if forced {
        Some(Reason::Forced)
    } else if used > config.max_used_ratio {
        Some(Reason::ExpiredUnderPressure)
    } else if facts.requested {
        Some(Reason::Requested)
    } else if is_the_hour(config, facts.now_unix_ms) {
        Some(Reason::Expired)
    } else {
        None
    };
    let reserved_ms = i64::from(config.reserved_hours) * 3_600_000;
    let may_go = |segment: &&SegmentFacts| {
        let expired = facts.now_unix_ms.saturating_sub(segment.last_stored_at_ms) >= reserved_ms;
        !segment.in_use && segment.end <= facts.saved_to && (forced || expired)
    };
    let inactive = &segments[..segments.len().saturating_sub(1)];
    let going = match reason {
        Some(_) => inactive.iter().take(config.batch_max).take_while(may_go).count(),
        None => 0,
    };
    // Under pressure space is wanted back; a spare would keep it.
    let room_for_spares = if used > config.max_used_ratio {
        0
    } else {
        facts.spare_wanted.saturating_sub(facts.spare_segments)
    };
    let log_min =
        segments.get(going).or(segments.last()).map_or(PhysicalOffset::default(), |kept| kept.start);
    RetentionDecision {
        segments: going,
        recycle: going.min(room_for_spares),
        log_min,
        reason: reason.filter(|_| going > 0),
    }
}

/// Whether sends must be refused for lack of space ("disk full").
#[must_use]
pub fn refuses(config: &RetentionConfig, facts: &RetentionFacts) -> bool {
    let used = used_ratio(facts);
    used > config.warning_ratio || (facts.refusing && used > config.clean_forcibly_ratio)
}

/// The used share of the disk as RocketMQ counts it: rounded up to whole percents.
#[must_use]
pub fn used_ratio(facts: &RetentionFacts) -> f64 {
    if facts.disk_total == 0 {
        return 0.0;
    }
    let used = u128::from(facts.disk_total.saturating_sub(facts.disk_available));
    let percent = (used * 100).div_ceil(u128::from(facts.disk_total));
    percent as f64 / 100.0
}

fn is_the_hour(config: &RetentionConfig, now_unix_ms: i64) -> bool {
    match &config.delete_when {
        DeleteWhen::Steady => true,
        DeleteWhen::Hours(hours) => {
            let local_ms = now_unix_ms + i64::from(config.utc_offset_minutes) * 60_000;
            let hour = local_ms.div_euclid(3_600_000).rem_euclid(24);
            hours.iter().any(|wanted| i64::from(*wanted) == hour)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn facts() -> RetentionFacts {
        RetentionFacts {
            now_unix_ms: 1_000 * 24 * HOUR + 4 * HOUR,
            disk_total: 1000,
            disk_available: 900,
            spare_segments: 0,
            spare_wanted: 1,
            saved_to: PhysicalOffset::new(u64::MAX),
            refusing: false,
            requested: false,
        }
    }

    /// Segments of 100 bytes whose last messages have these ages in hours.
    fn segments(ages: &[i64]) -> Vec<SegmentFacts> {
        let now = facts().now_unix_ms;
        (0..)
            .zip(ages)
            .map(|(number, age)| SegmentFacts {
                start: PhysicalOffset::new(number * 100),
                end: PhysicalOffset::new((number + 1) * 100),
                last_stored_at_ms: now - age * HOUR,
                in_use: false,
            })
            .collect()
    }

    #[test]
    fn expired_segments_go_at_four_in_the_morning_only() {
        let config = RetentionConfig::default();
        let segments = segments(&[100, 72, 71, 0]);
        let at_four = decide(&config, &facts(), &segments);
        assert_eq!((at_four.segments, at_four.reason), (2, Some(Reason::Expired)));
        assert_eq!(at_four.log_min, PhysicalOffset::new(200));
        let at_three = RetentionFacts { now_unix_ms: facts().now_unix_ms - 1, ..facts() };
        assert_eq!(decide(&config, &at_three, &segments).segments, 0);
        let asked = RetentionFacts { requested: true, ..at_three };
        assert_eq!(decide(&config, &asked, &segments).reason, Some(Reason::Requested));
        let steady = RetentionConfig { delete_when: DeleteWhen::Steady, ..config.clone() };
        assert_eq!(
            decide(&steady, &at_three, &segments).segments,
            1,
            "the second is a millisecond too young"
        );
        let east = RetentionConfig { utc_offset_minutes: 480, ..config };
        assert_eq!(decide(&east, &facts(), &segments).segments, 0);
    }

    #[test]
    fn above_three_quarters_the_hour_is_waived_but_not_the_age() {
        let late = RetentionFacts { now_unix_ms: facts().now_unix_ms + 5 * HOUR, ..facts() };
        let segments = segments(&[100, 1, 0]);
        let config = RetentionConfig::default();
        let at_mark = RetentionFacts { disk_available: 250, ..late };
        assert_eq!(decide(&config, &at_mark, &segments).segments, 0);
        let above = RetentionFacts { disk_available: 249, ..late };
        let decision = decide(&config, &above, &segments);
        assert_eq!((decision.segments, decision.recycle), (1, 0));
        assert_eq!(decision.reason, Some(Reason::ExpiredUnderPressure));
    }

    #[test]
    fn above_85_percent_age_does_not_count_unless_forbidden() {
        let facts = RetentionFacts { disk_available: 149, ..facts() };
        let young = segments(&[1, 1, 1, 0]);
        let decision = decide(&RetentionConfig::default(), &facts, &young);
        assert_eq!((decision.segments, decision.reason), (3, Some(Reason::Forced)));
        assert!(!refuses(&RetentionConfig::default(), &facts));
        let forbidden = RetentionConfig { clean_forcibly: false, ..RetentionConfig::default() };
        assert_eq!(decide(&forbidden, &facts, &young).segments, 0);
    }

    #[test]
    fn sends_stop_above_90_percent_and_resume_at_85() {
        let config = RetentionConfig::default();
        let refuse = |available, refusing| {
            let facts = RetentionFacts { disk_available: available, refusing, ..facts() };
            refuses(&config, &facts)
        };
        assert!(!refuse(100, false));
        assert!(refuse(99, false));
        assert!(refuse(149, true));
        assert!(!refuse(150, true));
    }

    #[test]
    fn delete_when_reads_javas_lists_and_refuses_other_words() {
        assert_eq!(DeleteWhen::parse("04"), Some(DeleteWhen::Hours(vec![4])));
        assert_eq!(DeleteWhen::parse("04;16"), Some(DeleteWhen::Hours(vec![4, 16])));
        assert_eq!(DeleteWhen::parse("steady"), Some(DeleteWhen::Steady));
        for wrong in ["", "24", "four", "04,16", "-1"] {
            assert_eq!(DeleteWhen::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_active_segment_what_is_in_use_and_what_is_not_saved_stay(
            ages in prop::collection::vec(0..200i64, 0..30),
            available in 0..=1000u64,
            saved in 0..4000u64,
            busy in 0..30usize,
        ) {
            let mut segments = segments(&ages);
            if let Some(segment) = segments.get_mut(busy) {
                segment.in_use = true;
            }
            let saved_to = PhysicalOffset::new(saved);
            let facts = RetentionFacts { disk_available: available, saved_to, ..facts() };
            let decision = decide(&RetentionConfig::default(), &facts, &segments);
            prop_assert!(decision.segments <= segments.len().saturating_sub(1).min(10).min(busy));
            prop_assert!(decision.recycle <= decision.segments);
            prop_assert!(segments[..decision.segments].iter().all(|segment| segment.end <= saved_to));
            if let Some(kept) = segments.get(decision.segments) {
                prop_assert_eq!(decision.log_min, kept.start);
            }
        }
    }
}
