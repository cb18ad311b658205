//! [`Template`]: a send request encoded once; each message is a copy of it with a few digits changed.
//!
//! What a Java producer sends: the one-letter header, `UNIQ_KEY` (unique per message) and `WAIT=true`; what differs
//! between two messages is the number, the born time, the key and the body, and all of these have a fixed width.

use std::ops::Range;

use net::batch::{self, Item};
use net::client::{RequestHead, encode};
use net::requests::SendMessageV2;
use net::{Codec, RequestCode};

use crate::load::OPAQUE_BASE;

/// What all messages of a template have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// How headers are spelled.
    pub(crate) codec: Codec,
    /// Topic.
    pub(crate) topic: String,
    /// Queue of the topic.
    pub(crate) queue: i32,
    /// Bytes of a body, at least 8.
    pub(crate) size: usize,
    /// Messages in a request: 1 is a plain send.
    pub(crate) batch: usize,
    /// Whether each message carries the properties that a Java producer adds.
    pub(crate) properties: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    opaque: Spot,
    born: Range<usize>,
    keys: Vec<Range<usize>>,
    bodies: Vec<Range<usize>>,
}

/// Where the number of a request stands.
#[derive(Clone, Copy, Debug)]
enum Spot {
    /// Ten digits.
    Digits(usize),
    /// A big-endian word.
    Word(usize),
}

impl Template {
    /// Encodes the request of `shape`.
    pub(crate) fn new(shape: &Shape) -> Self {
        assert!(shape.size >= STAMP_BYTES && shape.batch > 0);
        let payload = payload(shape.size);
        let properties = if shape.properties { PROPERTIES } else { "" };
        let batched = shape.batch > 1;
        let mut body = Vec::new();
        if batched {
            let item = Item { flag: 0, body: &payload, properties: properties.as_bytes() };
            (0..shape.batch).for_each(|_| batch::append(&mut body, &item));
        } else {
            body = payload.clone();
        }
        let header = SendMessageV2 {
            producer_group: "benches",
            topic: &shape.topic,
            default_topic: "TBW102",
            default_queues: 4,
            queue_id: shape.queue,
            sys_flag: 0,
            born_at_ms: BORN_MARK,
            flag: 0,
            properties: Some(properties),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(batched),
            broker_name: None,
        };
        let code = if batched { RequestCode::SEND_BATCH_MESSAGE } else { RequestCode::SEND_MESSAGE_V2 };
        let mut bytes = Vec::new();
        let head = RequestHead { codec: shape.codec, code, opaque: OPAQUE_BASE, oneway: false };
        encode(&mut bytes, head, &header, &body);
        Self::locate(bytes, shape, body.len())
    }

    fn locate(bytes: Vec<u8>, shape: &Shape, body_bytes: usize) -> Self {
        let body_at = bytes.len() - body_bytes;
        let mark = OPAQUE_BASE.to_string();
        let opaque = match shape.codec {
            Codec::Json => Spot::Digits(only(&bytes[..body_at], mark.as_bytes())),
            Codec::Binary => Spot::Word(only(&bytes[..body_at], &OPAQUE_BASE.to_be_bytes())),
        };
        let born = only(&bytes[..body_at], BORN_MARK.to_string().as_bytes());
        let keys = all(&bytes, KEY_MARK.as_bytes()).map(|at| at..at + KEY_MARK.len()).collect();
        let bodies: Vec<_> = all(&bytes, &[STAMP_MARK; STAMP_BYTES]).map(|at| at..at + STAMP_BYTES).collect();
        assert_eq!(bodies.len(), shape.batch, "each body has its stamp");
        Self { bytes, opaque, born: born..born + 13, keys, bodies }
    }

