//! One commitlog record, byte for byte RocketMQ's: encode, parse, verify. FORMAT.md, "Record".
//!
//! A pull answer is these bytes, so nothing here may differ from what Java's `MessageDecoder` reads. Every record
//! this store writes ends its properties with `__CRC32#` (Java: `enabledAppendPropCRC`), which covers the whole
//! record; a record without it is not ours and is treated as damage.

mod encode;
mod parse;
mod properties;
mod spread;

pub(crate) use encode::write_blank;
pub use encode::{Draft, Place, RecordLimit};
pub use parse::{Cover, Damage, Parsed, Record, parse, stated_bytes};
pub use properties::{TIMER_TOPIC, java_hash, property, queue_code, tags_code};

pub use spread::{
    INNER_BATCH, INNER_MAX, LIGHT_PREFIX, NEED_UNWRAP, inner_batch, is_light_name, light_names, light_places,
    may_feed_light_queues,
};

/// Second word of a record whose topic length is one byte.
pub const MAGIC_V1: u32 = 0xDAA3_20A7;
/// Second word of a record whose topic length is two bytes.
pub const MAGIC_V2: u32 = 0xDAA3_20AB;
/// Second word of the filler that ends a segment; its first word is the number of bytes left.
pub const MAGIC_BLANK: u32 = 0xCBD4_3194;
/// Bytes of the filler that are written; every segment keeps room for it.
pub const BLANK_BYTES: u64 = 8;

/// Bits of `sys_flag` that the store itself looks at.
pub mod sys_flag {
    /// Both transaction bits.
    pub const TRANSACTION: i32 = 0xC;
    /// Half message.
    pub const PREPARED: i32 = 0x4;
    /// Rolled back.
    pub const ROLLBACK: i32 = 0xC;
    /// The born host is IPv6.
    pub const BORN_HOST_V6: i32 = 0x10;
    /// The store host is IPv6.
    pub const STORE_HOST_V6: i32 = 0x20;

    /// Records of this kind enter no queue and consume no queue offset.
    #[must_use]
    pub const fn stays_out_of_queues(sys_flag: i32) -> bool {
        matches!(sys_flag & TRANSACTION, PREPARED | ROLLBACK)
    }
}

// Fixed places, the same in both versions; after the body they depend on lengths.
const TOTAL: usize = 0;
const MAGIC: usize = 4;
const BODY_CRC: usize = 8;
const QUEUE_ID: usize = 12;
const FLAG: usize = 16;
const QUEUE_OFFSET: usize = 20;
const PHYSICAL_OFFSET: usize = 28;
const SYS_FLAG: usize = 36;
const BORN_AT: usize = 40;
const BORN_HOST: usize = 48;

/// Bytes of a record with IPv4 hosts, a one-byte topic length and nothing of variable length.
const FIXED_V1_V4: usize = 91;
/// Address and port of an IPv4 host; an IPv6 host takes 12 bytes more.
const HOST_V4: usize = 8;
const HOST_V6: usize = 20;

const SEPARATOR: u8 = 0x02;
const NAME_END: u8 = 0x01;
const COVER_NAME: &[u8; 8] = b"__CRC32#";
/// Name, 0x01, ten digits, 0x02.
const COVER_BYTES: usize = 20;
const _: () = assert!(COVER_BYTES == COVER_NAME.len() + 1 + 10 + 1);
/// The length field is a signed 16-bit number.
const PROPERTIES_MAX: usize = i16::MAX as usize;
/// CRC-32 as Java keeps it: without the sign bit.
const CRC_MASK: u32 = 0x7fff_ffff;

#[cfg(test)]
mod tests;
