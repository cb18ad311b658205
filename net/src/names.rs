//! Names of topics and groups: which are legal, which belong to the system, with RocketMQ's remarks.
//!
//! Source: `TopicValidator`, RocketMQ 5.5.

use std::fmt;

/// Longest topic.
pub const TOPIC_CHARS_MAX: usize = 127;
/// Longest retry or dead letter topic.
pub const RETRY_TOPIC_CHARS_MAX: usize = 255;
/// Longest group.
pub const GROUP_CHARS_MAX: usize = 120;
/// Before the group in its retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Before the group in its dead letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Template for topics made on the fly.
pub const AUTO_CREATE_TOPIC: &str = "TBW102";
/// Where delayed messages wait.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// Where messages wait for a time of their own.
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";
/// Where half messages wait.
pub const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Where it is written which half messages are settled.
pub const OP_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Where half messages end that nobody decides about.
pub const GIVEN_UP_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Before the names of system topics.
pub const SYSTEM_TOPIC_PREFIX: &str = "rmq_sys_";
/// Before the names of system groups.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";

/// Topics that belong to the broker.
pub const SYSTEM_TOPICS: &[&str] = &[
    AUTO_CREATE_TOPIC,
    SCHEDULE_TOPIC,
    "BenchmarkTest",
    HALF_TOPIC,
    "RMQ_SYS_TRACE_TOPIC",
    OP_TOPIC,
    GIVEN_UP_TOPIC,
    "SELF_TEST_TOPIC",
    "OFFSET_MOVED_EVENT",
    "CHECKPOINT_TOPIC",
    "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC",
    "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC",
];

/// System topics that no client may send to.
pub const NOT_SENDABLE_TOPICS: &[&str] = &[
    SCHEDULE_TOPIC,
    HALF_TOPIC,
    OP_TOPIC,
    GIVEN_UP_TOPIC,
    "SELF_TEST_TOPIC",
    "OFFSET_MOVED_EVENT",
    "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC",
    "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC",
];

/// Whether `topic` may be created and sent to.
///
/// # Errors
/// Blank, with a character outside `[%|a-zA-Z0-9_-]`, or too long; the text is RocketMQ's remark.
pub fn check_topic(topic: &str) -> Result<(), NameError> {
    let retry = topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX);
    let limit = if retry { RETRY_TOPIC_CHARS_MAX } else { TOPIC_CHARS_MAX };
    check(topic, limit)
        .map_err(|fault| NameError { kind: if retry { Kind::RetryTopic } else { Kind::Topic }, fault })
}

/// Whether `group` may be a consumer or producer group.
///
/// # Errors
/// As [`check_topic`].
pub fn check_group(group: &str) -> Result<(), NameError> {
    check(group, GROUP_CHARS_MAX).map_err(|fault| NameError { kind: Kind::Group, fault })
}

/// The topic belongs to the broker. (Names of cluster and broker do too; only the broker knows them.)
#[must_use]
pub fn is_system_topic(topic: &str) -> bool {
    SYSTEM_TOPICS.contains(&topic) || topic.starts_with(SYSTEM_TOPIC_PREFIX)
}

/// No client may send to it.
#[must_use]
pub fn is_not_sendable(topic: &str) -> bool {
    NOT_SENDABLE_TOPICS.contains(&topic)
}

/// The group of a retry topic.
#[must_use]
pub fn retry_group(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_PREFIX)
}

fn check(name: &str, limit: usize) -> Result<(), Fault> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'|' | b'_' | b'-');
    if name.trim().is_empty() {
        return Err(Fault::Blank);
    }
    if !name.bytes().all(legal) {
        return Err(Fault::Illegal { name: name.to_owned() });
    }
    if name.len() > limit {
        return Err(Fault::TooLong { name: name.to_owned(), limit });
    }
    Ok(())
}

/// A name is not legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    kind: Kind,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Topic,
    RetryTopic,
    Group,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Blank,
    Illegal { name: String },
    TooLong { name: String, limit: usize },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == Kind::Group { "group" } else { "topic" };
        match &self.fault {
            Fault::Blank => write!(f, "The specified {kind} is blank."),
            Fault::Illegal { name } => write!(
                f,
                "The specified {kind}: {name}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
            ),
            Fault::TooLong { name, limit } if self.kind == Kind::RetryTopic => write!(
                f,
                "The specified topic is DLQ or Retry topic: {name}, and it's longer than topic max length: {limit}"
            ),
            Fault::TooLong { name, limit } => {
                write!(f, "The specified {kind}: {name}, is longer than {kind} max length: {limit}")
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_hold_at_the_limit_and_one_above() {
        for (check, prefix, limit) in [
            (check_topic as fn(&str) -> _, "", TOPIC_CHARS_MAX),
            (check_topic, RETRY_PREFIX, RETRY_TOPIC_CHARS_MAX),
            (check_topic, DLQ_PREFIX, RETRY_TOPIC_CHARS_MAX),
            (check_group, "", GROUP_CHARS_MAX),
        ] {
            let longest = format!("{prefix}{}", "a".repeat(limit - prefix.len()));
            assert_eq!(check(&longest), Ok(()));
            let error: NameError = check(&format!("{longest}a")).unwrap_err();
            assert!(error.to_string().ends_with(&format!("max length: {limit}")), "{error}");
        }
    }

    #[test]
    fn characters_outside_the_set_are_refused_with_the_remark_of_rocketmq() {
        assert_eq!(check_topic("ns%A|b_c-9"), Ok(()));
        assert_eq!(check_topic(" ").unwrap_err().to_string(), "The specified topic is blank.");
        for name in ["a b", "../x", "a/b", "ä", "a$b", "a.b"] {
            assert_eq!(
                check_group(name).unwrap_err().to_string(),
                format!(
                    "The specified group: {name}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
                )
            );
        }
    }
}
