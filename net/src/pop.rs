//! What a client keeps of a popped message: the receipt (`POP_CK`, "extra info"), and the texts of a pop's answer from
//! which clients build it. Written and read here only, for brokers and clients.
//!
//! A receipt is `start popTime invisibleTime reviveQueue kind broker queue offset`, separated by blanks. `kind` says in
//! which topic the message lies: the one that was asked for, or the group's retry topic for it under either of its names.
//! PROTOCOL.md "Pop".

use std::fmt::{self, Write as _};

use crate::names::RETRY_PREFIX;
use crate::requests::PopReply;

/// The revive queue that marks receipts of ordered pops.
pub const ORDER_REVIVE_QUEUE: i32 = 999;

/// Where a popped message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// In the topic itself.
    Normal,
    /// In `%RETRY%group_topic`.
    RetryV1,
    /// In `%RETRY%group+topic`.
    RetryV2,
}

impl Kind {
    /// The digit of the wire.
    pub fn digit(self) -> char {
        match self {
            Self::Normal => '0',
            Self::RetryV1 => '1',
            Self::RetryV2 => '2',
        }
    }

    /// From the text of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => Some(Self::Normal),
            "1" => Some(Self::RetryV1),
            "2" => Some(Self::RetryV2),
            _ => None,
        }
    }

    /// The name of the topic that holds messages of this kind for `group` and `topic`.
    pub fn topic_of(self, group: &str, topic: &str) -> String {
        match self {
            Self::Normal => topic.to_owned(),
            Self::RetryV1 => format!("{RETRY_PREFIX}{group}_{topic}"),
            Self::RetryV2 => format!("{RETRY_PREFIX}{group}+{topic}"),
        }
    }

    /// What clients take a topic for, by its name alone.
    ///
    /// Source: `ExtraInfoUtil.getRetry`, RocketMQ 5.3.
    pub fn of_topic(topic: &str) -> Self {
        match topic.strip_prefix(RETRY_PREFIX) {
            None => Self::Normal,
            Some(rest) if rest.contains('+') => Self::RetryV2,
            Some(_) => Self::RetryV1,
        }
    }
}

/// The topic that a pop retry topic of `group` belongs to; `None` if it is none.
pub fn origin_topic<'a>(topic: &'a str, group: &str) -> Option<&'a str> {
    let rest = topic.strip_prefix(RETRY_PREFIX)?.strip_prefix(group)?;
    rest.strip_prefix(['_', '+']).filter(|origin| !origin.is_empty())
}

/// A receipt. It displays as the text of the wire, so that it can be written without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// First queue offset that its checkpoint covers.
    pub start: i64,
    /// When it was popped, ms since 1970.
    pub pop_ms: i64,
    /// For how long nobody else sees it, ms.
    pub invisible_ms: i64,
    /// [`ORDER_REVIVE_QUEUE`] for an ordered pop; else a number without meaning to RingMQ.
    pub revive_queue: i32,
    /// In which topic the message lies.
    pub kind: Kind,
    /// Name of the broker that has it.
    pub broker: &'a str,
    /// Its queue there.
    pub queue_id: i32,
    /// The message's own; clients leave it out of some receipts.
    pub offset: Option<i64>,
}

impl<'a> Receipt<'a> {
    /// What clients make of the answer to a pop for a message that carries no receipt of its own; `None` if the answer
    /// says nothing of its queue.
    ///
    /// Source: `MQClientAPIImpl.processPopResponse` and `ExtraInfoUtil.buildExtraInfo`, RocketMQ 5.3.
    #[must_use]
    pub fn of_answer(answer: &PopReply<'_>, broker: &'a str, queue_id: i32, offset: i64) -> Option<Self> {
        let start = start_of(answer.start_offset_info?, Kind::Normal, queue_id)?;
        Some(Self {
            start,
            pop_ms: answer.pop_time,
            invisible_ms: answer.invisible_time,
            revive_queue: answer.revive_qid,
            kind: Kind::Normal,
            broker,
            queue_id,
            offset: Some(offset),
        })
    }

