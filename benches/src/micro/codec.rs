//! Headers in, answers out.

use std::hint::black_box;
use std::ops::ControlFlow;

use net::header::HeaderMemory;
use net::requests::PullReply;
use net::{Codec, FrameDecoder, FrameLimits, Header, ReplyTo, Request, ResponseCode, Scratch, reply};
use rt::Outbox;

use super::Bench;
use crate::sends::{ANSWER, Sends};

pub(super) fn measure(bench: &Bench) {
    for (codec, name, budget) in [
        (Codec::Json, "request header, JSON, first of its kind", 250.0),
        (Codec::Binary, "request header, binary", 100.0),
    ] {
        let headers = headers(codec);
        let (mut scratch, mut at) = (Scratch::default(), 0);
        bench.each(name, budget, || {
            at = (at + 1) % headers.len();
            let header = Header::decode(codec, black_box(&headers[at]), &mut scratch).expect("a header");
            black_box(Request::decode(&header).expect("a send"));
        });
    }
    let headers = headers(Codec::Json);
    let (mut scratch, mut memory, mut at) = (Scratch::default(), HeaderMemory::default(), 0);
    bench.each("request header, JSON, like the one before", 100.0, || {
        at = (at + 1) % headers.len();
        let header = Header::decode_alike(Codec::Json, black_box(&headers[at]), &mut scratch, &mut memory);
        black_box(Request::decode(&header.expect("a header")).expect("a send"));
    });
    answers(bench);
}

/// Headers of one connection's sends, as they follow each other.
fn headers(codec: Codec) -> Vec<Vec<u8>> {
    let mut sends = Sends::new(codec, "MicroTopic", 1);
    let mut bytes = Vec::new();
    (0..64).for_each(|at| sends.append(&mut bytes, 1_700_000_000_000 + at));
    let mut headers = Vec::new();
    let fed = FrameDecoder::new(FrameLimits::default()).feed(&bytes, |frame| {
        headers.push(frame.header.to_vec());
        ControlFlow::Continue(())
    });
    fed.expect("whole frames");
    headers
}

fn answers(bench: &Bench) {
    let pull = PullReply {
        suggest_broker_id: 0,
        next_begin_offset: 42_000_032,
        max_offset: 42_000_100,
        min_offset: 0,
        offset_delta: None,
        topic_sys_flag: None,
        group_sys_flag: None,
        forbidden_type: None,
    };
    let mut out = Outbox::default();
    for (codec, name) in [(Codec::Json, "JSON"), (Codec::Binary, "binary")] {
        let to = ReplyTo { codec, opaque: 1_234_567 };
        bench.each(&format!("answer to a send, {name}"), 100.0, || {
            out.clear();
            reply::with_body(&mut out, to, ResponseCode::SUCCESS, None, black_box(&ANSWER), &[]);
            black_box(out.len());
        });
        bench.each(&format!("answer to a pull, {name}, without its messages"), 100.0, || {
            out.clear();
            reply::with_body(&mut out, to, ResponseCode::SUCCESS, Some("FOUND"), black_box(&pull), &[]);
            black_box(out.len());
        });
    }
}
