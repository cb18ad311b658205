//! Replies and what holds them up: one send in flight, bounds of output and of requests in work.

use super::*;

#[test]
fn replies_of_one_turn_leave_as_one_send_and_later_ones_wait_for_it() {
    let (net, mut connections) = one(ConnectionLimits::default());
    let bytes = [frame(b"one "), frame(b"two ")].concat();
    assert_eq!(echo(&net, &mut connections, id(0), &bytes, START), 2);
    connections.flush_dirty(&net, START);
    let mut sent = net.sent();
    assert_eq!(sent.len(), 1);
    let (_, out) = sent.pop().unwrap();
    assert_eq!(out.pieces().collect::<Vec<_>>().concat(), b"one two ");

    echo(&net, &mut connections, id(0), &frame(b"three"), START);
    connections.flush_dirty(&net, START);
    assert!(net.take().is_empty(), "a second send while one is in flight");

    connections.sent(id(0), out, START);
    connections.flush_dirty(&net, START);
    let (_, out) = net.sent().pop().expect("the waiting reply");
    assert_eq!(out.pieces().collect::<Vec<_>>().concat(), b"three");
}

#[test]
fn an_outbox_is_reused_and_an_idle_connection_holds_none() {
    let (net, mut connections) = one(ConnectionLimits::default());
    let mut memory = None;
    for _ in 0..10 {
        echo(&net, &mut connections, id(0), &frame(b"ping"), START);
        connections.flush_dirty(&net, START);
        let (_, mut out) = net.sent().pop().unwrap();
        assert_eq!(connections.slots[0].as_mut().unwrap().filling.bytes().capacity(), 0);
        let at = out.bytes().as_ptr();
        assert_eq!(*memory.get_or_insert(at), at, "another buffer than last time");
        connections.sent(id(0), out, START);
        connections.flush_dirty(&net, START);
    }
    // Asked for but not written to.
    connections.reply(id(0)).unwrap();
    connections.flush_dirty(&net, START);
    assert_eq!(connections.slots[0].as_mut().unwrap().filling.bytes().capacity(), 0);
    assert!(net.take().is_empty());
}

#[test]
fn output_nobody_reads_stops_reading_and_then_ends_the_connection() {
    let limits =
        ConnectionLimits { output_bytes: 1000, output_stuck_ms: 30_000, ..ConnectionLimits::default() };
    let (net, mut connections) = one(limits);
    let bytes = [frame(&[1; 600]), frame(&[2; 600]), frame(&[3; 600])].concat();
    assert_eq!(echo(&net, &mut connections, id(0), &bytes, START), 2, "the third waits in the decoder");
    assert_eq!(connections.output_room(id(0)), 0);
    connections.flush_dirty(&net, START);
    let calls = net.take();
    assert!(matches!(calls[..], [Call::Send(..), Call::SetReading(_, false)]), "{calls:?}");
    assert!(connections.get(id(0)).unwrap().is_paused());
    assert_eq!(connections.next_resumed(), None);
    // The kept frame is not one that arrives slowly.
    connections.sweep(&net, START.plus_ms(29_000));
    assert!(net.closed().is_empty());
    connections.sweep(&net, START.plus_ms(31_000));
    assert_eq!(net.closed(), [id(0)]);
    assert_eq!(connections.counts().output_stuck, 1);
}

#[test]
fn frames_behind_a_stop_go_on_when_the_output_is_drained() {
    let limits = ConnectionLimits { output_bytes: 1000, ..ConnectionLimits::default() };
    let (net, mut connections) = one(limits);
    let bytes = [frame(&[1; 600]), frame(&[2; 600]), frame(&[3; 600])].concat();
    echo(&net, &mut connections, id(0), &bytes, START);
    connections.flush_dirty(&net, START);
    let Some(Call::Send(_, out)) = net.take().into_iter().next() else { panic!("a send") };
    connections.sent(id(0), out, START.plus_ms(20_000));
    connections.flush_dirty(&net, START.plus_ms(20_000));
    assert!(matches!(net.take()[..], [Call::SetReading(_, true)]));
    assert_eq!(connections.next_resumed(), Some(id(0)));
    assert_eq!(connections.next_resumed(), None);
    connections.sweep(&net, START.plus_ms(20_000));
    assert!(net.closed().is_empty(), "the kept frame was not late");
    assert_eq!(echo(&net, &mut connections, id(0), &[], START.plus_ms(20_000)), 1);
    connections.flush_dirty(&net, START.plus_ms(20_000));
    assert_eq!(net.sent().len(), 1);
}

#[test]
fn too_many_requests_in_flight_stop_reading_until_half_are_done() {
    let limits = ConnectionLimits { held_requests: 4, held_bytes: 1000, ..ConnectionLimits::default() };
    let (net, mut connections) = one(limits);
    for _ in 0..4 {
        connections.request_held(id(0), 10);
    }
    assert!(connections.flow(id(0)).is_continue());
    connections.flush_dirty(&net, START);
    assert!(net.take().is_empty(), "at the limit");
    connections.request_held(id(0), 10);
    assert!(connections.flow(id(0)).is_break());
    connections.flush_dirty(&net, START);
    assert!(matches!(net.take()[..], [Call::SetReading(_, false)]));
    connections.request_done(id(0), 10);
    connections.request_done(id(0), 10);
    connections.flush_dirty(&net, START);
    assert!(net.take().is_empty());
    connections.request_done(id(0), 10);
    connections.flush_dirty(&net, START);
    assert!(matches!(net.take()[..], [Call::SetReading(_, true)]));
    connections.request_held(id(0), 1000);
    connections.flush_dirty(&net, START);
    assert!(matches!(net.take()[..], [Call::SetReading(_, false)]), "by bytes");
    assert_eq!(connections.counts().paused, 2);
}

#[test]
fn a_farewell_is_sent_before_the_connection_ends() {
    let (net, mut connections) = one(ConnectionLimits::default());
    connections.reply(id(0)).unwrap().bytes().extend_from_slice(b"bye");
    connections.close_when_sent(id(0));
    connections.flush_dirty(&net, START);
    let out = net.sent().pop().expect("the farewell").1;
    connections.sent(id(0), out, START);
    connections.flush_dirty(&net, START);
    assert_eq!(net.closed(), [id(0)]);
}
