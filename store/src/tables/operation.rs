//! One change as bytes: what a journal of tables holds. FORMAT.md, "Tables".
//!
//! |          bytes | field        | meaning                                    |
//! |---------------:|--------------|--------------------------------------------|
//! |              0 | operation    | 1 put, 2 delete                            |
//! |              1 | table        |                                            |
//! |           2..4 | key length   | big-endian                                 |
//! |           4..8 | value length | big-endian; 0 for a delete                 |
//! |        8..8+k  | key          |                                            |
//! |      8+k..8+k+v | value       |                                            |

use super::{Change, KEY_MAX, VALUE_MAX};
use crate::journal::PAYLOAD_MAX;

pub(super) const HEADER: usize = 8;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const _: () = assert!(HEADER + KEY_MAX + VALUE_MAX <= PAYLOAD_MAX);
const _: () = assert!(KEY_MAX <= u16::MAX as usize);

/// Appends `change` to `out`.
pub(super) fn encode(change: Change<'_>, out: &mut Vec<u8>) {
    let (operation, table, key, value) = match change {
        Change::Put { table, key, value } => (PUT, table, key, value),
        Change::Delete { table, key } => (DELETE, table, key, &[][..]),
    };
    out.extend_from_slice(&[operation, table]);
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// The changes in `bytes`; a `None` is something else and the last.
pub(super) fn decode(mut bytes: &[u8]) -> impl Iterator<Item = Option<Change<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let Some((change, rest)) = decode_one(bytes) else {
            bytes = &[];
            return Some(None);
        };
        bytes = rest;
        Some(Some(change))
    })
}

/// Cuts `bytes`, a sequence of changes, into payloads of a journal.
pub(super) fn payloads(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut len = 0;
        while let Some((_, rest)) = decode_one(&bytes[len..]) {
            let longer = bytes.len() - rest.len();
            if longer > PAYLOAD_MAX {
                break;
            }
            len = longer;
        }
        let (payload, rest) = bytes.split_at(len);
        bytes = rest;
        (!payload.is_empty()).then_some(payload)
    })
}

fn decode_one(bytes: &[u8]) -> Option<(Change<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let [operation, table, k0, k1, v0, v1, v2, v3] = *header;
    let key = usize::from(u16::from_be_bytes([k0, k1]));
    let value = u32::from_be_bytes([v0, v1, v2, v3]) as usize;
    if key > KEY_MAX || value > VALUE_MAX {
        return None;
    }
    let (key, rest) = rest.split_at_checked(key)?;
    let (value, rest) = rest.split_at_checked(value)?;
    match operation {
        PUT => Some((Change::Put { table, key, value }, rest)),
        DELETE if value.is_empty() => Some((Change::Delete { table, key }, rest)),
        _ => None,
    }
}
