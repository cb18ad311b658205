//! [`Ending`]: why a connection was ended.

use std::fmt;

use crate::frame::FrameError;
use crate::header::HeaderError;

/// Why a connection was ended from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The owner asked for it.
    Asked,
    /// The bytes are not a frame, or break a limit of frames.
    BadFrame(FrameError),
    /// The header of a frame is none.
    BadHeader(HeaderError),
    /// Nothing moved for [`super::ConnectionLimits::idle_ms`].
    Idle,
    /// The first frame, or one begun, was not complete in time.
    FrameTooSlow,
    /// A connection of ours did not come up in time.
    ConnectTooSlow,
    /// Output stayed over its limit and nothing was drained.
    OutputStuck,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("closed by us"),
            Self::BadFrame(error) => write!(f, "bad frame: {error}"),
            Self::BadHeader(error) => write!(f, "bad frame: {error}"),
            Self::Idle => f.write_str("idle"),
            Self::FrameTooSlow => f.write_str("a frame took too long to arrive"),
            Self::ConnectTooSlow => f.write_str("connecting took too long"),
            Self::OutputStuck => f.write_str("the peer does not read what it asked for"),
        }
    }
}
