//! A warm shard handles events without allocating.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;

use rt::real::{RealEnv, start_shard};
use rt::{Env, Event, Outbox, Transport};
use support::{Script, anywhere, options, stop_if};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_shard_does_not_allocate_per_event() {
    let (tell, at) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let mut spare = Some(Outbox::default());
        let template = rt::SharedSlice::copied(&[9; 100]);
        let done = Rc::new(Cell::new(false));
        let is_done = done.clone();
        let mut events = 0;
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Received { conn, bytes } => {
                    events += 1;
                    if events == 200 || events == 1200 {
                        say.send(ALLOCATIONS.with(Cell::get)).unwrap();
                    }
                    let mut out = spare.take().unwrap();
                    out.bytes().extend_from_slice(bytes);
                    out.push_slice(template.clone());
                    out.bytes().extend_from_slice(bytes);
                    env.net().send(conn, out);
                }
                Event::Sent { out, .. } => spare = Some(out),
                Event::Closed { .. } => done.set(true),
                _ => {}
            },
            turn: move |_| stop_if(is_done.get()),
        })
    })
    .unwrap();
    let mut stream = TcpStream::connect(at.recv().unwrap()).unwrap();
    for _ in 0..1300 {
        stream.write_all(&[1; 50]).unwrap();
        stream.read_exact(&mut [0; 200]).unwrap();
    }
    drop(stream);
    shard.join().unwrap();
    let (warm, later) = (heard.recv().unwrap(), heard.recv().unwrap());
    // The message to this test between the two looks is not the shard's.
    assert!(later - warm <= 2, "{} allocations in 1,000 events", later - warm);
}
