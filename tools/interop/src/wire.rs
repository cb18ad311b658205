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

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMessage<'a> {
    pub(crate) topic: &'a str,
    pub(crate) queue_id: i32,
    pub(crate) keys: &'a str,
    pub(crate) tags: &'a str,
    pub(crate) body: &'a [u8],
}

impl<'a> NewMessage<'a> {
    /// The properties in wire form.
    pub(crate) fn properties(&self) -> String {
        format!("KEYS\u{1}{}\u{2}TAGS\u{1}{}\u{2}", self.keys, self.tags)
    }

    /// Ext fields of a SEND_MESSAGE_V2, `batch` being `true` or `false`.
    pub(crate) fn fields<'f>(
        &self,
        group: &'f str,
        queue_id: &'f str,
        properties: &'f str,
        batch: &'f str,
    ) -> [(&'f str, &'f str); 13]
    where
        'a: 'f,
    {
        [
            ("a", group),
            ("b", self.topic),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", queue_id),
            ("f", "0"),
            ("g", "1700000000000"),
            ("h", "0"),
            ("i", properties),
            ("j", "0"),
            ("k", "false"),
            ("l", "0"),
            ("m", batch),
        ]
    }
}

/// Where a message landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) offset_msg_id: String,
    pub(crate) queue_id: i64,
    pub(crate) queue_offset: i64,
}

impl Sent {
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        Some(Self {
            offset_msg_id: answer.fields.get("msgId")?.as_str()?.to_owned(),
            queue_id: answer.number("queueId")?,
            queue_offset: answer.number("queueOffset")?,
        })
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

    /// SEND_MESSAGE_V2 (310).
    pub(crate) fn send_message(&mut self, group: &str, message: &NewMessage<'_>) -> Result<Sent, Trouble> {
        let queue_id = message.queue_id.to_string();
        let answer = self.succeed(
            310,
            &message.fields(group, &queue_id, &message.properties(), "false"),
            message.body,
        )?;
        Sent::of(&answer).ok_or_else(|| Trouble::Answer(format!("a send answered with {:?}", answer.fields)))
    }

    /// UPDATE_AND_CREATE_TOPIC (17).
    pub(crate) fn create_topic(&mut self, topic: &str, queues: u16) -> Result<(), Trouble> {
        let queues = queues.to_string();
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", &queues),
            ("writeQueueNums", &queues),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        self.succeed(17, &fields, &[]).map(|_| ())
    }

    /// HEART_BEAT (34) of one producer group and one clustering push consumer group.
    pub(crate) fn heartbeat(
        &mut self,
        client: &str,
        producers: &str,
        group: &str,
        topic: &str,
    ) -> Result<(), Trouble> {
        let body = json!({
            "clientID": client, "producerDataSet": [{"groupName": producers}],
            "consumerDataSet": [{
                "groupName": group, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
                "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET", "unitMode": false,
                "subscriptionDataSet": [{
                    "topic": topic, "subString": "*", "classFilterMode": false, "tagsSet": [], "codeSet": [],
                    "subVersion": 1, "expressionType": "TAG",
                }],
            }],
        });
        self.succeed(34, &[], body.to_string().as_bytes()).map(|_| ())
    }

    /// UPDATE_CONSUMER_OFFSET (15).
    pub(crate) fn commit_offset(
        &mut self,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<(), Trouble> {
        let (queue_id, offset) = (queue_id.to_string(), offset.to_string());
        let fields =
            [("consumerGroup", group), ("topic", topic), ("queueId", &queue_id), ("commitOffset", &offset)];
        self.succeed(15, &fields, &[]).map(|_| ())
    }

    /// GET_MAX_OFFSET (30).
    pub(crate) fn max_offset(&mut self, topic: &str, queue_id: i32) -> Result<i64, Trouble> {
        let answer = self.succeed(30, &[("topic", topic), ("queueId", &queue_id.to_string())], &[])?;
        answer.number("offset").ok_or_else(|| Trouble::Answer("a max offset without an offset".into()))
    }

    /// QUERY_CONSUMER_OFFSET (14); `None` if there is none.
    pub(crate) fn consumer_offset(
        &mut self,
        group: &str,
        topic: &str,
        queue_id: i32,
    ) -> Result<Option<i64>, Trouble> {
        let queue_id = queue_id.to_string();
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", &queue_id),
            ("setZeroIfNotFound", "false"),
        ];
        Ok(self.call(14, &fields, &[])?.number("offset"))
    }

