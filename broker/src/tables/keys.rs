//! The names of rows: texts between NULs, which no topic and no group holds, then numbers big-endian.

use crate::locks::LockedQueue;
use crate::offsets::OffsetKey;

/// Topic, NUL, group.
pub(super) fn mode_key(topic: &str, group: &str) -> Vec<u8> {
    [topic.as_bytes(), &[0], group.as_bytes()].concat()
}

/// Group, NUL, topic, NUL, queue id: names hold no NUL.
pub(super) fn offset_key(key: &OffsetKey) -> Vec<u8> {
    [key.group.as_bytes(), &[0], key.topic.as_bytes(), &[0], &key.queue_id.to_be_bytes()].concat()
}

pub(super) fn lock_key(group: &str, queue: &LockedQueue) -> Vec<u8> {
    offset_key(&OffsetKey { group: group.into(), topic: queue.topic.clone(), queue_id: queue.queue_id })
}

pub(super) fn parse_offset_key(name: &[u8]) -> Option<OffsetKey> {
    let (texts, queue_id) = name.split_last_chunk::<4>()?;
    let texts = str::from_utf8(texts).ok()?;
    let (group, topic) = texts.strip_suffix('\0')?.split_once('\0')?;
    Some(OffsetKey { group: group.into(), topic: topic.into(), queue_id: u32::from_be_bytes(*queue_id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_key_reads_back() {
        let key = OffsetKey { group: "g%|-_1".into(), topic: "%RETRY%g".into(), queue_id: 7 << 24 };
        assert_eq!(parse_offset_key(&offset_key(&key)), Some(key));
        assert_eq!(parse_offset_key(b"abc"), None);
        assert_eq!(parse_offset_key(b"no separator\0\0\0\0"), None);
    }
}
