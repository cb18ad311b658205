//! The first page of a window's file. FORMAT: little-endian.
//!
//! |   bytes | field          | meaning                                                   |
//! |--------:|----------------|-----------------------------------------------------------|
//! |    0..8 | magic          | `RMQWINDO`                                                 |
//! |   8..12 | version        | 1                                                         |
//! |  12..14 | shard          |                                                           |
//! |  14..16 | zero           |                                                           |
//! |  16..32 | store id       |                                                           |
//! |  32..40 | capacity       | bytes of data behind the header                           |
//! |  40..48 | base           | log offset of the cursor when the window was made         |
//! |  48..52 | header bytes   | where the data starts                                     |
//! |  52..56 | CRC-32         | of bytes 0..52                                            |
//! |  64..72 | end            | the cursor; stored after the bytes below it               |
//! |  72..80 | start          | oldest offset held; stored before bytes are overwritten   |
//! |  80..88 | released       | everything below is safe on disk                          |

use std::sync::atomic::AtomicU64;

use super::WindowIdentity;
use super::leftover::LeftoverDamage;

/// The part that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StaticPart {
    pub(super) identity: WindowIdentity,
    pub(super) capacity: u64,
    pub(super) base: u64,
}

/// The part that moves, as it lies in the mapped page at [`CURSORS_AT`].
#[repr(C)]
pub(super) struct Cursors {
    pub(super) end: AtomicU64,
    pub(super) start: AtomicU64,
    pub(super) released: AtomicU64,
}

/// The static part as bytes, for a header page of `header_bytes` bytes.
pub(super) fn encode(part: &StaticPart, header_bytes: u32) -> [u8; STATIC_BYTES] {
    let mut bytes = [0; STATIC_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..14].copy_from_slice(&part.identity.shard.to_le_bytes());
    bytes[16..32].copy_from_slice(&part.identity.store_id);
    bytes[32..40].copy_from_slice(&part.capacity.to_le_bytes());
    bytes[40..48].copy_from_slice(&part.base.to_le_bytes());
    bytes[48..52].copy_from_slice(&header_bytes.to_le_bytes());
    let crc = crate::crc32::hash(&bytes[..52]);
    bytes[52..56].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The static part and the length of the header page.
pub(super) fn decode(bytes: &[u8; STATIC_BYTES]) -> Result<(StaticPart, u32), LeftoverDamage> {
    if bytes[0..8] != MAGIC {
        return Err(LeftoverDamage::NotAWindow);
    }
    let version = u32_at(bytes, 8);
    if version != VERSION {
        return Err(LeftoverDamage::Version { found: version, known: VERSION });
    }
    let (stored, computed) = (u32_at(bytes, 52), crate::crc32::hash(&bytes[..52]));
    if stored != computed {
        return Err(LeftoverDamage::Checksum { stored, computed });
    }
    let mut store_id = [0; 16];
    store_id.copy_from_slice(&bytes[16..32]);
    let shard = u16::from_le_bytes([bytes[12], bytes[13]]);
    let part = StaticPart {
        identity: WindowIdentity { store_id, shard },
        capacity: u64_at(bytes, 32),
        base: u64_at(bytes, 40),
    };
    Ok((part, u32_at(bytes, 48)))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(super) const STATIC_BYTES: usize = 56;
pub(super) const CURSORS_AT: usize = 64;
pub(super) const CURSORS_BYTES: usize = size_of::<Cursors>();
const MAGIC: [u8; 8] = *b"RMQWINDO";
const VERSION: u32 = 1;

const _: () = assert!(STATIC_BYTES <= CURSORS_AT && CURSORS_AT.is_multiple_of(align_of::<Cursors>()));
const _: () = assert!(cfg!(target_endian = "little"), "the mapped cursors are in native order");
