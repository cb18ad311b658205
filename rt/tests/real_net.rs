//! The real transport over loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;

use rt::real::{RealEnv, ShardOptions, start_shard};
use rt::{CloseReason, ConnId, Env, Event, Outbox, SharedSlice, Transport};
use support::{EchoServer, Script, Seen, anywhere, options, pattern, stop_if};

#[test]
fn an_echo_comes_back_whole() {
    let server = EchoServer::start(options());
    let mut stream = TcpStream::connect(server.at).unwrap();
    for round in 0..100_u8 {
        let sent = vec![round; 1 + usize::from(round) * 313];
        stream.write_all(&sent).unwrap();
        let mut got = vec![0; sent.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got, sent);
    }
    drop(stream);
    let Seen::Accepted(conn) = server.seen.recv().unwrap() else { panic!("accepted comes first") };
    assert_eq!(server.seen.recv().unwrap(), Seen::Closed(conn, "Peer".into()));
    server.stop();
}

#[test]
fn a_thousand_connections_each_get_their_own_bytes() {
    let server = EchoServer::start(options());
    let mut streams: Vec<_> = (0..1000).map(|_| TcpStream::connect(server.at).unwrap()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&pattern(number + 2000)[number..]).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut got = [0; 2000];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got[..], pattern(number + 2000)[number..]);
    }
    drop(streams);
    let (mut accepted, mut closed) = (HashSet::new(), HashSet::new());
    while closed.len() < 1000 {
        match server.seen.recv().unwrap() {
            Seen::Accepted(conn) => assert!(accepted.insert(conn)),
            Seen::Closed(conn, reason) => assert!(closed.insert(conn), "{conn:?} closed twice, {reason}"),
        }
    }
    assert_eq!(accepted, closed);
    server.stop();
}

#[test]
fn a_slot_is_reused_with_a_new_generation() {
    let server = EchoServer::start(options());
    let mut seen = Vec::new();
    for _ in 0..5 {
        drop(TcpStream::connect(server.at).unwrap());
        let Seen::Accepted(conn) = server.seen.recv().unwrap() else { panic!("accepted comes first") };
        let Seen::Closed(closed, _) = server.seen.recv().unwrap() else { panic!("then closed") };
        assert_eq!(conn, closed);
        seen.push(conn);
    }
    assert!(seen.iter().all(|conn| conn.index == seen[0].index), "{seen:?}");
    assert_eq!(seen.iter().map(|conn| conn.generation).collect::<HashSet<_>>().len(), 5, "{seen:?}");
    server.stop();
}

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

#[test]
fn a_connection_that_is_not_read_gets_everything_later() {
    const BYTES: usize = 300_000;
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let got = Rc::new(RefCell::new(Vec::new()));
        let all = got.clone();
        let mut pauses = 0;
        let (resume, paused) = (env.clone(), Rc::new(Cell::new(None)));
        let pause = paused.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| {
                if let Event::Received { conn, bytes } = event {
                    got.borrow_mut().extend_from_slice(bytes);
                    if pauses < 20 {
                        pauses += 1;
                        env.net().set_reading(conn, false);
                        if pauses % 3 == 0 {
                            // Off, on, off before the first cancellation is through.
                            env.net().set_reading(conn, true);
                            env.net().set_reading(conn, false);
                        }
                        pause.set(Some(conn));
                    }
                }
            },
            turn: move |now: rt::Now| {
                if let Some(conn) = paused.take() {
                    resume.net().set_reading(conn, true);
                }
                let done = all.borrow().len() == BYTES;
                if done {
                    say.send(all.take()).unwrap();
                }
                rt::TurnOutcome { deadline: Some(now.mono.plus_ms(1)), stop: done }
            },
        })
    })
    .unwrap();
    let mut stream = TcpStream::connect(told.recv().unwrap()).unwrap();
    stream.write_all(&pattern(BYTES)).unwrap();
    assert!(heard.recv().unwrap() == pattern(BYTES));
    shard.join().unwrap();
}

#[test]
fn nothing_is_received_while_reading_is_off() {
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let bell_flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let resume = bell_flag.clone();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let conn = Rc::new(Cell::new(None));
        let (accepted, done) = (conn.clone(), Rc::new(Cell::new(false)));
        let (is_done, net) = (done.clone(), env.clone());
        let flag = resume.clone();
        let mut turns = 0;
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { conn, .. } => {
                    net.net().set_reading(conn, false);
                    accepted.set(Some(conn));
                }
                Event::Received { .. } => {
                    assert!(flag.load(std::sync::atomic::Ordering::SeqCst), "reading was off");
                    done.set(true);
                }
                _ => {}
            },
            turn: move |now: rt::Now| {
                // The cancellation is through after a turn or two; then the client may write.
                let accepted = conn.get().is_some();
                turns += u32::from(accepted);
                if turns == 5 {
                    let _ = say.send(());
                }
                if accepted && resume.load(std::sync::atomic::Ordering::SeqCst) {
                    env.net().set_reading(conn.take().unwrap(), true);
                }
                let deadline = (turns < 5).then(|| now.mono.plus_ms(1));
                rt::TurnOutcome { deadline, stop: is_done.get() }
            },
        })
    })
    .unwrap();
    let mut stream = TcpStream::connect(told.recv().unwrap()).unwrap();
    heard.recv().unwrap();
    stream.write_all(b"early").unwrap();
    // Enough turns for the bytes to have come through, were reading on.
    for _ in 0..100 {
        shard.doorbell().ring();
        std::thread::yield_now();
    }
    bell_flag.store(true, std::sync::atomic::Ordering::SeqCst);
    shard.doorbell().ring();
    shard.join().unwrap();
}

