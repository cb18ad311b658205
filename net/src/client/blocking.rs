//! [`Client`]: one blocking connection, for tools and tests. Not for shards.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rt::Outbox;

use super::{Answer, ClientError, RequestHead, encode};
use crate::fields::Fields;
use crate::requests::{NoHeader, RequestHeader};
use crate::{
    Codec, Frame, FrameDecoder, FrameLimits, Header, ReplyTo, RequestCode, ResponseCode, Scratch, reply,
};

/// How a [`Client`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// Spelling of its headers.
    pub codec: Codec,
    /// To connect.
    pub connect_timeout: Duration,
    /// From a request to its answer.
    pub call_timeout: Duration,
    /// What it accepts.
    pub limits: FrameLimits,
}

impl Default for ClientOptions {
    /// JSON; 3 s to connect and to answer, as Java's clients.
    fn default() -> Self {
        Self {
            codec: Codec::Json,
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(3),
            limits: FrameLimits::default(),
        }
    }
}

/// What a push handler answers. `None` from a handler is REQUEST_CODE_NOT_SUPPORTED.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushReply {
    /// The answer's code.
    pub code: ResponseCode,
    /// Its reason.
    pub remark: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

type PushHandler = dyn FnMut(&Header<'_>, &[u8]) -> Option<PushReply> + Send;

/// A connection to a broker or name server.
///
/// Requests of the server (rebalance, transaction checks) are handled while the client reads for answers, by the
/// handler given with [`Client::on_push`]. After any error but [`ClientError::TimedOut`] the connection is useless.
pub struct Client {
    stream: TcpStream,
    options: ClientOptions,
    decoder: FrameDecoder,
    buffer: Box<[u8]>,
    next_opaque: i32,
    /// Answers read and not yet asked for.
    answers: VecDeque<Answer>,
    /// Numbers of requests given up: their late answers are dropped.
    abandoned: Vec<i32>,
    push: Box<PushHandler>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn connect(to: SocketAddr, options: ClientOptions) -> Result<Self, ClientError> {
        let stream = TcpStream::connect_timeout(&to, options.connect_timeout).map_err(ClientError::Io)?;
        stream.set_nodelay(true).map_err(ClientError::Io)?;
        stream.set_write_timeout(Some(options.call_timeout)).map_err(ClientError::Io)?;
        Ok(Self {
            stream,
            options,
            decoder: FrameDecoder::new(options.limits),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            next_opaque: 0,
            answers: VecDeque::new(),
            abandoned: Vec::new(),
            push: Box::new(|_, _| None),
        })
    }

    /// What to do with requests of the server.
    pub fn on_push(&mut self, handler: impl FnMut(&Header<'_>, &[u8]) -> Option<PushReply> + Send + 'static) {
        self.push = Box::new(handler);
    }

    /// How long calls from now on may take.
    pub fn set_call_timeout(&mut self, timeout: Duration) {
        self.options.call_timeout = timeout;
    }

    /// Our end of the connection.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn local_addr(&self) -> Result<SocketAddr, ClientError> {
        self.stream.local_addr().map_err(ClientError::Io)
    }

    /// Sends a request and waits for its answer, whatever its code.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn call<H: RequestHeader>(&mut self, header: &H, body: &[u8]) -> Result<Answer, ClientError> {
        self.call_as(H::CODE, header, body)
    }

    /// As [`Client::call`] for rows that share the header of another.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn call_as<F: Fields>(
        &mut self,
        code: RequestCode,
        header: &F,
        body: &[u8],
    ) -> Result<Answer, ClientError> {
        let opaque = self.send(code, header, body)?;
        self.wait(opaque)
    }

    /// Sends a request that wants no answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn oneway<H: RequestHeader>(&mut self, header: &H, body: &[u8]) -> Result<(), ClientError> {
        let opaque = self.fresh();
        self.write(
            RequestHead { codec: self.options.codec, code: H::CODE, opaque, oneway: true },
            header,
            body,
        )
    }

    /// Sends a request without waiting; [`Client::wait`] for its number later, or let it go by with the others.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn send<F: Fields>(
        &mut self,
        code: RequestCode,
        header: &F,
        body: &[u8],
    ) -> Result<i32, ClientError> {
        let opaque = self.fresh();
        self.write(RequestHead { codec: self.options.codec, code, opaque, oneway: false }, header, body)?;
        Ok(opaque)
    }

    /// Waits for the answer to `opaque`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn wait(&mut self, opaque: i32) -> Result<Answer, ClientError> {
        let deadline = now() + self.options.call_timeout;
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer.opaque == opaque) {
                return Ok(self.answers.remove(at).expect("just found"));
            }
            if let Err(error) = self.read(deadline) {
                if matches!(error, ClientError::TimedOut) && self.abandoned.len() < ABANDONED_MAX {
                    self.abandoned.push(opaque);
                }
                return Err(error);
            }
        }
    }

    /// Handles what the server sends for `span`, for clients that only listen.
    ///
    /// # Errors
    /// See [`ClientError`]; that the time is over is none.
    pub fn listen(&mut self, span: Duration) -> Result<(), ClientError> {
        let deadline = now() + span;
        loop {
            match self.read(deadline) {
                Err(ClientError::TimedOut) => return Ok(()),
                outcome => outcome?,
            }
        }
    }

    fn fresh(&mut self) -> i32 {
        let opaque = self.next_opaque;
        self.next_opaque = opaque.checked_add(1).unwrap_or(0);
        opaque
    }

    fn write<F: Fields>(&mut self, head: RequestHead, header: &F, body: &[u8]) -> Result<(), ClientError> {
        let mut bytes = Vec::with_capacity(256 + body.len());
        encode(&mut bytes, head, header, body);
        self.stream.write_all(&bytes).map_err(ClientError::Io)
    }

    /// Reads once and handles every frame that is complete then.
    fn read(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return Err(ClientError::TimedOut);
        }
        self.stream.set_read_timeout(Some(left)).map_err(ClientError::Io)?;
        let count = match self.stream.read(&mut self.buffer) {
            Ok(0) => return Err(ClientError::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(ClientError::TimedOut);
            }
            Err(error) => return Err(ClientError::Io(error)),
        };
        let (mut scratch, mut out, mut outcome) = (Scratch::default(), Outbox::default(), Ok(()));
        let (answers, abandoned, push) = (&mut self.answers, &mut self.abandoned, &mut self.push);
        let fed = self.decoder.feed(&self.buffer[..count], |frame| {
            match Header::decode(frame.codec, frame.header, &mut scratch) {
                Ok(header) if header.is_response() => {
                    match abandoned.iter().position(|opaque| *opaque == header.opaque) {
                        Some(at) => drop(abandoned.swap_remove(at)),
                        None => answers.push_back(Answer::of(&frame, &header)),
                    }
                }
                Ok(header) => answer_push(push, &frame, &header, &mut out),
                Err(error) => outcome = Err(ClientError::Header(error)),
            }
            if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        fed.map_err(ClientError::Frame).and(outcome)?;
        for piece in out.pieces() {
            self.stream.write_all(piece).map_err(ClientError::Io)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("stream", &self.stream).finish_non_exhaustive()
    }
}

fn answer_push(push: &mut PushHandler, frame: &Frame<'_>, header: &Header<'_>, out: &mut Outbox) {
    let answer = push(header, frame.body);
    let Some(to) = ReplyTo::of(frame.codec, header) else { return };
    match answer {
        Some(answer) => {
            reply::with_body(out, to, answer.code, answer.remark.as_deref(), &NoHeader {}, &answer.body);
        }
        None => {
            let remark = reply::not_supported_remark(header.code);
            reply::plain(out, to, ResponseCode::REQUEST_CODE_NOT_SUPPORTED, Some(&remark));
        }
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Late answers that are waited for to be dropped.
const ABANDONED_MAX: usize = 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "a blocking client for tools: it has no Env and no shard runs it"
)]
fn now() -> Instant {
    Instant::now()
}
