//! Priority messages: a message with a priority goes into the queue of that number. since-5.3.md 6 (RIP-80).
//!
//! The kinds of messages exclude each other in the order transaction, delay or time, FIFO, priority: what is of an
//! earlier kind loses the property. The type of the topic does not count. Pop reads queues of such a topic from the
//! highest down; a pull consumer just sees queues. Each shard orders for itself: who needs one order makes the topic on
//! one shard.

use net::properties::{self, keys};
use rt::Env;

use crate::call::{Call, Outcome};
use crate::handlers::{Asks, SendProperties, Sent, Target};
use crate::shard::Shard;

/// Decimal, 0 or more.
pub(crate) const PRIORITY: &str = "_SYS_MSG_PRIORITY_";

impl<E: Env> Shard<E> {
    /// Appends a message that does not wait, in the queue for its priority if it has one.
    pub(crate) fn append_by_priority(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let request = sent.request;
        if !sent.scanned.asks.has(Asks::PRIORITY) {
            return self.append_last(call, sent, target);
        }
        if properties::find(sent.properties, keys::SHARDING_KEY).is_some() {
            let mut stored = Vec::with_capacity(sent.properties.len());
            properties::append_without(&mut stored, sent.properties, |name| name == PRIORITY.as_bytes());
            let mut scanned = SendProperties::scan(&stored);
            scanned.wait = sent.scanned.wait;
            return self.append_last(call, &Sent { scanned: &scanned, properties: &stored, ..*sent }, target);
        }
        let target = match (priority_of(sent.properties), self.topics.config(request.topic)) {
            (Some(priority), Some(config)) => {
                let queue_id = priority.min(config.write_queues.max(1) - 1);
                Target { queue_id, queue: self.queue_of(request.topic, queue_id) }
            }
            _ => target,
        };
        self.append_last(call, sent, target)
    }

    /// Appends a message whose queue is settled.
    fn append_last(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let asks = sent.scanned.asks;
        if asks.has(Asks::DISPATCH) || asks.has(Asks::PLACES) {
            return self.append_dispatched(call, sent, target);
        }
        self.append_plain(call, sent, target)
    }
}

/// The priority that properties name; what is no number, or below 0, is none.
fn priority_of(stored: &[u8]) -> Option<u32> {
    let text = str::from_utf8(properties::find(stored, PRIORITY)?).ok()?;
    // Whatever does not fit is beyond every queue.
    text.parse::<u64>().ok().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_a_number_from_0_on() {
        let of = |value: &str| priority_of(format!("{PRIORITY}\u{1}{value}\u{2}").as_bytes());
        assert_eq!([of("0"), of("7"), of("99999999999")], [Some(0), Some(7), Some(u32::MAX)]);
        assert_eq!([of("-1"), of("high"), of("1.5")], [None; 3]);
    }
}
