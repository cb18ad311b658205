use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;
use rt::{ListenerId, Mono, Outbox, Transport};

use super::*;
use crate::frame::{Codec, Frame, FrameLimits, encode};

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
fn a_quiet_connection_gives_its_decoder_memory_back() {
    let (net, mut connections) = one(ConnectionLimits::default());
    let bytes = frame(&[7; 3000]);
    echo(&net, &mut connections, id(0), &bytes[..2000], START);
    echo(&net, &mut connections, id(0), &bytes[2000..], START);
    assert!(connections.slots[0].as_ref().unwrap().decoder.as_ref().unwrap().memory_bytes() > 0);
    connections.sweep(&net, START.plus_ms(1_500));
    assert_eq!(connections.slots[0].as_ref().unwrap().decoder.as_ref().unwrap().memory_bytes(), 0);
}

#[test]
fn a_connection_and_its_state_take_less_than_a_kibibyte() {
    assert!(
        size_of::<Option<Connection<[u8; 64]>>>() <= 512,
        "{}",
        size_of::<Option<Connection<[u8; 64]>>>()
    );
}

#[test]
fn a_late_id_never_meets_the_next_connection_of_its_slot() {
    let (net, mut connections) = one(ConnectionLimits::default());
    assert_eq!(connections.closed(id(0)), Some(5));
    assert_eq!(connections.closed(id(0)), None);
    let next = ConnId { index: 0, generation: 1 };
    connections.accepted(&net, next, peer(2), START, 6).expect("admitted");
    assert!(connections.reply(id(0)).is_none());
    assert!(connections.lend_decoder(id(0)).is_none());
    connections.sent(id(0), Outbox::default(), START);
    connections.close(&net, id(0), Ending::Asked);
    assert!(net.take().is_empty());
    assert_eq!(connections.state(next), Some(&mut 6));
    assert_eq!(connections.len(), 1);
}

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

