//! Encoding: body copy and CRC fused, straight into the window.

use std::net::{IpAddr, SocketAddr};

use rt::crc32::{self, joined};

use super::*;
use crate::{BatchItem, NewMessage, PhysicalOffset, QueueOffset};

/// A checked message and the size of its record; encoding cannot fail any more.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    shared: &'a NewMessage<'a>,
    body: &'a [u8],
    /// Without trailing separators.
    properties: &'a [u8],
    flag: i32,
    /// Separators between the message's own properties and the cover: 0 to 2.
    separators: usize,
    bytes: usize,
}

/// What is only known when the record gets its place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Start of the record.
    pub at: PhysicalOffset,
    /// Position in its queue.
    pub queue_offset: QueueOffset,
    /// Broker clock, Unix milliseconds.
    pub stored_at_ms: i64,
}

/// Why a message cannot become a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordLimit {
    /// Topic empty or over 255 bytes.
    Topic {
        /// Its length.
        bytes: usize,
    },
    /// Properties (with the record's own) over 32,767 bytes.
    Properties {
        /// Their length in the record.
        bytes: usize,
    },
    /// The record would not fit its 31-bit length.
    Body {
        /// Length of the body.
        bytes: usize,
    },
}

impl<'a> Draft<'a> {
    /// Checks a single message.
    ///
    /// # Errors
    /// [`RecordLimit`] names the part that is too long.
    pub fn new(message: &'a NewMessage<'a>) -> Result<Self, RecordLimit> {
        Self::of(message, message.body, message.properties, message.flag, false)
    }

    /// Checks one item of a batch. All but the last item of a batch are `continued`: recovery keeps such a record
    /// only together with its successor.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn item(
        shared: &'a NewMessage<'a>,
        item: &BatchItem<'a>,
        continued: bool,
    ) -> Result<Self, RecordLimit> {
        Self::of(shared, item.body, item.properties, item.flag, continued)
    }

    fn of(
        shared: &'a NewMessage<'a>,
        body: &'a [u8],
        properties: &'a [u8],
        flag: i32,
        continued: bool,
    ) -> Result<Self, RecordLimit> {
        let topic = shared.topic.len();
        if topic == 0 || topic > 255 {
            return Err(RecordLimit::Topic { bytes: topic });
        }
        // A doubled separator marks a continued batch, so a client's own trailing ones must not survive.
        let properties = without_trailing_separators(properties);
        let separators = usize::from(!properties.is_empty()) + usize::from(continued);
        let properties_len = properties.len() + separators + COVER_BYTES;
        if properties_len > PROPERTIES_MAX {
            return Err(RecordLimit::Properties { bytes: properties_len });
        }
        let bytes = FIXED_V1_V4
            + usize::from(topic > V1_TOPIC_MAX)
            + extra_for(shared.born_host)
            + extra_for(shared.store_host)
            + topic
            + properties_len
            + body.len();
        if bytes > i32::MAX as usize {
            return Err(RecordLimit::Body { bytes: body.len() });
        }
        Ok(Self { shared, body, properties, flag, separators, bytes })
    }

    /// Bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the record.
    ///
    /// # Panics
    /// If `out` does not have [`Draft::bytes`] bytes: that is the caller's bug.
    pub fn encode(&self, place: Place, out: &mut [u8]) {
        assert_eq!(out.len(), self.bytes, "a record is encoded into exactly its own space");
        let message = self.shared;
        let long_topic = message.topic.len() > V1_TOPIC_MAX;
        let mut pen = Pen { out, at: 0 };
        pen.u32(self.bytes as u32);
        pen.u32(if long_topic { MAGIC_V2 } else { MAGIC_V1 });
        pen.u32(0); // body CRC, known after the copy
        pen.u32(message.queue_id);
        pen.i32(self.flag);
        pen.u64(place.queue_offset.get());
        pen.u64(place.at.get());
        pen.i32(sys_flag_for(message));
        pen.i64(message.born_at_ms);
        pen.host(message.born_host);
        pen.i64(place.stored_at_ms);
        pen.host(message.store_host);
        pen.i32(message.reconsume_times);
        pen.i64(message.prepared_transaction_offset);
        pen.u32(self.body.len() as u32);
        let body_at = pen.at;
        let body_crc = pen.copy_with_crc(self.body);
        let body_end = pen.at;
        if long_topic {
            pen.bytes(&(message.topic.len() as u16).to_be_bytes());
        } else {
            pen.bytes(&[message.topic.len() as u8]);
        }
        pen.bytes(message.topic.as_bytes());
        let properties_len = self.properties.len() + self.separators + COVER_BYTES;
        pen.bytes(&(properties_len as u16).to_be_bytes());
        pen.bytes(self.properties);
        pen.bytes(&[SEPARATOR; 2][..self.separators]);

        let out = pen.out;
        out[BODY_CRC..BODY_CRC + 4].copy_from_slice(&(body_crc & CRC_MASK).to_be_bytes());
        let (covered, cover) = out.split_at_mut(self.bytes - COVER_BYTES);
        let whole = whole_crc(covered, body_at, body_end, body_crc);
        write_cover(cover, whole);
    }
}

