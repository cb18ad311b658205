//! What is not taken: bytes that are no frame, frames and connections beyond a limit.

use super::*;
use crate::frame::FrameLimits;

#[test]
fn bytes_that_are_no_frame_end_the_connection_and_nothing_is_written_after() {
    let (net, mut connections) = one(ConnectionLimits::default());
    echo(&net, &mut connections, id(0), b"GET / HTTP/1.1\r\n\r\n", START);
    assert_eq!(net.closed(), [id(0)]);
    assert_eq!(connections.counts().bad_frame, 1);
    assert!(connections.reply(id(0)).is_none());
    assert_eq!(echo(&net, &mut connections, id(0), &frame(b"late"), START), 0);
    connections.flush_dirty(&net, START);
    assert!(net.take().is_empty());
    assert_eq!(connections.closed(id(0)), Some(5));
    assert!(connections.is_empty());
}

#[test]
fn a_frame_at_the_limit_passes_and_one_above_closes() {
    let frame_limits = FrameLimits { frame_bytes: 8 + 2 + 100, header_bytes: 64 };
    let (net, mut connections) = one(ConnectionLimits { frame: frame_limits, ..ConnectionLimits::default() });
    assert_eq!(echo(&net, &mut connections, id(0), &frame(&[1; 100]), START), 1);
    assert!(net.closed().is_empty());
    assert_eq!(echo(&net, &mut connections, id(0), &frame(&[1; 101]), START), 0);
    assert_eq!(net.closed(), [id(0)]);
}

#[test]
fn the_total_and_the_limit_per_source_hold_at_their_border() {
    let net = Recorder::default();
    let limits = ConnectionLimits { total: 5, per_source: 2, ..ConnectionLimits::default() };
    let mut connections: Connections<u32> = Connections::new(limits);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 1));
    assert_eq!(connections.accepted(&net, id(0), peer(1), START, 0), Ok(()));
    assert_eq!(connections.accepted(&net, id(1), peer(1), START, 0), Ok(()));
    assert_eq!(connections.accepted(&net, id(2), peer(1), START, 0), Err(Refused::Source));
    assert_eq!(connections.closed(id(2)), None, "it never was one of ours");
    for index in 2..5 {
        assert_eq!(connections.accepted(&net, id(index), loopback, START, 0), Ok(()));
    }
    assert_eq!(connections.accepted(&net, id(5), peer(2), START, 0), Err(Refused::Total));
    assert_eq!(net.closed(), [id(2), id(5)]);
    connections.closed(id(0));
    assert_eq!(connections.accepted(&net, ConnId { index: 0, generation: 1 }, peer(1), START, 0), Ok(()));
    let counts = connections.counts();
    assert_eq!((counts.accepted, counts.refused_source, counts.refused_total), (6, 1, 1));
}

#[test]
fn accepts_beyond_the_rate_are_refused_until_time_passes() {
    let net = Recorder::default();
    let limits = ConnectionLimits { accepts_per_second: 10, ..ConnectionLimits::default() };
    let mut connections: Connections<u32> = Connections::new(limits);
    for index in 0..10 {
        connections.accepted(&net, id(index), peer(1), START, 0).expect("within the burst");
    }
    assert_eq!(connections.accepted(&net, id(10), peer(1), START, 0), Err(Refused::Rate));
    let later = START.plus_ms(100);
    assert_eq!(connections.accepted(&net, id(11), peer(1), later, 0), Ok(()));
    assert_eq!(connections.accepted(&net, id(12), peer(1), later, 0), Err(Refused::Rate));
}
