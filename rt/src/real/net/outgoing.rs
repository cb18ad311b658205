//! From an [`Outbox`] to one send operation.
//!
//! One piece goes out as `Send`, several as `SendMsg`. Both carry `MSG_WAITALL`: the kernel then waits for room in the
//! socket itself instead of completing short. What still comes back short (more pieces than one message takes, a
//! signal, memory pressure) is issued again from where it stopped.

use io_uring::{opcode, squeue, types};

use super::super::ring::Ring;
use crate::Outbox;

/// Pieces in one message (`UIO_MAXIOV`).
const PIECES_MAX: usize = 1024;
/// No signal for a dead peer; the kernel carries on after partial sends.
const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;

/// Message headers and vectors. The kernel copies them at submission, so each is free again with the ring's next
/// epoch: there are as many as a turn sends messages, not as many as connections wait for a slow peer.
#[derive(Default)]
pub(super) struct MessageVectors {
    #[expect(
        clippy::vec_box,
        reason = "the kernel is told their addresses before the list has stopped growing"
    )]
    all: Vec<Box<Message>>,
    used: usize,
    epoch: u64,
}

struct Message {
    header: libc::msghdr,
    pieces: Vec<libc::iovec>,
}

impl MessageVectors {
    /// The operation that sends `out` from byte `from` on (there is at least one byte left).
    ///
    /// The outbox must stay as it is until the operation has completed.
    pub(super) fn prepare(&mut self, ring: &Ring, file: u32, out: &Outbox, from: usize) -> squeue::Entry {
        let mut pieces = rest(out, from);
        let first = pieces.next().expect("the caller checked that something is left");
        let Some(second) = pieces.next() else {
            let bytes = u32::try_from(first.len()).unwrap_or(1 << 30); // The rest goes with the next operation.
            return opcode::Send::new(types::Fixed(file), first.as_ptr(), bytes).flags(FLAGS).build();
        };
        let message = self.next(ring.epoch());
        message.pieces.clear();
        message.pieces.extend([first, second].into_iter().chain(pieces).take(PIECES_MAX).map(iovec));
        // SAFETY: all zeros is a valid header: no address, no control data.
        message.header = unsafe { std::mem::zeroed() };
        message.header.msg_iov = message.pieces.as_mut_ptr();
        message.header.msg_iovlen = message.pieces.len();
        opcode::SendMsg::new(types::Fixed(file), &raw const message.header).flags(FLAGS as u32).build()
    }

    fn next(&mut self, epoch: u64) -> &mut Message {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.used = 0;
        }
        if self.used == self.all.len() {
            // SAFETY: as in `prepare`.
            let header = unsafe { std::mem::zeroed() };
            self.all.push(Box::new(Message { header, pieces: Vec::new() }));
        }
        self.used += 1;
        &mut self.all[self.used - 1]
    }
}

/// The pieces of `out` behind its first `from` bytes.
fn rest(out: &Outbox, from: usize) -> impl Iterator<Item = &[u8]> {
    let mut skip = from;
    out.pieces().filter_map(move |piece| {
        let here = skip.min(piece.len());
        skip -= here;
        (here < piece.len()).then(|| &piece[here..])
    })
}

fn iovec(piece: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SharedSlice;

    proptest! {
        #[test]
        fn the_rest_behind_any_byte_is_the_tail_of_the_whole(
            parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..50)), 0..8),
            cut: prop::sample::Index,
        ) {
            let mut out = Outbox::default();
            for (shared, bytes) in &parts {
                if *shared { out.push_slice(SharedSlice::copied(bytes)) } else { out.bytes().extend(bytes) }
            }
            let whole: Vec<u8> = parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            let from = cut.index(whole.len() + 1);
            let tail: Vec<u8> = rest(&out, from).flatten().copied().collect();
            prop_assert_eq!(&tail[..], &whole[from..]);
            prop_assert!(rest(&out, from).all(|piece| !piece.is_empty()));
        }
    }
}
