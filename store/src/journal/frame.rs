//! One frame of a journal: a header, a payload, zeros up to a block.

use std::ops::Range;

use rt::{BLOCK, SharedSlice, crc32};

use super::PAYLOAD_MAX;

/// Bytes of the header.
pub(super) const HEADER: usize = 40;
/// Version of the format, in the payload of the first frame.
pub(super) const VERSION: u32 = 1;

const MAGIC: Range<usize> = 0..4;
const LENGTH: Range<usize> = 4..8;
const KIND: Range<usize> = 8..12;
const GROUP: Range<usize> = 12..20;
const NONCE: Range<usize> = 20..28;
const PREVIOUS: Range<usize> = 28..32;
const RESERVED: Range<usize> = 32..36;
const CRC: Range<usize> = 36..40;
const _: () = assert!(MAGIC.end == LENGTH.start && LENGTH.end == KIND.start && KIND.end == GROUP.start);
const _: () = assert!(GROUP.end == NONCE.start && NONCE.end == PREVIOUS.start);
const _: () = assert!(PREVIOUS.end == RESERVED.start && RESERVED.end == CRC.start && CRC.end == HEADER);

/// The header of a frame, big-endian. FORMAT.md, "Journals".
///
/// |  bytes | field    | meaning                                                              |
/// |-------:|----------|----------------------------------------------------------------------|
/// |   0..4 | magic    | `RMQJ`                                                               |
/// |   4..8 | length   | bytes of the payload                                                 |
/// |  8..12 | kind     | 1 start of the file, 2 part of a group, 3 last part, which commits it |
/// | 12..20 | group    | 1 for the base, then counting                                        |
/// | 20..28 | nonce    | random, drawn when the file was opened for writing                   |
/// | 28..32 | previous | `crc` of the frame before                                            |
/// | 32..36 | reserved | 0                                                                    |
/// | 36..40 | crc      | CRC-32 of bytes 0..36 and the payload                                |
///
/// The nonce keeps frames that a crash has cut off from fitting behind frames written later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: Kind,
    pub(super) group: u64,
    pub(super) nonce: u64,
    pub(super) previous: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Start = 1,
    Part = 2,
    Commit = 3,
}

impl FrameHeader {
    /// The frame around `payload`, padded to blocks, and its checksum.
    pub(super) fn frame(&self, payload: &[u8]) -> (SharedSlice, u32) {
        assert!(payload.len() <= PAYLOAD_MAX, "callers split what is larger");
        let mut header = [0; HEADER];
        header[MAGIC].copy_from_slice(MAGIC_BYTES);
        header[LENGTH].copy_from_slice(&(payload.len() as u32).to_be_bytes());
        header[KIND].copy_from_slice(&(self.kind as u32).to_be_bytes());
        header[GROUP].copy_from_slice(&self.group.to_be_bytes());
        header[NONCE].copy_from_slice(&self.nonce.to_be_bytes());
        header[PREVIOUS].copy_from_slice(&self.previous.to_be_bytes());
        let crc = checksum(&header, payload);
        header[CRC].copy_from_slice(&crc.to_be_bytes());
        let frame = rt::slice::aligned(bytes_of(payload.len()), |memory| {
            memory[..HEADER].copy_from_slice(&header);
            memory[HEADER..HEADER + payload.len()].copy_from_slice(payload);
        });
        (frame, crc)
    }

    /// The header and the length of the payload that `bytes` begin with, if they can be a frame; not yet verified.
    pub(super) fn peek(bytes: &[u8]) -> Option<(Self, usize)> {
        let word = |range: Range<usize>| u32::from_be_bytes(bytes[range].try_into().expect("4 bytes"));
        let long = |range: Range<usize>| u64::from_be_bytes(bytes[range].try_into().expect("8 bytes"));
        if bytes.len() < HEADER || &bytes[MAGIC] != MAGIC_BYTES || word(RESERVED) != 0 {
            return None;
        }
        let length = usize::try_from(word(LENGTH)).ok().filter(|&length| length <= PAYLOAD_MAX)?;
        let kind = match word(KIND) {
            1 => Kind::Start,
            2 => Kind::Part,
            3 => Kind::Commit,
            _ => return None,
        };
        Some((Self { kind, group: long(GROUP), nonce: long(NONCE), previous: word(PREVIOUS) }, length))
    }

    /// The checksum of the whole frame `bytes` with `length` bytes of payload, if it is right.
    pub(super) fn verify(bytes: &[u8], length: usize) -> Option<u32> {
        let stored = u32::from_be_bytes(bytes[CRC].try_into().expect("4 bytes"));
        (checksum(&bytes[..HEADER], &bytes[HEADER..HEADER + length]) == stored).then_some(stored)
    }
}

/// Bytes of a frame with `payload` bytes of payload.
pub(super) fn bytes_of(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(BLOCK)
}

/// What the first frame of a file names as the checksum before it.
pub(super) fn first_chain(kind: [u8; 4], generation: u64) -> u32 {
    crc32::append(crc32::hash(&kind), &generation.to_be_bytes())
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    crc32::append(crc32::hash(&header[..CRC.start]), payload)
}

const MAGIC_BYTES: &[u8; 4] = b"RMQJ";
