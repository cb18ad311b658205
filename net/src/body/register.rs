//! Broker registration (103): its body in the JSON form and in the compressed one.
//!
//! Which form it is says the content, not the header: 5.3.3 with `compressedRegister=true` compresses the body and
//! sends `compressed=false`. Decompressing stops at a limit, and lengths inside meet what is really there.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};

use serde_json::Value;

use super::{DataVersion, TopicConfig, TopicConfigSerializeWrapper, TopicFilterType, bodies};
use crate::json::{self, ReadError, Style};

/// Most bytes a compressed registration may grow to.
pub const REGISTRATION_BYTES_MAX: usize = 64 << 20;
/// Senders from this version ordinal (5.0.0) append static topic mappings to the compressed form.
const MAPPINGS_SINCE: i32 = 413;

bodies! {
    /// What a broker serves.
    RegisterBrokerBody {
        filter_servers: Vec<String> = "filterServerList",
        topics: TopicConfigSerializeWrapper = "topicConfigSerializeWrapper",
    }
}

impl RegisterBrokerBody {
    /// Reads either form; `version` is the ordinal in the request's header.
    ///
    /// # Errors
    /// Neither form, cut off, or beyond [`REGISTRATION_BYTES_MAX`].
    pub fn decode(bytes: &[u8], version: i32) -> Result<Self, RegisterError> {
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => Ok(Self::default()),
            Some(b'{') => json::from_slice(bytes).map_err(RegisterError::Json),
            Some(_) => Self::decode_compressed(bytes, version),
        }
    }

    /// The JSON form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::to_vec(self, Style::Raw)
    }

    /// The compressed form, with mappings as from 5.0 on. It has no room for a topic's sysFlag and order.
    #[must_use]
    pub fn encode_compressed(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        sized(&mut plain, &json::to_vec(&self.topics.data_version, Style::Raw));
        count(&mut plain, self.topics.topics.len());
        for topic in self.topics.topics.values() {
            let filter = topic.filter_type.name().unwrap_or("SINGLE_TAG");
            let mut text = format!(
                "{} {} {} {} {filter} ",
                topic.name, topic.read_queues, topic.write_queues, topic.perm
            )
            .into_bytes();
            json::append(&mut text, &topic.attributes, Style::Raw);
            sized(&mut plain, &text);
        }
        sized(&mut plain, &json::to_vec(&self.filter_servers, Style::Raw));
        count(&mut plain, self.topics.mapping_infos.len());
        for info in self.topics.mapping_infos.values() {
            sized(&mut plain, &json::to_vec(info, Style::Raw));
        }
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(&plain).and_then(|()| out.finish()).expect("a Vec takes every byte")
    }

    fn decode_compressed(bytes: &[u8], version: i32) -> Result<Self, RegisterError> {
        let mut input = Input { inner: flate2::read::ZlibDecoder::new(bytes), left: REGISTRATION_BYTES_MAX };
        let data_version: DataVersion = json::from_slice(&input.sized()?).map_err(RegisterError::Json)?;
        let mut topics = BTreeMap::new();
        for _ in 0..input.count()? {
            let text = input.sized()?;
            let topic = std::str::from_utf8(&text).ok().and_then(topic).ok_or(RegisterError::BadTopic)?;
            topics.insert(topic.name.clone(), topic);
        }
        let filter_servers = json::from_slice(&input.sized()?).map_err(RegisterError::Json)?;
        let mut mapping_infos = BTreeMap::new();
        if version >= MAPPINGS_SINCE {
            for _ in 0..input.count()? {
                let info: Value = json::from_slice(&input.sized()?).map_err(RegisterError::Json)?;
                let topic = info.get("topic").and_then(Value::as_str).unwrap_or_default();
                mapping_infos.insert(topic.to_owned(), info);
            }
        }
        let topics =
            TopicConfigSerializeWrapper { data_version, topics, mapping_infos, ..Default::default() };
        Ok(Self { filter_servers, topics })
    }
}

/// `name read write perm filter attributes`, separated by blanks; old senders end before the attributes.
fn topic(text: &str) -> Option<TopicConfig> {
    let mut words = text.splitn(6, ' ');
    Some(TopicConfig {
        name: words.next()?.to_owned(),
        read_queues: words.next()?.parse().ok()?,
        write_queues: words.next()?.parse().ok()?,
        perm: words.next()?.parse().ok()?,
        filter_type: TopicFilterType::from_name(words.next()?),
        attributes: words.next().and_then(|text| json::read::from_str(text).ok()).unwrap_or_default(),
        ..TopicConfig::default()
    })
}

fn count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&i32::try_from(count).expect("fewer than 2^31 topics").to_be_bytes());
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    count(out, bytes.len());
    out.extend_from_slice(bytes);
}

struct Input<'b> {
    inner: flate2::read::ZlibDecoder<&'b [u8]>,
    left: usize,
}

impl Input<'_> {
    fn count(&mut self) -> Result<usize, RegisterError> {
        let mut bytes = [0; 4];
        self.left = self.left.checked_sub(4).ok_or(RegisterError::TooLarge)?;
        self.inner.read_exact(&mut bytes).map_err(|_| RegisterError::CutOff)?;
        usize::try_from(i32::from_be_bytes(bytes)).map_err(|_| RegisterError::CutOff)
    }

    /// A text with its length before it. Grows with what is there, not with what the length says.
    fn sized(&mut self) -> Result<Vec<u8>, RegisterError> {
        let len = self.count()?;
        self.left = self.left.checked_sub(len).ok_or(RegisterError::TooLarge)?;
        let mut bytes = Vec::new();
        let read = (&mut self.inner).take(len as u64).read_to_end(&mut bytes);
        if read.is_ok_and(|read| read == len) { Ok(bytes) } else { Err(RegisterError::CutOff) }
    }
}

/// Why a registration body was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// A JSON part is not as it should be.
    Json(ReadError),
    /// A topic of the compressed form is not as it should be.
    BadTopic,
    /// The compressed form ends early, or is none.
    CutOff,
    /// It grows beyond [`REGISTRATION_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Json(error) => error.fmt(f),
            RegisterError::BadTopic => f.write_str("registration: a topic does not parse"),
            RegisterError::CutOff => f.write_str("registration: neither JSON nor a whole zlib stream"),
            RegisterError::TooLarge => {
                write!(f, "registration: more than {REGISTRATION_BYTES_MAX} bytes when decompressed")
            }
        }
    }
}

impl std::error::Error for RegisterError {}
