//! [`Ops`]: disk operations in flight, and the futures that wait for them.
//!
//! Everything the kernel may touch (buffers, paths, the descriptor) is owned by the pending slot until the completion
//! has come. So a future may be dropped at any time: the operation then runs to its end unobserved.

use std::ffi::CString;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use io_uring::squeue;
use slab::Slab;

use super::core::Core;
use super::token::Token;
use crate::SharedSlice;
use crate::slice::AlignedMemory;

/// Operations of one ring.
#[derive(Default)]
pub(crate) struct Ops {
    pending: Slab<Pending>,
}

struct Pending {
    state: State,
    keep: Keep,
}

enum State {
    Waiting(Option<Waker>),
    Done(i32),
    /// The future was dropped.
    Orphaned,
}

/// What an operation needs until its completion.
#[expect(dead_code, reason = "held for the kernel's sake; nobody but the kernel looks at most of it")]
pub(crate) enum Keep {
    /// Reads fill it.
    Memory(Rc<OwnedFd>, AlignedMemory),
    /// Writes take from it.
    Slice(Rc<OwnedFd>, SharedSlice),
    /// Flush, allocate, truncate.
    File(Rc<OwnedFd>),
    /// Open, rename, unlink.
    Paths([CString; 2]),
}

impl Ops {
    /// Operations whose completion is outstanding.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.iter().filter(|(_, pending)| !matches!(pending.state, State::Done(_))).count()
    }

    /// Takes a completion.
    pub(crate) fn complete(&mut self, slot: u32, result: i32) {
        let pending = &mut self.pending[slot as usize];
        match std::mem::replace(&mut pending.state, State::Done(result)) {
            State::Waiting(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            State::Orphaned => drop(self.pending.remove(slot as usize)),
            State::Done(_) => unreachable!("an operation completes once"),
        }
    }
}

/// One operation in flight. Yields its result and what it kept.
pub(crate) struct Operation {
    core: Rc<Core>,
    slot: u32,
    taken: bool,
}

impl Operation {
    /// Starts `entry`, which may point into `keep` (whose heap memory does not move).
    ///
    /// # Safety
    /// All memory and descriptors that `entry` names are owned by `keep`.
    pub(crate) unsafe fn start(core: &Rc<Core>, keep: Keep, entry: squeue::Entry) -> Self {
        let mut ops = core.ops.borrow_mut();
        let slot = ops.pending.insert(Pending { state: State::Waiting(None), keep });
        let slot = u32::try_from(slot).expect("operations in flight fit 24 bits");
        let mut ring = core.ring.borrow_mut();
        ring.counters.disk_ops += 1;
        // SAFETY: `keep` lives in the slot until the completion.
        unsafe { ring.push(entry.user_data(Token::Op(slot).encode())) };
        drop(ring);
        drop(ops);
        Self { core: core.clone(), slot, taken: false }
    }
}

impl Future for Operation {
    type Output = (io::Result<usize>, Keep);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let core = self.core.clone();
        let mut ops = core.ops.borrow_mut();
        let pending = &mut ops.pending[self.slot as usize];
        match &mut pending.state {
            State::Waiting(waker) => {
                if !waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
            State::Done(result) => {
                let result = *result;
                self.taken = true;
                let keep = ops.pending.remove(self.slot as usize).keep;
                Poll::Ready((
                    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)),
                    keep,
                ))
            }
            State::Orphaned => unreachable!("orphaned by our own drop only"),
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut ops = self.core.ops.borrow_mut();
        let pending = &mut ops.pending[self.slot as usize];
        let kept = match pending.state {
            State::Done(_) => Some(ops.pending.remove(self.slot as usize)),
            _ => {
                pending.state = State::Orphaned;
                None
            }
        };
        drop(ops);
        drop(kept); // May unpin memory, which is the owner's code.
    }
}
