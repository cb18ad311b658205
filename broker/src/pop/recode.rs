//! A stored record shown under another topic, with one property more.

use net::properties::{self, keys};
use store::record::{MAGIC_V1, Record};

/// Appends `record` as if it lay in `topic`, with `receipt` as its `POP_CK`. Everything else stays, but for the cover of
/// the whole record, which would not fit any more.
///
/// Source: `PopMessageProcessor`, RocketMQ 5.3, which decodes and encodes instead.
pub(crate) fn under_topic(out: &mut Vec<u8>, record: &Record<'_>, topic: &str, receipt: &str) {
    let bytes = record.bytes();
    let magic = u32::from_be_bytes(bytes[4..8].try_into().expect("a record has a magic"));
    let is_short = magic == MAGIC_V1;
    let behind_body = 2 + record.properties().len() + record.topic().len() + if is_short { 1 } else { 2 };
    let start = out.len();
    out.extend_from_slice(&bytes[..bytes.len() - behind_body]);
    if is_short {
        // A topic that clients ask for has at most 127 bytes.
        out.push(u8::try_from(topic.len()).unwrap_or(u8::MAX));
    } else {
        out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
    }
    out.extend_from_slice(topic.as_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    let properties_at = out.len();
    let stored = record.properties();
    properties::append_without(out, stored, |name| name == keys::CRC32.as_bytes());
    let without = out.len();
    if properties::find(stored, keys::POP_CK).is_none() {
        properties::append(out, properties_at, keys::POP_CK, receipt.as_bytes());
    }
    if out.len() - properties_at > properties::PROPERTIES_BYTES_MAX {
        out.truncate(without);
    }
    let length = i16::try_from(out.len() - properties_at).unwrap_or(i16::MAX);
    out[length_at..properties_at].copy_from_slice(&length.to_be_bytes());
    let total = u32::try_from(out.len() - start).expect("a record is far below 4 GiB");
    out[start..start + 4].copy_from_slice(&total.to_be_bytes());
}
