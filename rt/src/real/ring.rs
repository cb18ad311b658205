//! [`Ring`]: one io_uring as a shard uses it, and what it counts.
//!
//! Created and used on one thread (`SINGLE_ISSUER`); completions are run only inside [`Ring::enter`]
//! (`DEFER_TASKRUN`), so nothing interrupts a turn. A full submission queue is submitted and, should the kernel take
//! nothing (EBUSY, EAGAIN), parked in a backlog: [`Ring::push`] never fails and never loses an entry.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::{IoUring, cqueue, squeue};

/// Entries of the submission queue.
const SQ_ENTRIES: u32 = 1024;
/// Entries of the completion queue: a turn's worth of accepts, receives and sends of some thousand connections.
const CQ_ENTRIES: u32 = 8192;

/// What a ring and its users did since the start. Plain totals; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `io_uring_enter` calls.
    pub enters: u64,
    /// Of them, those that were allowed to sleep.
    pub parks: u64,
    /// Completions reaped.
    pub cqes: u64,
    /// Completions that did not fit the completion queue and were kept by the kernel. Not lost, but a sizing bug.
    pub overflow: u64,
    /// Times the submission queue was full in the middle of a turn.
    pub sq_full: u64,
    /// Receives that found no free buffer: back-pressure, re-armed at the end of the turn.
    pub enobufs: u64,
    /// Completed receives that carried bytes.
    pub recvs: u64,
    /// Send operations issued, reissues of partial sends included.
    pub sends: u64,
    /// Connections accepted.
    pub accepts: u64,
    /// Connections closed at once because the table was full or descriptors ran out.
    pub shed: u64,
    /// Disk operations issued.
    pub disk_ops: u64,
    /// Turns in which the reactor ran.
    pub turns: u64,
}

/// One completion, copied out of the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cqe {
    pub(crate) token: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

/// One io_uring of one thread.
pub(crate) struct Ring {
    uring: IoUring,
    /// The ring's descriptor for `enter`: an index registered with the kernel where that works, which saves a lookup.
    enter_fd: RawFd,
    enter_flags: u32,
    /// Entries that found the queue full and the kernel unwilling. Empty in all but pathological turns.
    backlog: VecDeque<squeue::Entry>,
    /// Grows whenever everything pushed so far has been consumed by the kernel.
    epoch: u64,
    overflow_seen: u32,
    pub(crate) counters: Counters,
}

impl Ring {
    /// Sets up the ring; the calling thread becomes its only issuer.
    pub(crate) fn new() -> io::Result<Self> {
        let uring = Self::build(true).or_else(|_| Self::build(false))?;
        let (enter_fd, enter_flags) = match register_ring_fd(uring.as_raw_fd()) {
            Ok(index) => (index, ENTER_REGISTERED_RING),
            Err(_) => (uring.as_raw_fd(), 0),
        };
        Ok(Self {
            uring,
            enter_fd,
            enter_flags,
            backlog: VecDeque::new(),
            epoch: 0,
            overflow_seen: 0,
            counters: Counters::default(),
        })
    }

    fn build(no_sqarray: bool) -> io::Result<IoUring> {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(CQ_ENTRIES)
            .dontfork();
        if no_sqarray {
            builder.setup_no_sqarray(); // Linux 6.6: one indirection less per entry.
        }
        builder.build(SQ_ENTRIES)
    }

    /// For registrations.
    pub(crate) fn uring(&self) -> &IoUring {
        &self.uring
    }

