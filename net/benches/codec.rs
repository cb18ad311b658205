//! CPU nanoseconds per operation of the hot codec: `cargo bench -p net --bench codec`, `-- TEXT` for those with it in
//! their names. Prints the median of eleven
//! rounds and their range. CPU time of this thread, so that a busy machine disturbs it less.

use std::hint::black_box;

use net::header::HeaderMemory;
use net::requests::{PullReply, SendMessageReply};
use net::{Codec, FrameDecoder, FrameLimits, Header, ReplyTo, Request, ResponseCode, Scratch, reply};
use rt::Outbox;

fn main() {
    for (name, bytes) in [
        ("send_v2 json", &include_bytes!("../tests/fixtures/java-5.5.0/send_v2.json.frame")[..]),
        ("send_v2 binary", include_bytes!("../tests/fixtures/java-5.5.0/send_v2.binary.frame")),
        ("pull json", include_bytes!("../tests/fixtures/java-5.5.0/pull.json.frame")),
    ] {
        let (mut decoder, mut scratch) = (FrameDecoder::new(FrameLimits::default()), Scratch::default());
        measure(&format!("decode {name}, {} bytes", bytes.len()), || {
            let fed = decoder.feed(black_box(bytes), |frame| {
                let header = Header::decode(frame.codec, frame.header, &mut scratch).expect("a header");
                let _ = black_box(Request::decode(&header));
                std::ops::ControlFlow::Continue(())
            });
            fed.expect("a frame");
        });
        let mut memory = HeaderMemory::default();
        measure(&format!("decode {name} as before"), || {
            let fed = decoder.feed(black_box(bytes), |frame| {
                let header = Header::decode_alike(frame.codec, frame.header, &mut scratch, &mut memory);
                let _ = black_box(Request::decode(&header.expect("a header")));
                std::ops::ControlFlow::Continue(())
            });
            fed.expect("a frame");
        });
    }
    let send = SendMessageReply {
        queue_id: 3,
        msg_id: "7F00000100002A9F0000000000001234",
        queue_offset: 42_000_000,
        transaction_id: Some("7F000001ABCD18B4AAC2000000000001"),
        batch_uniq_id: None,
        recall_handle: None,
        region: Some("DefaultRegion"),
        trace_on: Some(true),
    };
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
    for codec in [Codec::Json, Codec::Binary] {
        let to = ReplyTo { codec, opaque: 1_234_567 };
        measure(&format!("answer send {codec:?}"), || {
            out.clear();
            reply::with_body(&mut out, to, ResponseCode::SUCCESS, None, black_box(&send), &[]);
            black_box(out.len());
        });
        measure(&format!("answer pull {codec:?}"), || {
            out.clear();
            reply::with_body(&mut out, to, ResponseCode::SUCCESS, Some("FOUND"), black_box(&pull), &[]);
            black_box(out.len());
        });
    }
}

fn measure(name: &str, mut operation: impl FnMut()) {
    const COUNT: u32 = 20_000;
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let mut rounds: Vec<f64> = (0..11)
        .map(|_| {
            let start = cpu_ns();
            (0..COUNT).for_each(|_| operation());
            (cpu_ns() - start) / f64::from(COUNT)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:32} {:7.1} ns  ({:.1} to {:.1})", rounds[5], rounds[0], rounds[10]);
}

fn cpu_ns() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
