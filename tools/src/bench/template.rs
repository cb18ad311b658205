//! Send requests encoded once; each message is two copies (header, body) with some digits changed. Large bodies are not
//! even copied ([`Copies`]).
//!
//! What a Java producer sends: the one-letter header, `UNIQ_KEY` (unique per message) and `WAIT=true`; what differs
//! between two messages is the number, the born time, the keys, the stamp and the body, and all of these but the body
//! have a fixed width. What they share is a [`Shape`]; a [`Head`] belongs to a queue, a [`Body`] to a payload; any head goes
//! with any body. A warm send allocates nothing.

use std::ops::Range;

use net::client::{RequestHead, encode};
use net::requests::SendMessageV2;
use net::{Codec, RequestCode};

use rt::Outbox;

use super::act::Class;

mod body;
mod copies;
mod marks;
mod shape;

pub use body::Body;
pub use copies::Copies;
pub use marks::MARKS;
pub use shape::Shape;

use marks::{Marks, digits, only};

/// First number of a request, so that all have ten digits and are patched in place.
pub const OPAQUE_BASE: i32 = 1_000_000_000;

/// The header of sends to one queue.
#[derive(Debug)]
pub struct Head {
    bytes: Vec<u8>,
    opaque: Spot,
    born: Range<usize>,
    /// Of a plain send; the messages of a batch carry their own, in the [`Body`].
    marks: Marks,
}

/// What one send says.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Number of the request.
    pub opaque: i32,
    /// Wall-clock ms.
    pub born_at_ms: i64,
    /// Connection.
    pub stream: u16,
    /// Number of the (first) message in its stream.
    pub number: u64,
    /// When it was due, ns.
    pub intended: u64,
    /// When it is written, ns.
    pub written: u64,
    /// Its key.
    pub key: u32,
    /// A delayed message: when it is to be delivered, Unix ms. `intended` is the same on the monotonic clock.
    pub deliver_at_ms: Option<i64>,
}

/// Where the number of a request stands.
#[derive(Clone, Copy, Debug)]
enum Spot {
    /// Ten digits.
    Digits(usize),
    /// A big-endian word.
    Word(usize),
}

impl Head {
    /// Encodes the header of sends to `queue` of `topic`.
    #[must_use]
    pub fn new(shape: &Shape, topic: &str, queue: i32) -> Self {
        let batched = shape.batch > 1;
        let properties = if batched { String::new() } else { shape.properties_text() };
        let header = SendMessageV2 {
            producer_group: &shape.group,
            topic,
            default_topic: "TBW102",
            default_queues: 4,
            queue_id: queue,
            sys_flag: shape.sys_flag | if shape.class == Class::Half { PREPARED } else { 0 },
            born_at_ms: BORN_MARK,
            flag: 0,
            properties: Some(&properties),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(batched),
            broker_name: None,
        };
        let code = if batched { RequestCode::SEND_BATCH_MESSAGE } else { RequestCode::SEND_MESSAGE_V2 };
        let mut bytes = Vec::new();
        let head = RequestHead { codec: shape.codec, code, opaque: OPAQUE_BASE, oneway: shape.oneway };
        encode(&mut bytes, head, &header, &[]);
        let opaque = match shape.codec {
            Codec::Json => Spot::Digits(only(&bytes, OPAQUE_BASE.to_string().as_bytes())),
            Codec::Binary => Spot::Word(only(&bytes, &OPAQUE_BASE.to_be_bytes())),
        };
        let born = only(&bytes, BORN_MARK.to_string().as_bytes());
        let marks = if batched { Marks::default() } else { shape.marks(&bytes) };
        Self { bytes, opaque, born: born..born + 13, marks }
    }

    /// Appends a whole request to what is sent: this header, `bodies[at]`, and what `message` says.
    pub fn send(
        &self,
        (bodies, at): (&[Body], usize),
        copies: &mut Copies,
        out: &mut Outbox,
        message: &Message,
        run: u32,
    ) {
        let body = &bodies[at];
        let Some(copy) = copies.take(bodies, at) else {
            return self.append(body, out.bytes(), message, run);
        };
        self.append_header(body, out.bytes(), message, run);
        body.patch(copy.bytes_mut().expect("nobody sends it"), message, run);
        out.push_slice(copy.lend());
    }

    /// Appends a whole request: this header, `body`, and what `message` says.
    pub fn append(&self, body: &Body, out: &mut Vec<u8>, message: &Message, run: u32) {
        self.append_header(body, out, message, run);
        let at = out.len();
        out.extend_from_slice(body.bytes());
        body.patch(&mut out[at..], message, run);
    }

    fn append_header(&self, body: &Body, out: &mut Vec<u8>, message: &Message, run: u32) {
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        let total = self.bytes.len() - LENGTH_BYTES + body.bytes().len();
        let header = &mut out[at..];
        header[..LENGTH_BYTES].copy_from_slice(&(total as u32).to_be_bytes());
        match self.opaque {
            Spot::Digits(at) => digits(&mut header[at..at + 10], u64::from(message.opaque.unsigned_abs())),
            Spot::Word(at) => header[at..at + 4].copy_from_slice(&message.opaque.to_be_bytes()),
        }
        digits(&mut header[self.born.clone()], message.born_at_ms.unsigned_abs());
        if let Some(crc) = body.plain_crc() {
            self.marks.write(header, message, crc, run);
        }
    }

