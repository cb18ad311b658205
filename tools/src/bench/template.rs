//! Send requests encoded once; each message is two copies (header, body) with some digits changed. Large bodies are not
//! even copied ([`Copies`]).
//!
//! What a Java producer sends: the one-letter header, `UNIQ_KEY` (unique per message) and `WAIT=true`; what differs
//! between two messages is the number, the born time, the keys, the stamp and the body, and all of these but the body
//! have a fixed width. A [`Head`] belongs to a queue, a [`Body`] to a payload; any head goes with any body. A warm send
//! allocates nothing.

use std::ops::Range;

use net::batch::{self, Item};
use net::client::{RequestHead, encode};
use net::properties::{self as wire, keys};
use net::requests::SendMessageV2;
use net::{Codec, RequestCode};

use rt::Outbox;

use super::act::Class;
use super::stamp::{self, Stamp, hex};

mod copies;

pub use copies::Copies;

/// First number of a request, so that all have ten digits and are patched in place.
pub const OPAQUE_BASE: i32 = 1_000_000_000;

/// What all messages of a run have in common.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How headers are spelled.
    pub codec: Codec,
    /// Producer group.
    pub group: String,
    /// Messages in a request: 1 is a plain send.
    pub batch: usize,
    /// No answers wanted.
    pub oneway: bool,
    /// Each message carries UNIQ_KEY and WAIT, as those of a Java producer.
    pub java_properties: bool,
    /// Each message carries a [`Stamp`].
    pub stamped: bool,
    /// Each message carries KEYS.
    pub keyed: bool,
    /// TAGS of each message.
    pub tag: Option<String>,
    /// Other properties of each message.
    pub properties: Vec<(String, String)>,
    /// `sysFlag`: whether bodies are compressed, and how.
    pub sys_flag: i32,
    /// Which run this is: part of unique keys.
    pub run: u32,
    /// What its messages are.
    pub class: Class,
    /// Delayed messages: their level; without one they say when they are due.
    pub level: Option<u32>,
    /// Delayed messages carry their due time under this name too (RocketMQ's timer benchmark does).
    pub due_property: Option<String>,
}

/// The header of sends to one queue.
#[derive(Debug)]
pub struct Head {
    bytes: Vec<u8>,
    opaque: Spot,
    born: Range<usize>,
    /// Of a plain send; the items of a batch carry their own.
    marks: Marks,
}

/// The body of a send.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    items: Vec<(Marks, u32)>,
    payload_bytes: usize,
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

/// Where the parts of one message's properties stand.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    unique: Option<usize>,
    key: Option<usize>,
    stamp: Option<usize>,
    /// Due time of a delayed message, and the same under a name of the user's.
    due: [Option<usize>; 2],
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
        out.extend_from_slice(&body.bytes);
        body.patch(&mut out[at..], message, run);
    }

    fn append_header(&self, body: &Body, out: &mut Vec<u8>, message: &Message, run: u32) {
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        let total = self.bytes.len() - LENGTH_BYTES + body.bytes.len();
        let header = &mut out[at..];
        header[..LENGTH_BYTES].copy_from_slice(&(total as u32).to_be_bytes());
        match self.opaque {
            Spot::Digits(at) => digits(&mut header[at..at + 10], u64::from(message.opaque.unsigned_abs())),
            Spot::Word(at) => header[at..at + 4].copy_from_slice(&message.opaque.to_be_bytes()),
        }
        digits(&mut header[self.born.clone()], message.born_at_ms.unsigned_abs());
        if let [(none, crc)] = &body.items[..]
            && none.is_empty()
        {
            self.marks.write(header, message, *crc, run);
        }
    }

    /// Bytes of a request with `body`.
    #[must_use]
    pub fn frame_bytes(&self, body: &Body) -> usize {
        self.bytes.len() + body.bytes.len()
    }
}

impl Body {
    /// Bodies from `payloads`, each with as many messages as a request has; `payloads` are taken in turn.
    #[must_use]
    pub fn all(shape: &Shape, payloads: &[Vec<u8>]) -> Vec<Self> {
        let crcs: Vec<u32> = payloads.iter().map(|payload| crc32fast::hash(payload)).collect();
        (0..payloads.len())
            .map(|first| {
                let chosen = |item: usize| (first * shape.batch + item) % payloads.len();
                Self::of(
                    shape,
                    (0..shape.batch).map(|item| (&payloads[chosen(item)][..], crcs[chosen(item)])),
                )
            })
            .collect()
    }

    fn of<'p>(shape: &Shape, payloads: impl Iterator<Item = (&'p [u8], u32)>) -> Self {
        let mut all = Self { bytes: Vec::new(), items: Vec::new(), payload_bytes: 0 };
        if shape.batch == 1 {
            for (payload, crc) in payloads {
                all.bytes.extend_from_slice(payload);
                all.items.push((Marks::default(), crc));
                all.payload_bytes += payload.len();
            }
            return all;
        }
        let properties = shape.properties_text();
        for (payload, crc) in payloads {
            let at = all.bytes.len();
            batch::append(
                &mut all.bytes,
                &Item { flag: 0, body: payload, properties: properties.as_bytes() },
            );
            // Properties are the end of an item.
            let from = all.bytes.len() - properties.len();
            debug_assert!(from >= at);
            all.items.push((shape.marks(&all.bytes[from..]).moved(from), crc));
            all.payload_bytes += payload.len();
        }
        all
    }

    /// Writes what `message` and those behind it say into `bytes`, a copy of this.
    fn patch(&self, bytes: &mut [u8], message: &Message, run: u32) {
        let mut message = *message;
        for (marks, crc) in self.items.iter().filter(|(marks, _)| !marks.is_empty()) {
            marks.write(bytes, &message, *crc, run);
            message.number += 1;
            message.key = message.key.wrapping_add(1);
        }
    }

    /// Messages in it.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.items.len() as u64
    }

    /// Bytes of the messages' bodies.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes as u64
    }
}

