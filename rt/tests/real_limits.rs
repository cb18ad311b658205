//! Descriptors, as seen from outside: a process of its own, with one test at a time.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{EchoServer, options};

/// Both tests count or limit the descriptors of the whole process, hence one function.
#[test]
fn descriptors_do_not_leak_and_running_out_of_them_sheds() {
    // Once, for what a first shard initialises in the process.
    serve_some();
    let before = descriptors();
    for _ in 0..3 {
        serve_some();
    }
    assert_eq!(leaked(before), 0);
    shed();
    assert_eq!(leaked(before), 0);
}

/// Descriptors beyond `before` that stay. An executor's helper thread may close its last one a moment after the shard has
/// ended.
fn leaked(before: usize) -> usize {
    let looks = std::iter::repeat_with(|| {
        std::thread::yield_now();
        descriptors().saturating_sub(before)
    });
    looks.take(LOOKS).find(|more| *more == 0).unwrap_or_else(|| descriptors() - before)
}

/// A second or more of looking.
const LOOKS: usize = 100_000;

fn serve_some() {
    let server = EchoServer::start(options());
    let mut streams: Vec<_> = (0..50).map(|_| TcpStream::connect(server.at).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    drop(streams.split_off(25));
    server.stop();
}

fn shed() {
    // Lowered before the server listens: an accept remembers the limit of the time it was armed.
    let limit = getrlimit(Resource::Nofile);
    let room = u64::try_from(descriptors()).unwrap() + 64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(room), maximum: limit.maximum }).unwrap();
    let server = EchoServer::start(options());
    let mut first = TcpStream::connect(server.at).unwrap();
    // Surely accepted, and not one of those to be turned away.
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0]).unwrap();
    // Sockets made now, connected once no descriptor is left for the other side.
    let late: Vec<_> = (0..5)
        .map(|_| socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap())
        .collect();
    let hoard: Vec<_> = std::iter::from_fn(|| rustix::io::dup(std::io::stdin()).ok()).collect();
    assert!(!hoard.is_empty());
    let mut turned_away = Vec::new();
    for socket in late {
        socket.connect(&server.at.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "turned away, not left hanging");
        turned_away.push(stream); // Closing it would leave room for the next.
    }
    drop(hoard);
    setrlimit(Resource::Nofile, limit).unwrap();
    // Who was there is served on, and new ones are welcome again; the first may still meet the end of the shedding.
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0]).unwrap();
    let welcome = || {
        let mut stream = TcpStream::connect(server.at)?;
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])
    };
    while welcome().is_err() {}
    server.stop();
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
