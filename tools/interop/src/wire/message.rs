//! Messages as they are sent, alone or in a batch, and where they landed.

use super::Answer;

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
