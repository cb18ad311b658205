//! [`bare_server`]: the least server that can be made of a `Ring`, as the yardstick for the pump and for a broker.
//!
//! Same ring, buffers, fixed files and multishot operations; no executor, no generations, no events, no errors worth
//! mentioning. `cargo run --release -p benches -- echo` and `bare` compare with it. Not for anything else.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use io_uring::{cqueue, opcode, types};

use super::buffers::{self, ReceiveBuffers};
use super::ring::{Counters, Ring};

/// Bytes of a request frame.
pub const FRAME_BYTES: usize = 1024;
/// Bytes of its reply.
pub const REPLY_BYTES: usize = 128;

/// What a server of the benchmark did.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoWork {
    /// Complete frames received.
    pub frames: u64,
    /// CPU time of the server's thread, user and system.
    pub cpu_ns: u64,
    /// What its ring did.
    pub ring: Counters,
}

/// What a bare server does with the bytes it receives.
pub trait BareWork {
    /// `bytes` came on connection `line`: appends what is to be answered, and returns how many frames are complete now.
    fn received(&mut self, line: usize, bytes: &[u8], out: &mut Vec<u8>) -> u64;
}

/// Answers each 1 KiB with 128 bytes, and looks at nothing.
#[derive(Default)]
struct Echo {
    partial: Vec<usize>,
}

impl BareWork for Echo {
    fn received(&mut self, line: usize, bytes: &[u8], out: &mut Vec<u8>) -> u64 {
        self.partial.resize(self.partial.len().max(line + 1), 0);
        let bytes = self.partial[line] + bytes.len();
        self.partial[line] = bytes % FRAME_BYTES;
        for _ in 0..bytes / FRAME_BYTES {
            out.extend_from_slice(&[7; REPLY_BYTES]);
        }
        (bytes / FRAME_BYTES) as u64
    }
}

#[derive(Default)]
struct Line {
    in_flight: bool,
    dirty: bool,
    /// Being sent while `in_flight`.
    out: Vec<u8>,
    /// Owed meanwhile.
    next: Vec<u8>,
}

const ACCEPT: u64 = 0;
const RECV: u64 = 1 << 32;
const SEND: u64 = 2 << 32;

/// A [`bare_server`] that answers each 1 KiB with 128 bytes.
///
/// # Errors
/// When the ring or the listener cannot be made.
pub fn bare_echo(stop: &AtomicBool, ready: impl FnOnce(SocketAddr)) -> io::Result<EchoWork> {
    bare_server(stop, false, ready, &mut Echo::default())
}

/// Serves until `stop`; `ready` is told the address. With `spin` it never sleeps.
///
/// # Errors
/// When the ring or the listener cannot be made.
pub fn bare_server(
    stop: &AtomicBool,
    spin: bool,
    ready: impl FnOnce(SocketAddr),
    serve: &mut impl BareWork,
) -> io::Result<EchoWork> {
    let mut ring = Ring::new()?;
    ring.uring().submitter().register_files_sparse(CONNECTIONS_MAX)?;
    let mut buffers = ReceiveBuffers::new(&ring, 512)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    ready(listener.local_addr()?);
    let accept = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    // SAFETY: the listener outlives the ring's use.
    unsafe { ring.push(accept) };

    let mut lines: Vec<Line> = Vec::new();
    let mut dirty: Vec<usize> = Vec::new();
    let mut batch = Vec::with_capacity(1024);
    let mut work = EchoWork::default();
    let started = thread_cpu_ns();
    let wait = (!spin).then_some(Some(Duration::from_millis(100)));
    while !stop.load(Ordering::Relaxed) {
        ring.enter(wait)?;
        ring.drain(&mut batch);
        for cqe in batch.drain(..) {
            let index = cqe.token as u32 as usize; // the low half
            match cqe.token & !0xFFFF_FFFF {
                ACCEPT if cqe.result >= 0 => {
                    // SAFETY: a fresh descriptor, ours alone.
                    let socket = unsafe { OwnedFd::from_raw_fd(cqe.result) };
                    let file = u32::try_from(lines.len()).expect("few");
                    ring.uring().submitter().register_files_update(file, &[socket.as_raw_fd()])?;
                    lines.push(Line::default());
                    arm(&mut ring, file);
                }
                RECV => {
                    if let (1.., Some(id)) = (cqe.result, cqueue::buffer_select(cqe.flags)) {
                        let line = &mut lines[index];
                        // SAFETY: the kernel filled so many bytes of the buffer, and leaves it alone until it is recycled.
                        let bytes = unsafe {
                            std::slice::from_raw_parts(buffers.start(id), cqe.result.unsigned_abs() as usize)
                        };
                        work.frames += serve.received(index, bytes, &mut line.next);
                        buffers.recycle(id);
                        if !std::mem::replace(&mut line.dirty, true) {
                            dirty.push(index);
                        }
                    }
                    if !cqueue::more(cqe.flags) && cqe.result != 0 {
                        arm(&mut ring, cqe.token as u32);
                    }
                }
                SEND => {
                    assert!(cqe.result < 0 || cqe.result.unsigned_abs() as usize == lines[index].out.len());
                    lines[index].in_flight = false;
                    if !std::mem::replace(&mut lines[index].dirty, true) {
                        dirty.push(index);
                    }
                }
                _ => {}
            }
        }
        for index in dirty.drain(..) {
            let line = &mut lines[index];
            line.dirty = false;
            if line.next.is_empty() || line.in_flight {
                continue;
            }
            line.out.clear();
            std::mem::swap(&mut line.out, &mut line.next);
            line.in_flight = true;
            let file = types::Fixed(u32::try_from(index).expect("few"));
            let send =
                opcode::Send::new(file, line.out.as_ptr(), u32::try_from(line.out.len()).expect("small"))
                    .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
                    .build()
                    .user_data(SEND | index as u64);
            // SAFETY: the buffer is left alone while `in_flight`.
            unsafe { ring.push(send) };
        }
    }
    work.cpu_ns = thread_cpu_ns() - started;
    work.ring = ring.counters;
    // What is still in flight could touch these.
    std::mem::forget((buffers, lines));
    Ok(work)
}

/// CPU time of the calling thread, user and system.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("not negative")
}

const CONNECTIONS_MAX: u32 = 1024;

fn arm(ring: &mut Ring, file: u32) {
    let recv = opcode::RecvMulti::new(types::Fixed(file), buffers::GROUP).build();
    // SAFETY: the buffers outlive the ring's use.
    unsafe { ring.push(recv.user_data(RECV | u64::from(file))) };
}