    /// Changes whenever everything pushed before has been taken by the kernel, so that what only submission needs
    /// (iovecs, message headers) may be reused.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// Whatever memory and descriptors `entry` names stay valid until its last completion (until submission for what
    /// the kernel copies: paths, headers, iovecs, addresses).
    pub(crate) unsafe fn push(&mut self, entry: squeue::Entry) {
        if self.backlog.is_empty() {
            // SAFETY: the caller's promise.
            if unsafe { self.uring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.counters.sq_full += 1;
            // What the kernel says is looked at by the next `enter`; here only room matters.
            let _ = self.call_enter(0, 0, None);
            // SAFETY: as above.
            if unsafe { self.uring.submission().push(&entry) }.is_ok() {
                return;
            }
        }
        self.backlog.push_back(entry);
    }

    /// Submits what was pushed, runs deferred completions, and sleeps until there is at least one completion, at most
    /// for `sleep` (`None`: not at all; `Some(None)`: for ever).
    ///
    /// # Errors
    /// Only what is a bug or a dead kernel: EINTR, ETIME, EAGAIN, EBUSY and the like end the call in peace, the
    /// caller drains the completions and comes back.
    pub(crate) fn enter(&mut self, sleep: Option<Option<Duration>>) -> io::Result<()> {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: promised to `push` for as long as the entry is in the backlog.
            if unsafe { self.uring.submission().push(entry) }.is_err() {
                break;
            }
            self.backlog.pop_front();
        }
        let outcome = match sleep {
            None => self.call_enter(0, ENTER_GETEVENTS, None),
            Some(limit) => {
                self.counters.parks += 1;
                self.call_enter(1, ENTER_GETEVENTS, limit)
            }
        };
        match outcome.map_err(|error| (error.raw_os_error().unwrap_or(0), error)) {
            Ok(()) => Ok(()),
            // A signal or the timeout; memory is short (submit later); the completion queue overflowed (drain first).
            Err((libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY, _)) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }

    /// Appends all completions that lie ready to `into`.
    pub(crate) fn drain(&mut self, into: &mut Vec<Cqe>) {
        let before = into.len();
        let mut queue = self.uring.completion();
        into.extend((&mut queue).map(|cqe: cqueue::Entry| Cqe {
            token: cqe.user_data(),
            result: cqe.result(),
            flags: cqe.flags(),
        }));
        let overflow = queue.overflow();
        drop(queue);
        self.counters.overflow += u64::from(overflow.wrapping_sub(self.overflow_seen));
        self.overflow_seen = overflow;
        self.counters.cqes += (into.len() - before) as u64;
    }

    fn call_enter(&mut self, min_complete: u32, flags: u32, limit: Option<Duration>) -> io::Result<()> {
        let to_submit = u32::try_from(self.uring.submission().len()).expect("bounded by SQ_ENTRIES");
        self.counters.enters += 1;
        let time = limit.map(|limit| Timespec {
            seconds: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            nanos: i64::from(limit.subsec_nanos()),
        });
        let argument = EventsArgument {
            sigmask: 0,
            sigmask_bytes: 0,
            min_wait_us: 0,
            time: time.as_ref().map_or(0, |time| std::ptr::from_ref(time) as u64),
        };
        let (extended, pointer, bytes) = if time.is_some() {
            (ENTER_EXT_ARG, std::ptr::from_ref(&argument), size_of::<EventsArgument>())
        } else {
            (0, std::ptr::null(), 0)
        };
        // SAFETY: the descriptor is our ring (or its registered index); `argument` and `time` outlive the call; the
        // entries in the queue are sound by the promise of `push`.
        let done = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.enter_fd,
                to_submit,
                min_complete,
                flags | extended | self.enter_flags,
                pointer,
                bytes,
            )
        };
        let outcome = if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        if self.backlog.is_empty() && self.uring.submission().is_empty() {
            self.epoch += 1;
        }
        outcome
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.uring.as_raw_fd()
    }
}

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
const REGISTER_RING_FDS: u32 = 20;

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct EventsArgument {
    sigmask: u64,
    sigmask_bytes: u32,
    min_wait_us: u32,
    time: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct ResourceUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

fn register_ring_fd(fd: RawFd) -> io::Result<RawFd> {
    let mut update = ResourceUpdate {
        offset: u32::MAX,
        reserved: 0,
        data: u64::try_from(fd).expect("an open descriptor"),
    };
    // SAFETY: `update` is the one structure that this registration reads and writes.
    let done =
        unsafe { libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, &raw mut update, 1) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(i32::try_from(update.offset).expect("a small index"))
    }
}