    /// Appends a request with number `opaque` whose first message is number `first`; `stamp` goes into the first eight
    /// bytes of each body, counting up.
    pub(crate) fn append(&self, out: &mut Vec<u8>, opaque: i32, born_at_ms: i64, first: u64, stamp: u64) {
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[at..];
        match self.opaque {
            Spot::Digits(at) => digits(&mut frame[at..at + 10], u64::from(opaque.unsigned_abs())),
            Spot::Word(at) => frame[at..at + 4].copy_from_slice(&opaque.to_be_bytes()),
        }
        digits(&mut frame[self.born.clone()], born_at_ms.unsigned_abs());
        for (key, number) in self.keys.iter().zip(first..) {
            hex(&mut frame[key.clone()], number);
        }
        for (body, stamp) in self.bodies.iter().zip(stamp..) {
            frame[body.clone()].copy_from_slice(&stamp.to_be_bytes());
        }
    }

    /// Messages in a request.
    pub(crate) fn messages(&self) -> u64 {
        self.bodies.len() as u64
    }
}

/// Bytes at the start of a body that differ from message to message.
pub(crate) const STAMP_BYTES: usize = 8;
/// A born time of 13 digits that occurs nowhere else.
const BORN_MARK: i64 = 1_777_777_777_777;
/// Stands where a stamp will; no text contains it.
const STAMP_MARK: u8 = 0xFF;
/// The half of the unique key that changes.
const KEY_MARK: &str = "FEDCBA9876543210";
const PROPERTIES: &str = "UNIQ_KEY\u{1}7F0000010BEC0000FEDCBA9876543210\u{2}WAIT\u{1}true\u{2}";

/// A body that does not compress to nothing: printable, without a period that a block size divides.
fn payload(size: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state >> 33) as u8 % 95
    };
    (0..size).map(|at| if at < STAMP_BYTES { STAMP_MARK } else { next() }).collect()
}

fn all<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(mark.len()).enumerate().filter(move |(_, window)| *window == mark).map(|(at, _)| at)
}

fn only(bytes: &[u8], mark: &[u8]) -> usize {
    let mut found = all(bytes, mark);
    let at = found.next().expect("the mark was just encoded");
    assert!(found.next().is_none(), "the mark occurs once");
    at
}

fn digits(out: &mut [u8], mut value: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn hex(out: &mut [u8], mut value: u64) {
    for place in out.iter_mut().rev() {
        *place = b"0123456789ABCDEF"[(value & 15) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use net::{FrameDecoder, FrameLimits, Header, Request, Scratch};

    use super::*;

    fn shape(codec: Codec, batch: usize) -> Shape {
        Shape { codec, topic: "BenchTopic".into(), queue: 3, size: 100, batch, properties: true }
    }

    fn decoded(codec: Codec, batch: usize) -> (i32, i64, String, Vec<u8>) {
        let mut bytes = Vec::new();
        let template = Template::new(&shape(codec, batch));
        template.append(&mut bytes, OPAQUE_BASE + 7, 1_700_000_000_001, 0xAB, 42);
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
                let properties = fields.properties.unwrap().to_owned();
                seen = Some((header.opaque, fields.born_at_ms, properties, frame.body.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        seen.expect("one frame")
    }

    #[test]
    fn a_patched_frame_says_what_was_patched_in() {
        for codec in [Codec::Json, Codec::Binary] {
            let (opaque, born, properties, body) = decoded(codec, 1);
            assert_eq!((opaque, born), (OPAQUE_BASE + 7, 1_700_000_000_001));
            assert!(properties.contains("7F0000010BEC000000000000000000AB"), "{properties:?}");
            assert_eq!((body.len(), &body[..8]), (100, &42u64.to_be_bytes()[..]));
        }
    }

    #[test]
    fn messages_of_a_batch_have_keys_and_stamps_of_their_own() {
        let (.., body) = decoded(Codec::Json, 3);
        let items: Vec<_> = batch::items(&body).collect::<Result<_, _>>().unwrap();
        assert_eq!(items.len(), 3);
        for (at, item) in items.iter().enumerate() {
            assert_eq!(&item.body[..8], &(42 + at as u64).to_be_bytes());
        }
        assert!(items.iter().zip(&items[1..]).all(|(a, b)| a.properties != b.properties));
    }
}
