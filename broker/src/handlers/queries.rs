//! Messages by id and by key: requests 33 and 12. behaviour.md 18.

use net::requests::{NoHeader, QueryMessage, QueryMessageReply, ViewMessageById};
use net::{ResponseCode, properties, reply};
use rt::{Class, Env, SharedSlice};
use store::PhysicalOffset;
use store::record::{Parsed, light_names, parse};

use crate::call::{Call, Done, Outcome, Refused};
use crate::refusals;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    pub(crate) fn view_message(&mut self, call: &Call<'_>, request: &ViewMessageById<'_>) -> Outcome {
        let offset = request.offset;
        let not_found = move || Refused::system(format!("can not find message by the offset, {offset}"));
        let at = u64::try_from(offset).map(PhysicalOffset::new).map_err(|_| not_found())?;
        let topic = request.topic.filter(|topic| !topic.trim().is_empty()).map(str::to_owned);
        let work = self.store.record_at(at);
        self.answer_later(call, Class::ColdRead, work, move |shard, conn, to, found, _| {
            let record =
                found.map_err(|error| refusals::of_read(&error, &shard.identity))?.ok_or_else(not_found)?;
            if let Some(topic) = &topic {
                check_topic(&record, topic)?;
            }
            if let (Some(to), Some(out)) = (to, shard.connections.reply(conn)) {
                let bytes = record.len();
                reply::with_slices(out, to, ResponseCode::SUCCESS, None, &NoHeader {}, bytes, [record]);
            }
            Ok(Done::Answered)
        })
    }

    pub(crate) fn query_message(&mut self, call: &Call<'_>, request: &QueryMessage<'_>) -> Outcome {
        let by_unique_key = request.unique_key_query == Some(true) || request.index_type == Some("U");
        let limit = if by_unique_key { self.config.query_count } else { self.config.query_count_max };
        let asked = u32::try_from(request.max_num).unwrap_or(0).max(1);
        let max = if by_unique_key { limit } else { asked.min(limit) };
        let work = self.store.query_keys(
            request.topic,
            request.key,
            max,
            request.begin_timestamp,
            request.end_timestamp,
        );
        self.answer_later(call, Class::ColdRead, work, |shard, conn, to, found, now| {
            let records = found.map_err(|error| refusals::of_read(&error, &shard.identity))?;
            if records.is_empty() {
                let remark = "can not find message, maybe time range not correct";
                return Err(Refused::new(ResponseCode::QUERY_NOT_FOUND, remark));
            }
            let header = QueryMessageReply {
                index_updated_at_ms: now.unix_ms,
                index_phys_offset: i64::try_from(shard.store.end().get()).expect("a log below 2^63 bytes"),
            };
            if let (Some(to), Some(out)) = (to, shard.connections.reply(conn)) {
                let bytes = records.iter().map(|record| record.len()).sum();
                reply::with_slices(out, to, ResponseCode::SUCCESS, None, &header, bytes, records);
            }
            Ok(Done::Answered)
        })
    }
}

/// A message that lies under a system topic counts as one of its real topic.
fn check_topic(record: &SharedSlice, topic: &str) -> Result<(), Refused> {
    let Ok(Parsed::Record(record)) = parse(record) else {
        return Err(Refused::system("the record cannot be read"));
    };
    let real = properties::find(record.properties(), "REAL_TOPIC").and_then(|name| str::from_utf8(name).ok());
    let is_dispatched = || light_names(record.topic(), record.properties()).any(|name| name == topic);
    if record.topic() == topic || real == Some(topic) || is_dispatched() {
        return Ok(());
    }
    let remark = format!("the message belongs to topic {}, not to {topic}", record.topic());
    Err(Refused::new(ResponseCode::NO_PERMISSION, remark))
}
