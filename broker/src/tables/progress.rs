//! How far the broker's own services got, in the tables: delay levels, messages for a time, recalls, the dedup window.
//!
//! What is written here never runs ahead of the flush of what a service delivered (ARCHITECTURE.md, invariant 10).

use hashbrown::HashMap;
use rt::Env;
use store::{PhysicalOffset, QueueOffset};

use super::{DELAYS, FACTS, RECALLED, TIMED, from_json, keep, to_json};
use crate::shard::Shard;
use crate::timed::Progress;

pub(super) const WATERMARK: &[u8] = b"watermark";
const DEDUP_FLOOR: &[u8] = b"dedup floor";

impl<E: Env> Shard<E> {
    /// Hands to the tables how far the broker's own services got, as far as what they wrote is flushed.
    pub(crate) fn store_progress(&mut self) {
        self.store_floors();
        self.store_timed();
        self.store_dedup_floor();
        let (flushed, end) = (self.store.flushed(), self.store.end());
        for (queue_id, next) in self.delays.take_flushed(flushed, end) {
            let tables = self.store.tables();
            keep(tables.put(DELAYS, &queue_id.to_be_bytes(), &next.get().to_be_bytes()));
        }
    }

    fn store_timed(&mut self) {
        let (flushed, end) = (self.store.flushed(), self.store.end());
        let Some(progress) = self.timed.take_flushed(flushed, end) else { return };
        let spent = self.timed.take_spent_recalls();
        let tables = self.store.tables();
        for (slot, offset) in progress.consumed {
            keep(tables.put(TIMED, &slot.to_be_bytes(), &offset.get().to_be_bytes()));
        }
        keep(tables.put(TIMED, WATERMARK, &progress.watermark.to_be_bytes()));
        for at in spent {
            keep(tables.delete(RECALLED, &at.to_be_bytes()));
        }
    }

    /// Where the messages begin whose unique keys may still count, as an earlier run stored it.
    pub(crate) fn load_dedup_floor(&mut self) -> Option<PhysicalOffset> {
        let value = self.store.tables().get(FACTS, DEDUP_FLOOR)?;
        let floor = from_json::<u64>("dedup floor", DEDUP_FLOOR, &value).map(PhysicalOffset::new)?;
        self.dedup_floor = floor;
        Some(floor)
    }

    pub(crate) fn put_dedup_floor(&mut self, floor: Option<PhysicalOffset>) {
        self.dedup_floor = floor.unwrap_or_default();
        let tables = self.store.tables();
        keep(match floor {
            Some(floor) => tables.put(FACTS, DEDUP_FLOOR, &to_json(&floor.get())),
            None => tables.delete(FACTS, DEDUP_FLOOR),
        });
    }

    /// Remembers that the message stored at `at` is not to be delivered when it is due.
    pub(crate) fn put_recalled(&mut self, at: PhysicalOffset, due_ms: i64) {
        self.timed.recall(at, due_ms);
        keep(self.store.tables().put(RECALLED, &at.get().to_be_bytes(), &due_ms.to_be_bytes()));
    }

    /// The progress of the messages for a time that an earlier run stored, and what was recalled.
    pub(crate) fn load_timed(&mut self) -> (Progress, HashMap<u64, i64>) {
        let mut progress = Progress::default();
        let tables = self.store.tables();
        for (key, value) in tables.iter(TIMED) {
            if key == WATERMARK {
                progress.watermark = number(&value).map_or(0, u64::cast_signed);
            } else if let Some((slot, offset)) = row(&key, &value) {
                progress.consumed.push((u32::from_be_bytes(slot), QueueOffset::new(offset)));
            }
        }
        let recalled = tables.iter(RECALLED).filter_map(|(key, value)| {
            let (at, due_ms) = row(&key, &value)?;
            Some((u64::from_be_bytes(at), due_ms.cast_signed()))
        });
        (progress, recalled.collect())
    }

    /// The progress of the delay levels that an earlier run stored.
    pub(crate) fn load_delays(&mut self) -> Vec<(u32, QueueOffset)> {
        let level = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (queue_id, next) = row(&key, &value)?;
            Some((u32::from_be_bytes(queue_id), QueueOffset::new(next)))
        };
        self.store.tables().iter(DELAYS).filter_map(level).collect()
    }
}

/// A row whose key and value are numbers.
fn row<const KEY: usize>(key: &[u8], value: &[u8]) -> Option<([u8; KEY], u64)> {
    let key = key.try_into().map_err(|_| not_read(key.len()));
    key.ok().zip(number(value))
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| not_read(value.len())).ok()
}

fn not_read(bytes: usize) {
    tracing::error!(bytes, "a stored number of the broker's own services cannot be read and is left out");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_other_lengths_is_left_out() {
        let value = 7u64.to_be_bytes();
        assert_eq!(row::<4>(&[0, 0, 0, 5], &value), Some(([0, 0, 0, 5], 7)));
        assert_eq!(row::<4>(&[0, 0, 5], &value), None);
        assert_eq!(row::<4>(&[0, 0, 0, 5], &value[1..]), None);
    }
}
