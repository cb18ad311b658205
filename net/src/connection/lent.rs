//! [`Lent`]: a connection's decoder, out of its connection while a handler uses all of them.

use std::ops::ControlFlow;

use rt::ConnId;

#[cfg(doc)]
use crate::connection::Connections;
use crate::frame::{Frame, FrameDecoder, FrameError};
use crate::header::HeaderMemory;

/// A decoder taken from its connection for one [`rt::Event::Received`]; see [`Connections::lend_decoder`].
#[derive(Debug)]
#[must_use = "the connection is deaf until the decoder is returned"]
pub struct Lent {
    pub(super) conn: ConnId,
    pub(super) decoder: FrameDecoder,
    pub(super) headers: HeaderMemory,
    pub(super) frames: u32,
    pub(super) stopped: bool,
    /// Bytes of a frame in progress that stay where they were received.
    pub(super) left: usize,
}

impl Lent {
    /// Decodes `bytes`, calling `sink` for each complete frame. If it breaks, the rest is kept until
    /// [`Connections::next_resumed`] names the connection; let it return [`Connections::flow`].
    ///
    /// # Errors
    /// The bytes are no frames; hand the error to [`Connections::return_decoder`].
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        self.feed_alike(bytes, 0, |frame, _| sink(frame))
    }

    /// Keeps `bytes` without looking at them, until [`Connections::next_resumed`] names the connection. For one that is
    /// stalled.
    pub fn put_off(&mut self, bytes: &[u8]) {
        self.decoder.put_off(bytes);
        self.stopped = true;
    }

    /// As [`Lent::feed`], with what the headers of this connection look like, for [`crate::Header::decode_alike`]. At most
    /// `left_max` bytes at the end may be left where they are ([`FrameDecoder::feed_leaving`]);
    /// [`Connections::return_decoder`] says how many were.
    ///
    /// # Errors
    /// As [`Lent::feed`].
    pub fn feed_alike(
        &mut self,
        bytes: &[u8],
        left_max: usize,
        mut sink: impl FnMut(Frame<'_>, &mut HeaderMemory) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let (frames, stopped, headers) = (&mut self.frames, &mut self.stopped, &mut self.headers);
        self.left = self.decoder.feed_leaving(bytes, left_max, |frame| {
            *frames += 1;
            let flow = sink(frame, headers);
            *stopped = flow.is_break();
            flow
        })?;
        Ok(())
    }
}
