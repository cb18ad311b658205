//! Just enough of the remoting protocol to ask a server something, written apart from `net` on purpose.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::trouble::Trouble;

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

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

/// A request frame with a JSON header, length included.
pub(crate) fn request(code: i32, opaque: i32, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let fields: Map<String, Value> = fields.iter().map(|&(k, v)| (k.to_owned(), Value::from(v))).collect();
    let header = json!({
        "code": code, "extFields": fields, "flag": 0, "language": "JAVA", "opaque": opaque,
        "serializeTypeCurrentRPC": "JSON", "version": 493,
    });
    framed(header.to_string().as_bytes(), body)
}

/// A frame around any header bytes, with the JSON type byte.
pub(crate) fn framed(header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + header.len() + body.len()).expect("a test frame is small");
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend(u32::try_from(header.len()).expect("a test header is small").to_be_bytes());
    frame.extend(header);
    frame.extend(body);
    frame
}

fn decode(frame: &[u8]) -> Option<Answer> {
    let (length, rest) = frame.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) & 0x00ff_ffff;
    let (header, body) = rest.split_at_checked(length as usize)?;
    let mut header: Map<String, Value> = serde_json::from_slice(header).ok()?;
    let number = |key: &str| header.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    Some(Answer {
        code: number("code")?,
        opaque: number("opaque")?,
        remark: header.get("remark").and_then(Value::as_str).unwrap_or_default().to_owned(),
        fields: match header.remove("extFields") {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        },
        body: body.to_vec(),
    })
}
