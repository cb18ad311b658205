//! Message properties in wire form: `key \u0001 value` joined by `\u0002` (PROTOCOL.md "Properties").
//!
//! Works on the bytes as they lie in a header, a batch item or a record, without a map and without allocating. An
//! entry without separator, or with an empty key or value, is none; of equal keys the last counts.

use std::ops::Range;

mod name;

pub use name::Name;

/// Longest properties of a stored message: the length field is an int16.
pub const PROPERTIES_BYTES_MAX: usize = 32767;
/// Between key and value.
pub const NAME_VALUE: u8 = 1;
/// Behind each entry.
pub const ENTRY_END: u8 = 2;

/// Keys with a meaning (spec/remoting.md 3.3, since-5.3.md 5).
pub mod keys {
    macro_rules! keys {
        ($($name:ident = $text:literal, $doc:literal;)*) => {
            $(#[doc = $doc] pub const $name: &str = $text;)*
        };
    }

    keys! {
        KEYS = "KEYS", "User keys, separated by blanks; indexed.";
        TAGS = "TAGS", "The tag; hashed for filtering.";
        WAIT = "WAIT", "`false`: do not wait for flush and replicas.";
        DELAY = "DELAY", "Delay level.";
        RETRY_TOPIC = "RETRY_TOPIC", "Topic of a message that is being retried.";
        REAL_TOPIC = "REAL_TOPIC", "Topic of a message that is parked in another.";
        REAL_QID = "REAL_QID", "Its queue.";
        TRAN_MSG = "TRAN_MSG", "`true`: a half message.";
        PGROUP = "PGROUP", "Producer group of a half message.";
        UNIQ_KEY = "UNIQ_KEY", "The client's message id.";
        EXTEND_UNIQ_INFO = "EXTEND_UNIQ_INFO", "More ids, of batches.";
        ORIGIN_MESSAGE_ID = "ORIGIN_MESSAGE_ID", "First id of a retried message.";
        RECONSUME_TIME = "RECONSUME_TIME", "How often it was consumed.";
        MAX_RECONSUME_TIMES = "MAX_RECONSUME_TIMES", "How often it may be.";
        CONSUME_START_TIME = "CONSUME_START_TIME", "Written by the consumer.";
        MSG_REGION = "MSG_REGION", "Written by the broker into single messages.";
        TRACE_ON = "TRACE_ON", "Written by the broker into single messages.";
        CLUSTER = "CLUSTER", "Written by the broker into single messages; request-reply needs it.";
        INNER_NUM = "INNER_NUM", "Messages of an inner batch.";
        INNER_MULTI_DISPATCH = "INNER_MULTI_DISPATCH", "Light queues, separated by commas.";
        INNER_MULTI_QUEUE_OFFSET = "INNER_MULTI_QUEUE_OFFSET", "Offsets in them.";
        CHECK_IMMUNITY_TIME = "CHECK_IMMUNITY_TIME_IN_SECONDS", "No transaction check before, seconds.";
        TRAN_PREPARED_QUEUE_OFFSET = "TRAN_PREPARED_QUEUE_OFFSET", "Transaction bookkeeping.";
        TRANSACTION_ID = "__transactionId__", "Transaction bookkeeping.";
        TRANSACTION_CHECK_TIMES = "TRANSACTION_CHECK_TIMES", "Transaction bookkeeping.";
        SHARDING_KEY = "__SHARDINGKEY", "Ordering key.";
        MSG_TYPE = "MSG_TYPE", "`reply` in request-reply.";
        CORRELATION_ID = "CORRELATION_ID", "Request-reply.";
        REPLY_TO_CLIENT = "REPLY_TO_CLIENT", "Request-reply.";
        TTL = "TTL", "Request-reply, ms.";
        TIMER_DELIVER_MS = "TIMER_DELIVER_MS", "Deliver at, Unix ms.";
        TIMER_DELAY_SEC = "TIMER_DELAY_SEC", "Deliver after, s.";
        TIMER_DELAY_MS = "TIMER_DELAY_MS", "Deliver after, ms.";
        TIMER_DEL_UNIQKEY = "TIMER_DEL_UNIQKEY", "Cancels a timer message.";
        BORN_HOST = "__BORNHOST", "Host where it was born, preserved.";
        BORN_TIMESTAMP = "BORN_TIMESTAMP", "Time when it was born, preserved.";
        CRC32 = "__CRC32#", "CRC of the body, last entry.";
        DLQ_ORIGIN_TOPIC = "DLQ_ORIGIN_TOPIC", "Dead letters.";
        DLQ_ORIGIN_MESSAGE_ID = "DLQ_ORIGIN_MESSAGE_ID", "Dead letters.";
        POP_CK = "POP_CK", "Receipt of a popped message.";
        FIRST_POP_TIME = "1ST_POP_TIME", "First pop of a message, ms.";
        PRIORITY = "_SYS_MSG_PRIORITY_", "Priority, decimal.";
        LITE_TOPIC = "__LITE_TOPIC", "Lite topic.";
        ORIGIN_GROUP = "ORIGIN_GROUP", "Group of a message in a pop retry topic.";
        INSTANCE_ID = "INSTANCE_ID", "Client instance.";
        TRANSIENT_PREFIX = "__RMQ.TRANSIENT.", "Prefix of properties that are not stored.";
    }
}

/// The entries, in order.
pub fn iter(properties: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    entries(properties).map(|(key, value)| (&properties[key], &properties[value]))
}

/// The entries of properties that are checked as UTF-8.
pub fn iter_text(properties: &str) -> impl Iterator<Item = (&str, &str)> {
    // Both separators are ASCII, so the ranges are on character borders.
    entries(properties.as_bytes()).map(|(key, value)| (&properties[key], &properties[value]))
}

/// The value of `key`.
#[must_use]
pub fn find<'a>(properties: &'a [u8], key: &str) -> Option<&'a [u8]> {
    iter(properties).filter(|(name, _)| *name == key.as_bytes()).last().map(|(_, value)| value)
}

