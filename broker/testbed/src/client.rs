//! [`Client`]: one connection that sends requests and keeps everything that comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use net::client::{RequestHead, encode};
use net::fields::Fields;
use net::requests::RequestHeader;
use net::{Codec, FrameDecoder, Header, RequestCode, Scratch};
use rt::sim::{SimEnv, SimPeer, Simulation};

use crate::messages::{Message, messages};
use crate::requests::pull;

/// An answer, or a push of the broker's.
#[derive(Clone)]
pub struct Answer {
    pub codec: Codec,
    pub code: i32,
    pub opaque: i32,
    pub is_response: bool,
    pub remark: String,
    pub ext: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// Without the body, but for its length: a failure is to be read.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codec, code, opaque, is_response, remark, ext, body } = self;
        let kind = if *is_response { "answer" } else { "push" };
        write!(f, "{kind} {code} to {opaque} in {codec:?}: {remark:?}, {ext:?}, {} bytes", body.len())
    }
}

impl Answer {
    /// An ext field as a number.
    pub fn number(&self, key: &str) -> i64 {
        self.ext.get(key).unwrap_or_else(|| panic!("no {key} in {self:?}")).parse().unwrap()
    }

    pub fn text(&self, key: &str) -> &str {
        self.ext.get(key).unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    /// The messages in its body.
    pub fn messages(&self) -> Vec<Message> {
        messages(&self.body)
    }

    /// The bodies of its messages, as text.
    pub fn texts(&self) -> Vec<String> {
        self.messages().into_iter().map(|message| String::from_utf8(message.body).unwrap()).collect()
    }

    /// Its body as a type of the wire.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        assert_eq!(self.code, 0, "{self:?}");
        net::json::from_slice(&self.body).unwrap()
    }
}

pub struct Client<'w> {
    sim: &'w Simulation,
    peer: SimPeer,
    codec: Codec,
    opaque: i32,
    decoder: FrameDecoder,
    came: Vec<Answer>,
}

impl<'w> Client<'w> {
    pub fn connect(sim: &'w Simulation, env: &SimEnv, to: SocketAddr, codec: Codec) -> Self {
        Self::try_connect(sim, env, to, codec).unwrap()
    }

    /// A connection, if `to` takes it.
    pub fn try_connect(
        sim: &'w Simulation,
        env: &SimEnv,
        to: SocketAddr,
        codec: Codec,
    ) -> std::io::Result<Self> {
        let peer = sim.block_on(SimPeer::connect(env, to))?;
        Ok(Self { sim, peer, codec, opaque: 100, decoder: FrameDecoder::default(), came: Vec::new() })
    }

    /// Sends a request and returns its number.
    pub fn begin<F: RequestHeader>(&mut self, header: &F, body: &[u8]) -> i32 {
        self.begin_as(F::CODE, header, body, false)
    }

    pub fn begin_as(&mut self, code: RequestCode, header: &impl Fields, body: &[u8], oneway: bool) -> i32 {
        self.opaque += 1;
        let mut bytes = Vec::new();
        let head = RequestHead { codec: self.codec, code, opaque: self.opaque, oneway };
        encode(&mut bytes, head, header, body);
        self.peer.send(&bytes);
        self.opaque
    }

    /// Sends a request and runs the simulation until its answer is there.
    pub fn ask<F: RequestHeader>(&mut self, header: &F, body: &[u8]) -> Answer {
        self.ask_as(F::CODE, header, body)
    }

    pub fn ask_as(&mut self, code: RequestCode, header: &impl Fields, body: &[u8]) -> Answer {
        let opaque = self.begin_as(code, header, body, false);
        self.wait(opaque)
    }