/// The filler that ends a segment: `left` bytes of the segment remain, including these.
pub(crate) fn write_blank(out: &mut [u8], left: u32) {
    out[..4].copy_from_slice(&left.to_be_bytes());
    out[4..8].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
    out[8..].fill(0);
}

/// CRC of everything before the cover. A short body is hashed again, sooner than joined.
fn whole_crc(covered: &[u8], body_at: usize, body_end: usize, body_crc: u32) -> u32 {
    if body_end - body_at < JOIN_FROM {
        return crc32::hash(covered) & CRC_MASK;
    }
    let head = crc32::hash(&covered[..body_at]);
    let through_body = joined(head, body_crc, body_end - body_at);
    crc32::append(through_body, &covered[body_end..]) & CRC_MASK
}

/// The digits stand least significant first, padded with zeros.
fn write_cover(out: &mut [u8], crc: u32) {
    out[..8].copy_from_slice(COVER_NAME);
    out[8] = NAME_END;
    out[9..19].copy_from_slice(&cover_digits(crc));
    out[19] = SEPARATOR;
}

pub(super) fn cover_digits(mut crc: u32) -> [u8; 10] {
    let mut digits = [b'0'; 10];
    for digit in &mut digits {
        *digit = b'0' + (crc % 10) as u8;
        crc /= 10;
    }
    digits
}

fn sys_flag_for(message: &NewMessage<'_>) -> i32 {
    let bare = message.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
    let born = if message.born_host.is_ipv6() { sys_flag::BORN_HOST_V6 } else { 0 };
    let store = if message.store_host.is_ipv6() { sys_flag::STORE_HOST_V6 } else { 0 };
    bare | born | store
}

fn extra_for(host: SocketAddr) -> usize {
    if host.is_ipv6() { HOST_V6 - HOST_V4 } else { 0 }
}

fn without_trailing_separators(mut properties: &[u8]) -> &[u8] {
    while let [head @ .., SEPARATOR] = properties {
        properties = head;
    }
    properties
}

/// Writes forward through a slice.
struct Pen<'o> {
    out: &'o mut [u8],
    at: usize,
}

impl Pen<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    fn host(&mut self, host: SocketAddr) {
        match host.ip() {
            IpAddr::V4(ip) => self.bytes(&ip.octets()),
            IpAddr::V6(ip) => self.bytes(&ip.octets()),
        }
        self.u32(u32::from(host.port()));
    }

    /// Copies piece by piece, hashing each piece while it is in the first-level cache.
    fn copy_with_crc(&mut self, body: &[u8]) -> u32 {
        let mut crc = 0;
        for piece in body.chunks(PIECE) {
            let to = &mut self.out[self.at..self.at + piece.len()];
            to.copy_from_slice(piece);
            crc = crc32::append(crc, to);
            self.at += piece.len();
        }
        crc
    }
}

/// Longer topics need version 2: version 1 readers take the length byte as signed.
const V1_TOPIC_MAX: usize = 127;
const PIECE: usize = 8 << 10;
/// Joining costs as much as hashing this many bytes.
const JOIN_FROM: usize = 256;
