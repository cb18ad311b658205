//! Consumer offsets: the next queue offset each group wants, per topic and queue.
//!
//! Commits touch memory only. What changed is handed to the store's tables a few times a second
//! ([`ConsumerOffsets::take_changed`]), so a crash sets a group back by a second at most and never forward:
//! reliability.md 1.

use hashbrown::HashMap;

/// Offsets of all groups of one shard.
#[derive(Debug, Default)]
pub(crate) struct ConsumerOffsets {
    groups: HashMap<String, HashMap<String, TopicOffsets>>,
    changed: Vec<OffsetKey>,
    /// Set by an administrator and not yet known to the consumer: what it commits meanwhile does not count.
    resets: HashMap<OffsetKey, i64>,
}

/// One stored offset's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OffsetKey {
    /// The consumer group.
    pub group: Box<str>,
    /// The topic.
    pub topic: Box<str>,
    /// The queue.
    pub queue_id: u32,
}

#[derive(Debug, Default)]
struct TopicOffsets {
    queues: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    offset: Option<i64>,
    /// Already on the list of changes.
    listed: bool,
}

impl ConsumerOffsets {
    /// The stored offset.
    #[must_use]
    pub(crate) fn get(&self, group: &str, topic: &str, queue_id: u32) -> Option<i64> {
        self.groups.get(group)?.get(topic)?.queues.get(queue_id as usize)?.offset
    }

    /// Stores `offset`, also when it is smaller than before (behaviour.md 9.1). Allocates only for a new group,
    /// topic or queue, and once per queue between two calls of [`ConsumerOffsets::take_changed`].
    pub(crate) fn commit(&mut self, group: &str, topic: &str, queue_id: u32, offset: i64) {
        if self.has_resets() && self.resets.contains_key(&key_of(group, topic, queue_id)) {
            return;
        }
        self.put(group, topic, queue_id, offset);
    }

    /// Sets an offset whatever consumers say, until [`ConsumerOffsets::take_reset`] tells one of them.
    pub(crate) fn reset(&mut self, group: &str, topic: &str, queue_id: u32, offset: i64) {
        self.put(group, topic, queue_id, offset);
        self.resets.insert(key_of(group, topic, queue_id), offset);
    }

    /// Whether any offset was set and not told.
    pub(crate) fn has_resets(&self) -> bool {
        !self.resets.is_empty()
    }

    /// The offset to tell a consumer that pulls.
    pub(crate) fn take_reset(&mut self, group: &str, topic: &str, queue_id: u32) -> Option<i64> {
        self.resets.remove(&key_of(group, topic, queue_id))
    }

    fn put(&mut self, group: &str, topic: &str, queue_id: u32, offset: i64) {
        let topics = self.groups.entry_ref(group).or_default();
        let queues = &mut topics.entry_ref(topic).or_default().queues;
        let index = queue_id as usize;
        if queues.len() <= index {
            queues.resize(index + 1, Slot::default());
        }
        let slot = &mut queues[index];
        if slot.offset == Some(offset) {
            return;
        }
        slot.offset = Some(offset);
        if !slot.listed {
            slot.listed = true;
            self.changed.push(OffsetKey { group: group.into(), topic: topic.into(), queue_id });
        }
    }

    /// Takes up an offset stored before a restart.
    pub(crate) fn restore(&mut self, key: &OffsetKey, offset: i64) {
        self.commit(&key.group, &key.topic, key.queue_id, offset);
        let _ = self.take_changed();
    }

    /// The offsets that changed since the last call, with their values; `None` when the key was removed since.
    pub(crate) fn take_changed(&mut self) -> Vec<(OffsetKey, Option<i64>)> {
        let keys = std::mem::take(&mut self.changed);
        keys.into_iter()
            .map(|key| {
                let slot = self
                    .groups
                    .get_mut(&*key.group)
                    .and_then(|topics| topics.get_mut(&*key.topic))
                    .and_then(|topic| topic.queues.get_mut(key.queue_id as usize));
                let offset = slot.and_then(|slot| {
                    slot.listed = false;
                    slot.offset
                });
                (key, offset)
            })
            .collect()
    }

