//! [`Sends`]: sends as `ringmq bench` makes them (its templates), for whoever hands them over without it, and the answer
//! that they get.

use net::Codec;
use net::requests::SendMessageReply;
use ringmq::bench::act::Class;
use ringmq::bench::template::{Body, Head, Message, OPAQUE_BASE, Shape};

/// Sends of 1 KiB to the queues of one topic in turn.
pub(crate) struct Sends {
    heads: Vec<Head>,
    body: Body,
    made: u64,
}

/// Bytes of a body.
pub(crate) const SIZE: usize = 1024;
/// Queues of the topic: as many as a broker gives to one made on the fly by these sends.
pub(crate) const QUEUES: u32 = 4;

/// What such a send looks like, with `batch` messages in a request.
pub(crate) fn shape(codec: Codec, group: &str, batch: usize) -> Shape {
    Shape {
        codec,
        group: group.into(),
        batch,
        oneway: false,
        java_properties: true,
        stamped: false,
        keyed: false,
        tag: None,
        properties: Vec::new(),
        sys_flag: 0,
        run: RUN,
        class: Class::Plain,
        level: None,
        due_property: None,
    }
}

/// What a broker answers to one.
pub(crate) const ANSWER: SendMessageReply<'static> = SendMessageReply {
    queue_id: 3,
    msg_id: "7F00000100002A9F0000000000001234",
    queue_offset: 42_000_000,
    transaction_id: Some("7F000001ABCD18B4AAC2000000000001"),
    batch_uniq_id: None,
    recall_handle: None,
    region: Some("DefaultRegion"),
    trace_on: Some(true),
};

impl Sends {
    /// With `batch` messages in a request.
    pub(crate) fn new(codec: Codec, topic: &str, batch: usize) -> Self {
        let shape = shape(codec, "benches", batch);
        let head = |queue| Head::new(&shape, topic, i32::try_from(queue).expect("few queues"));
        let mut bodies = Body::all(&shape, &[payload()]);
        Self { heads: (0..QUEUES).map(head).collect(), body: bodies.remove(0), made: 0 }
    }

    /// Appends the next request.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, now_ms: i64) {
        let head = &self.heads[(self.made % u64::from(QUEUES)) as usize];
        let opaque = OPAQUE_BASE + i32::try_from(self.made % 1_000_000).expect("below a million");
        let number = self.made * self.body.messages();
        let message = Message {
            opaque,
            born_at_ms: now_ms,
            stream: 0,
            number,
            intended: 0,
            written: 0,
            key: 0,
            deliver_at_ms: None,
        };
        head.append(&self.body, out, &message, RUN);
        self.made += 1;
    }
}

const RUN: u32 = 1;

/// Printable, and without a period.
fn payload() -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state >> 33) as u8 % 95
    };
    (0..SIZE).map(|_| next()).collect()
}
