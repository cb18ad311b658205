//! Subscription groups as operators configure them; kept in the store's tables under the group's name, as the JSON of
//! the wire.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use net::body::SubscriptionGroupConfig;

use crate::topics::Version;

/// All configured groups of the shard.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_name: HashMap<Box<str>, SubscriptionGroupConfig>,
    /// Topics a group may not read (353), by group: a bit set, bit 0 = consuming forbidden.
    forbidden: BTreeMap<Box<str>, BTreeMap<Box<str>, i32>>,
    version: Version,
}

impl Groups {
    /// The configuration of `group`.
    #[must_use]
    pub(crate) fn get(&self, group: &str) -> Option<&SubscriptionGroupConfig> {
        self.by_name.get(group)
    }

    /// Inserts or replaces; says whether anything changed.
    pub(crate) fn put(&mut self, config: SubscriptionGroupConfig, now_unix_ms: i64) -> bool {
        if self.by_name.get(config.group_name.as_str()) == Some(&config) {
            return false;
        }
        self.by_name.insert(config.group_name.as_str().into(), config);
        self.version.bump(now_unix_ms);
        true
    }

    /// Removes a group's configuration.
    pub(crate) fn remove(&mut self, group: &str, now_unix_ms: i64) -> Option<SubscriptionGroupConfig> {
        let removed = self.by_name.remove(group)?;
        self.forbidden.remove(group);
        self.version.bump(now_unix_ms);
        Some(removed)
    }

    /// All configurations, sorted by name.
    #[must_use]
    pub(crate) fn sorted(&self) -> Vec<&SubscriptionGroupConfig> {
        let mut all: Vec<&SubscriptionGroupConfig> = self.by_name.values().collect();
        all.sort_unstable_by(|a, b| a.group_name.cmp(&b.group_name));
        all
    }

    /// Whether `group` may not read `topic`.
    #[must_use]
    pub(crate) fn is_forbidden(&self, group: &str, topic: &str) -> bool {
        self.forbidden.get(group).is_some_and(|topics| topics.contains_key(topic))
    }

    /// Forbids or allows; says whether anything changed.
    pub(crate) fn set_forbidden(
        &mut self,
        group: &str,
        topic: &str,
        forbidden: bool,
        now_unix_ms: i64,
    ) -> bool {
        let topics = self.forbidden.entry(group.into()).or_default();
        let changed =
            if forbidden { topics.insert(topic.into(), 1).is_none() } else { topics.remove(topic).is_some() };
        if topics.is_empty() {
            self.forbidden.remove(group);
        }
        if changed {
            self.version.bump(now_unix_ms);
        }
        changed
    }

    /// The forbidden bits of all groups, for tools.
    #[must_use]
    pub(crate) fn forbidden_table(&self) -> &BTreeMap<Box<str>, BTreeMap<Box<str>, i32>> {
        &self.forbidden
    }

    /// The version to list.
    #[must_use]
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Takes up the version stored before a restart.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

/// Groups that exist on every broker from the start (behaviour.md 4.2).
pub(crate) const SYSTEM_GROUPS: [&str; 7] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn putting_the_same_twice_is_no_change() {
        let mut groups = Groups::default();
        assert!(groups.put(SubscriptionGroupConfig::named("g"), 1));
        let version = groups.version().clone();
        assert!(!groups.put(SubscriptionGroupConfig::named("g"), 2));
        assert_eq!(groups.version(), &version);
    }
}
