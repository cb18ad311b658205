//! What must be there for ever: every place in a queue and the message that was acknowledged, or read, there.

use std::collections::HashMap;

use super::load::{genuine, hash};
use super::messages::{QUEUES, TOPIC};
use super::{PATIENCE, read_queue};
use crate::{record::Record, trouble::Trouble, wire::Wire};

/// Shard, queue id, queue offset.
pub(super) type Place = (usize, i32, i64);

/// What must be there for ever.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) known: HashMap<Place, u64>,
    /// Bodies that were read, by their hash, to notice a second copy.
    bodies: HashMap<u64, Place>,
    /// Per shard and queue, where the reading of the next cycle starts.
    read_to: HashMap<(usize, i32), i64>,
    pub(super) serial: u64,
    pub(super) committed: i64,
    /// Times that an offset was old enough to be asked for after a kill.
    pub(super) offsets_checked: usize,
}

impl Ledger {
    pub(super) fn learn(&mut self, place: Place, hash: u64, how: &str) -> Result<(), Trouble> {
        match self.known.insert(place, hash) {
            Some(before) if before != hash => {
                Err(Trouble::Answer(format!("{place:?} was one message and is now {how} as another")))
            }
            _ => Ok(()),
        }
    }

    /// Reads every queue of a shard, `whole` or from where the cycle before the last one ended.
    pub(super) fn read_back(&mut self, shard: usize, address: &str, whole: bool) -> Result<(), Trouble> {
        let mut wire = Wire::connect_to(address, PATIENCE)?;
        for queue_id in 0..i32::from(QUEUES) {
            let key = (shard, queue_id);
            let from = if whole { 0 } else { self.read_to.get(&key).copied().unwrap_or(0) };
            let max = read_queue(&mut wire, (TOPIC, queue_id), from, |record| self.check(shard, &record))?;
            let lost = self.known.keys().filter(|place| (place.0, place.1) == key && place.2 >= max).min();
            if let Some(lost) = lost {
                return Err(Trouble::Answer(format!(
                    "lost: {lost:?} was acknowledged, but the queue ends at {max}"
                )));
            }
            self.read_to.insert(key, from.max(max - 64)); // a little is read twice
        }
        Ok(())
    }

    fn check(&mut self, shard: usize, record: &Record) -> Result<(), Trouble> {
        let place = (shard, record.queue_id, record.queue_offset);
        if !genuine(&record.body) {
            return Err(Trouble::Answer(format!(
                "{place:?} holds {} bytes that nobody sent",
                record.body.len()
            )));
        }
        let hash = hash(&record.body);
        self.learn(place, hash, "read")?;
        match self.bodies.insert(hash, place) {
            Some(other) if other != place => {
                Err(Trouble::Answer(format!("one message at {other:?} and at {place:?}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::load::Load;
    use super::*;
    use crate::random::Random;

    fn record(queue_offset: i64, body: Vec<u8>) -> Record {
        Record { queue_id: 1, queue_offset, body, properties: String::new() }
    }

    fn body(serial: u64) -> Vec<u8> {
        let acknowledged = Mutex::default();
        Load { shard: 0, serial, random: Random::new(serial), acknowledged: &acknowledged }.body(true)
    }

    #[test]
    fn an_offset_that_is_used_twice_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.learn((0, 1, 7), hash(&body(1)), "acknowledged").unwrap();
        ledger.check(0, &record(7, body(1))).unwrap();
        assert!(ledger.check(0, &record(7, body(2))).is_err());
    }

    #[test]
    fn a_message_that_is_there_twice_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.check(0, &record(7, body(1))).unwrap();
        assert!(ledger.check(0, &record(8, body(1))).is_err());
    }

    #[test]
    fn a_body_that_nobody_sent_is_noticed() {
        let mut torn = body(1);
        torn.pop();
        assert!(Ledger::default().check(0, &record(0, torn)).is_err());
    }
}
