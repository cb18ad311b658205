//! Connections over a transport that only writes down what it is asked.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use rt::{ListenerId, Mono, Outbox, Transport};

use super::*;
use crate::frame::{Codec, Frame, encode};

mod courses;
mod memory;
mod output;
mod refusals;
mod times;

/// A transport that writes down what it is asked.
#[derive(Clone, Default)]
struct Recorder(Rc<RefCell<Vec<Call>>>);

#[derive(Debug)]
enum Call {
    Send(ConnId, Outbox),
    SetReading(ConnId, bool),
    Close(ConnId),
}

impl Transport for Recorder {
    fn listen(&self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        Ok((ListenerId(0), at))
    }
    fn unlisten(&self, _listener: ListenerId) {}
    fn connect(&self, _to: SocketAddr) -> ConnId {
        unreachable!("Connections never dials")
    }
    fn send(&self, conn: ConnId, out: Outbox) {
        self.0.borrow_mut().push(Call::Send(conn, out));
    }
    fn set_reading(&self, conn: ConnId, on: bool) {
        self.0.borrow_mut().push(Call::SetReading(conn, on));
    }
    fn close(&self, conn: ConnId) {
        self.0.borrow_mut().push(Call::Close(conn));
    }
}

impl Recorder {
    fn take(&self) -> Vec<Call> {
        self.0.take()
    }

    fn sent(&self) -> Vec<(ConnId, Outbox)> {
        self.take()
            .into_iter()
            .filter_map(|call| if let Call::Send(conn, out) = call { Some((conn, out)) } else { None })
            .collect()
    }

    fn closed(&self) -> Vec<ConnId> {
        self.take()
            .into_iter()
            .filter_map(|call| if let Call::Close(conn) = call { Some(conn) } else { None })
            .collect()
    }
}

const START: Mono = Mono(7_000_000_000);

fn id(index: u32) -> ConnId {
    ConnId { index, generation: 0 }
}

fn peer(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 4000))
}

fn one(limits: ConnectionLimits) -> (Recorder, Connections<u32>) {
    let net = Recorder::default();
    let mut connections = Connections::new(limits);
    connections.accepted(&net, id(0), peer(1), START, 5).expect("admitted");
    (net, connections)
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, &Frame { codec: Codec::Json, header: b"{}", body });
    out
}

/// Feeds `bytes` and echoes every body.
fn echo(net: &Recorder, connections: &mut Connections<u32>, conn: ConnId, bytes: &[u8], now: Mono) -> usize {
    let Some(mut lent) = connections.lend_decoder(conn) else { return 0 };
    let mut frames = 0;
    let outcome = lent.feed(bytes, |frame| {
        frames += 1;
        if let Some(out) = connections.reply(conn) {
            out.bytes().extend_from_slice(frame.body);
        }
        connections.flow(conn)
    });
    connections.return_decoder(net, lent, outcome, now);
    frames
}
