//! The blocking client against a server of a few lines.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

use net::client::{Client, ClientError, ClientOptions, PushReply, RequestHead, encode};
use net::requests::{GetMaxOffset, NotifyConsumerIdsChanged, OffsetReply};
use net::{
    Codec, FrameDecoder, FrameLimits, Header, ReplyTo, Request, RequestCode, ResponseCode, Scratch, reply,
};
use rt::Outbox;

/// Serves one connection; `serve` writes what to send for each frame. Ends when the client hangs up.
fn server(
    mut serve: impl FnMut(Codec, &Header<'_>, &[u8], &mut Outbox) + Send + 'static,
) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the other end of a blocking client")]
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut decoder, mut buffer) = (FrameDecoder::new(FrameLimits::default()), [0; 4096]);
        loop {
            let count = stream.read(&mut buffer).unwrap_or(0);
            if count == 0 {
                return;
            }
            let mut out = Outbox::default();
            let (mut scratch, serve) = (Scratch::default(), &mut serve);
            decoder
                .feed(&buffer[..count], |frame| {
                    let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
                    serve(frame.codec, &header, frame.body, &mut out);
                    ControlFlow::Continue(())
                })
                .unwrap();
            out.pieces().for_each(|piece| stream.write_all(piece).unwrap());
        }
    });
    (addr, thread)
}

const QUEUE: GetMaxOffset<'_> = GetMaxOffset { topic: "T", queue_id: 3, committed: true };

#[test]
fn a_call_gets_its_answer_in_both_codecs() {
    for codec in [Codec::Json, Codec::Binary] {
        let (addr, thread) = server(|codec, header, body, out| {
            assert_eq!(Request::decode(header), Ok(Request::GetMaxOffset(QUEUE)));
            let to = ReplyTo::of(codec, header).unwrap();
            reply::with_body(out, to, ResponseCode::SUCCESS, None, &OffsetReply { offset: 42 }, body);
        });
        let mut client = Client::connect(addr, ClientOptions { codec, ..Default::default() }).unwrap();
        let answer = client.call(&QUEUE, b"body").unwrap().success().unwrap();
        assert_eq!(answer.reply(), Ok(OffsetReply { offset: 42 }));
        assert_eq!((answer.body.as_slice(), answer.version), (&b"body"[..], 515));
        drop(client);
        thread.join().unwrap();
    }
}

#[test]
fn a_refusal_carries_code_and_remark() {
    let (addr, thread) = server(|codec, header, _, out| {
        let to = ReplyTo::of(codec, header).unwrap();
        reply::plain(out, to, ResponseCode::TOPIC_NOT_EXIST, Some("no \"T\""));
    });
    let mut client = Client::connect(addr, ClientOptions::default()).unwrap();
    let error = client.call(&QUEUE, &[]).unwrap().success().unwrap_err();
    assert_eq!(error.to_string(), "the server refused: 17 TOPIC_NOT_EXIST: no \"T\"");
    drop(client);
    thread.join().unwrap();
}

#[test]
fn answers_may_come_in_any_order() {
    let mut held = None;
    let (addr, thread) = server(move |codec, header, body, out| {
        let to = ReplyTo::of(codec, header).unwrap();
        match held.take() {
            None => held = Some((to, body.to_owned())),
            Some((first, first_body)) => {
                reply::with_body(out, to, ResponseCode::SUCCESS, None, &OffsetReply { offset: 2 }, body);
                reply::with_body(
                    out,
                    first,
                    ResponseCode::SUCCESS,
                    None,
                    &OffsetReply { offset: 1 },
                    &first_body,
                );
            }
        }
    });
    let mut client = Client::connect(addr, ClientOptions::default()).unwrap();
    let first = client.send(RequestCode::GET_MAX_OFFSET, &QUEUE, b"1").unwrap();
    let second = client.send(RequestCode::GET_MAX_OFFSET, &QUEUE, b"2").unwrap();
    assert_eq!(client.wait(first).unwrap().body, b"1");
    assert_eq!(client.wait(second).unwrap().body, b"2");
    drop(client);
    thread.join().unwrap();
}

#[test]
fn a_late_answer_is_dropped_and_the_connection_goes_on() {
    let mut late = None;
    let (addr, thread) = server(move |codec, header, _, out| {
        let to = ReplyTo::of(codec, header).unwrap();
        if let Some(first) = late.replace(to) {
            reply::with_body(out, first, ResponseCode::SUCCESS, None, &OffsetReply { offset: 1 }, &[]);
            reply::with_body(out, to, ResponseCode::SUCCESS, None, &OffsetReply { offset: 2 }, &[]);
        }
    });
    let options = ClientOptions { call_timeout: Duration::from_millis(10), ..Default::default() };
    let mut client = Client::connect(addr, options).unwrap();
    assert!(matches!(client.call(&QUEUE, &[]), Err(ClientError::TimedOut)));
    client.set_call_timeout(Duration::from_secs(60));
    assert_eq!(client.call(&QUEUE, &[]).unwrap().reply(), Ok(OffsetReply { offset: 2 }));
    drop(client);
    thread.join().unwrap();
}

#[test]
fn requests_of_the_server_reach_the_handler_and_are_answered_unless_oneway() {
    let (answers, answered) = mpsc::channel();
    let (addr, thread) = server(move |codec, header, body, out| {
        if header.is_response() {
            answers.send((header.opaque, header.code, body.to_owned())).unwrap();
            return;
        }
        for (opaque, oneway) in [(100, true), (101, false)] {
            let head = RequestHead { codec, code: RequestCode::NOTIFY_CONSUMER_IDS_CHANGED, opaque, oneway };
            encode(out.bytes(), head, &NotifyConsumerIdsChanged { consumer_group: "G" }, b"push");
        }
        let to = ReplyTo::of(codec, header).unwrap();
        reply::with_body(out, to, ResponseCode::SUCCESS, None, &OffsetReply { offset: 1 }, &[]);
    });
    let mut client = Client::connect(addr, ClientOptions::default()).unwrap();
    let (pushes, pushed) = mpsc::channel();
    client.on_push(move |header, body| {
        pushes.send((header.opaque, header.ext.get("consumerGroup").map(str::to_owned))).unwrap();
        Some(PushReply { code: ResponseCode::SUCCESS, remark: None, body: body.to_owned() })
    });
    client.call(&QUEUE, &[]).unwrap();
    let group = Some("G".to_owned());
    assert_eq!(pushed.try_iter().collect::<Vec<_>>(), [(100, group.clone()), (101, group)]);
    assert_eq!(answered.recv().unwrap(), (101, 0, b"push".to_vec()));
    drop(client);
    thread.join().unwrap();
}

#[test]
fn a_server_that_sends_too_much_is_an_error() {
    let (addr, thread) = server(|codec, header, _, out| {
        let to = ReplyTo::of(codec, header).unwrap();
        reply::with_body(out, to, ResponseCode::SUCCESS, None, &OffsetReply { offset: 1 }, &[0; 2000]);
    });
    let limits = FrameLimits { frame_bytes: 2000, ..FrameLimits::default() };
    let mut client = Client::connect(addr, ClientOptions { limits, ..Default::default() }).unwrap();
    assert!(matches!(client.call(&QUEUE, &[]), Err(ClientError::Frame(_))));
    drop(client);
    thread.join().unwrap();
}
