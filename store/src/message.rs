//! What comes in ([`NewMessage`], [`BatchItem`]) and where it landed ([`Appended`]).

use std::net::SocketAddr;

use crate::{PhysicalOffset, QueueOffset};

/// One message to append: exactly what a RocketMQ record needs. Everything is borrowed; the one copy of the body is
/// the one into the log window.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Topic name, 1 to 255 bytes. More than 127 bytes choose record version 2.
    pub topic: &'a str,
    /// Queue id as it is written into the record.
    pub queue_id: u32,
    /// The body as it is stored (compressed if the producer compressed it).
    pub body: &'a [u8],
    /// Properties in wire form, `name 0x01 value 0x02` repeated; the last 0x02 may be missing.
    pub properties: &'a [u8],
    /// The user's own flag.
    pub flag: i32,
    /// RocketMQ's bits; those for the address families are set from the hosts and need not be right.
    pub sys_flag: i32,
    /// The producer's clock, Unix milliseconds.
    pub born_at_ms: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// The advertised address of this broker: goes into message ids.
    pub store_host: SocketAddr,
    /// How often the message was consumed in vain.
    pub reconsume_times: i32,
    /// For a committed transaction: where its half message lies; otherwise 0.
    pub prepared_transaction_offset: i64,
    /// What the consume queue entry carries for filters; see [`crate::record::tags_code`].
    pub tags_code: i64,
    /// The `KEYS` property, space-separated, for the key index; empty if there is none.
    pub keys: &'a [u8],
    /// The `UNIQ_KEY` property, for the key index; empty if there is none.
    pub unique_key: &'a [u8],
}

/// What one message of a batch has of its own; the rest comes from the shared [`NewMessage`].
#[derive(Clone, Copy, Debug)]
pub struct BatchItem<'a> {
    /// As in [`NewMessage`].
    pub body: &'a [u8],
    /// As in [`NewMessage`].
    pub properties: &'a [u8],
    /// As in [`NewMessage`].
    pub flag: i32,
    /// As in [`NewMessage`].
    pub tags_code: i64,
    /// As in [`NewMessage`].
    pub keys: &'a [u8],
    /// As in [`NewMessage`].
    pub unique_key: &'a [u8],
}

/// Where a message landed. It may be answered once [`crate::Store::acknowledgeable`] reaches `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Start of the record.
    pub at: PhysicalOffset,
    /// Bytes of the record.
    pub bytes: u32,
    /// Position in its queue; 0 for prepared and rolled-back transaction records, which enter no queue.
    pub queue_offset: QueueOffset,
    /// First byte behind the record.
    pub end: PhysicalOffset,
    /// Store time written into the record, Unix milliseconds; never decreases along the log.
    pub stored_at_ms: i64,
}
