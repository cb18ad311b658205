//! Just enough of the remoting protocol to ask a server something, written apart from `net` on purpose.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Map, Value};

use crate::trouble::Trouble;

mod frame;
mod message;
mod requests;

pub(crate) use frame::{Head, framed, request};
pub(crate) use message::{NewMessage, Sent, batch_item};

use frame::decode;

/// A blocking connection with JSON headers.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    opaque: i32,
}

/// A decoded reply.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) opaque: i32,
    pub(crate) remark: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An ext field as a number.
    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        self.fields.get(key)?.as_str()?.parse().ok()
    }
}

const CONNECT: Duration = Duration::from_secs(2);

impl Wire {
    /// Connects to `port` on loopback; every read and write is bounded by `patience`.
    pub(crate) fn connect(port: u16, patience: Duration) -> Result<Self, Trouble> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, CONNECT)
            .map_err(Trouble::io(format!("connect to {address}")))?;
        stream.set_read_timeout(Some(patience)).map_err(Trouble::io("set a read timeout"))?;
        stream.set_write_timeout(Some(patience)).map_err(Trouble::io("set a write timeout"))?;
        stream.set_nodelay(true).map_err(Trouble::io("set nodelay"))?;
        Ok(Self { stream, opaque: 0 })
    }

    /// Connects to `127.0.0.1:PORT`.
    pub(crate) fn connect_to(address: &str, patience: Duration) -> Result<Self, Trouble> {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        Self::connect(port.expect("an address of ours ends in a port"), patience)
    }

    /// One request, one reply.
    pub(crate) fn call(
        &mut self,
        code: i32,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Trouble> {
        let opaque = self.send(code, fields, body)?;
        loop {
            let answer = self.receive()?;
            if answer.opaque == opaque {
                return Ok(answer);
            }
        }
    }

    /// Writes a request without waiting; returns its opaque.
    pub(crate) fn send(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Result<i32, Trouble> {
        self.opaque += 1;
        let frame = request(code, self.opaque, fields, body);
        self.stream.write_all(&frame).map_err(Trouble::io(format!("send request {code}")))?;
        Ok(self.opaque)
    }

    /// The next frame from the server.
    pub(crate) fn receive(&mut self) -> Result<Answer, Trouble> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(Trouble::io("read a frame length"))?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).map_err(Trouble::io("read a frame"))?;
        decode(&frame).ok_or_else(|| Trouble::Answer("a reply that is no frame with a JSON header".into()))
    }

    /// One request that must be answered with success.
    pub(crate) fn succeed(
        &mut self,
        code: i32,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Trouble> {
        let answer = self.call(code, fields, body)?;
        if answer.code == 0 {
            return Ok(answer);
        }
        Err(Trouble::Answer(format!("request {code} answered {} '{}'", answer.code, answer.remark)))
    }
}
