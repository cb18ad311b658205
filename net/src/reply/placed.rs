//! [`PlacedReplies`]: the answer that nearly every send gets, from what the last one and this one have in common.
//!
//! Written field by field it was a sixth of the instructions of a send (`cargo xtask instructions`).

use std::net::SocketAddr;

use rt::Outbox;

use super::ReplyTo;
use crate::header::write::{decimal, escaped};
use crate::message_id::{OffsetMessageId, hex_of_offset};
use crate::{Codec, frame};

/// What all JSON answers of one broker to sends of one message have in common.
#[derive(Debug)]
pub struct PlacedReplies {
    /// Between the queue and the offset in the message's id.
    host: Vec<u8>,
    /// Between the fields of the message and the opaque.
    tail: Vec<u8>,
}

/// Where a message lies.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// Of its record in the log.
    pub offset: u64,
    /// The queue it went to.
    pub queue_id: i32,
    /// Its place there.
    pub queue_offset: i64,
    /// `UNIQ_KEY` in UTF-8, which comes back as the transaction id; empty if there is none.
    pub unique_key: &'a [u8],
}

impl PlacedReplies {
    /// For a broker in `region` whose records say `store_host`.
    #[must_use]
    pub fn new(region: &str, trace_on: bool, store_host: SocketAddr) -> Self {
        let id = OffsetMessageId { host: store_host, offset: 0 }.to_string();
        let mut host = br#"","msgId":""#.to_vec();
        host.extend_from_slice(&id.as_bytes()[..id.len() - hex_of_offset(0).len()]);
        let mut tail = br#"","MSG_REGION":""#.to_vec();
        escaped(&mut tail, region.as_bytes());
        tail.extend_from_slice(br#"","TRACE_ON":""#);
        tail.extend_from_slice(if trace_on { b"true" } else { b"false" });
        tail.extend_from_slice(br#""},"flag":1,"language":"JAVA","opaque":"#);
        Self { host, tail }
    }

    /// Appends the answer: success, and where the message lies. For requests in JSON.
    pub fn write(&self, out: &mut Outbox, to: ReplyTo, placed: &Placed<'_>) {
        debug_assert_eq!(to.codec, Codec::Json, "the caller's choice");
        let bytes = out.bytes();
        let at = frame::begin(bytes);
        bytes.extend_from_slice(br#"{"code":0,"extFields":{"queueId":""#);
        decimal(bytes, i64::from(placed.queue_id));
        bytes.extend_from_slice(&self.host);
        bytes.extend_from_slice(&hex_of_offset(placed.offset));
        bytes.extend_from_slice(br#"","queueOffset":""#);
        decimal(bytes, placed.queue_offset);
        if !placed.unique_key.is_empty() {
            bytes.extend_from_slice(br#"","transactionId":""#);
            escaped(bytes, placed.unique_key);
        }
        bytes.extend_from_slice(&self.tail);
        decimal(bytes, i64::from(to.opaque));
        bytes.extend_from_slice(br#","serializeTypeCurrentRPC":"JSON","version":515}"#);
        let header_end = bytes.len();
        frame::finish(bytes, at, Codec::Json, header_end, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ResponseCode;
    use crate::reply::with_body;
    use crate::requests::SendMessageReply;

    fn bytes_of(write: impl FnOnce(&mut Outbox)) -> Vec<u8> {
        let mut out = Outbox::default();
        write(&mut out);
        std::mem::take(out.bytes())
    }

    proptest! {
        #[test]
        fn the_answer_is_that_of_the_row(
            (region, key) in ("\\PC{0,8}", "[\\x01-\\x{2ff}]{0,60}"),
            (trace_on, v6) in any::<(bool, bool)>(),
            (offset, queue_id, queue_offset, opaque) in any::<(u64, u16, u32, i32)>(),
        ) {
            let host: SocketAddr = if v6 { "[2001:db8::1]:10911" } else { "10.1.2.3:10911" }.parse().unwrap();
            let to = ReplyTo { codec: Codec::Json, opaque };
            let (queue_id, queue_offset) = (i32::from(queue_id), i64::from(queue_offset));
            let placed = Placed { offset, queue_id, queue_offset, unique_key: key.as_bytes() };
            let quick = bytes_of(|out| PlacedReplies::new(&region, trace_on, host).write(out, to, &placed));
            let row = SendMessageReply {
                msg_id: &OffsetMessageId { host, offset }.to_string(),
                queue_id,
                queue_offset,
                transaction_id: Some(&*key).filter(|key| !key.is_empty()),
                batch_uniq_id: None,
                recall_handle: None,
                region: Some(&region),
                trace_on: Some(trace_on),
            };
            let slow = bytes_of(|out| with_body(out, to, ResponseCode::SUCCESS, None, &row, &[]));
            prop_assert_eq!(String::from_utf8_lossy(&quick), String::from_utf8_lossy(&slow));
        }
    }
}