    /// Bytes of a request with `body`.
    #[must_use]
    pub fn frame_bytes(&self, body: &Body) -> usize {
        self.bytes.len() + body.bytes().len()
    }
}

/// A born time of 13 digits that occurs nowhere else.
const BORN_MARK: i64 = 1_777_777_777_777;
/// `sysFlag` of a half message (Java: `MessageSysFlag`).
const PREPARED: i32 = 4;
/// The first field of a frame, which it does not count itself.
const LENGTH_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use net::{FrameDecoder, FrameLimits, Header, Request, Scratch, batch, properties};

    use super::*;
    use crate::bench::stamp::{self, Stamp};

    fn shape(codec: Codec, batch: usize) -> Shape {
        Shape {
            codec,
            group: "g".into(),
            batch,
            oneway: false,
            java_properties: true,
            stamped: true,
            keyed: true,
            tag: Some("TagA".into()),
            properties: vec![("a".into(), "b".into())],
            sys_flag: 0,
            run: 7,
            class: Class::Plain,
            level: None,
            due_property: None,
        }
    }

    const MESSAGE: Message = Message {
        opaque: OPAQUE_BASE + 7,
        born_at_ms: 1_700_000_000_001,
        stream: 3,
        number: 0xAB,
        intended: 5,
        written: 6,
        key: 0x1F,
        deliver_at_ms: None,
    };

    /// Number, born time, properties and body of what is sent.
    fn decoded(codec: Codec, batch: usize) -> (i32, i64, String, Vec<u8>) {
        let shape = shape(codec, batch);
        let bodies = Body::all(&shape, &[b"hello".to_vec(), b"world!".to_vec()]);
        let head = Head::new(&shape, "BenchTopic", 3);
        let mut bytes = Vec::new();
        head.append(&bodies[0], &mut bytes, &MESSAGE, 7);
        assert_eq!(bytes.len(), head.frame_bytes(&bodies[0]));
        let mut seen = None;
        FrameDecoder::new(FrameLimits::default())
            .feed(&bytes, |frame| {
                let mut scratch = Scratch::default();
                let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
                let fields = match Request::decode(&header).unwrap() {
                    Request::SendMessageV2(fields) | Request::SendBatchMessage(fields) => fields,
                    other => panic!("{other:?}"),
                };
                assert_eq!((fields.queue_id, fields.topic), (3, "BenchTopic"));
                let properties = fields.properties.unwrap_or_default().to_owned();
                seen = Some((header.opaque, fields.born_at_ms, properties, frame.body.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        seen.expect("one frame")
    }

    fn check(properties: &[u8], body: &[u8], number: u64, key: &[u8]) {
        let find = |name| properties::find(properties, name).unwrap();
        assert_eq!(find("UNIQ_KEY"), format!("7F000001000000070003{number:012X}").as_bytes());
        assert_eq!(
            (find("KEYS"), find("TAGS"), find("a"), find("WAIT")),
            (key, &b"TagA"[..], &b"b"[..], &b"true"[..])
        );
        let stamp = Stamp::read(find(stamp::NAME)).unwrap();
        let crc = rt::crc32::hash(body);
        assert_eq!(
            stamp,
            Stamp { run: 7, stream: 3, number, intended: 5, written: 6, crc, later: false, half: false }
        );
    }

    #[test]
    fn a_patched_frame_says_what_was_patched_in() {
        for codec in [Codec::Json, Codec::Binary] {
            let (opaque, born, properties, body) = decoded(codec, 1);
            assert_eq!((opaque, born), (OPAQUE_BASE + 7, 1_700_000_000_001));
            assert_eq!(body, b"hello");
            check(properties.as_bytes(), &body, 0xAB, b"k0000001F");
        }
    }

    #[test]
    fn a_large_body_is_lent_and_each_request_says_its_own_all_the_same() {
        let shape = shape(Codec::Json, 3);
        let bodies = Body::all(&shape, &[vec![b'x'; 4_000], vec![b'y'; 5_000]]);
        let head = Head::new(&shape, "BenchTopic", 3);
        let mut copies = Copies::default();
        let mut sent = Vec::new();
        for request in 0..40_u64 {
            let message = Message { number: request * 3, ..MESSAGE };
            let at = request as usize % bodies.len();
            let mut out = Outbox::default();
            head.send((&bodies, at), &mut copies, &mut out, &message, 7);
            assert_eq!(out.pieces().count(), 2, "a header and a body that was not copied");
            let mut copied = Vec::new();
            head.append(&bodies[at], &mut copied, &message, 7);
            sent.push((out, copied));
            // Five requests are under way at any time: none of them is written to.
            if sent.len() > 5 {
                let (out, copied) = sent.remove(0);
                assert_eq!(out.pieces().collect::<Vec<_>>().concat(), copied, "request {request} - 5");
            }
        }
    }

    #[test]
    fn messages_of_a_batch_have_keys_and_stamps_of_their_own() {
        let (.., body) = decoded(Codec::Json, 3);
        let items: Vec<_> = batch::items(&body).collect::<Result<_, _>>().unwrap();
        assert_eq!(items.len(), 3);
        for (at, (item, key)) in items.iter().zip([b"k0000001F", b"k00000020", b"k00000021"]).enumerate() {
            assert_eq!(item.body, [&b"hello"[..], b"world!", b"hello"][at]);
            check(item.properties, item.body, 0xAB + at as u64, key);
        }
    }
}