    /// Offsets of one group on one topic: (queue, offset), by queue.
    pub(crate) fn of_topic(&self, group: &str, topic: &str) -> impl Iterator<Item = (u32, i64)> {
        let queues =
            self.groups.get(group).and_then(|topics| topics.get(topic)).map(|topic| &topic.queues[..]);
        (0u32..).zip(queues.unwrap_or_default()).filter_map(|(queue_id, slot)| Some((queue_id, slot.offset?)))
    }

    /// Topics on which `group` has offsets, sorted.
    #[must_use]
    pub(crate) fn topics_of(&self, group: &str) -> Vec<&str> {
        let mut topics: Vec<&str> =
            self.groups.get(group).into_iter().flat_map(HashMap::keys).map(String::as_str).collect();
        topics.sort_unstable();
        topics
    }

    /// Groups with offsets on `topic`, sorted.
    #[must_use]
    pub(crate) fn groups_of(&self, topic: &str) -> Vec<&str> {
        let mut groups: Vec<&str> = self
            .groups
            .iter()
            .filter(|(_, topics)| topics.contains_key(topic))
            .map(|(group, _)| group.as_str())
            .collect();
        groups.sort_unstable();
        groups
    }

    /// Every (group, topic) that has offsets.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.groups
            .iter()
            .flat_map(|(group, topics)| topics.keys().map(move |topic| (group.as_str(), topic.as_str())))
    }

    /// Forgets a topic's offsets of every group.
    pub(crate) fn remove_topic(&mut self, topic: &str) {
        let groups: Vec<Box<str>> = self.groups_of(topic).into_iter().map(Into::into).collect();
        for group in groups {
            self.remove(&group, topic);
        }
    }

    /// Forgets all offsets of a group.
    pub(crate) fn remove_group(&mut self, group: &str) {
        let topics: Vec<Box<str>> = self.topics_of(group).into_iter().map(Into::into).collect();
        for topic in topics {
            self.remove(group, &topic);
        }
    }

    fn remove(&mut self, group: &str, topic: &str) {
        let queues: Vec<u32> = self.of_topic(group, topic).map(|(queue_id, _)| queue_id).collect();
        self.changed.extend(queues.into_iter().map(|queue_id| OffsetKey {
            group: group.into(),
            topic: topic.into(),
            queue_id,
        }));
        self.resets.retain(|key, _| !(*key.group == *group && *key.topic == *topic));
        if let Some(topics) = self.groups.get_mut(group) {
            topics.remove(topic);
            if topics.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}

fn key_of(group: &str, topic: &str, queue_id: u32) -> OffsetKey {
    OffsetKey { group: group.into(), topic: topic.into(), queue_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(queue_id: u32) -> OffsetKey {
        OffsetKey { group: "g".into(), topic: "T".into(), queue_id }
    }

    #[test]
    fn a_change_is_reported_once_with_its_latest_value() {
        let mut offsets = ConsumerOffsets::default();
        offsets.commit("g", "T", 3, 10);
        offsets.commit("g", "T", 3, 12);
        assert_eq!(offsets.take_changed(), vec![(key(3), Some(12))]);
        offsets.commit("g", "T", 3, 12);
        assert!(offsets.take_changed().is_empty(), "the same value is no change");
        offsets.commit("g", "T", 3, 5);
        assert_eq!(offsets.take_changed(), vec![(key(3), Some(5))], "backwards is allowed");
    }

    #[test]
    fn what_was_removed_is_reported_as_gone() {
        let mut offsets = ConsumerOffsets::default();
        offsets.commit("g", "T", 0, 1);
        offsets.commit("g", "U", 0, 2);
        let _ = offsets.take_changed();
        offsets.remove_topic("T");
        assert_eq!(offsets.take_changed(), vec![(key(0), None)]);
        assert_eq!((offsets.get("g", "T", 0), offsets.get("g", "U", 0)), (None, Some(2)));
        offsets.remove_group("g");
        assert_eq!(offsets.topics_of("g"), Vec::<&str>::new());
    }

    #[test]
    fn restored_offsets_are_not_changes() {
        let mut offsets = ConsumerOffsets::default();
        offsets.restore(&key(1), 7);
        assert_eq!(offsets.get("g", "T", 1), Some(7));
        assert_eq!(offsets.get("g", "T", 0), None, "a hole is not a zero");
        assert!(offsets.take_changed().is_empty());
        assert_eq!(offsets.of_topic("g", "T").collect::<Vec<_>>(), vec![(1, 7)]);
    }
}
