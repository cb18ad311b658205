//! What a client keeps of a popped message: the receipt (`POP_CK`, "extra info"), and the texts of a pop's answer from
//! which clients build it.
//!
//! A receipt is `start popTime invisibleTime reviveQueue kind broker queue offset`, separated by blanks. `kind` says in
//! which topic the message lies: the one that was asked for, or the group's retry topic for it under either of its names.
//! PROTOCOL.md "Pop".

use std::fmt::Write as _;

use net::names::RETRY_PREFIX;

/// The revive queue that marks receipts of ordered pops.
pub(crate) const ORDER_REVIVE_QUEUE: i32 = 999;

/// Where a popped message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// In the topic itself.
    Normal,
    /// In `%RETRY%group_topic`.
    RetryV1,
    /// In `%RETRY%group+topic`.
    RetryV2,
}

impl Kind {
    /// The digit of the wire.
    pub(crate) fn digit(self) -> char {
        match self {
            Self::Normal => '0',
            Self::RetryV1 => '1',
            Self::RetryV2 => '2',
        }
    }

    /// From the text of the wire.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => Some(Self::Normal),
            "1" => Some(Self::RetryV1),
            "2" => Some(Self::RetryV2),
            _ => None,
        }
    }

    /// The name of the topic that holds messages of this kind for `group` and `topic`.
    pub(crate) fn topic_of(self, group: &str, topic: &str) -> String {
        match self {
            Self::Normal => topic.to_owned(),
            Self::RetryV1 => format!("{RETRY_PREFIX}{group}_{topic}"),
            Self::RetryV2 => format!("{RETRY_PREFIX}{group}+{topic}"),
        }
    }

    /// What clients take a topic for, by its name alone.
    ///
    /// Source: `ExtraInfoUtil.getRetry`, RocketMQ 5.3.
    pub(crate) fn of_topic(topic: &str) -> Self {
        match topic.strip_prefix(RETRY_PREFIX) {
            None => Self::Normal,
            Some(rest) if rest.contains('+') => Self::RetryV2,
            Some(_) => Self::RetryV1,
        }
    }
}

/// The topic that a pop retry topic of `group` belongs to; `None` if it is none.
pub(crate) fn origin_topic<'a>(topic: &'a str, group: &str) -> Option<&'a str> {
    let rest = topic.strip_prefix(RETRY_PREFIX)?.strip_prefix(group)?;
    rest.strip_prefix(['_', '+']).filter(|origin| !origin.is_empty())
}

/// A receipt, as far as the broker looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt<'a> {
    /// First queue offset that its checkpoint covers.
    pub(crate) start: i64,
    pub(crate) pop_ms: i64,
    pub(crate) invisible_ms: i64,
    pub(crate) revive_queue: i32,
    pub(crate) kind: Kind,
    pub(crate) broker: &'a str,
    pub(crate) queue_id: i32,
    /// The message's own; clients leave it out of some receipts.
    pub(crate) offset: Option<i64>,
}

impl<'a> Receipt<'a> {
    /// Takes a receipt apart. Names hold no blanks, so the parts are found by them.
    ///
    /// # Errors
    /// A sentence for the remark.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        const PARTS: [&str; 7] =
            ["start offset", "pop time", "invisible time", "revive queue", "retry kind", "broker", "queue"];
        let mut parts = text.split(' ').filter(|part| !part.is_empty());
        let mut seen = 0;
        let mut next = || {
            let what = PARTS.get(seen).copied().unwrap_or("offset");
            seen += 1;
            parts.next().ok_or_else(|| format!("the receipt has no {what}: {:?}", shown(text)))
        };
        let number = |part: &str, what: &str| {
            part.parse::<i64>()
                .map_err(|_| format!("the {what} of the receipt is no number: {:?}", shown(text)))
        };
        let small = |part: &str, what: &str| {
            i32::try_from(number(part, what)?)
                .map_err(|_| format!("the {what} of the receipt is out of range: {:?}", shown(text)))
        };
        let start = number(next()?, PARTS[0])?;
        let pop_ms = number(next()?, PARTS[1])?;
        let invisible_ms = number(next()?, PARTS[2])?;
        let revive_queue = small(next()?, PARTS[3])?;
        let kind = Kind::parse(next()?)
            .ok_or_else(|| format!("the retry kind of the receipt is not 0, 1 or 2: {:?}", shown(text)))?;
        let broker = next()?;
        let queue_id = small(next()?, PARTS[6])?;
        let offset = parts.next().map(|part| number(part, "offset")).transpose()?;
        Ok(Self { start, pop_ms, invisible_ms, revive_queue, kind, broker, queue_id, offset })
    }

    /// The text of the wire.
    pub(crate) fn text(&self) -> String {
        let Self { start, pop_ms, invisible_ms, revive_queue, broker, queue_id, .. } = self;
        let kind = self.kind.digit();
        let mut text = format!("{start} {pop_ms} {invisible_ms} {revive_queue} {kind} {broker} {queue_id}");
        if let Some(offset) = self.offset {
            let _ = write!(text, " {offset}");
        }
        text
    }
}

/// A remark repeats no more than this of what came.
fn shown(text: &str) -> &str {
    let end = (0..=text.len().min(120)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// `startOffsetInfo`, `msgOffsetInfo` and `orderCountInfo` of one answer, part by part.
#[derive(Debug, Default)]
pub(crate) struct OffsetTexts {
    /// `kind queue start;...`
    pub(crate) starts: String,
    /// `kind queue o1,o2;...`
    pub(crate) offsets: String,
    /// `kind queue count;...` and `kind qoQUEUE%OFFSET count;...`
    pub(crate) orders: String,
}

impl OffsetTexts {
    /// Adds what was popped of one queue.
    pub(crate) fn add(&mut self, kind: Kind, queue_id: u32, start: u64, offsets: impl Iterator<Item = u64>) {
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
    pub(crate) fn add_message_count(&mut self, kind: Kind, queue_id: u32, offset: u64, count: u32) {
        part(&mut self.orders, kind);
        let _ = write!(self.orders, "qo{queue_id}%{offset} {count}");
    }

    /// Adds how often all messages of a queue's batch were popped before.
    pub(crate) fn add_queue_count(&mut self, kind: Kind, queue_id: u32, count: u32) {
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
        assert_eq!(receipt.text(), text);
        let short = "17 1700000000000 60000 999 0 b 2";
        assert_eq!(Receipt::parse(short).expect("without the offset").text(), short);
        for wrong in
            ["", "1 2 3", "x 1 1 1 0 b 0", "1 1 1 1 7 b 0", "1 1 1 99999999999 0 b 0", "1 1 1 1 0 b 0 z"]
        {
            assert!(Receipt::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Receipt::parse(&"é".repeat(1_000)).expect_err("no numbers").len() < 400);
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
