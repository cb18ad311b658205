//! [`EvenSort`]: sorts keys whose hashes spread evenly, by putting each at once about where it belongs.
//!
//! Comparing keys until they are in order cost 3 % of the CPU time of a shard that takes single sends (perf, B1).

use std::mem;

use super::KeyEntry;

/// Memory for sorting, reused.
#[derive(Debug, Default)]
pub(super) struct EvenSort {
    /// How many keys are in each slot, then where the next key of each slot goes.
    places: Vec<u16>,
    spread: Vec<KeyEntry>,
}

impl EvenSort {
    /// Sorts `keys`, whose hashes all have the same `bits` leading bits.
    pub(super) fn sort(&mut self, keys: &mut Vec<KeyEntry>, bits: u32) {
        let slot = |key: &KeyEntry| ((key.hash << bits) >> (u64::BITS - SLOT_BITS)) as usize;
        self.places.clear();
        self.places.resize(SLOTS, 0);
        let mut fullest = 0;
        for key in keys.iter() {
            let count = &mut self.places[slot(key)];
            *count = count.saturating_add(1);
            fullest = fullest.max(*count);
        }
        // Many records with one key.
        if fullest > CROWD || keys.len() > usize::from(u16::MAX) {
            return keys.sort_unstable();
        }
        let mut next = 0;
        for place in &mut self.places {
            next += mem::replace(place, next);
        }
        self.spread.clear();
        self.spread.resize(keys.len(), KeyEntry { hash: 0, at: 0, stored_at_ms: 0 });
        for key in keys.iter() {
            let place = &mut self.places[slot(key)];
            self.spread[usize::from(*place)] = *key;
            *place += 1;
        }
        mem::swap(keys, &mut self.spread);
        settle(keys);
    }
}

/// Moves each key to the left until it is in order: few steps, where each is near its place.
fn settle(keys: &mut [KeyEntry]) {
    for from in 1..keys.len() {
        let key = keys[from];
        let mut to = from;
        while to > 0 && keys[to - 1] > key {
            keys[to] = keys[to - 1];
            to -= 1;
        }
        keys[to] = key;
    }
}

const SLOT_BITS: u32 = 10;
/// About as many as keys are sorted at a time.
const SLOTS: usize = 1 << SLOT_BITS;
/// With more in one slot the hashes do not spread evenly.
const CROWD: u16 = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hashes of which some come often, behind `bits` bits that all have.
    fn keys(bits: u32, few: u64) -> impl Strategy<Value = Vec<KeyEntry>> {
        let hash = prop_oneof![any::<u64>(), 0..few].prop_map(move |hash| hash >> bits);
        let key = (hash, 0..9_u64, any::<i64>());
        proptest::collection::vec(
            key.prop_map(|(hash, at, stored_at_ms)| KeyEntry { hash, at, stored_at_ms }),
            0..3000,
        )
    }

    proptest! {
        #[test]
        fn keys_come_in_order(
            (bits, mut keys) in (0..20_u32, 1..100_u64).prop_flat_map(|(bits, few)| (Just(bits), keys(bits, few))),
        ) {
            let mut expected = keys.clone();
            expected.sort_unstable();
            let mut even = EvenSort::default();
            even.sort(&mut keys, bits);
            prop_assert_eq!(&keys, &expected);
            even.sort(&mut keys, bits);
            prop_assert_eq!(&keys, &expected, "its memory is used again");
        }
    }
}
