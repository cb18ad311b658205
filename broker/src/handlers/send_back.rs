//! A consumer gives a message back: request 36. remoting.md 5.6.
//!
//! The message is stored anew under the group's retry topic (or its dead letter topic, when it was tried often
//! enough) and delivered again at once: waiting between attempts comes with delayed messages.

use net::ResponseCode;
use net::names::RETRY_PREFIX;
use net::properties;
use net::requests::ConsumerSendMsgBack;
use rt::{Class, Env, Now, SharedSlice};
use store::record::{Parsed, Record, parse};
use store::{Appended, NewMessage, PhysicalOffset};

use crate::call::{Call, Done, Outcome, Refused};
use crate::receipts::{Answer, Receipt, UniqueKey};
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::topics::perm;

/// A message given back, as far as the request says.
struct Returned {
    group: String,
    delay_level: i32,
    max_times: i32,
}

impl<E: Env> Shard<E> {
    pub(crate) fn send_back(&mut self, call: &Call<'_>, request: &ConsumerSendMsgBack<'_>) -> Outcome {
        if self.phase != Phase::Serving {
            return Err(refusals::going_away(call.version()));
        }
        let config = self.groups.get(request.group).ok_or_else(|| Refused::no_group(request.group))?;
        if self.config.permission & u32::from(perm::WRITE) == 0 {
            let remark = format!("the broker[{}] sending message is forbidden", self.identity.address);
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        if config.retry_queues <= 0 {
            return Ok(Done::Success);
        }
        let offset = request.offset;
        let not_found = move || Refused::system(format!("look message by offset failed, {offset}"));
        let at = u64::try_from(offset).map(PhysicalOffset::new).map_err(|_| not_found())?;
        let returned = Returned {
            group: request.group.to_owned(),
            delay_level: request.delay_level,
            max_times: request.max_reconsume_times.unwrap_or(config.retry_max_times),
        };
        let work = self.store.record_at(at);
        self.answer_later(call, Class::ColdRead, work, move |shard, conn, reply, found, now| {
            let record =
                found.map_err(|error| refusals::of_read(&error, &shard.identity))?.ok_or_else(not_found)?;
            let appended = shard.store_again(&record, &returned, now)?;
            let Some(reply) = reply else { return Ok(Done::Answered) };
            let receipt = Receipt {
                conn,
                reply,
                answer: Answer::Plain,
                end: appended.end,
                taken: now.mono,
                queue_id: 0,
                queue_offset: 0,
                count: 1,
                request_bytes: 0,
                unique_key: UniqueKey::new(),
            };
            let safe = shard.store.acknowledgeable();
            Ok(shard.answer_when_safe(receipt, std::iter::once(appended.at), safe))
        })
    }

    /// Stores a message under the retry or dead letter topic of its group.
    fn store_again(
        &mut self,
        record: &SharedSlice,
        returned: &Returned,
        now: Now,
    ) -> Result<Appended, Refused> {
        let Ok(Parsed::Record(record)) = parse(record) else {
            return Err(Refused::system("the record cannot be read"));
        };
        let dead = returned.delay_level < 0 || record.reconsume_times() >= returned.max_times;
        let topic = if dead {
            self.ensure_dead_letter_topic(&returned.group, now)
        } else {
            self.ensure_retry_topic(&returned.group, now);
            format!("{RETRY_PREFIX}{}", returned.group)
        };
        let queues = self.topics.config(&topic).map_or(1, |config| config.write_queues.max(1));
        let queue_id = u32::try_from(self.env.random() % u64::from(queues)).expect("below a u32");
        let stored = returned_properties(&record);
        let message = NewMessage {
            topic: &topic,
            queue_id,
            body: record.body(),
            properties: &stored,
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            born_at_ms: record.born_at_ms(),
            born_host: record.born_host(),
            store_host: self.identity.store_host,
            reconsume_times: record.reconsume_times().saturating_add(1),
            prepared_transaction_offset: 0,
            tags_code: properties::tags_code(text(&stored, "TAGS")),
            keys: text(&stored, "KEYS"),
            unique_key: text(&stored, "UNIQ_KEY"),
        };
        let queue = self.queue_of(&topic, queue_id);
        let appended = self
            .store
            .append(queue, &message, now.unix_ms)
            .map_err(|error| refusals::of_append(&error, &self.identity))?;
        self.statistics.counters.put_messages += 1;
        self.statistics.counters.put_bytes += u64::from(appended.bytes);
        self.grew(queue);
        Ok(appended)
    }
}

/// The properties of the new record: the old ones, where it came from, and which message it was first.
fn returned_properties(record: &Record<'_>) -> Vec<u8> {
    let old = record.properties();
    let mut stored = Vec::with_capacity(old.len() + 64);
    // The cover of the old record, and what must not wait again.
    properties::append_without(&mut stored, old, &["__CRC32#", "WAIT", "DELAY"]);
    if properties::find(old, "RETRY_TOPIC").is_none() {
        properties::append(&mut stored, 0, "RETRY_TOPIC", record.topic().as_bytes());
    }
    if properties::find(old, "ORIGIN_MESSAGE_ID").is_none() {
        let first = net::message_id::OffsetMessageId {
            host: record.store_host(),
            offset: record.physical_offset().get(),
        };
        let mut id = String::new();
        first.append(&mut id);
        properties::append(&mut stored, 0, "ORIGIN_MESSAGE_ID", id.as_bytes());
    }
    stored
}

fn text<'a>(stored: &'a [u8], name: &str) -> &'a str {
    properties::find(stored, name).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
}