/// The value of `key` in properties that are checked as UTF-8.
#[must_use]
pub fn find_text<'a>(properties: &'a str, key: &str) -> Option<&'a str> {
    iter_text(properties).filter(|(name, _)| *name == key).last().map(|(_, value)| value)
}

/// Appends an entry to properties at the end of `out`, which begin at `start`. An entry with an empty value, or with
/// a separator inside, is none and is not written.
pub fn append(out: &mut Vec<u8>, start: usize, key: &str, value: &[u8]) {
    let separates = |byte: &u8| matches!(*byte, NAME_VALUE | ENTRY_END);
    if key.is_empty()
        || value.is_empty()
        || key.bytes().any(|byte| separates(&byte))
        || value.iter().any(separates)
    {
        return;
    }
    if out.len() > start && out.last() != Some(&ENTRY_END) {
        out.push(ENTRY_END);
    }
    out.extend_from_slice(key.as_bytes());
    out.push(NAME_VALUE);
    out.extend_from_slice(value);
    out.push(ENTRY_END);
}

/// Appends the entries of `properties` but those whose key is dropped.
pub fn append_without(out: &mut Vec<u8>, properties: &[u8], is_dropped: impl Fn(&[u8]) -> bool) {
    for (key, value) in iter(properties).filter(|(key, _)| !is_dropped(key)) {
        out.extend_from_slice(key);
        out.push(NAME_VALUE);
        out.extend_from_slice(value);
        out.push(ENTRY_END);
    }
}

/// Java's `String.hashCode` of a tag, sign-extended: what a consume queue entry holds. No tag: 0.
#[must_use]
pub fn tags_code(tag: &str) -> i64 {
    i64::from(tag.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit))))
}

/// Where keys and values lie.
fn entries(properties: &[u8]) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < properties.len() {
            let from = at;
            let rest = &properties[from..];
            let len = rest.iter().position(|byte| *byte == ENTRY_END).unwrap_or(rest.len());
            at = from + len + 1;
            let Some(middle) = rest[..len].iter().position(|byte| *byte == NAME_VALUE) else { continue };
            if middle > 0 && middle + 1 < len {
                return Some((from..from + middle, from + middle + 1..from + len));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_none_are_skipped_and_the_last_of_equal_keys_counts() {
        let text = "a\u{1}1\u{2}\u{2}x\u{2}\u{1}v\u{2}k\u{1}\u{2}a\u{1}2\u{1}3";
        assert_eq!(iter_text(text).collect::<Vec<_>>(), [("a", "1"), ("a", "2\u{1}3")]);
        assert_eq!(find_text(text, "a"), Some("2\u{1}3"));
        assert_eq!(find(text.as_bytes(), "k"), None);
    }

    #[test]
    fn appending_mends_a_missing_end_and_refuses_separators() {
        let mut out = b"headera\x011".to_vec();
        append(&mut out, 6, "b", b"2");
        append(&mut out, 6, "c", b"");
        append(&mut out, 6, "d", b"x\x02y");
        assert_eq!(out, b"headera\x011\x02b\x012\x02");
        let mut rest = Vec::new();
        append_without(&mut rest, &out[6..], |key| key == b"a");
        assert_eq!(rest, b"b\x012\x02");
    }

    #[test]
    fn tag_codes_are_those_of_java() {
        // System.out.println("TagA".hashCode()) and so on, OpenJDK 17.
        for (tag, code) in [("", 0), ("TagA", 2_598_919), ("tag", 114_586), ("中文😀", 622_957_533)] {
            assert_eq!(tags_code(tag), code, "{tag}");
        }
    }
}
