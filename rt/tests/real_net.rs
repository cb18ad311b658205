//! The real transport over loopback.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::{EchoServer, Seen, options};

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
