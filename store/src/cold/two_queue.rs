//! [`TwoQueue`]: the 2Q replacement policy (Johnson and Shasha, VLDB 1994). What is read once passes through a FIFO of
//! a quarter of the room; only what is asked for again after it left the FIFO enters the main part.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::BuildHasherDefault;

type Deterministic = BuildHasherDefault<std::hash::DefaultHasher>;

#[derive(Debug)]
pub(super) struct TwoQueue<V> {
    held: HashMap<u64, Place<V>, Deterministic>,
    /// Keys seen once, oldest first.
    recent: VecDeque<u64>,
    /// Keys seen again, by the time of their last use.
    frequent: BTreeMap<u64, u64>,
    /// Keys that left `recent` lately.
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64, Deterministic>,
    clock: u64,
    capacity: usize,
}

#[derive(Debug)]
struct Place<V> {
    value: V,
    /// Key in `frequent`; `None` while in `recent`.
    used: Option<u64>,
}

impl<V> TwoQueue<V> {
    /// Room for `capacity` values.
    pub(super) fn new(capacity: usize) -> Self {
        assert!(capacity >= 4);
        Self {
            held: HashMap::default(),
            recent: VecDeque::new(),
            frequent: BTreeMap::new(),
            ghosts: VecDeque::new(),
            ghost_set: HashSet::default(),
            clock: 0,
            capacity,
        }
    }

    /// The value of `key`; counts as a use.
    pub(super) fn get(&mut self, key: u64) -> Option<&V> {
        let place = self.held.get_mut(&key)?;
        if let Some(used) = &mut place.used {
            self.clock += 1;
            self.frequent.remove(used);
            *used = self.clock;
            self.frequent.insert(self.clock, key);
        }
        Some(&place.value)
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.held.contains_key(&key)
    }

    /// Adds or replaces a value; others may leave.
    pub(super) fn insert(&mut self, key: u64, value: V) {
        if let Some(place) = self.held.get_mut(&key) {
            place.value = value;
            return;
        }
        while self.held.len() >= self.capacity {
            self.evict();
        }
        let used = if self.ghost_set.remove(&key) {
            self.ghosts.retain(|&ghost| ghost != key);
            self.clock += 1;
            self.frequent.insert(self.clock, key);
            Some(self.clock)
        } else {
            self.recent.push_back(key);
            None
        };
        self.held.insert(key, Place { value, used });
    }

    /// Replaces a value if the key is still held.
    pub(super) fn replace(&mut self, key: u64, value: V) {
        if let Some(place) = self.held.get_mut(&key) {
            place.value = value;
        }
    }

    pub(super) fn remove(&mut self, key: u64) {
        if let Some(place) = self.held.remove(&key) {
            match place.used {
                Some(used) => drop(self.frequent.remove(&used)),
                None => self.recent.retain(|&other| other != key),
            }
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self.held.keys().copied().filter(|&key| !keep(key)).collect();
        for key in gone {
            self.remove(key);
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.held.values().map(|place| &place.value)
    }

    fn evict(&mut self) {
        if self.recent.len() > self.capacity / 4 || self.frequent.is_empty() {
            let key = self.recent.pop_front().expect("something is held");
            self.held.remove(&key);
            self.ghosts.push_back(key);
            self.ghost_set.insert(key);
            if self.ghosts.len() > self.capacity / 2
                && let Some(forgotten) = self.ghosts.pop_front()
            {
                self.ghost_set.remove(&forgotten);
            }
        } else if let Some((_, key)) = self.frequent.pop_first() {
            self.held.remove(&key);
        }
    }
}
