//! Light queues: queues without a topic, named `%LMQ%NAME`, that a message lies in besides its own. store.md 2.10.
//!
//! A message names them in `INNER_MULTI_DISPATCH`; the broker writes its offset in each into
//! `INNER_MULTI_QUEUE_OFFSET`, from where a recovery takes their entries, and one record serves them all. A light queue
//! has no metadata: it is there when it has a message or a reader, in no list and no route, and deleted as a topic is.

use net::ResponseCode;
use net::properties::{self, PROPERTIES_BYTES_MAX};
use rt::Env;
use store::record::{inner_batch, is_light_name, light_names};
use store::{Appended, NewMessage, QueueRef, StoreError};

use crate::call::{Call, Outcome, Refused};
use crate::handlers::{SendProperties, Sent, Target};
use crate::receipts::Answer;
use crate::refusals;
use crate::shard::Shard;

/// Property in which the broker says where a message lies in light queues.
pub(crate) const PLACES: &str = "INNER_MULTI_QUEUE_OFFSET";
/// LMQ_QUOTA_EXCEEDED, since 5.5.
const QUOTA_EXCEEDED: ResponseCode = ResponseCode(2017);

/// Light queues that a message is for, with the properties that say so.
struct Dispatch {
    queues: Vec<(QueueRef, String)>,
    properties: Vec<u8>,
}

impl<E: Env> Shard<E> {
    /// Makes a light queue that somebody reads or writes, if there may be one of this name.
    pub(crate) fn make_light(&mut self, name: &str) -> Result<(), Refused> {
        if !self.config.light_queues || self.topics.slot(name).is_some() || !is_light_name(name) {
            return Ok(());
        }
        let limit = self.config.light_queues_max as usize;
        if self.topics.light() >= limit {
            return Err(Refused::new(
                QUOTA_EXCEEDED,
                format!("{name} would be one light queue too many, topics.light_queues_max is {limit}"),
            ));
        }
        self.topics.put_light(name);
        Ok(())
    }

    /// Appends a message in its queue, and in the light queues that it names.
    pub(crate) fn append_dispatched(&mut self, call: &Call<'_>, sent: &Sent<'_>, target: Target) -> Outcome {
        let dispatch = self.light_queues_of(sent.request.topic, sent.properties)?;
        let stored = &dispatch.properties;
        if stored.len() > PROPERTIES_BYTES_MAX {
            return Err(refusals::properties_too_large(stored.len()));
        }
        let mut scanned = SendProperties::scan(stored);
        scanned.wait = sent.scanned.wait;
        let placed = Sent { scanned: &scanned, properties: stored, ..*sent };
        if dispatch.queues.is_empty() {
            return self.append_plain(call, &placed, target);
        }
        let message = self.message_of(call, &placed, target.queue_id);
        let appended = self
            .spread(target.queue, &message, &dispatch.queues, call.now.unix_ms)
            .map_err(|error| refusals::of_append(&error, &self.identity))?;
        let answer = (Answer::Placed, sent.body.len());
        self.acknowledge(call, target, &[appended], message.unique_key, scanned.wait, answer)
    }

    /// Appends a message that is stored once more, with all its entries: in the light queues too that it names.
    pub(crate) fn append_again(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        if inner_batch(message.topic, message.sys_flag, message.properties) > 1 {
            return self.append_inner_again(queue, message, now_unix_ms);
        }
        let is_asked =
            self.config.multi_dispatch && light_names(message.topic, message.properties).next().is_some();
        match is_asked.then(|| self.light_queues_of(message.topic, message.properties)) {
            Some(Ok(dispatch)) if dispatch.properties.len() <= PROPERTIES_BYTES_MAX => {
                let message = NewMessage { properties: &dispatch.properties, ..*message };
                self.spread(queue, &message, &dispatch.queues, now_unix_ms)
            }
            Some(Err(refused)) => {
                tracing::warn!(topic = message.topic, remark = %refused.remark, "a message misses its light queues");
                self.append_counted(queue, message, now_unix_ms)
            }
            _ => self.append_counted(queue, message, now_unix_ms),
        }
    }

    fn append_counted(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        let appended = self.store.append(queue, message, now_unix_ms)?;
        self.stored(queue, 1, u64::from(appended.bytes));
        Ok(appended)
    }

    fn spread(
        &mut self,
        queue: QueueRef,
        message: &NewMessage<'_>,
        also: &[(QueueRef, String)],
        now_unix_ms: i64,
    ) -> Result<Appended, StoreError> {
        let also: Vec<(QueueRef, &str)> = also.iter().map(|(queue, name)| (*queue, name.as_str())).collect();
        let appended = self.store.append_spread(queue, message, 1, &also, now_unix_ms)?;
        self.stored(queue, 1, u64::from(appended.bytes));
        for (queue, _) in also {
            self.grew(queue);
        }
        Ok(appended)
    }

    /// Finds or makes the light queues of a message, and writes where it will lie in them. What a producer wrote about
    /// that is left out.
    fn light_queues_of(&mut self, topic: &str, sent: &[u8]) -> Result<Dispatch, Refused> {
        let mut properties = Vec::with_capacity(sent.len() + 64);
        properties::append_without(&mut properties, sent, |name| name == PLACES.as_bytes());
        let mut queues: Vec<(QueueRef, String)> = Vec::new();
        if self.config.light_queues && self.config.multi_dispatch {
            for name in light_names(topic, sent) {
                self.make_light(name)?;
                queues.push((self.queue_of(name, 0), name.to_owned()));
            }
        }
        if !queues.is_empty() {
            let all = properties::find(sent, "INNER_MULTI_DISPATCH").unwrap_or_default();
            let all = str::from_utf8(all).unwrap_or_default();
            let mut left: Vec<&(QueueRef, String)> = queues.iter().collect();
            // A place for every name of the list: empty where there is no light queue of it.
            let places = all.split(',').map(|name| {
                let at = left.iter().position(|(_, queue)| queue == name);
                at.map_or_else(String::new, |at| self.store.next_offset(left.remove(at).0).get().to_string())
            });
            let places: Vec<String> = places.collect();
            properties::append(&mut properties, 0, PLACES, places.join(",").as_bytes());
        }
        Ok(Dispatch { queues, properties })
    }
}
