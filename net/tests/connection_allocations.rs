//! Connections allocate nothing per frame and per reply once they are warm, and hold nothing while they are idle.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use net::connection::{ConnectionLimits, Connections};
use net::{Codec, Frame};
use rt::{ConnId, ListenerId, Mono, Outbox, Transport};

/// Keeps the one send in flight of each connection.
#[derive(Clone)]
struct InFlight(Rc<RefCell<Vec<Option<Outbox>>>>);

impl Transport for InFlight {
    fn listen(&self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        Ok((ListenerId(0), at))
    }
    fn unlisten(&self, _: ListenerId) {}
    fn connect(&self, _: SocketAddr) -> ConnId {
        unreachable!("nobody dials")
    }
    fn send(&self, conn: ConnId, out: Outbox) {
        let before = self.0.borrow_mut()[conn.index as usize].replace(out);
        assert!(before.is_none(), "a second send in flight");
    }
    fn set_reading(&self, _: ConnId, _: bool) {}
    fn close(&self, _: ConnId) {}
}

const CONNECTIONS: u32 = 8;

#[test]
fn frames_and_replies_of_warm_connections_allocate_nothing() {
    let net = InFlight(Rc::new(RefCell::new((0..CONNECTIONS).map(|_| None).collect())));
    let mut connections: Connections<u64> = Connections::new(ConnectionLimits::default());
    let ids: Vec<ConnId> = (0..CONNECTIONS).map(|index| ConnId { index, generation: 0 }).collect();
    let start = Mono(1_000_000_000);
    for id in &ids {
        connections.accepted(&net, *id, SocketAddr::from(([10, 0, 0, 1], 1)), start, 0).expect("admitted");
    }
    let mut stream = Vec::new();
    for _ in 0..64 {
        net::frame::encode(&mut stream, &Frame { codec: Codec::Json, header: b"{}", body: &[7; 300] });
    }
    // Cut inside a frame, so that the pending path is in it too.
    let pieces = [&stream[..stream.len() / 3], &stream[stream.len() / 3..]];
    let mut now = start;
    let mut handled = 0;
    let mut turn = || {
        now = now.plus_ms(10);
        for piece in pieces {
            for id in &ids {
                let mut lent = connections.lend_decoder(*id).expect("open");
                let outcome = lent.feed(piece, |frame| {
                    handled += 1;
                    *connections.state(*id).expect("open") += 1;
                    connections.request_held(*id, frame.body.len());
                    connections.reply(*id).expect("open").bytes().extend_from_slice(&frame.body[..100]);
                    connections.request_done(*id, frame.body.len());
                    connections.flow(*id)
                });
                connections.return_decoder(&net, lent, outcome, now);
            }
            connections.flush_dirty(&net, now);
            for id in &ids {
                let sent = net.0.borrow_mut()[id.index as usize].take();
                if let Some(out) = sent {
                    connections.sent(*id, out, now);
                }
            }
            connections.flush_dirty(&net, now);
            connections.sweep(&net, now);
        }
    };
    (0..3).for_each(|_| turn());
    let counted = allocation_counter::measure(|| (0..100).for_each(|_| turn()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!(handled, 103 * 64 * CONNECTIONS);
}
