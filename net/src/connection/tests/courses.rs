//! Any course of events, against a peer that checks what reaches it.

use proptest::prelude::*;

use super::*;

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
