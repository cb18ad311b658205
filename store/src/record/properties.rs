//! Looking into the property block of a record.

use super::{NAME_END, SEPARATOR};

/// The value of property `name` in wire form. As Java reads it: a later duplicate wins, an empty value counts as
/// absent.
///
/// Source: `MessageDecoder.string2messageProperties`, RocketMQ 5.3.
#[must_use]
pub fn property<'a>(properties: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    for pair in properties.split(|byte| *byte == SEPARATOR) {
        let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(&[NAME_END]))
        else {
            continue;
        };
        if !value.is_empty() {
            found = Some(value);
        }
    }
    found
}

/// The tags code of a record with these properties: the hash of `TAGS`, sign-extended; 0 without tags.
#[must_use]
pub fn tags_code(properties: &[u8]) -> i64 {
    property(properties, "TAGS").map_or(0, |tags| i64::from(java_hash(tags)))
}

/// What the consume queue entry of a record holds: the tags code, and for a message that waits for a time of its own
/// that time, Unix milliseconds.
#[must_use]
pub fn queue_code(topic: &str, properties: &[u8]) -> i64 {
    let due = (topic == TIMER_TOPIC).then(|| property(properties, "TIMER_OUT_MS")).flatten();
    let due = due.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    due.unwrap_or_else(|| tags_code(properties))
}

/// Where messages wait for a time of their own.
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";

/// `String.hashCode` of UTF-8 text: over UTF-16 units, wrapping. Bytes that are not UTF-8 count as U+FFFD, as when
/// Java decodes them.
#[must_use]
pub fn java_hash(utf8: &[u8]) -> i32 {
    if utf8.is_ascii() {
        return utf8.iter().fold(0, |hash: i32, byte| hash.wrapping_mul(31).wrapping_add(i32::from(*byte)));
    }
    String::from_utf8_lossy(utf8)
        .encode_utf16()
        .fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}