#[derive(Clone, Debug)]
enum Step {
    Accept(u8),
    Feed(u8, usize),
    Reply(u8, usize),
    Hold(u8),
    Done(u8),
    Flush,
    Sent(u8),
    Close(u8),
    Confirm(u8),
    Pass(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0u8..4;
    prop_oneof![
        slot.clone().prop_map(Step::Accept),
        (slot.clone(), 1usize..200).prop_map(|(slot, bytes)| Step::Feed(slot, bytes)),
        (slot.clone(), 0usize..2000).prop_map(|(slot, bytes)| Step::Reply(slot, bytes)),
        slot.clone().prop_map(Step::Hold),
        slot.clone().prop_map(Step::Done),
        Just(Step::Flush),
        slot.clone().prop_map(Step::Sent),
        slot.clone().prop_map(Step::Close),
        slot.prop_map(Step::Confirm),
        (1u64..40_000).prop_map(Step::Pass),
        Just(Step::Sweep),
    ]
}

proptest! {
    /// A model transport: it panics where the real one would (two sends in flight, calls for dead ids) and the bytes
    /// each peer gets are exactly those written for it, in order.
    #[test]
    fn any_course_of_events_keeps_order_and_one_send_in_flight(steps in prop::collection::vec(step(), 1..200)) {
        let net = Recorder::default();
        let limits = ConnectionLimits {
            output_bytes: 3000, held_requests: 3, total: 3, output_stuck_ms: 20_000, ..ConnectionLimits::default()
        };
        let mut connections: Connections<u32> = Connections::new(limits);
        let mut peers: [Option<ModelPeer>; 4] = Default::default();
        let mut generations = [0u32; 4];
        let mut now = START;
        let mut stamp = 0u8;
        for step in steps {
            match step {
                Step::Accept(slot) => {
                    let at = slot as usize;
                    if peers[at].is_none() {
                        let conn = ConnId { index: u32::from(slot), generation: generations[at] };
                        let admitted = connections.accepted(&net, conn, peer(slot), now, 0).is_ok();
                        peers[at] = Some(ModelPeer::new(conn, admitted));
                    }
                }
                Step::Feed(slot, bytes) => {
                    if let Some(model) = &mut peers[slot as usize]
                        && let Some(mut lent) = connections.lend_decoder(model.conn)
                    {
                        model.stream.extend(std::iter::repeat_n(frame(&[9; 50]), 1 + bytes / 60).flatten());
                        let take = bytes.min(model.stream.len());
                        let fed: Vec<u8> = model.stream.drain(..take).collect();
                        let conn = model.conn;
                        let outcome = lent.feed(&fed, |_| connections.flow(conn));
                        prop_assert!(outcome.is_ok());
                        connections.return_decoder(&net, lent, outcome, now);
                    }
                }
                Step::Reply(slot, bytes) => {
                    if let Some(model) = &mut peers[slot as usize]
                        && let Some(out) = connections.reply(model.conn)
                    {
                        stamp = stamp.wrapping_add(1);
                        out.bytes().extend(std::iter::repeat_n(stamp, bytes));
                        model.written.extend(std::iter::repeat_n(stamp, bytes));
                    }
                }
                Step::Hold(slot) => {
                    if let Some(model) = &mut peers[slot as usize]
                        && connections.get(model.conn).is_some()
                    {
                        connections.request_held(model.conn, 1);
                        model.held += 1;
                    }
                }
                Step::Done(slot) => {
                    if let Some(model) = &mut peers[slot as usize]
                        && model.held > 0
                    {
                        connections.request_done(model.conn, 1);
                        model.held -= 1;
                    }
                }
                Step::Flush => {
                    connections.flush_dirty(&net, now);
                    while let Some(conn) = connections.next_resumed() {
                        if let Some(mut lent) = connections.lend_decoder(conn) {
                            let outcome = lent.feed(&[], |_| connections.flow(conn));
                            connections.return_decoder(&net, lent, outcome, now);
                        }
                    }
                }
                Step::Sent(slot) => {
                    if let Some(model) = &mut peers[slot as usize]
                        && let Some(mut out) = model.in_flight.take()
                    {
                        model.received.extend(out.pieces().flatten());
                        out.clear();
                        connections.sent(model.conn, out, now);
                    }
                }
                Step::Close(slot) => {
                    if let Some(model) = &peers[slot as usize] {
                        connections.close(&net, model.conn, Ending::Asked);
                    }
                }
                Step::Confirm(slot) => {
                    let at = slot as usize;
                    if peers[at].as_ref().is_some_and(|model| !model.alive) {
                        connections.closed(peers[at].take().unwrap().conn);
                        generations[at] += 1;
                    }
                }
                Step::Pass(ms) => now = now.plus_ms(ms),
                Step::Sweep => {
                    connections.sweep(&net, now);
                }
            }
            for call in net.take() {
                let (Call::Send(conn, _) | Call::SetReading(conn, _) | Call::Close(conn)) = &call;
                let model = peers[conn.index as usize].as_mut().expect("a call for a connection that exists");
                prop_assert_eq!(*conn, model.conn);
                match call {
                    Call::Send(_, out) => {
                        prop_assert!(model.alive && model.in_flight.is_none());
                        prop_assert!(!out.is_empty());
                        model.in_flight = Some(out);
                    }
                    Call::SetReading(_, on) => {
                        prop_assert_ne!(model.paused, !on);
                        model.paused = !on;
                    }
                    Call::Close(_) => model.alive = false,
                }
            }
            for model in peers.iter().flatten() {
                prop_assert!(model.written.starts_with(&model.received));
            }
            prop_assert_eq!(connections.len(), connections.iter().count());
        }
    }
}

struct ModelPeer {
    conn: ConnId,
    alive: bool,
    paused: bool,
    held: u32,
    stream: Vec<u8>,
    written: Vec<u8>,
    received: Vec<u8>,
    in_flight: Option<Outbox>,
}

impl ModelPeer {
    fn new(conn: ConnId, alive: bool) -> Self {
        Self {
            conn,
            alive,
            paused: false,
            held: 0,
            stream: Vec::new(),
            written: Vec::new(),
            received: Vec::new(),
            in_flight: None,
        }
    }
}
