//! Pops, and what consumers do with what they got.

use net::requests::{AckMessage, ChangeMessageInvisibletime, PopMessage};

use crate::client::{Answer, Client};
use crate::messages::Message;

/// A pop of any queue of "T" for "g" that is answered at once: up to 32 messages, invisible for 10 s.
pub fn pop<'a>() -> PopMessage<'a> {
    PopMessage {
        consumer_group: "g",
        topic: "T",
        queue_id: -1,
        max_msg_nums: 32,
        invisible_time_ms: 10_000,
        poll_time_ms: 0,
        born_at_ms: 0,
        init_mode: 0,
        exp_type: None,
        exp: None,
        order: false,
        attempt_id: None,
    }
}

/// A popped message with its receipt, as clients make it of an answer.
#[derive(Clone, Debug)]
pub struct Popped {
    pub message: Message,
    /// The topic that holds it.
    pub topic: String,
    pub queue_id: i32,
    pub offset: i64,
    pub receipt: String,
}

impl Popped {
    pub fn text(&self) -> String {
        String::from_utf8(self.message.body.clone()).unwrap()
    }

    pub fn ack(&self) -> AckMessage<'_> {
        AckMessage {
            consumer_group: "g",
            topic: &self.topic,
            queue_id: self.queue_id,
            extra_info: &self.receipt,
            offset: self.offset,
            lite_topic: None,
        }
    }

    pub fn change(&self, invisible_time_ms: i64) -> ChangeMessageInvisibletime<'_> {
        ChangeMessageInvisibletime {
            consumer_group: "g",
            topic: &self.topic,
            queue_id: self.queue_id,
            extra_info: &self.receipt,
            offset: self.offset,
            invisible_time_ms,
            lite_topic: None,
            suspend: false,
        }
    }

    /// With the receipt that a change of its visibility gave.
    pub fn changed(&self, answer: &Answer) -> Self {
        let kind = self.receipt.split(' ').nth(4).unwrap();
        let broker = self.receipt.split(' ').nth(5).unwrap();
        let receipt = format!(
            "{} {} {} {} {kind} {broker} {} {}",
            self.offset,
            answer.number("popTime"),
            answer.number("invisibleTime"),
            answer.number("reviveQid"),
            self.queue_id,
            self.offset
        );
        Self { receipt, ..self.clone() }
    }
}

impl Client<'_> {
    /// What a pop gave, with receipts; nothing if there was nothing.
    pub fn popped(&mut self, request: &PopMessage<'_>) -> Vec<Popped> {
        let answer = self.ask(request, b"");
        popped(&answer)
    }

    /// The texts of what a pop gave, sorted.
    pub fn popped_texts(&mut self, request: &PopMessage<'_>) -> Vec<String> {
        let mut texts: Vec<String> = self.popped(request).iter().map(Popped::text).collect();
        texts.sort();
        texts
    }
}

/// Messages with their receipts, of an answer of broker "broker-a" to group "g" and topic "T".
pub fn popped(answer: &Answer) -> Vec<Popped> {
    assert!(matches!(answer.code, 0 | 210), "{answer:?}");
    let mut all: Vec<Popped> = answer.messages().into_iter().map(|message| one(answer, message)).collect();
    // Each message is named once in `msgOffsetInfo`.
    let named: usize =
        parts(answer.text("msgOffsetInfo")).map(|(_, _, offsets)| offsets.split(',').count()).sum();
    assert_eq!(named, all.len(), "{answer:?}");
    all.sort_by_key(|one| (one.topic.clone(), one.queue_id, one.offset));
    all
}

fn parts(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.split(';').filter(|part| !part.is_empty()).map(move |part| {
        let fields: Vec<&str> = part.split(' ').collect();
        assert_eq!(fields.len(), 3, "{text}");
        (fields[0], fields[1], fields[2])
    })
}

fn one(answer: &Answer, message: Message) -> Popped {
    let offset = i64::try_from(message.queue_offset).unwrap();
    let queue_id = i32::try_from(message.queue_id).unwrap();
    let receipt = match message.property("POP_CK") {
        Some(receipt) => receipt.to_owned(),
        None => {
            let queue = queue_id.to_string();
            let mut starts = parts(answer.text("startOffsetInfo"));
            let (_, _, start) = starts.find(|(kind, id, _)| *kind == "0" && *id == queue).unwrap();
            let (pop, invisible) = (answer.number("popTime"), answer.number("invisibleTime"));
            format!("{start} {pop} {invisible} {} 0 broker-a {queue_id} {offset}", answer.number("reviveQid"))
        }
    };
    assert_eq!(message.topic, "T", "also if it comes from a retry topic");
    let topic = match receipt.split(' ').nth(4).unwrap() {
        "1" => "%RETRY%g_T",
        "2" => "%RETRY%g+T",
        _ => "T",
    };
    Popped { topic: topic.to_owned(), queue_id, offset, receipt, message }
}