impl Shape {
    fn properties_text(&self) -> String {
        let mut text = String::new();
        let mut add = |name: &str, value: &str| {
            text.push_str(name);
            text.push(wire::NAME_VALUE as char);
            text.push_str(value);
            text.push(wire::ENTRY_END as char);
        };
        if self.keyed {
            add(keys::KEYS, KEY_MARK);
        }
        if let Some(tag) = &self.tag {
            add(keys::TAGS, tag);
        }
        self.properties.iter().for_each(|(name, value)| add(name, value));
        match (self.class, self.level) {
            (Class::Plain, _) => {}
            (Class::Half, _) => {
                add(keys::TRAN_MSG, "true");
                add(keys::PGROUP, &self.group);
            }
            (Class::Later, Some(level)) => add(keys::DELAY, &level.to_string()),
            (Class::Later, None) => add(keys::TIMER_DELIVER_MS, DUE_MARK),
        }
        if let (Class::Later, Some(name)) = (self.class, &self.due_property) {
            add(name, DUE_MARK_2);
        }
        if self.java_properties || self.class == Class::Half {
            add(keys::UNIQ_KEY, &format!("7F000001{:08X}{UNIQUE_MARK}", self.run));
            add(keys::WAIT, "true");
        }
        if self.stamped {
            add(stamp::NAME, STAMP_MARK);
        }
        text
    }

    fn marks(&self, bytes: &[u8]) -> Marks {
        let find = |wanted: bool, mark: &str| wanted.then(|| only(bytes, mark.as_bytes()));
        Marks {
            unique: find(self.java_properties || self.class == Class::Half, UNIQUE_MARK),
            key: find(self.keyed, KEY_MARK),
            stamp: find(self.stamped, STAMP_MARK),
            due: [
                find(self.class == Class::Later && self.level.is_none(), DUE_MARK),
                find(self.class == Class::Later && self.due_property.is_some(), DUE_MARK_2),
            ],
        }
    }
}

impl Marks {
    fn is_empty(&self) -> bool {
        self.unique.is_none() && self.key.is_none() && self.stamp.is_none() && self.due == [None; 2]
    }

    fn moved(self, by: usize) -> Self {
        let add = |at: Option<usize>| at.map(|at| at + by);
        Self { unique: add(self.unique), key: add(self.key), stamp: add(self.stamp), due: self.due.map(add) }
    }

    fn write(&self, bytes: &mut [u8], message: &Message, crc: u32, run: u32) {
        if let Some(at) = self.unique {
            let number = u64::from(message.stream) << 48 | message.number;
            hex(&mut bytes[at..at + UNIQUE_MARK.len()], number);
        }
        if let Some(at) = self.key {
            hex(&mut bytes[at + 1..at + KEY_MARK.len()], u64::from(message.key));
        }
        if let Some(due) = message.deliver_at_ms {
            for at in self.due.into_iter().flatten() {
                digits(&mut bytes[at..at + DUE_MARK.len()], due.unsigned_abs());
            }
        }
        if let Some(at) = self.stamp {
            let Message { stream, number, intended, written, .. } = *message;
            let later = message.deliver_at_ms.is_some();
            Stamp { run, stream, number, intended, written, crc, later }
                .write(&mut bytes[at..at + stamp::CHARS]);
        }
    }
}

/// A born time of 13 digits that occurs nowhere else.
const BORN_MARK: i64 = 1_777_777_777_777;
/// The half of the unique key that changes.
const UNIQUE_MARK: &str = "FEDCBA9876543210";
/// A key; all but its first letter changes.
const KEY_MARK: &str = "kZZZZZZZZ";
const STAMP_MARK: &str = "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS";
/// Due times of 13 digits that occur nowhere else.
const DUE_MARK: &str = "1888888888888";
const DUE_MARK_2: &str = "1999999999999";
/// `sysFlag` of a half message (Java: `MessageSysFlag`).
const PREPARED: i32 = 4;
const _: () = assert!(STAMP_MARK.len() == stamp::CHARS);
/// Texts that may occur in no property: they mark what is patched.
pub const MARKS: [&str; 7] =
    [UNIQUE_MARK, KEY_MARK, STAMP_MARK, DUE_MARK, DUE_MARK_2, "1777777777777", "1000000000"];
/// The first field of a frame, which it does not count itself.
const LENGTH_BYTES: usize = 4;

fn only(bytes: &[u8], mark: &[u8]) -> usize {
    let mut found = bytes.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
    let (at, _) = found.next().expect("the mark was just encoded");
    assert!(found.next().is_none(), "the mark occurs once");
    at
}

fn digits(out: &mut [u8], mut value: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use net::{FrameDecoder, FrameLimits, Header, Request, Scratch, properties};

    use super::*;

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
        let crc = crc32fast::hash(body);
        assert_eq!(stamp, Stamp { run: 7, stream: 3, number, intended: 5, written: 6, crc, later: false });
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
