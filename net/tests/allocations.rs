//! The hot path allocates nothing: sends and pulls are decoded and answered in memory that is reused.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::ControlFlow;

use net::requests::{PullReply, SendMessageReply};
use net::{Codec, FrameDecoder, FrameLimits, Header, ReplyTo, Request, ResponseCode, Scratch, reply};
use rt::{Outbox, SharedSlice};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/java-5.5.0/{name}.frame", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn decoding_and_answering_sends_and_pulls_allocates_nothing() {
    let names = ["send.json", "send_v2.json", "send_v2.binary", "pull.json", "pull.binary"];
    let stream: Vec<u8> = names.iter().flat_map(|name| fixture(name)).collect();
    let body = SharedSlice::copied(&[7; 4096]);
    let (mut decoder, mut scratch, mut out) =
        (FrameDecoder::new(FrameLimits::default()), Scratch::default(), Outbox::default());
    let mut answered = 0;
    let mut turn = || {
        // Cut inside a frame, so that the pending path is in it too.
        for piece in [&stream[..stream.len() / 2], &stream[stream.len() / 2..]] {
            let fed = decoder.feed(piece, |frame| {
                let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
                let to = ReplyTo::of(frame.codec, &header).unwrap();
                match Request::decode(&header).unwrap() {
                    Request::SendMessage(_) | Request::SendMessageV2(_) => answer_send(&mut out, to),
                    Request::PullMessage(_) => answer_pull(&mut out, to, &body),
                    request => panic!("{request:?}"),
                }
                answered += 1;
                ControlFlow::Continue(())
            });
            fed.unwrap();
        }
        out.clear();
    };
    turn();
    let counted = allocation_counter::measure(|| (0..100).for_each(|_| turn()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!(answered, 101 * names.len());
}

fn answer_send(out: &mut Outbox, to: ReplyTo) {
    let fields = SendMessageReply {
        queue_id: 3,
        msg_id: "7F00000100002A9F0000000000001234",
        queue_offset: 42,
        transaction_id: None,
        batch_uniq_id: None,
        recall_handle: None,
        region: Some("DefaultRegion"),
        trace_on: Some(true),
    };
    reply::with_body(out, to, ResponseCode::SUCCESS, None, &fields, &[]);
}

fn answer_pull(out: &mut Outbox, to: ReplyTo, body: &SharedSlice) {
    let fields = PullReply {
        suggest_broker_id: 0,
        next_begin_offset: 80,
        max_offset: 100,
        min_offset: 0,
        offset_delta: None,
        topic_sys_flag: None,
        group_sys_flag: None,
        forbidden_type: None,
    };
    let slices = [body.clone(), body.range(0, 100)];
    reply::with_slices(out, to, ResponseCode::SUCCESS, Some("FOUND"), &fields, 4196, slices);
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![Codec::Json; 3])));
    assert_eq!(counted.count_total, 1);
}
