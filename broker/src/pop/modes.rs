//! Which groups are to pop which topics, as administrators decided: requests 401 and 402.

use std::collections::BTreeMap;

use net::body::{MessageRequestMode, MessageRequestModes, SetMessageRequestModeBody};

/// The decisions, by topic and group. Kept in the store's tables.
#[derive(Debug, Default)]
pub(crate) struct RequestModes {
    by_topic: BTreeMap<String, BTreeMap<String, SetMessageRequestModeBody>>,
    /// Rows that are no more: topic and group.
    removed: Vec<(String, String)>,
}

impl RequestModes {
    /// How `group` consumes `topic`, and with how many members each shares a queue when it pops.
    pub(crate) fn get(&self, topic: &str, group: &str) -> (MessageRequestMode, i32) {
        let decided = self.by_topic.get(topic).and_then(|groups| groups.get(group));
        decided.map_or((MessageRequestMode::Pull, 0), |one| (one.mode, one.pop_share_queues))
    }

    pub(crate) fn put(&mut self, mode: SetMessageRequestModeBody) {
        let groups = self.by_topic.entry(mode.topic.clone()).or_default();
        groups.insert(mode.consumer_group.clone(), mode);
    }

    /// All of them, for tools.
    pub(crate) fn wire(&self) -> MessageRequestModes {
        MessageRequestModes { modes: self.by_topic.clone() }
    }

    pub(crate) fn remove_topic(&mut self, topic: &str) {
        for group in self.by_topic.remove(topic).into_iter().flat_map(BTreeMap::into_keys) {
            self.removed.push((topic.to_owned(), group));
        }
    }

    pub(crate) fn remove_group(&mut self, group: &str) {
        for (topic, groups) in &mut self.by_topic {
            if groups.remove(group).is_some() {
                self.removed.push((topic.clone(), group.to_owned()));
            }
        }
        self.by_topic.retain(|_, groups| !groups.is_empty());
    }

    /// Rows to remove from the tables.
    pub(crate) fn take_removed(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.removed)
    }
}
