//! A consumer gives a message back: request 36. remoting.md 5.6.
//!
//! The message waits in a delay level, longer with every attempt, before it is stored under the group's retry topic; when
//! it was tried often enough it is stored under the group's dead letter topic at once.

use net::ResponseCode;
use net::names::{RETRY_PREFIX, SCHEDULE_TOPIC};
use net::properties::{self, keys};
use net::requests::ConsumerSendMsgBack;
use rt::{Class, Env, Now, SharedSlice};
use store::record::{Parsed, Record, parse};
use store::{Appended, PhysicalOffset};

use crate::call::{Call, Done, Outcome, Refused};
use crate::parked::{Again, park, strip};
use crate::refusals;
use crate::shard::{Phase, Shard};
use crate::topics::perm;

/// Level of the first attempt after the first delivery: 10 s by default.
const FIRST_RETRY_LEVEL: u32 = 3;

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
            let appended = shard.try_again(&record, &returned, now)?;
            let Some(reply) = reply else { return Ok(Done::Answered) };
            Ok(shard.answer_stored(conn, reply, &appended, now))
        })
    }

    /// Parks a message until its next attempt, or stores it among the dead letters of its group.
    fn try_again(
        &mut self,
        record: &SharedSlice,
        returned: &Returned,
        now: Now,
    ) -> Result<Appended, Refused> {
        let Ok(Parsed::Record(record)) = parse(record) else {
            return Err(Refused::system("the record cannot be read"));
        };
        let history = history(&record);
        let dead = returned.delay_level < 0 || record.reconsume_times() >= returned.max_times;
        let reconsume_times = record.reconsume_times().saturating_add(1);
        let again = |place, properties| Again {
            reconsume_times,
            prepared_at: 0,
            ..Again::moved(&record, place, properties)
        };
        let stored = if dead {
            let topic = self.ensure_dead_letter_topic(&returned.group, now);
            self.store_again(&record, &again((&topic, 0), &history), now)
        } else {
            self.ensure_retry_topic(&returned.group, now);
            let topic = format!("{RETRY_PREFIX}{}", returned.group);
            let queues = self.topics.config(&topic).map_or(1, |config| config.write_queues.max(1));
            let place = u32::try_from(self.env.random() % u64::from(queues)).expect("below a u32");
            let level = if returned.delay_level == 0 {
                FIRST_RETRY_LEVEL + u32::try_from(record.reconsume_times()).unwrap_or(0)
            } else {
                returned.delay_level.unsigned_abs()
            };
            let mut parked = Vec::with_capacity(history.len() + 64);
            park(&mut parked, &history, &[], (&topic, place));
            properties::append(&mut parked, 0, keys::DELAY, level.to_string().as_bytes());
            let queue_id = self.delays.queue_id(level);
            let stored = self.store_again(&record, &again((SCHEDULE_TOPIC, queue_id), &parked), now);
            if let Ok(appended) = &stored {
                self.delay_began(queue_id, appended.queue_offset, now);
            }
            stored
        };
        stored.map_err(|error| refusals::of_append(&error, &self.identity))
    }
}

/// The properties of the new record: the old ones, where it came from, and which message it was first.
fn history(record: &Record<'_>) -> Vec<u8> {
    let old = record.properties();
    let mut stored = Vec::with_capacity(old.len() + 64);
    // What must not wait again, and where an earlier attempt was parked.
    strip(&mut stored, old, &[keys::WAIT, keys::DELAY]);
    if properties::find(old, keys::RETRY_TOPIC).is_none() {
        properties::append(&mut stored, 0, keys::RETRY_TOPIC, record.topic().as_bytes());
    }
    if properties::find(old, keys::ORIGIN_MESSAGE_ID).is_none() {
        let first = net::message_id::OffsetMessageId {
            host: record.store_host(),
            offset: record.physical_offset().get(),
        };
        let mut id = String::new();
        first.append(&mut id);
        properties::append(&mut stored, 0, keys::ORIGIN_MESSAGE_ID, id.as_bytes());
    }
    stored
}