    /// PULL_MESSAGE (11) that does not wait, with a subscription to everything.
    pub(crate) fn pull(
        &mut self,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
        max: i32,
    ) -> Result<Answer, Trouble> {
        let (queue_id, offset, max) = (queue_id.to_string(), offset.to_string(), max.to_string());
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", &queue_id),
            ("queueOffset", &offset),
            ("maxMsgNums", &max),
            ("sysFlag", "4"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "0"),
            ("subscription", "*"),
            ("subVersion", "0"),
            ("expressionType", "TAG"),
        ];
        self.call(11, &fields, &[])
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

/// What both codecs say at the start of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) code: i32,
    pub(crate) opaque: i32,
    pub(crate) flag: i32,
}

impl Head {
    /// Reads it from a whole frame with its length; `None` if that is no frame.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let kind = *frame.get(4)?;
        let header = frame.get(8..)?;
        let length = u32::from_be_bytes(frame.get(4..8)?.try_into().ok()?) & 0x00ff_ffff;
        let header = header.get(..length as usize)?;
        if kind == 0 {
            let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
            let number = |key: &str| i32::try_from(header.get(key)?.as_i64()?).ok();
            return Some(Self { code: number("code")?, opaque: number("opaque")?, flag: number("flag")? });
        }
        let long = |at: usize| Some(i32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let code = i16::from_be_bytes(header.get(0..2)?.try_into().ok()?);
        Some(Self { code: i32::from(code), opaque: long(5)?, flag: long(9)? })
    }

    pub(crate) fn is_reply(self) -> bool {
        self.flag & 1 != 0
    }

    pub(crate) fn is_oneway(self) -> bool {
        self.flag & 2 != 0
    }
}

/// One message of a batch body (spec: remoting 3.2).
pub(crate) fn batch_item(body: &[u8], properties: &str) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).expect("a test message is small").to_be_bytes();
    let mut item = length(22 + body.len() + properties.len()).to_vec();
    item.extend([0; 12]); // magic, CRC and flag are not looked at
    item.extend(length(body.len()));
    item.extend(body);
    item.extend(u16::try_from(properties.len()).expect("short properties").to_be_bytes());
    item.extend(properties.as_bytes());
    item
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codecs_say_the_same_at_the_start_of_a_header() {
        let json: &[u8] =
            include_bytes!("../../../net/tests/fixtures/captured/java-5.5.0-json/105-0-1.request");
        let binary: &[u8] =
            include_bytes!("../../../net/tests/fixtures/captured/java-5.5.0-rocketmq/105-0-1.request");
        assert_eq!(Head::of(json).unwrap().code, 105);
        assert_eq!(Head::of(binary).unwrap().code, 105);
        assert!(!Head::of(binary).unwrap().is_reply());
    }

    #[test]
    fn a_request_reads_back() {
        let frame = request(105, 7, &[("topic", "T")], b"body");
        let head = Head::of(&frame).unwrap();
        assert_eq!((head.code, head.opaque, head.flag), (105, 7, 0));
        assert_eq!(decode(&frame[4..]).unwrap().body, b"body");
    }

    #[test]
    fn a_header_longer_than_its_frame_is_none() {
        assert!(Head::of(&[0, 0, 0, 4, 0, 0, 0, 9]).is_none());
        assert!(Head::of(&[0, 0]).is_none());
    }
}
