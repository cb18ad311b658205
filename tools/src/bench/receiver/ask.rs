//! [`Ask`]: a pull as it goes over the wire.

use net::Codec;
use net::client::{RequestHead, encode};
use net::requests::{PullMessage, RequestHeader};

/// What a pull asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Header codec.
    pub codec: Codec,
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue.
    pub queue: i32,
    /// First offset wanted.
    pub from: i64,
    /// Tags to read, or an expression; `*` for all.
    pub filter: &'a str,
    /// It is an expression of SQL92.
    pub sql: bool,
    /// Messages at most.
    pub count: i32,
    /// How long the broker may hold it if there is nothing, ms; 0 answers at once.
    pub suspend_ms: i64,
}

/// Appends the pull `ask` with number `opaque`.
pub fn append_pull(out: &mut Vec<u8>, opaque: i32, ask: &Ask<'_>) {
    let suspend = if ask.suspend_ms > 0 { PullMessage::SUSPEND } else { 0 };
    let header = PullMessage {
        max_msg_nums: ask.count,
        sys_flag: PullMessage::SUBSCRIPTION | suspend,
        suspend_timeout_ms: ask.suspend_ms,
        subscription: Some(ask.filter),
        expression_type: Some(if ask.sql { "SQL92" } else { "TAG" }),
        ..PullMessage::everything(ask.group, ask.topic, ask.queue, ask.from)
    };
    let head = RequestHead { codec: ask.codec, code: PullMessage::CODE, opaque, oneway: false };
    encode(out, head, &header, &[]);
}

/// The filter that lets everything pass.
pub const ALL: &str = "*";