    /// Takes a receipt apart. Names hold no blanks, so the parts are found by them.
    ///
    /// # Errors
    /// A part that is missing or not what it should be.
    pub fn parse(text: &'a str) -> Result<Self, ReceiptError<'a>> {
        const PARTS: [&str; 7] =
            ["start offset", "pop time", "invisible time", "revive queue", "retry kind", "broker", "queue"];
        let wrong = |what, fault| ReceiptError { what, fault, text };
        let mut parts = text.split(' ').filter(|part| !part.is_empty());
        let mut seen = 0;
        let mut next = || {
            let what = PARTS.get(seen).copied().unwrap_or("offset");
            seen += 1;
            parts.next().ok_or(wrong(what, Fault::Missing))
        };
        let number = |part: &str, what| part.parse::<i64>().map_err(|_| wrong(what, Fault::NotANumber));
        let small =
            |part: &str, what| i32::try_from(number(part, what)?).map_err(|_| wrong(what, Fault::OutOfRange));
        let start = number(next()?, PARTS[0])?;
        let pop_ms = number(next()?, PARTS[1])?;
        let invisible_ms = number(next()?, PARTS[2])?;
        let revive_queue = small(next()?, PARTS[3])?;
        let kind = Kind::parse(next()?).ok_or(wrong(PARTS[4], Fault::UnknownKind))?;
        let broker = next()?;
        let queue_id = small(next()?, PARTS[6])?;
        let offset = parts.next().map(|part| number(part, "offset")).transpose()?;
        Ok(Self { start, pop_ms, invisible_ms, revive_queue, kind, broker, queue_id, offset })
    }
}

impl fmt::Display for Receipt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, pop_ms, invisible_ms, revive_queue, broker, queue_id, .. } = self;
        let kind = self.kind.digit();
        write!(f, "{start} {pop_ms} {invisible_ms} {revive_queue} {kind} {broker} {queue_id}")?;
        self.offset.map_or(Ok(()), |offset| write!(f, " {offset}"))
    }
}

/// Why a text is no receipt; displays as a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptError<'a> {
    /// The part that is wrong.
    what: &'static str,
    fault: Fault,
    /// All that came.
    text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Missing,
    NotANumber,
    OutOfRange,
    UnknownKind,
}

impl fmt::Display for ReceiptError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what;
        match self.fault {
            Fault::Missing => write!(f, "the receipt has no {what}"),
            Fault::NotANumber => write!(f, "the {what} of the receipt is no number"),
            Fault::OutOfRange => write!(f, "the {what} of the receipt is out of range"),
            Fault::UnknownKind => write!(f, "the {what} of the receipt is not 0, 1 or 2"),
        }?;
        write!(f, ": {:?}", shown(self.text))
    }
}

impl std::error::Error for ReceiptError<'_> {}

