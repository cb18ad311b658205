//! [`Answer`]: what a call brought, and [`ClientError`]: why it brought nothing.

use std::fmt;
use std::io;

use crate::fields::Decode;
use crate::{Codec, FieldError, Frame, FrameError, Header, HeaderError, ResponseCode, Scratch};

/// An answer, with its header kept as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which request it answers.
    pub opaque: i32,
    /// How it went.
    pub code: ResponseCode,
    /// The reason, if it gives one.
    pub remark: Option<String>,
    /// Version ordinal of the server.
    pub version: i32,
    /// Its body.
    pub body: Vec<u8>,
    codec: Codec,
    header: Vec<u8>,
}

impl Answer {
    pub(super) fn of(frame: &Frame<'_>, header: &Header<'_>) -> Self {
        Self {
            opaque: header.opaque,
            code: ResponseCode(header.code),
            remark: header.remark.map(str::to_owned),
            version: header.version,
            body: frame.body.to_owned(),
            codec: frame.codec,
            header: frame.header.to_owned(),
        }
    }

    /// Its ext fields as the struct of a reply.
    ///
    /// # Errors
    /// A field is missing or bad.
    pub fn reply<R: for<'a> Decode<'a>>(&self) -> Result<R, FieldError> {
        self.with_header(|header| R::decode(&header.ext))
    }

    /// One ext field.
    #[must_use]
    pub fn ext(&self, key: &str) -> Option<String> {
        self.with_header(|header| header.ext.get(key).map(str::to_owned))
    }

    /// Its whole header, for replies with texts.
    pub fn with_header<R>(&self, read: impl FnOnce(&Header<'_>) -> R) -> R {
        let mut scratch = Scratch::default();
        read(&Header::decode(self.codec, &self.header, &mut scratch).expect("it was decoded when it came"))
    }

    /// This answer if it is a success.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with code and remark.
    pub fn success(self) -> Result<Self, ClientError> {
        match self.code {
            ResponseCode::SUCCESS => Ok(self),
            code => Err(ClientError::Refused { code, remark: self.remark.unwrap_or_default() }),
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub enum ClientError {
    /// The network or the kernel said no.
    Io(io::Error),
    /// No answer in time. The connection may go on.
    TimedOut,
    /// The server closed the connection.
    Closed,
    /// What came are no frames.
    Frame(FrameError),
    /// What came is no header.
    Header(HeaderError),
    /// The server answered with another code than success ([`Answer::success`]).
    Refused {
        /// The code.
        code: ResponseCode,
        /// The reason.
        remark: String,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Io(error) => error.fmt(f),
            ClientError::TimedOut => f.write_str("no answer in time"),
            ClientError::Closed => f.write_str("the server closed the connection"),
            ClientError::Frame(error) => error.fmt(f),
            ClientError::Header(error) => error.fmt(f),
            ClientError::Refused { code, remark } => write!(f, "the server refused: {code}: {remark}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::Io(error) => Some(error),
            ClientError::Frame(error) => Some(error),
            ClientError::Header(error) => Some(error),
            ClientError::TimedOut | ClientError::Closed | ClientError::Refused { .. } => None,
        }
    }
}
