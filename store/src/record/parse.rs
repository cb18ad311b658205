//! Parsing and verification of bytes that may be anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::encode::cover_digits;
use super::*;
use crate::{PhysicalOffset, QueueOffset};

/// What stands at a position of the log.
#[derive(Clone, Copy, Debug)]
pub enum Parsed<'a> {
    /// A message.
    Record(Record<'a>),
    /// The rest of the segment is empty.
    Blank {
        /// Bytes left in the segment, including the filler itself.
        bytes: u32,
    },
}

/// One record, borrowed; its lengths are consistent. Whether its content is what was written: [`Record::verify`].
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    stored_at: usize,
    store_host: usize,
    body: (usize, usize),
    topic: (usize, usize),
    properties: usize,
}

/// Which checksum a record must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Written by this store: `__CRC32#` over the whole record is required.
    Whole,
    /// Possibly written by a Java broker: `__CRC32#` if it is there, otherwise the CRC of the body.
    AsJava,
}

/// Why bytes are not a record that was written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Fewer bytes than the record states or than any record has.
    Short,
    /// Neither a record nor a filler starts here.
    Magic(u32),
    /// The parts do not add up to the stated size.
    Length,
    /// The topic is not UTF-8 or empty.
    Topic,
    /// The record belongs elsewhere: a recycled segment or a misdirected write.
    Place {
        /// Where it says it lies.
        stated: u64,
    },
    /// The body is not what was hashed.
    BodyCrc,
    /// Something in the record is not what was hashed.
    WholeCrc,
    /// The whole-record checksum is missing.
    Uncovered,
    /// A filler does not reach exactly to the end of its segment.
    Blank,
    /// A record of a batch whose successor is missing.
    BatchCut,
}

/// The first word of a record: how many bytes to read before [`parse()`] can say more. `None` below 8 bytes.
#[must_use]
pub fn stated_bytes(bytes: &[u8]) -> Option<u32> {
    if bytes.len() < 8 { None } else { Some(u32_at(bytes, TOTAL)) }
}

/// Takes the record or filler at the start of `bytes` apart; what follows it is ignored.
///
/// # Errors
/// [`Damage`]; nothing was verified beyond lengths.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Damage> {
    let total = stated_bytes(bytes).ok_or(Damage::Short)? as usize;
    let magic = u32_at(bytes, MAGIC);
    let long_topic = match magic {
        MAGIC_V1 => false,
        MAGIC_V2 => true,
        MAGIC_BLANK if total as u64 >= BLANK_BYTES => return Ok(Parsed::Blank { bytes: total as u32 }),
        MAGIC_BLANK => return Err(Damage::Blank),
        other => return Err(Damage::Magic(other)),
    };
    if total < FIXED_V1_V4 || bytes.len() < total {
        return Err(Damage::Short);
    }
    Record::take_apart(&bytes[..total], long_topic).map(Parsed::Record)
}

