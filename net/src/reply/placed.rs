//! [`PlacedReplies`]: the answer that nearly every send gets, from what the last one and this one have in common.
//!
//! Written field by field it was a sixth of the instructions of a send (`cargo xtask instructions`). So there is room for
//! the longest one, and its pieces are copied with what lies behind them: a copy whose length the compiler knows is a few
//! moves, and the next piece overwrites what was too much.

use std::net::SocketAddr;

use rt::Outbox;

use super::{ReplyTo, with_body};
use crate::header::write::{any_needs_escape, pairs_of};
use crate::message_id::{OFFSET_ID_CHARS_MAX, OffsetMessageId, hex_of_offset};
use crate::requests::SendMessageReply;
use crate::{Codec, ResponseCode, frame};

/// What all JSON answers of one broker to sends of one message have in common.
#[derive(Debug)]
pub struct PlacedReplies {
    region: String,
    trace_on: bool,
    store_host: SocketAddr,
    /// Between the queue and the offset in the message's id.
    host: Piece<HOST_ROOM>,
    /// Between the fields of the message and the opaque. `None` if the region is too long a name for it.
    tail: Option<Piece<TAIL_ROOM>>,
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
        let host = format!("\",\"msgId\":\"{}", &id[..id.len() - hex_of_offset(0).len()]);
        let tail = format!(
            "\",\"MSG_REGION\":\"{region}\",\"TRACE_ON\":\"{trace_on}\"}},\"flag\":1,\"language\":\"JAVA\",\"opaque\":"
        );
        let is_plain = !any_needs_escape(region.as_bytes());
        Self {
            region: region.to_owned(),
            trace_on,
            store_host,
            host: Piece::new(&host).expect("the longest address fits"),
            tail: Piece::new(&tail).filter(|_| is_plain),
        }
    }

    /// Appends the answer: success, and where the message lies. For requests in JSON.
    pub fn write(&self, out: &mut Outbox, to: ReplyTo, placed: &Placed<'_>) {
        debug_assert_eq!(to.codec, Codec::Json, "the caller's choice");
        if self.write_pieces(out.bytes(), to.opaque, placed).is_none() {
            self.write_fields(out, to, placed);
        }
    }

    /// `None`, with nothing written, if something in it is longer than ever seen, negative, or has to be escaped.
    fn write_pieces(&self, out: &mut Vec<u8>, opaque: i32, placed: &Placed<'_>) -> Option<()> {
        let tail = self.tail.as_ref()?;
        let (queue_id, opaque) = (u64::try_from(placed.queue_id).ok()?, u64::try_from(opaque).ok()?);
        let queue_offset = u64::try_from(placed.queue_offset).ok()?;
        let key = placed.unique_key;
        if key.len() > KEY_BYTES_MAX || any_needs_escape(key) {
            return None;
        }
        let at = out.len();
        out.resize(at + ROOM, 0);
        let room = out[at..].first_chunk_mut().expect("it was made");
        let mut pieces = Pieces { room, end: frame::PREFIX_BYTES };
        pieces.literal(br#"{"code":0,"extFields":{"queueId":""#);
        pieces.decimal(queue_id);
        pieces.piece(&self.host);
        pieces.literal(&hex_of_offset(placed.offset));
        pieces.literal(br#"","queueOffset":""#);
        pieces.decimal(queue_offset);
        if !key.is_empty() {
            pieces.literal(br#"","transactionId":""#);
            pieces.text(key);
        }
        pieces.piece(tail);
        pieces.decimal(opaque);
        pieces.literal(br#","serializeTypeCurrentRPC":"JSON","version":515}"#);
        let end = at + pieces.end;
        out.truncate(end);
        frame::finish(out, at, Codec::Json, end, 0);
        Some(())
    }

    #[cold]
    fn write_fields(&self, out: &mut Outbox, to: ReplyTo, placed: &Placed<'_>) {
        let id = OffsetMessageId { host: self.store_host, offset: placed.offset };
        let mut chars = [0; OFFSET_ID_CHARS_MAX];
        let key = String::from_utf8_lossy(placed.unique_key);
        let row = SendMessageReply {
            msg_id: id.format(&mut chars),
            queue_id: placed.queue_id,
            queue_offset: placed.queue_offset,
            transaction_id: Some(&*key).filter(|key| !key.is_empty()),
            batch_uniq_id: None,
            recall_handle: None,
            region: Some(&self.region),
            trace_on: Some(self.trace_on),
        };
        with_body(out, to, ResponseCode::SUCCESS, None, &row, &[]);
    }
}

/// A text with room behind it.
#[derive(Debug)]
struct Piece<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Piece<N> {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len: text.len() })
    }
}

/// An answer as far as it is written. What lies behind `end` is left over from copies that were too long.
struct Pieces<'o> {
    room: &'o mut [u8; ROOM],
    end: usize,
}

impl Pieces<'_> {
    #[inline]
    fn literal<const N: usize>(&mut self, text: &[u8; N]) {
        self.room[self.end..self.end + N].copy_from_slice(text);
        self.end += N;
    }

    #[inline]
    fn piece<const N: usize>(&mut self, piece: &Piece<N>) {
        self.room[self.end..self.end + N].copy_from_slice(&piece.bytes);
        self.end += piece.len;
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        self.room[self.end..self.end + text.len()].copy_from_slice(text);
        self.end += text.len();
    }

    #[expect(clippy::inline_always, reason = "three calls a send; as a call of its own it cost a third more")]
    #[inline(always)]
    fn decimal(&mut self, value: u64) {
        let digits = if value < 10 { 1 } else { value.ilog10() as usize + 1 };
        pairs_of(value, &mut self.room[self.end..self.end + digits]);
        self.end += digits;
    }
}

/// Longer keys are written field by field; a client's have 32 characters.
const KEY_BYTES_MAX: usize = 64;
const HOST_ROOM: usize = 64;
/// For a region of some forty characters.
const TAIL_ROOM: usize = 128;
const DECIMAL_MAX: usize = 20;
/// Of the longest answer: its literals, three numbers, the offset in hex, and the pieces.
const ROOM: usize = 192 + 3 * DECIMAL_MAX + 16 + HOST_ROOM + KEY_BYTES_MAX + TAIL_ROOM;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(write: impl FnOnce(&mut Outbox)) -> Vec<u8> {
        let mut out = Outbox::default();
        write(&mut out);
        std::mem::take(out.bytes())
    }

    /// Most of them plain, as clients spell them.
    fn text(plain: &'static str) -> impl Strategy<Value = String> {
        prop_oneof![2 => plain, 1 => "[\\x01-\\x{2ff}]{0,60}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        #[test]
        fn the_answer_is_that_of_the_row(
            (region, key) in (text("[a-zA-Z]{0,60}"), text("[0-9A-F]{0,70}")),
            (trace_on, v6) in any::<(bool, bool)>(),
            (offset, queue_id, queue_offset, opaque) in any::<(u64, i32, i64, i32)>(),
            shift in 0..63_u32,
        ) {
            let host: SocketAddr = if v6 { "[2001:db8::1]:10911" } else { "10.1.2.3:10911" }.parse().unwrap();
            // Numbers of every length, some of them negative.
            let (queue_id, opaque) = (queue_id >> (shift % 31), opaque >> (shift % 31));
            let queue_offset = queue_offset >> shift;
            let to = ReplyTo { codec: Codec::Json, opaque };
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
