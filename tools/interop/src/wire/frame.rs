//! Frames and their headers: written with JSON, read as far as a test looks.

use serde_json::{Map, Value, json};

use super::Answer;

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

pub(super) fn decode(frame: &[u8]) -> Option<Answer> {
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
            include_bytes!("../../../../net/tests/fixtures/captured/java-5.5.0-json/105-0-1.request");
        let binary: &[u8] =
            include_bytes!("../../../../net/tests/fixtures/captured/java-5.5.0-rocketmq/105-0-1.request");
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
