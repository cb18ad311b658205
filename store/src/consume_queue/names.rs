//! [`Names`]: which queue is meant by (topic, queue id). Names live here and inside journals only; no file is named
//! after them.

use hashbrown::HashTable;

use crate::hash;

/// Topics by name and queues by (topic, queue id), both dense and never reused while the store is open.
#[derive(Debug)]
pub(super) struct Names {
    seed: u64,
    topics: Vec<Topic>,
    by_name: HashTable<u32>,
    by_queue: HashTable<u32>,
}

#[derive(Debug)]
struct Topic {
    name: Box<str>,
    /// Handles of its queues, in order of creation.
    queues: Vec<u32>,
}

/// What [`Names`] must know about a queue to compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueName {
    pub(super) topic: u32,
    pub(super) queue_id: u32,
}

impl QueueName {
    fn hash(self) -> u64 {
        hash::spread(u64::from(self.topic) << 32 | u64::from(self.queue_id))
    }
}

impl Names {
    /// `seed` makes the tables of two stores collide on different names.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, topics: Vec::new(), by_name: HashTable::new(), by_queue: HashTable::new() }
    }

    pub(super) fn topic(&self, name: &str) -> Option<u32> {
        let hash = hash::stable(self.seed, &[name.as_bytes()]);
        self.by_name.find(hash, |&topic| &*self.topics[topic as usize].name == name).copied()
    }

    pub(super) fn topic_or_new(&mut self, name: &str) -> u32 {
        if let Some(topic) = self.topic(name) {
            return topic;
        }
        let topic = u32::try_from(self.topics.len()).expect("topics are counted in u32");
        self.topics.push(Topic { name: name.into(), queues: Vec::new() });
        let (seed, topics) = (self.seed, &self.topics);
        let hash_of = |&topic: &u32| hash::stable(seed, &[topics[topic as usize].name.as_bytes()]);
        self.by_name.insert_unique(hash_of(&topic), topic, hash_of);
        topic
    }

    pub(super) fn topic_name(&self, topic: u32) -> &str {
        &self.topics[topic as usize].name
    }

    /// Handles of the queues of `topic`.
    pub(super) fn queues_of(&self, topic: u32) -> &[u32] {
        &self.topics[topic as usize].queues
    }

    /// The handle of the queue called `name`; `name_of` tells the name of a handle.
    pub(super) fn find(&self, name: QueueName, name_of: impl Fn(u32) -> QueueName) -> Option<u32> {
        self.by_queue.find(name.hash(), |&handle| name_of(handle) == name).copied()
    }

    /// Adds a queue that [`Self::find`] does not know.
    pub(super) fn insert(&mut self, name: QueueName, handle: u32, name_of: impl Fn(u32) -> QueueName) {
        self.topics[name.topic as usize].queues.push(handle);
        self.by_queue.insert_unique(name.hash(), handle, |&handle| name_of(handle).hash());
    }

    /// Forgets the queue called `name`.
    pub(super) fn remove(&mut self, name: QueueName, handle: u32, name_of: impl Fn(u32) -> QueueName) {
        self.topics[name.topic as usize].queues.retain(|&other| other != handle);
        if let Ok(entry) = self.by_queue.find_entry(name_of(handle).hash(), |&other| other == handle) {
            entry.remove();
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let topics: usize = self
            .topics
            .iter()
            .map(|topic| topic.name.len() + topic.queues.capacity() * size_of::<u32>())
            .sum();
        topics
            + self.topics.capacity() * size_of::<Topic>()
            + self.by_name.allocation_size()
            + self.by_queue.allocation_size()
    }
}
