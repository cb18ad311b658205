//! Stored messages as consumers get them.

use net::properties;
use store::record::{Parsed, parse, stated_bytes};

#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub queue_id: u32,
    pub queue_offset: u64,
    pub physical_offset: u64,
    pub stored_at_ms: i64,
    pub flag: i32,
    pub reconsume_times: i32,
    pub body: Vec<u8>,
    properties: Vec<u8>,
}

impl Message {
    pub fn property(&self, name: &str) -> Option<&str> {
        properties::find(&self.properties, name).map(|value| str::from_utf8(value).unwrap())
    }
}

/// The records of a body, one behind the other.
pub(crate) fn messages(mut body: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let bytes = stated_bytes(body).unwrap() as usize;
        let (record, rest) = body.split_at(bytes);
        let Parsed::Record(record) = parse(record).unwrap() else { panic!("a filler in an answer") };
        all.push(Message {
            topic: record.topic().to_owned(),
            queue_id: record.queue_id(),
            queue_offset: record.queue_offset().get(),
            physical_offset: record.physical_offset().get(),
            stored_at_ms: record.stored_at_ms(),
            flag: record.flag(),
            reconsume_times: record.reconsume_times(),
            body: record.body().to_vec(),
            properties: record.properties().to_vec(),
        });
        body = rest;
    }
    all
}
