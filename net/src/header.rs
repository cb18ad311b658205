//! Headers: one scan over the bytes of either codec into a [`Header`] that borrows from them.
//!
//! Nothing is allocated once the [`Scratch`] of a connection (or shard) has grown: texts are slices of the frame;
//! what JSON escapes or bad UTF-8 force us to rewrite goes into the scratch. Lenient where clients differ
//! (operations.md 1.1): absent and unknown members, numbers and booleans as ext values, any order, blanks.

mod binary;
mod json;
mod known;
mod memory;
pub(crate) mod write;

pub use known::Known;
pub(crate) use known::Value;
pub use memory::HeaderMemory;
pub use write::{OUR_LANGUAGE, OUR_VERSION};

use std::fmt;

use crate::fields::{Entry, Ext, Span};
use crate::{Codec, Language};

/// Bit of [`Header::flag`]: this frame answers a request.
pub const FLAG_RESPONSE: i32 = 1;
/// Bit of [`Header::flag`]: never answer this request.
pub const FLAG_ONEWAY: i32 = 2;
/// Most ext fields of a header (reliability.md 7, "Limits").
pub const EXT_FIELDS_MAX: usize = 128;
/// Deepest nesting of a JSON header, in members we skip.
pub const JSON_DEPTH_MAX: usize = 32;

/// A decoded header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Request code, or response code if [`Header::is_response`].
    pub code: i32,
    /// Bits, see [`FLAG_RESPONSE`] and [`FLAG_ONEWAY`].
    pub flag: i32,
    /// Correlates request and answer.
    pub opaque: i32,
    /// Version ordinal of the sender; 0 if it says nothing.
    pub version: i32,
    /// What the sender is written in.
    pub language: Language,
    /// Reason text of an answer.
    pub remark: Option<&'a str>,
    /// The fields of the code.
    pub ext: Ext<'a>,
}

impl<'a> Header<'a> {
    /// Decodes `bytes` in one pass. The result lives as long as both the frame and the scratch are left alone.
    ///
    /// # Errors
    /// Not a header; the connection is closed without a reply, as Java does.
    pub fn decode(codec: Codec, bytes: &'a [u8], scratch: &'a mut Scratch) -> Result<Self, HeaderError> {
        Self::scan(codec, bytes, &mut scratch.texts)
    }

    fn scan(codec: Codec, bytes: &'a [u8], texts: &'a mut Texts) -> Result<Self, HeaderError> {
        texts.lossy.clear();
        texts.unescaped.clear();
        texts.entries.clear();
        match codec {
            Codec::Json => json::decode(bytes, texts),
            Codec::Binary => binary::decode(bytes, texts),
        }
    }

    /// As [`Header::decode`], comparing the header with what `memory` holds of earlier ones of its connection: the same
    /// result, sooner.
    ///
    /// # Errors
    /// As [`Header::decode`].
    pub fn decode_alike(
        codec: Codec,
        bytes: &'a [u8],
        scratch: &'a mut Scratch,
        memory: &'a mut HeaderMemory,
    ) -> Result<Self, HeaderError> {
        memory.decode(codec, bytes, scratch)
    }

    /// It answers a request; its `opaque` is ours.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// It wants no answer. Only looked at if it is no response: C++ sets both bits in its answers.
    #[must_use]
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }
}

/// Memory for decoding headers, reused from frame to frame. One per shard is enough.
#[derive(Debug, Default)]
pub struct Scratch {
    texts: Texts,
    /// The texts that vary in a header that is known otherwise, each with a quote behind it.
    varying: Vec<u8>,
}

/// What a scan leaves behind.
#[derive(Debug, Default)]
struct Texts {
    /// The header with its bad UTF-8 replaced; empty for all but the oddest peers.
    lossy: String,
    /// Texts that could not be borrowed.
    unescaped: String,
    entries: Vec<Entry>,
}

/// Collects ext fields while a header is scanned.
struct ExtWriter<'s> {
    unescaped: &'s mut String,
    entries: &'s mut Vec<Entry>,
}

impl ExtWriter<'_> {
    fn push(&mut self, key: Span, value: Span) -> Result<(), HeaderError> {
        if self.entries.len() == EXT_FIELDS_MAX {
            return Err(HeaderError::TooManyFields { limit: EXT_FIELDS_MAX });
        }
        self.entries.push(Entry { key, value });
        Ok(())
    }
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// JSON breaks off or is none, at this byte.
    Syntax {
        /// Where.
        at: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// A member of the JSON header is not a number of 32 bits.
    NotANumber {
        /// Its name.
        member: &'static str,
    },
    /// JSON nested deeper than the limit.
    TooDeep {
        /// [`JSON_DEPTH_MAX`].
        limit: usize,
    },
    /// More ext fields than the limit.
    TooManyFields {
        /// [`EXT_FIELDS_MAX`].
        limit: usize,
    },
    /// The binary header ends inside this field, or its length is negative.
    Truncated {
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Syntax { at, expected } => write!(f, "header: {expected} expected at byte {at}"),
            HeaderError::NotANumber { member } => write!(f, "header: {member} is not a 32 bit number"),
            HeaderError::TooDeep { limit } => write!(f, "header: nested deeper than {limit}"),
            HeaderError::TooManyFields { limit } => write!(f, "header: more than {limit} ext fields"),
            HeaderError::Truncated { field } => write!(f, "header: cut off in its {field}"),
        }
    }
}

impl std::error::Error for HeaderError {}