impl<'a> Record<'a> {
    fn take_apart(bytes: &'a [u8], long_topic: bool) -> Result<Self, Damage> {
        let flags = u32_at(bytes, SYS_FLAG) as i32;
        let born = if flags & sys_flag::BORN_HOST_V6 != 0 { HOST_V6 } else { HOST_V4 };
        let store = if flags & sys_flag::STORE_HOST_V6 != 0 { HOST_V6 } else { HOST_V4 };
        let stored_at = BORN_HOST + born;
        let store_host = stored_at + 8;
        let body_len_at = store_host + store + 4 + 8;
        let body_at = body_len_at + 4;
        if body_at > bytes.len() {
            return Err(Damage::Length);
        }
        let body_end = body_at + u32_at(bytes, body_len_at) as usize;
        let rest = bytes.get(body_end..).ok_or(Damage::Length)?;
        let (topic_len, topic_at) = match (long_topic, rest) {
            (false, [len, ..]) => (usize::from(*len), body_end + 1),
            (true, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), body_end + 2),
            _ => return Err(Damage::Length),
        };
        let topic_end = topic_at + topic_len;
        let properties = topic_end + 2;
        if properties > bytes.len() {
            return Err(Damage::Length);
        }
        let properties_len = usize::from(u16::from_be_bytes([bytes[topic_end], bytes[topic_end + 1]]));
        if properties_len > PROPERTIES_MAX || properties + properties_len != bytes.len() {
            return Err(Damage::Length);
        }
        if topic_len == 0 || std::str::from_utf8(&bytes[topic_at..topic_end]).is_err() {
            return Err(Damage::Topic);
        }
        let (body, topic) = ((body_at, body_end), (topic_at, topic_end));
        Ok(Self { bytes, stored_at, store_host, body, topic, properties })
    }

    /// Checks that this is the record that was written at `at`.
    ///
    /// # Errors
    /// [`Damage`] names the first thing that differs.
    pub fn verify(&self, at: PhysicalOffset, cover: Cover) -> Result<(), Damage> {
        if self.physical_offset() != at {
            return Err(Damage::Place { stated: self.physical_offset().get() });
        }
        match (self.cover(), cover) {
            (Some(digits), _) => {
                let crc = rt::crc32::hash(&self.bytes[..self.bytes.len() - COVER_BYTES]) & CRC_MASK;
                if cover_digits(crc) == *digits { Ok(()) } else { Err(Damage::WholeCrc) }
            }
            (None, Cover::Whole) => Err(Damage::Uncovered),
            (None, Cover::AsJava) => {
                let crc = rt::crc32::hash(self.body()) & CRC_MASK;
                if crc == u32_at(self.bytes, BODY_CRC) { Ok(()) } else { Err(Damage::BodyCrc) }
            }
        }
    }

    /// The digits of the whole-record checksum, if the properties end with it.
    fn cover(&self) -> Option<&'a [u8; 10]> {
        let last = self.bytes[self.properties..].last_chunk::<COVER_BYTES>()?;
        let framed = last.starts_with(COVER_NAME) && last[8] == NAME_END && last[19] == SEPARATOR;
        framed.then(|| last[9..19].first_chunk().expect("ten bytes between 9 and 19"))
    }

    /// The record is part of a batch and its successor belongs to it.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        let properties = &self.bytes[self.properties..];
        let own = &properties[..properties.len().saturating_sub(COVER_BYTES)];
        self.cover().is_some() && (own == [SEPARATOR] || own.ends_with(&[SEPARATOR; 2]))
    }

    /// The whole record: what a pull answer carries.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Queue id.
    #[must_use]
    pub fn queue_id(&self) -> u32 {
        u32_at(self.bytes, QUEUE_ID)
    }

    /// The user's own flag.
    #[must_use]
    pub fn flag(&self) -> i32 {
        u32_at(self.bytes, FLAG) as i32
    }

    /// Position in its queue.
    #[must_use]
    pub fn queue_offset(&self) -> QueueOffset {
        QueueOffset::new(u64_at(self.bytes, QUEUE_OFFSET))
    }

    /// Where the record says it lies.
    #[must_use]
    pub fn physical_offset(&self) -> PhysicalOffset {
        PhysicalOffset::new(u64_at(self.bytes, PHYSICAL_OFFSET))
    }

    /// RocketMQ's bits.
    #[must_use]
    pub fn sys_flag(&self) -> i32 {
        u32_at(self.bytes, SYS_FLAG) as i32
    }

    /// Producer clock, Unix milliseconds.
    #[must_use]
    pub fn born_at_ms(&self) -> i64 {
        u64_at(self.bytes, BORN_AT) as i64
    }

    /// Producer address.
    #[must_use]
    pub fn born_host(&self) -> SocketAddr {
        self.host(BORN_HOST, self.stored_at)
    }

    /// Broker clock, Unix milliseconds.
    #[must_use]
    pub fn stored_at_ms(&self) -> i64 {
        u64_at(self.bytes, self.stored_at) as i64
    }

    /// Broker address.
    #[must_use]
    pub fn store_host(&self) -> SocketAddr {
        self.host(self.store_host, self.body.0 - 16)
    }

    /// How often the message was consumed in vain.
    #[must_use]
    pub fn reconsume_times(&self) -> i32 {
        u32_at(self.bytes, self.body.0 - 16) as i32
    }

    /// For a committed transaction: where its half message lies.
    #[must_use]
    pub fn prepared_transaction_offset(&self) -> i64 {
        u64_at(self.bytes, self.body.0 - 12) as i64
    }

    /// The stored (possibly compressed) body.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.body.0..self.body.1]
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        std::str::from_utf8(&self.bytes[self.topic.0..self.topic.1]).expect("checked when taken apart")
    }

    /// The properties in wire form, with the checksum.
    #[must_use]
    pub fn properties(&self) -> &'a [u8] {
        &self.bytes[self.properties..]
    }

    fn host(&self, from: usize, to: usize) -> SocketAddr {
        let address = &self.bytes[from..to - 4];
        // Java keeps the port in 32 bits; more than 16 of them mean nothing.
        let port = u32_at(self.bytes, to - 4) as u16;
        let ip = match address.first_chunk::<16>() {
            Some(octets) => IpAddr::V6(Ipv6Addr::from(*octets)),
            None => {
                IpAddr::V4(Ipv4Addr::from(*address.first_chunk::<4>().expect("a host has 4 or 16 bytes")))
            }
        };
        SocketAddr::new(ip, port)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("callers check the length"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*bytes[at..].first_chunk().expect("callers check the length"))
}