/// A remark repeats no more than this of what came.
fn shown(text: &str) -> &str {
    let end = (0..=text.len().min(120)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// What [`OffsetTexts::starts`] says of a queue.
fn start_of(starts: &str, kind: Kind, queue_id: i32) -> Option<i64> {
    starts.split(';').find_map(|part| {
        let mut fields = part.split(' ');
        let is_meant = Kind::parse(fields.next()?) == Some(kind) && fields.next()?.parse() == Ok(queue_id);
        if is_meant { fields.next()?.parse().ok() } else { None }
    })
}

/// `startOffsetInfo`, `msgOffsetInfo` and `orderCountInfo` of one answer, part by part.
#[derive(Debug, Default)]
pub struct OffsetTexts {
    /// `kind queue start;...`
    pub starts: String,
    /// `kind queue o1,o2;...`
    pub offsets: String,
    /// `kind queue count;...` and `kind qoQUEUE%OFFSET count;...`
    pub orders: String,
}

impl OffsetTexts {
    /// Adds what was popped of one queue.
    pub fn add(&mut self, kind: Kind, queue_id: u32, start: u64, offsets: impl Iterator<Item = u64>) {
        part(&mut self.starts, kind);
        let _ = write!(self.starts, "{queue_id} {start}");
        part(&mut self.offsets, kind);
        let _ = write!(self.offsets, "{queue_id} ");
        for (index, offset) in offsets.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(self.offsets, "{comma}{offset}");
        }
    }

    /// Adds how often one message was popped before.
    pub fn add_message_count(&mut self, kind: Kind, queue_id: u32, offset: u64, count: u32) {
        part(&mut self.orders, kind);
        let _ = write!(self.orders, "qo{queue_id}%{offset} {count}");
    }

    /// Adds how often all messages of a queue's batch were popped before.
    pub fn add_queue_count(&mut self, kind: Kind, queue_id: u32, count: u32) {
        part(&mut self.orders, kind);
        let _ = write!(self.orders, "{queue_id} {count}");
    }
}

fn part(text: &mut String, kind: Kind) {
    if !text.is_empty() {
        text.push(';');
    }
    text.push(kind.digit());
    text.push(' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_back_and_what_is_none_says_why() {
        let text = "17 1700000000000 60000 3 1 broker-a 2 19";
        let receipt = Receipt::parse(text).expect("a whole receipt");
        assert_eq!((receipt.start, receipt.kind, receipt.offset), (17, Kind::RetryV1, Some(19)));
        assert_eq!(receipt.to_string(), text);
        let short = "17 1700000000000 60000 999 0 b 2";
        assert_eq!(Receipt::parse(short).expect("without the offset").to_string(), short);
        for wrong in
            ["", "1 2 3", "x 1 1 1 0 b 0", "1 1 1 1 7 b 0", "1 1 1 99999999999 0 b 0", "1 1 1 1 0 b 0 z"]
        {
            assert!(Receipt::parse(wrong).is_err(), "{wrong}");
        }
        let long = "é".repeat(1_000);
        assert!(Receipt::parse(&long).expect_err("no numbers").to_string().len() < 400);
    }

    #[test]
    fn the_texts_of_an_answer_are_those_of_java() {
        let mut texts = OffsetTexts::default();
        texts.add(Kind::Normal, 3, 100, [100, 102].into_iter());
        texts.add(Kind::RetryV1, 0, 7, std::iter::once(7));
        texts.add_message_count(Kind::Normal, 3, 100, 2);
        texts.add_queue_count(Kind::Normal, 3, 0);
        assert_eq!(texts.starts, "0 3 100;1 0 7");
        assert_eq!(texts.offsets, "0 3 100,102;1 0 7");
        assert_eq!(texts.orders, "0 qo3%100 2;0 3 0");
    }

    #[test]
    fn a_client_makes_the_receipt_of_what_the_answer_says_of_the_queue() {
        let mut texts = OffsetTexts::default();
        texts.add(Kind::RetryV1, 3, 7, std::iter::once(7));
        texts.add(Kind::Normal, 31, 50, std::iter::once(50));
        texts.add(Kind::Normal, 3, 100, [100, 102].into_iter());
        let answer = PopReply {
            pop_time: 1_700_000_000_000,
            invisible_time: 60_000,
            revive_qid: 5,
            rest_num: None,
            start_offset_info: Some(&texts.starts),
            msg_offset_info: None,
            order_count_info: None,
        };
        let receipt = Receipt::of_answer(&answer, "broker-a", 3, 102).expect("the queue is there");
        assert_eq!(receipt.to_string(), "100 1700000000000 60000 5 0 broker-a 3 102");
        assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt));
        assert_eq!(Receipt::of_answer(&answer, "broker-a", 1, 102), None);
        assert_eq!(Receipt::of_answer(&PopReply { start_offset_info: None, ..answer }, "b", 3, 102), None);
    }

    #[test]
    fn retry_topics_are_known_by_their_names() {
        assert_eq!(Kind::RetryV1.topic_of("g", "T"), "%RETRY%g_T");
        assert_eq!(Kind::RetryV2.topic_of("g", "T"), "%RETRY%g+T");
        for kind in [Kind::Normal, Kind::RetryV1, Kind::RetryV2] {
            assert_eq!(Kind::of_topic(&kind.topic_of("g", "T")), kind);
            assert_eq!(Kind::parse(&kind.digit().to_string()), Some(kind));
        }
        assert_eq!(origin_topic("%RETRY%g_T", "g"), Some("T"));
        assert_eq!(origin_topic("%RETRY%g+T", "g"), Some("T"));
        assert_eq!(origin_topic("%RETRY%g", "g"), None);
        assert_eq!(origin_topic("%RETRY%gg_T", "g"), None);
        assert_eq!(origin_topic("T", "g"), None);
    }
}
