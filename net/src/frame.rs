//! Frames: four bytes of length, one of codec, three of header length, header, body (PROTOCOL.md "Frame").
//!
//! [`FrameDecoder`] takes bytes as they come in and lends complete frames straight from them; only a frame that is
//! cut by the end of a receive is copied (unless its beginning may stay where it is), into memory that grows with what was *received*, never with what a length
//! field promised. A length meets its limit before it sizes anything.

use std::fmt;
use std::ops::ControlFlow;

/// How a header is spelled; the top byte of the header length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// A JSON object. Every peer speaks it.
    #[default]
    Json,
    /// The `ROCKETMQ` binary form. Java and Go speak it if told to.
    Binary,
}

impl Codec {
    /// Its number in the frame.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Codec::Json => 0,
            Codec::Binary => 1,
        }
    }

    /// Its name in `serializeTypeCurrentRPC`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Json => "JSON",
            Codec::Binary => "ROCKETMQ",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Codec::Json),
            1 => Some(Codec::Binary),
            _ => None,
        }
    }
}

/// One complete frame, lent from a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How `header` is spelled.
    pub codec: Codec,
    /// The header, undecoded.
    pub header: &'a [u8],
    /// The body; empty and absent are the same on the wire.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Bytes this frame took on the wire.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        PREFIX_BYTES + self.header.len() + self.body.len()
    }
}

/// What a peer may send (reliability.md 7, "Limits").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Largest frame, its four length bytes included.
    pub frame_bytes: usize,
    /// Largest header.
    pub header_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { frame_bytes: FRAME_BYTES_MAX, header_bytes: HEADER_BYTES_MAX }
    }
}

/// Default of [`FrameLimits::frame_bytes`]: 16 MiB, as Java's `com.rocketmq.remoting.frameMaxLength`.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Default of [`FrameLimits::header_bytes`]: 64 KiB. Java has no such limit; properties are at most 32 KiB.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes before the header: the length and the codec with the header length.
pub const PREFIX_BYTES: usize = 8;

/// Memory for a cut frame that a decoder keeps between frames.
const KEPT_BYTES: usize = 16 << 10;

/// A stream of bytes into frames, at any split. One per connection.
///
/// After an error the stream has no frame border any more: close the connection.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    limits: FrameLimits,
    /// Received and not yet consumed: the start of a frame that is not complete, or what a stop left behind.
    pending: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder at a frame border.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, pending: Vec::new() }
    }

    /// Takes `bytes` and lends every frame that is complete to `sink`, in order.
    ///
    /// If `sink` breaks, the rest is kept: the next call (`feed(&[], ..)` will do) goes on with the frame after
    /// the one last lent. A frame wholly inside `bytes` is not copied unless earlier bytes are pending.
    ///
    /// # Errors
    /// A frame beyond the limits or not a frame at all; frames before it have been lent. Nothing is kept.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        self.feed_leaving(bytes, 0, &mut sink).map(|left| debug_assert!(left == 0))
    }

    /// As [`FrameDecoder::feed`], for bytes that may stay where they are: returns how many at their end belong to a frame
    /// in progress. They were not copied, and the next call begins with them. At most `left_max`; a longer frame, and
    /// what a stop leaves behind, is kept as `feed` keeps it.
    ///
    /// # Errors
    /// As [`FrameDecoder::feed`].
    pub fn feed_leaving(
        &mut self,
        bytes: &[u8],
        left_max: usize,
        mut sink: impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let outcome = self.feed_inner(bytes, left_max, &mut sink);
        if outcome.is_err() {
            self.pending = Vec::new();
        }
        outcome
    }

    /// Keeps `bytes` for the next call as if a stop had left them behind.
    pub fn put_off(&mut self, bytes: &[u8]) {
        self.keep(bytes);
    }

    /// Bytes held back: of a frame in progress, or behind a stop.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Memory held for pending bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.pending.capacity()
    }

    fn feed_inner(
        &mut self,
        mut bytes: &[u8],
        left_max: usize,
        sink: &mut impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        // What is lent from `pending` is taken off its front once, behind the last frame.
        let mut lent = 0;
        while lent < self.pending.len() {
            let Some(len) = self.complete_pending(lent, &mut bytes)? else {
                self.drop_front(lent);
                return Ok(0);
            };
            let frame = &self.pending[lent..lent + len];
            let flow = sink(cut(frame, &self.limits)?.expect("complete").0);
            lent += len;
            if flow.is_break() {
                self.drop_front(lent);
                self.keep(bytes);
                return Ok(0);
            }
        }
        self.drop_front(lent);
        while let Some((frame, len)) = cut(bytes, &self.limits)? {
            bytes = &bytes[len..];
            if sink(frame).is_break() {
                self.keep(bytes);
                return Ok(0);
            }
        }
        // Of a frame whose length is not known yet there are less than eight bytes.
        if frame_bytes(bytes, &self.limits)?.unwrap_or(PREFIX_BYTES) <= left_max {
            return Ok(bytes.len());
        }
        self.keep(bytes);
        Ok(0)
    }

    /// Moves just as many of `bytes` to the pending frame at `at` as it lacks; its length once it is whole.
    fn complete_pending(&mut self, at: usize, bytes: &mut &[u8]) -> Result<Option<usize>, FrameError> {
        if self.pending.len() < at + PREFIX_BYTES {
            self.take(bytes, at + PREFIX_BYTES);
        }
        let Some(total) = frame_bytes(&self.pending[at..], &self.limits)? else { return Ok(None) };
        if self.pending.len() < at + total {
            self.take(bytes, at + total);
        }
        Ok((self.pending.len() >= at + total).then_some(total))
    }

    fn take(&mut self, bytes: &mut &[u8], up_to: usize) {
        let count = bytes.len().min(up_to - self.pending.len());
        let (head, rest) = bytes.split_at(count);
        self.keep(head);
        *bytes = rest;
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    fn drop_front(&mut self, len: usize) {
        self.pending.drain(..len);
        if self.pending.is_empty() && self.pending.capacity() > KEPT_BYTES {
            self.pending = Vec::new();
        }
    }
}

