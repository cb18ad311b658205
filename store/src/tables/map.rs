//! [`Map`]: the tables in memory, with the changes that no commit covers yet in the form they will be written in.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Change, operation};

#[derive(Debug, Default)]
pub(super) struct Map {
    tables: BTreeMap<u8, BTreeMap<Box<[u8]>, Slot>>,
    bytes: usize,
    pending: Vec<u8>,
    /// Counts the times that `pending` was taken; tells whether a slot's `pending_at` is about the present one.
    epoch: u64,
    /// Changes ever made.
    changes: u64,
}

#[derive(Debug)]
struct Slot {
    value: Vec<u8>,
    /// Where in `pending` of `epoch` the value lies, so that a hot key is written once per commit.
    pending_at: usize,
    epoch: u64,
}

impl Map {
    pub(super) fn apply(&mut self, change: Change<'_>) {
        self.changes += 1;
        match change {
            Change::Put { table, key, value } => self.put(table, key, value),
            Change::Delete { table, key } => self.delete(table, key),
        }
    }

    fn put(&mut self, table: u8, key: &[u8], value: &[u8]) {
        let pairs = self.tables.entry(table).or_default();
        if let Some(slot) = pairs.get_mut(key) {
            if slot.epoch == self.epoch && slot.value.len() == value.len() {
                slot.value.copy_from_slice(value);
                self.pending[slot.pending_at..slot.pending_at + value.len()].copy_from_slice(value);
                return;
            }
            self.bytes = self.bytes - slot.value.len() + value.len();
            slot.value.clear();
            slot.value.extend_from_slice(value);
            slot.epoch = self.epoch;
            slot.pending_at = self.pending.len() + operation::HEADER + key.len();
        } else {
            let pending_at = self.pending.len() + operation::HEADER + key.len();
            self.bytes += key.len() + value.len();
            pairs.insert(key.into(), Slot { value: value.into(), pending_at, epoch: self.epoch });
        }
        operation::encode(Change::Put { table, key, value }, &mut self.pending);
    }

    fn delete(&mut self, table: u8, key: &[u8]) {
        if let Some(slot) = self.tables.get_mut(&table).and_then(|pairs| pairs.remove(key)) {
            self.bytes -= key.len() + slot.value.len();
            operation::encode(Change::Delete { table, key }, &mut self.pending);
        }
    }

    pub(super) fn get(&self, table: u8, key: &[u8]) -> Option<&[u8]> {
        self.tables.get(&table)?.get(key).map(|slot| slot.value.as_slice())
    }

    /// Pairs of `table` with keys at or behind `first`.
    pub(super) fn from<'m>(&'m self, table: u8, first: &[u8]) -> impl Iterator<Item = (&'m [u8], &'m [u8])> {
        let bounds = (Bound::Included(first), Bound::Unbounded);
        let pairs = self.tables.get(&table).map(|pairs| pairs.range::<[u8], _>(bounds));
        pairs.into_iter().flatten().map(|(key, slot)| (&**key, slot.value.as_slice()))
    }

    /// Encodes pairs behind `after` into `out` until it has `limit` bytes; returns the last one, `None` at the end.
    pub(super) fn encode_some(
        &self,
        after: Option<(u8, Vec<u8>)>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Option<(u8, Vec<u8>)> {
        let (first_table, mut bound) = match &after {
            None => (0, Bound::Unbounded),
            Some((table, key)) => (*table, Bound::Excluded(key.as_slice())),
        };
        for (&table, pairs) in self.tables.range(first_table..) {
            if table != first_table {
                bound = Bound::Unbounded;
            }
            for (key, slot) in pairs.range::<[u8], _>((bound, Bound::Unbounded)) {
                operation::encode(Change::Put { table, key, value: &slot.value }, out);
                if out.len() >= limit {
                    return Some((table, key.to_vec()));
                }
            }
        }
        None
    }

    /// The changes since the last call, encoded. `spare` is memory to use again.
    pub(super) fn take_pending(&mut self, mut spare: Vec<u8>) -> Vec<u8> {
        spare.clear();
        self.epoch += 1;
        std::mem::replace(&mut self.pending, spare)
    }

    /// Puts changes that could not be committed before those made meanwhile.
    pub(super) fn give_back(&mut self, mut pending: Vec<u8>) {
        pending.extend_from_slice(&self.pending);
        self.pending = pending;
        // Positions have moved.
        self.epoch += 1;
    }

    /// What has been applied came from disk.
    pub(super) fn forget_pending(&mut self) {
        self.pending = Vec::new();
        self.epoch += 1;
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }
}
