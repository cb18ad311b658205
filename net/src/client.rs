//! The client side: requests out, answers in.
//!
//! [`Calls`] is the bookkeeping alone, for reactors that own their sockets (broker registration); [`Client`] is a
//! blocking connection for tools and tests. Both number their requests themselves: `opaque` spaces of the two
//! directions of a connection are told apart by the response bit.

mod answer;
mod blocking;
mod calls;

pub use answer::{Answer, ClientError};
pub use blocking::{Client, ClientOptions, PushReply};
pub use calls::{Calls, TooManyCalls};

use crate::fields::Fields;
use crate::header::FLAG_ONEWAY;
use crate::header::write::{self, Members};
use crate::{Codec, RequestCode, frame};

/// What a request is beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// How its header is spelled.
    pub codec: Codec,
    /// Which one it is.
    pub code: RequestCode,
    /// The sender's number for it.
    pub opaque: i32,
    /// No answer wanted.
    pub oneway: bool,
}

/// Appends a request to bytes to be sent.
pub fn encode<F: Fields>(out: &mut Vec<u8>, head: RequestHead, header: &F, body: &[u8]) {
    let at = frame::begin(out);
    let flag = if head.oneway { FLAG_ONEWAY } else { 0 };
    let members = Members { code: head.code.0, flag, opaque: head.opaque, remark: None };
    write::header(out, head.codec, &members, header);
    let header_end = out.len();
    out.extend_from_slice(body);
    frame::finish(out, at, head.codec, header_end, body.len());
}