/// The length of the frame at the start of `bytes`, as far as it can be known; checked against the limits as soon as
/// the bytes that tell are there.
fn frame_bytes(bytes: &[u8], limits: &FrameLimits) -> Result<Option<usize>, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    let total = length as usize + 4;
    if total > limits.frame_bytes {
        return Err(FrameError::TooLarge { bytes: total, limit: limits.frame_bytes });
    }
    if total < PREFIX_BYTES {
        return Err(FrameError::TooShort { length });
    }
    let Some(word) = rest.first_chunk::<4>() else { return Ok(None) };
    let header = header_bytes(*word);
    Codec::from_number(word[0]).ok_or(FrameError::UnknownCodec { number: word[0] })?;
    if header > limits.header_bytes {
        return Err(FrameError::HeaderTooLarge { bytes: header, limit: limits.header_bytes });
    }
    if header > total - PREFIX_BYTES {
        return Err(FrameError::HeaderOutside { header, frame: total });
    }
    Ok(Some(total))
}

/// The frame at the start of `bytes` and its length on the wire, if it is complete.
fn cut<'a>(bytes: &'a [u8], limits: &FrameLimits) -> Result<Option<(Frame<'a>, usize)>, FrameError> {
    let Some(total) = frame_bytes(bytes, limits)?.filter(|total| *total <= bytes.len()) else {
        return Ok(None);
    };
    let word = [bytes[4], bytes[5], bytes[6], bytes[7]];
    let codec = Codec::from_number(word[0]).ok_or(FrameError::UnknownCodec { number: word[0] })?;
    let (header, body) = bytes[PREFIX_BYTES..total].split_at(header_bytes(word));
    Ok(Some((Frame { codec, header, body }, total)))
}

fn header_bytes(word: [u8; 4]) -> usize {
    (u32::from_be_bytes(word) & 0x00FF_FFFF) as usize
}

/// Starts a frame at the end of `out`; [`finish`] completes it once header and body lengths are known.
#[must_use]
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    at
}

/// Fills in the lengths of the frame begun at `at` whose header ends at `header_end` and whose body has `body_bytes`.
///
/// # Panics
/// If the lengths do not fit the fields: we write no such frame.
pub(crate) fn finish(out: &mut [u8], at: usize, codec: Codec, header_end: usize, body_bytes: usize) {
    let header = header_end - at - PREFIX_BYTES;
    assert!(header < 1 << 24, "a header of {header} bytes");
    let length = u32::try_from(4 + header + body_bytes).expect("a frame below 4 GiB");
    let word = (u32::from(codec.number()) << 24) | header as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    out[at + 4..at + 8].copy_from_slice(&word.to_be_bytes());
}

/// Appends a whole frame.
pub fn encode(out: &mut Vec<u8>, frame: &Frame<'_>) {
    let at = begin(out);
    out.extend_from_slice(frame.header);
    let header_end = out.len();
    out.extend_from_slice(frame.body);
    finish(out, at, frame.codec, header_end, frame.body.len());
}

/// Why a stream of bytes is not frames. The connection is closed without a reply, as Java does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The frame, length bytes included, is beyond the limit.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// [`FrameLimits::frame_bytes`].
        limit: usize,
    },
    /// The length field leaves no room for the header length.
    TooShort {
        /// The length field.
        length: u32,
    },
    /// The header is beyond the limit.
    HeaderTooLarge {
        /// Its size.
        bytes: usize,
        /// [`FrameLimits::header_bytes`].
        limit: usize,
    },
    /// The header does not fit its frame.
    HeaderOutside {
        /// Bytes of the header.
        header: usize,
        /// Bytes of the frame.
        frame: usize,
    },
    /// Neither JSON nor ROCKETMQ.
    UnknownCodec {
        /// The type byte.
        number: u8,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { bytes, limit } => {
                write!(f, "a frame of {bytes} bytes, {limit} are allowed")
            }
            FrameError::TooShort { length } => write!(f, "a frame length of {length}, at least 4 is needed"),
            FrameError::HeaderTooLarge { bytes, limit } => {
                write!(f, "a header of {bytes} bytes, {limit} are allowed")
            }
            FrameError::HeaderOutside { header, frame } => {
                write!(f, "a header of {header} bytes in a frame of {frame}")
            }
            FrameError::UnknownCodec { number } => write!(f, "header serialization type {number}"),
        }
    }
}

impl std::error::Error for FrameError {}