#[test]
fn a_flood_without_free_buffers_loses_nothing() {
    const CONNECTIONS: usize = 40;
    const BYTES: usize = 64 << 10;
    let few_buffers = ShardOptions { receive_buffers: 4, ..options() };
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let shard = start_shard(few_buffers, move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let got: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
        let (all, accepted) = (got.clone(), Rc::new(Cell::new(0)));
        let count = accepted.clone();
        let counters = env.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { conn, .. } => {
                    assert_eq!(conn.index as usize, got.borrow().len());
                    got.borrow_mut().push(Vec::new());
                    accepted.set(accepted.get() + 1);
                }
                Event::Received { conn, bytes } => {
                    got.borrow_mut()[conn.index as usize].extend_from_slice(bytes);
                }
                _ => {}
            },
            turn: move |_| {
                if count.get() == CONNECTIONS {
                    // The shard holds still until every client has filled its socket.
                    count.set(0);
                    wait.recv().unwrap();
                }
                let done = all.borrow().iter().filter(|bytes| bytes.len() == BYTES).count() == CONNECTIONS;
                if done {
                    say.send((all.take(), counters.counters())).unwrap();
                }
                stop_if(done)
            },
        })
    })
    .unwrap();
    let at = told.recv().unwrap();
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(at).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(&pattern(BYTES)).unwrap();
    }
    go.send(()).unwrap();
    let (got, counters) = heard.recv().unwrap();
    assert!(got.iter().all(|bytes| *bytes == pattern(BYTES)));
    assert!(counters.enobufs > 0, "{counters:?}");
    assert_eq!(counters.overflow, 0, "{counters:?}");
    shard.join().unwrap();
}

#[test]
fn two_shards_talk_and_a_refused_connect_is_closed() {
    let server = EchoServer::start(options());
    let (at, nobody) = (server.at, {
        let listener = std::net::TcpListener::bind(anywhere()).unwrap();
        listener.local_addr().unwrap()
    });
    let (say, heard) = mpsc::channel();
    let client = start_shard(options(), move |env: RealEnv| async move {
        let good = env.net().connect(at);
        let bad = env.net().connect(nobody);
        // A send before the connection is up waits for it.
        let mut out = Outbox::default();
        out.bytes().extend_from_slice(b"ping");
        env.net().send(good, out);
        let seen: Rc<RefCell<Vec<String>>> = Rc::default();
        let all = seen.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| {
                let line = match event {
                    Event::Connected { conn, local } => {
                        assert_eq!(conn, good);
                        assert_ne!(local, at);
                        "connected".to_owned()
                    }
                    Event::Received { bytes, .. } => String::from_utf8(bytes.to_vec()).unwrap(),
                    Event::Closed { conn, reason: CloseReason::Failed(error) } => {
                        assert_eq!(conn, bad);
                        format!("{:?}", error.kind())
                    }
                    Event::Sent { .. } => "sent".to_owned(),
                    other => panic!("{other:?}"),
                };
                seen.borrow_mut().push(line);
            },
            turn: move |_| {
                let done = all.borrow().len() == 4;
                if done {
                    say.send(all.take()).unwrap();
                }
                stop_if(done)
            },
        })
    })
    .unwrap();
    let mut seen = heard.recv().unwrap();
    seen.sort();
    assert_eq!(seen, ["ConnectionRefused", "connected", "ping", "sent"]);
    client.join().unwrap();
    server.stop();
}

#[test]
fn connections_beyond_the_limit_are_closed_and_room_is_used_again() {
    let server = EchoServer::start(ShardOptions { connections_max: 2, ..options() });
    let connect = || TcpStream::connect(server.at).unwrap();
    let echo = |stream: &mut TcpStream| {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])
    };
    let (mut a, mut b) = (connect(), connect());
    echo(&mut a).unwrap();
    echo(&mut b).unwrap();
    assert!(echo(&mut connect()).is_err(), "there is no third");
    drop(a);
    loop {
        if let Seen::Closed(..) = server.seen.recv().unwrap() {
            break;
        }
    }
    echo(&mut connect()).unwrap();
    server.stop();
}

#[test]
fn an_unlistened_port_refuses_and_its_connections_stay() {
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        let (listener, at) = env.net().listen(anywhere()).unwrap();
        tell.send(at).unwrap();
        let done = Rc::new(Cell::new(false));
        let is_done = done.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { .. } => {
                    env.net().unlisten(listener);
                    env.net().unlisten(listener);
                    say.send(()).unwrap();
                }
                Event::Received { .. } => done.set(true),
                _ => {}
            },
            turn: move |_| stop_if(is_done.get()),
        })
    })
    .unwrap();
    let at = told.recv().unwrap();
    let mut stream = TcpStream::connect(at).unwrap();
    heard.recv().unwrap();
    // The accept is being cancelled; until then the backlog may still take one.
    while TcpStream::connect(at).is_ok() {}
    stream.write_all(b"still here").unwrap();
    shard.join().unwrap();
}
