//! Sends: long ones, many pieces, empty ones, and one that nobody reads.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;

use rt::real::{RealEnv, start_shard};
use rt::{CloseReason, ConnId, Env, Event, Outbox, SharedSlice, Transport};

use crate::support::{Script, anywhere, options, pattern, stop_if};

/// A shard that sends `make()` to whoever connects, and stops when that is sent.
fn sender_of(
    make: impl Fn() -> Outbox + Send + 'static,
) -> (std::net::SocketAddr, rt::real::ShardThread<Result<(), rt::real::ShardError<Infallible>>>) {
    let (tell, at) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let done = Rc::new(Cell::new(false));
        let is_done = done.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { conn, .. } => env.net().send(conn, make()),
                Event::Sent { out, .. } => {
                    assert!(out.is_empty());
                    done.set(true);
                }
                Event::Closed { reason, .. } => panic!("closed early: {reason:?}"),
                _ => {}
            },
            turn: move |_| stop_if(is_done.get()),
        })
    });
    let at = at.recv().unwrap();
    (at, shard.unwrap())
}

#[test]
fn ten_mebibytes_reach_a_slow_reader_in_order() {
    let (at, shard) = sender_of(|| {
        let mut out = Outbox::default();
        out.bytes().extend_from_slice(&pattern(10 << 20));
        out
    });
    let mut stream = TcpStream::connect(at).unwrap();
    let mut got = Vec::new();
    let mut piece = vec![0; 70_001];
    loop {
        // Small reads with the socket's buffers full all the time: the sender is always ahead.
        let read = stream.read(&mut piece).unwrap();
        got.extend_from_slice(&piece[..read]);
        if got.len() == 10 << 20 {
            break;
        }
    }
    assert!(got == pattern(10 << 20));
    shard.join().unwrap();
}

#[test]
fn more_pieces_than_one_message_takes_arrive_in_order() {
    const PIECES: usize = 2500;
    let (at, shard) = sender_of(|| {
        let mut out = Outbox::default();
        let whole = SharedSlice::copied(&pattern(PIECES * 100));
        for piece in 0..PIECES {
            // Alternately by reference and as own bytes.
            let range = piece * 100..(piece + 1) * 100;
            if piece % 2 == 0 {
                out.push_slice(whole.range(range.start, range.end));
            } else {
                out.bytes().extend_from_slice(&whole[range]);
            }
        }
        out
    });
    let mut stream = TcpStream::connect(at).unwrap();
    let mut got = vec![0; PIECES * 100];
    stream.read_exact(&mut got).unwrap();
    assert!(got == pattern(PIECES * 100));
    shard.join().unwrap();
}

#[test]
fn an_empty_outbox_is_sent_at_once() {
    let (at, shard) = sender_of(Outbox::default);
    let _stream = TcpStream::connect(at).unwrap();
    shard.join().unwrap();
}

#[test]
fn closing_with_a_blocked_send_gives_memory_and_slot_back() {
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let closed = Rc::new(Cell::new(0));
        let is_closed = closed.clone();
        let pinned = rt::slice::aligned(64 << 20, |_| {});
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { conn, .. } => {
                    let mut out = Outbox::default();
                    out.push_slice(pinned.clone());
                    out.bytes().push(1);
                    env.net().send(conn, out);
                }
                // The peer says when it is blocked; it reads nothing.
                Event::Received { conn, .. } => {
                    env.net().close(conn);
                    env.net().close(conn);
                    env.net().set_reading(conn, true);
                }
                Event::Closed { conn, reason } => {
                    assert!(matches!(reason, CloseReason::Local), "{reason:?}");
                    env.net().send(conn, Outbox::default());
                    env.net().close(conn);
                    closed.set(closed.get() + 1);
                    say.send(conn).unwrap();
                }
                Event::Sent { .. } => panic!("nobody read it"),
                Event::Connected { .. } => panic!("we do not connect"),
            },
            turn: move |_| stop_if(is_closed.get() == 2),
        })
    })
    .unwrap();
    let at = told.recv().unwrap();
    let conns: Vec<ConnId> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(at).unwrap();
            stream.write_all(b"close me").unwrap();
            heard.recv().unwrap()
        })
        .collect();
    assert_eq!(conns[0].index, conns[1].index, "the slot is free again");
    assert_ne!(conns[0].generation, conns[1].generation);
    shard.join().unwrap();
}
