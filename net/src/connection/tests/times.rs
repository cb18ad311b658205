//! Deadlines, and the sweep that holds them.

use super::*;

#[test]
fn idle_first_frame_and_frame_deadlines_hold_to_the_millisecond() {
    let limits = ConnectionLimits {
        first_frame_ms: 10_000,
        frame_ms: 8_000,
        idle_ms: 20_000,
        ..ConnectionLimits::default()
    };
    // Never a byte.
    let (net, mut connections) = one(limits);
    connections.sweep(&net, START.plus_ms(10_000));
    assert!(net.closed().is_empty());
    connections.sweep(&net, Mono(START.plus_ms(11_000).0));
    assert_eq!(net.closed(), [id(0)]);
    assert_eq!(connections.counts().too_slow, 1);

    // A frame begun, bytes dripping in.
    let (net, mut connections) = one(limits);
    let bytes = frame(b"slow");
    echo(&net, &mut connections, id(0), &bytes[..1], START.plus_ms(5_000));
    echo(&net, &mut connections, id(0), &bytes[1..5], START.plus_ms(12_000));
    connections.sweep(&net, START.plus_ms(13_000));
    assert!(net.closed().is_empty());
    connections.sweep(&net, START.plus_ms(14_001));
    assert_eq!(net.closed(), [id(0)]);

    // Complete frames, then nothing.
    let (net, mut connections) = one(limits);
    echo(&net, &mut connections, id(0), &[&bytes[..], &bytes[..3]].concat(), START);
    echo(&net, &mut connections, id(0), &bytes[3..], START.plus_ms(4_000));
    connections.flush_dirty(&net, START.plus_ms(4_000));
    let out = net.sent().pop().unwrap().1;
    connections.sent(id(0), out, START.plus_ms(6_000));
    connections.sweep(&net, START.plus_ms(26_000));
    assert!(net.closed().is_empty());
    connections.sweep(&net, START.plus_ms(27_001));
    assert_eq!(net.closed(), [id(0)]);
    assert_eq!(connections.counts().idle, 1);
}

#[test]
fn each_frame_has_its_own_time() {
    let limits = ConnectionLimits { frame_ms: 8_000, ..ConnectionLimits::default() };
    let (net, mut connections) = one(limits);
    let bytes = frame(b"slow");
    let mut now = START;
    echo(&net, &mut connections, id(0), &bytes[..3], now);
    for _ in 0..5 {
        now = now.plus_ms(7_000);
        echo(&net, &mut connections, id(0), &[&bytes[3..], &bytes[..3]].concat(), now);
        connections.sweep(&net, now);
    }
    assert!(net.closed().is_empty());
}

#[test]
fn a_dialled_connection_sends_what_waited_once_it_is_up_or_times_out() {
    let net = Recorder::default();
    let mut connections: Connections<u32> = Connections::new(ConnectionLimits::default());
    connections.connecting(id(0), peer(9), START, 1);
    connections.connecting(id(1), peer(9), START, 2);
    connections.reply(id(0)).unwrap().bytes().extend_from_slice(b"hello");
    connections.flush_dirty(&net, START);
    assert!(net.take().is_empty());
    connections.connected(id(0), START.plus_ms(100));
    connections.flush_dirty(&net, START.plus_ms(100));
    assert_eq!(net.sent().len(), 1);
    connections.sweep(&net, START.plus_ms(3_001));
    assert_eq!(net.closed(), [id(1)]);
    // It has no first frame to wait for: we speak first.
    connections.sweep(&net, START.plus_ms(15_000));
    assert!(net.closed().is_empty());
}

#[test]
fn the_sweep_visits_a_bounded_number_of_slots_a_turn_and_every_slot_in_the_end() {
    let net = Recorder::default();
    let mut connections: Connections<u32> = Connections::new(ConnectionLimits::default());
    assert_eq!(connections.sweep(&net, START), None);
    for index in 0..1200 {
        let source = SocketAddr::from(([127, 0, 0, 1], 1));
        connections.accepted(&net, id(index), source, START, 0).expect("admitted");
    }
    let late = START.plus_ms(200_000);
    for swept in [512, 1024] {
        assert_eq!(connections.sweep(&net, late), Some(late), "more to do");
        assert_eq!(connections.counts().too_slow, swept);
    }
    assert_eq!(connections.sweep(&net, late), Some(late.plus_ms(1000)));
    assert_eq!(connections.counts().too_slow, 1200);
}