    /// The bodies of all messages of a queue, as text.
    pub fn all_texts(&mut self, topic: &str, queue_id: i32) -> Vec<String> {
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let came = self.ask(&pull("g", topic, queue_id, from), b"");
            all.extend(came.texts());
            // Numbering may have gaps after a crash.
            let next = came.number("nextBeginOffset");
            if next == from {
                return all;
            }
            from = next;
        }
    }

    /// As [`Client::ask`], and the answer must be SUCCESS.
    pub fn must<F: RequestHeader>(&mut self, header: &F, body: &[u8]) -> Answer {
        let answer = self.ask(header, body);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer
    }

    pub fn wait(&mut self, opaque: i32) -> Answer {
        let answer = self.wait_at_most(opaque, Duration::from_secs(60));
        answer.unwrap_or_else(|| panic!("no answer to {opaque}, open: {}", self.peer.is_open()))
    }

    /// The answer, if it comes within `limit` of virtual time. It is taken.
    pub fn wait_at_most(&mut self, opaque: i32, limit: Duration) -> Option<Answer> {
        let sim = self.sim;
        sim.run_until(limit, || self.has(opaque) || !self.peer.is_open());
        self.take(opaque)
    }

    /// Sends a request; its answer, if it comes within `ms` of virtual time.
    pub fn wait_at_most_ms<F: RequestHeader>(&mut self, header: &F, body: &[u8], ms: u64) -> Option<Answer> {
        let opaque = self.begin(header, body);
        self.wait_at_most(opaque, Duration::from_millis(ms))
    }

    /// Whether the answer has come.
    pub fn has(&mut self, opaque: i32) -> bool {
        self.take_in();
        self.came.iter().any(|answer| answer.is_response && answer.opaque == opaque)
    }

    /// The answer if it has come.
    pub fn take(&mut self, opaque: i32) -> Option<Answer> {
        self.take_in();
        let at = self.came.iter().position(|answer| answer.is_response && answer.opaque == opaque)?;
        Some(self.came.remove(at))
    }

    /// Everything that came and was not taken: answers and pushes.
    pub fn rest(&mut self) -> Vec<Answer> {
        self.take_in();
        std::mem::take(&mut self.came)
    }

    /// Pushed requests with this code; everything else stays.
    pub fn pushes(&mut self, code: RequestCode) -> Vec<Answer> {
        self.take_in();
        let (pushed, rest) = std::mem::take(&mut self.came)
            .into_iter()
            .partition(|one| !one.is_response && one.code == code.0);
        self.came = rest;
        pushed
    }

    /// Answers a request that the broker pushed.
    pub fn answer(&mut self, opaque: i32, code: i32, body: &[u8]) {
        let header = format!(
            "{{\"code\":{code},\"flag\":1,\"language\":\"JAVA\",\"opaque\":{opaque},\"serializeTypeCurrentRPC\":\"JSON\",\"version\":479}}"
        );
        let mut frame = Vec::new();
        frame.extend(u32::try_from(4 + header.len() + body.len()).unwrap().to_be_bytes());
        frame.extend(u32::try_from(header.len()).unwrap().to_be_bytes());
        frame.extend(header.as_bytes());
        frame.extend(body);
        self.peer.send(&frame);
    }

    pub fn is_open(&self) -> bool {
        self.peer.is_open()
    }

    pub fn close(&self) {
        self.peer.close();
    }

    pub fn set_reading(&self, on: bool) {
        self.peer.set_reading(on);
    }

    fn take_in(&mut self) {
        let bytes = self.peer.take();
        if bytes.is_empty() {
            return;
        }
        let came = &mut self.came;
        let outcome = self.decoder.feed(&bytes, |frame| {
            came.push(decode(frame.codec, frame.header, frame.body));
            ControlFlow::Continue(())
        });
        outcome.unwrap();
    }
}

pub(crate) fn decode(codec: Codec, header: &[u8], body: &[u8]) -> Answer {
    let mut scratch = Scratch::default();
    let header = Header::decode(codec, header, &mut scratch).unwrap();
    Answer {
        codec,
        code: header.code,
        opaque: header.opaque,
        is_response: header.is_response(),
        remark: header.remark.unwrap_or_default().to_owned(),
        ext: header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        body: body.to_vec(),
    }
}
