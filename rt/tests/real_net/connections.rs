//! Connections: accepted, dialled, refused, one after the other in the same slot.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;

use rt::real::{RealEnv, ShardOptions, start_shard};
use rt::{CloseReason, Env, Event, Outbox, Transport};

use crate::support::{EchoServer, Script, Seen, anywhere, options, pattern, stop_if};

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
