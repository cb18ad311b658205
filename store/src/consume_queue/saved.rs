//! What a checkpoint says about queues, as bytes, and how it is taken in again. FORMAT.md, "Consume queue".
//!
//! A checkpoint holds what has changed since the last one: a queue costs something only when it got messages.

use super::state::State;
use super::{Entry, PAGE, PAGE_ENTRIES};
use crate::queue_log::PageRef;

/// One statement of a checkpoint.
///
/// | tag | statement | fields behind the tag, big-endian                                                       |
/// |----:|-----------|------------------------------------------------------------------------------------------|
/// |   1 | queue     | number u32, queue id u32, born at u64, topic length u8, topic                            |
/// |   2 | pages     | number u32, index of the first page u64, count u32, count x page reference u64           |
/// |   3 | tail      | number u32, min u64, next u64, end at u64, offset of the first entry u64, count u8, entries |
/// |   4 | moved     | number u32, index of the page u64, page reference u64                                    |
/// |   5 | removed   | number u32                                                                               |
/// |   6 | positions | replay from u64, next page location u64, next queue number u32, segment bytes u64        |
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement<'b> {
    Queue { number: u32, queue_id: u32, born_at: u64, topic: &'b str },
    Pages { number: u32, first_page: u64, references: &'b [[u8; 8]] },
    Tail { number: u32, min: u64, next: u64, end_at: u64, first: u64, entries: &'b [[u8; Entry::LEN]] },
    Moved { number: u32, page: u64, reference: PageRef },
    Removed { number: u32 },
    Positions(Positions),
}

/// The frame of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions {
    /// Every record below has its entry in the checkpoint.
    pub(super) replay_from: u64,
    pub(super) next_location: u64,
    pub(super) next_number: u32,
    pub(super) era_bytes: u64,
}

/// Page references of one statement.
pub(super) const REFERENCES_MAX: usize = 4096;
/// Bytes of the largest statement.
pub(super) const STATEMENT_MAX: usize = 17 + REFERENCES_MAX * 8;
const _: () = assert!(STATEMENT_MAX > 38 + PAGE_ENTRIES * Entry::LEN);

impl Statement<'_> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Queue { number, queue_id, born_at, topic } => {
                out.push(1);
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&queue_id.to_be_bytes());
                out.extend_from_slice(&born_at.to_be_bytes());
                out.push(u8::try_from(topic.len()).expect("topics have at most 255 bytes"));
                out.extend_from_slice(topic.as_bytes());
            }
            Self::Pages { number, first_page, references } => {
                assert!(references.len() <= REFERENCES_MAX);
                out.push(2);
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&first_page.to_be_bytes());
                out.extend_from_slice(&(references.len() as u32).to_be_bytes());
                out.extend_from_slice(references.as_flattened());
            }
            Self::Tail { number, min, next, end_at, first, entries } => {
                out.push(3);
                out.extend_from_slice(&number.to_be_bytes());
                for value in [min, next, end_at, first] {
                    out.extend_from_slice(&value.to_be_bytes());
                }
                out.push(u8::try_from(entries.len()).expect("a tail is smaller than a page"));
                out.extend_from_slice(entries.as_flattened());
            }
            Self::Moved { number, page, reference } => {
                out.push(4);
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&page.to_be_bytes());
                out.extend_from_slice(&reference.to_bytes());
            }
            Self::Removed { number } => {
                out.push(5);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Positions(positions) => {
                out.push(6);
                out.extend_from_slice(&positions.replay_from.to_be_bytes());
                out.extend_from_slice(&positions.next_location.to_be_bytes());
                out.extend_from_slice(&positions.next_number.to_be_bytes());
                out.extend_from_slice(&positions.era_bytes.to_be_bytes());
            }
        }
    }
}

/// The first statement of `bytes` and what follows it.
pub(super) fn decode(bytes: &[u8]) -> Option<(Statement<'_>, &[u8])> {
    let mut input = Input(bytes);
    let statement = match input.take::<1>()?[0] {
        1 => {
            let (number, queue_id, born_at) = (input.u32()?, input.u32()?, input.u64()?);
            let len = usize::from(input.take::<1>()?[0]);
            let topic = std::str::from_utf8(input.bytes(len)?).ok()?;
            Statement::Queue { number, queue_id, born_at, topic }
        }
        2 => {
            let (number, first_page, count) = (input.u32()?, input.u64()?, input.u32()? as usize);
            let references = input.bytes((count <= REFERENCES_MAX).then_some(count * 8)?)?.as_chunks().0;
            Statement::Pages { number, first_page, references }
        }
        3 => {
            let number = input.u32()?;
            let (min, next, end_at, first) = (input.u64()?, input.u64()?, input.u64()?, input.u64()?);
            let count = usize::from(input.take::<1>()?[0]);
            let entries = input.bytes(count * Entry::LEN)?.as_chunks().0;
            Statement::Tail { number, min, next, end_at, first, entries }
        }
        4 => {
            let (number, page, reference) = (input.u32()?, input.u64()?, *input.take()?);
            Statement::Moved { number, page, reference: PageRef::from_bytes(reference) }
        }
        5 => Statement::Removed { number: input.u32()? },
        6 => Statement::Positions(Positions {
            replay_from: input.u64()?,
            next_location: input.u64()?,
            next_number: input.u32()?,
            era_bytes: input.u64()?,
        }),
        _ => return None,
    };
    Some((statement, input.0))
}

/// Takes one payload of a checkpoint into `state`. `None` if it makes no sense.
pub(super) fn apply(state: &mut State, positions: &mut Positions, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let (statement, rest) = decode(bytes)?;
        match statement {
            Statement::Queue { number, queue_id, born_at, topic } => {
                if state.find(topic, queue_id).is_some() || number < state.next_number {
                    return None;
                }
                let handle = state.insert(topic, queue_id, number, born_at);
                state.queues[handle as usize].recorded = true;
            }
            Statement::Pages { number, first_page, references } => {
                let handle = state.handle_of(number)?;
                state.restore_pages(handle, first_page, references)?;
            }
            Statement::Tail { number, min, next, end_at, first, entries } => {
                let handle = state.handle_of(number)?;
                state.restore_tail(handle, first, entries)?;
                let queue = &mut state.queues[handle as usize];
                if queue.next > next || next / PAGE != first / PAGE || min > next {
                    return None;
                }
                // Entries that retention had taken out of the slot leave holes.
                state.skip_to(handle, next);
                let queue = &mut state.queues[handle as usize];
                queue.end_at = end_at;
                state.raise_min(handle, min);
            }
            Statement::Moved { number, page, reference } => {
                // Of queues and pages that have gone meanwhile, nothing needs to be known.
                if let Some(handle) = state.handle_of(number) {
                    state.restore_moved(handle, page, reference);
                }
            }
            Statement::Removed { number } => {
                if let Some(handle) = state.handle_of(number) {
                    state.remove(handle);
                }
            }
            Statement::Positions(read) => *positions = read,
        }
        bytes = rest;
    }
    Some(())
}

struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn take<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(head)
    }

    fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(|bytes| u64::from_be_bytes(*bytes))
    }
}
