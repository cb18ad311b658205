//! [`Popped`]: the answer of one pop, and what becomes of its messages: acknowledged, or given back.
//!
//! A message is named to the broker by its receipt, which says when and from where it was popped.

use net::client::Answer;
use net::fields::Decode;
use net::pop::{self, Kind};
use net::properties::{self, keys};
use net::requests::{AckMessage, ChangeMessageInvisibletime, PopReply};
use store::record::{Parsed, Record, parse};

use crate::client::cluster::{Cluster, odd};
use crate::failure::Failure;

use super::Options;

/// See the module.
pub(super) struct Popped {
    pub(super) broker: String,
    pub(super) address: String,
    pub(super) answer: Answer,
}

/// One message's receipt.
pub(super) struct Receipt {
    /// The topic that holds it, which may be a retry topic.
    pub(super) topic: String,
    pub(super) queue_id: i32,
    pub(super) offset: i64,
    pub(super) text: String,
}

impl Popped {
    /// Its messages, in their order.
    pub(super) fn records(&self) -> Result<Vec<Record<'_>>, Failure> {
        let mut all = Vec::new();
        let mut rest = self.answer.body.as_slice();
        while !rest.is_empty() {
            match parse(rest) {
                Ok(Parsed::Record(record)) => {
                    rest = &rest[record.bytes().len()..];
                    all.push(record);
                }
                Ok(Parsed::Blank { .. }) => break,
                Err(damage) => {
                    let what = format!("no message record: {damage:?}");
                    return Err(odd(&self.address, "reading messages", what));
                }
            }
        }
        Ok(all)
    }

    /// A message's receipt: what it carries itself, if it comes from a retry topic; else made of the answer's header.
    pub(super) fn receipt(&self, group: &str, record: &Record<'_>) -> Result<Receipt, Failure> {
        let (queue_id, offset) = (record.queue_id().cast_signed(), record.queue_offset().get().cast_signed());
        let own = properties::find(record.properties(), keys::POP_CK);
        if let Some(text) = own.and_then(|bytes| str::from_utf8(bytes).ok()) {
            let kind = pop::Receipt::parse(text).map_or(Kind::Normal, |receipt| receipt.kind);
            let topic = kind.topic_of(group, record.topic());
            return Ok(Receipt { topic, queue_id, offset, text: text.to_owned() });
        }
        let text = self.answer.with_header(|header| {
            let answer = PopReply::decode(&header.ext).map_err(|error| error.to_string())?;
            let receipt = pop::Receipt::of_answer(&answer, &self.broker, queue_id, offset);
            receipt.map(|receipt| receipt.to_string()).ok_or_else(|| {
                let starts = answer.start_offset_info.unwrap_or_default();
                format!("no start offset of queue {queue_id}: {starts:?}")
            })
        });
        let text = text.map_err(|what| odd(&self.address, "reading messages", what))?;
        Ok(Receipt { topic: record.topic().to_owned(), queue_id, offset, text })
    }

    /// The message of `receipt` was handled: it does not come again.
    pub(super) fn acknowledge(
        &self,
        cluster: &mut Cluster,
        options: &Options,
        receipt: &Receipt,
    ) -> Result<(), Failure> {
        let ack = AckMessage {
            consumer_group: &options.group,
            topic: &receipt.topic,
            queue_id: receipt.queue_id,
            extra_info: &receipt.text,
            offset: receipt.offset,
            lite_topic: None,
        };
        cluster.ask(&self.address, &ack, &[], "acknowledging a message").map(drop)
    }

    /// Makes what is left from message `from` on visible again at once. If that fails it comes back by itself, later.
    pub(super) fn give_back(&self, cluster: &mut Cluster, options: &Options, from: usize) {
        for record in self.records().unwrap_or_default().into_iter().skip(from) {
            let Ok(receipt) = self.receipt(&options.group, &record) else { continue };
            let change = ChangeMessageInvisibletime {
                consumer_group: &options.group,
                topic: &receipt.topic,
                queue_id: receipt.queue_id,
                extra_info: &receipt.text,
                offset: receipt.offset,
                invisible_time_ms: 0,
                lite_topic: None,
                suspend: true,
            };
            let _ = cluster.call(&self.address, &change, &[], "giving a message back");
        }
    }
}
