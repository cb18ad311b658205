//! Answers into an [`Outbox`]: in the codec of the request, exactly as Java would have written them.
//!
//! Nothing here allocates beyond growing the outbox's own buffer, which its connection reuses. The functions differ
//! in where the body comes from; all of them leave a whole frame behind.

mod placed;

pub use placed::{Placed, PlacedReplies};
use rt::{Outbox, SharedSlice};

use crate::fields::Fields;
use crate::header::write::{self, Members};
use crate::header::{FLAG_RESPONSE, Header};
use crate::requests::NoHeader;
use crate::{Codec, ResponseCode, frame};

/// What an answer takes from its request. Small, so that a parked pull keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// Answer in the codec of the request.
    pub codec: Codec,
    /// Correlates them.
    pub opaque: i32,
}

impl ReplyTo {
    /// Of a request that wants an answer; `None` for oneway requests and for answers.
    #[must_use]
    pub fn of(codec: Codec, header: &Header<'_>) -> Option<Self> {
        let wanted = !header.is_response() && !header.is_oneway();
        wanted.then_some(Self { codec, opaque: header.opaque })
    }

    fn members<'a>(self, code: ResponseCode, remark: Option<&'a str>) -> Members<'a> {
        Members { code: code.0, flag: FLAG_RESPONSE, opaque: self.opaque, remark }
    }
}

/// Appends an answer without ext fields and body: an error, or a plain OK.
pub fn plain(out: &mut Outbox, to: ReplyTo, code: ResponseCode, remark: Option<&str>) {
    with_body(out, to, code, remark, &NoHeader {}, &[]);
}

/// Appends an answer whose body lies ready as bytes (they are copied).
pub fn with_body<F: Fields>(
    out: &mut Outbox,
    to: ReplyTo,
    code: ResponseCode,
    remark: Option<&str>,
    header: &F,
    body: &[u8],
) {
    let bytes = out.bytes();
    let at = frame::begin(bytes);
    write::header(bytes, to.codec, &to.members(code, remark), header);
    let header_end = bytes.len();
    bytes.extend_from_slice(body);
    frame::finish(bytes, at, to.codec, header_end, body.len());
}

/// Appends an answer whose body `fill` writes behind the header, without a buffer of its own.
pub fn with_body_written<F: Fields>(
    out: &mut Outbox,
    to: ReplyTo,
    code: ResponseCode,
    remark: Option<&str>,
    header: &F,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let bytes = out.bytes();
    let at = frame::begin(bytes);
    write::header(bytes, to.codec, &to.members(code, remark), header);
    let header_end = bytes.len();
    fill(bytes);
    let body_bytes = bytes.len() - header_end;
    frame::finish(bytes, at, to.codec, header_end, body_bytes);
}

/// Appends an answer whose body is memory of somebody else, by reference: a pull. `slices` may be drained from a list
/// that is reused.
///
/// # Panics
/// If `slices` together are not `body_bytes` long.
pub fn with_slices<F: Fields>(
    out: &mut Outbox,
    to: ReplyTo,
    code: ResponseCode,
    remark: Option<&str>,
    header: &F,
    body_bytes: usize,
    slices: impl IntoIterator<Item = SharedSlice>,
) {
    let bytes = out.bytes();
    let at = frame::begin(bytes);
    write::header(bytes, to.codec, &to.members(code, remark), header);
    let header_end = bytes.len();
    frame::finish(bytes, at, to.codec, header_end, body_bytes);
    let before = out.len();
    for slice in slices {
        out.push_slice(slice);
    }
    assert_eq!(out.len() - before, body_bytes, "a body shorter or longer than its frame says");
}

/// The remark Java gives with REQUEST_CODE_NOT_SUPPORTED, its leading blank included.
#[must_use]
pub fn not_supported_remark(code: i32) -> String {
    format!(" request type {code} not supported")
}
