//! What an earlier run left, back into memory at a start. A row that cannot be read is named in the log and left out.

use net::body::{DataVersion, SubscriptionGroupConfig};
use rt::{Env, Now};
use store::tables::Tables;

use super::keys::parse_offset_key;
use super::{
    FACTS, FORBIDDEN, GROUPS, GROUPS_VERSION, LOCKS, OFFSETS, REQUEST_MODES, TOPICS, TOPICS_VERSION,
    from_json,
};
use crate::groups::Groups;
use crate::locks::LockedQueue;
use crate::offsets::ConsumerOffsets;
use crate::shard::Shard;
use crate::topics::{TopicConfig, Topics, Version};

impl<E: Env> Shard<E> {
    /// Loads topics, groups and offsets that an earlier run stored.
    pub(crate) fn load_tables(&mut self, now: Now) {
        let tables = self.store.tables();
        load_topics(tables, &mut self.topics, now);
        load_groups(tables, &mut self.groups, now);
        load_offsets(tables, &mut self.offsets);
    }

    /// Takes up how groups are to consume their topics.
    pub(crate) fn load_request_modes(&mut self) {
        for (key, value) in self.store.tables().iter(REQUEST_MODES) {
            if let Some(mode) = from_json("request mode", &key, &value) {
                self.pops.modes.put(mode);
            }
        }
    }

    /// Takes up the locks that were held when an earlier run ended.
    pub(crate) fn load_locks(&mut self, now: Now) {
        for (name, value) in self.store.tables().iter(LOCKS) {
            let (Some(key), Ok(client_id)) = (parse_offset_key(&name), str::from_utf8(&value)) else {
                tracing::error!(bytes = name.len(), "a stored queue lock cannot be read; the queue is free");
                continue;
            };
            let queue = LockedQueue { topic: key.topic, queue_id: key.queue_id };
            self.locks.remember(&key.group, queue, client_id, now.mono);
        }
    }
}

fn load_topics<E: Env>(tables: &Tables<E>, topics: &mut Topics, now: Now) {
    for (name, value) in tables.iter(TOPICS) {
        if let Some(config) = from_json::<TopicConfig>("topic", &name, &value) {
            topics.put(config, now.unix_ms);
        }
    }
    if let Some(version) = tables.get(FACTS, TOPICS_VERSION).and_then(|value| version_of(&value)) {
        topics.set_version(version);
    }
}

fn load_groups<E: Env>(tables: &Tables<E>, groups: &mut Groups, now: Now) {
    for (name, value) in tables.iter(GROUPS) {
        if let Some(config) = from_json::<SubscriptionGroupConfig>("group", &name, &value) {
            groups.put(config, now.unix_ms);
        }
    }
    for (key, _) in tables.iter(FORBIDDEN) {
        let Some((group, topic)) = str::from_utf8(&key).ok().and_then(|key| key.split_once('\0')) else {
            tracing::error!(
                bytes = key.len(),
                "a stored ban of a group cannot be read; the group may read the topic"
            );
            continue;
        };
        groups.set_forbidden(group, topic, true, now.unix_ms);
    }
    if let Some(version) = tables.get(FACTS, GROUPS_VERSION).and_then(|value| version_of(&value)) {
        groups.set_version(version);
    }
}

fn load_offsets<E: Env>(tables: &Tables<E>, offsets: &mut ConsumerOffsets) {
    for (name, value) in tables.iter(OFFSETS) {
        let (Some(key), Ok(value)) = (parse_offset_key(&name), <[u8; 8]>::try_from(&value[..])) else {
            tracing::error!(
                bytes = name.len(),
                "a stored consumer offset cannot be read; the group starts anew there"
            );
            continue;
        };
        offsets.restore(&key, i64::from_be_bytes(value));
    }
}

fn version_of(value: &[u8]) -> Option<Version> {
    from_json::<DataVersion>("version", b"", value).map(Version::restored)
}
